package cli

import (
	"context"
	"encoding/json"
	"io"
)

// Command is one leaf of the tree. Each package declares its commands next to the
// state they show, in its own cli.go, as a function Commands(...) []*cli.Command
// that main adds to the Registry.
type Command struct {
	Path  string // "show session"; words may be abbreviated while unambiguous
	Usage string // "[verbose [n]] [proto <name>]", printed by ? and help. Empty: the command takes no arguments, and Exec refuses any
	Help  string // first line is the summary in listings; required
	// Run does the work. It returns what to show; it does not print. A nil Result
	// prints nothing; a Result beside an error is shown before the error. An error
	// prints "<path>: <error>" and makes the exit status 1, or 2 when it is ErrUsage.
	//
	// Run must scan all of its input before it changes anything: it loops until
	// in.Done(), or ends its scan with "if err := in.End(); err != nil". Exec reports
	// input that Run left over, but by then Run has had its effect.
	//
	// Run is called on the caller's goroutine, never on a worker, possibly on several
	// at once, and must stop soon after c is done. A panic in it becomes an error.
	Run func(c *Ctx, in *Input) (Result, error)
	// Complete suggests argument words; nil means the keywords of Usage. in holds
	// the complete argument words before the one being typed; the engine drops the
	// suggestions that do not begin with what was typed of it.
	Complete func(c *Ctx, in *Input) []Word

	original *Command // what As was called on; nil for a command that is no alias
}

// As is the same command under another path, for aliases. A word that may stand for
// several paths of one command is not ambiguous.
func (c *Command) As(path string) *Command {
	alias := *c
	alias.Path, alias.original = path, c.first()
	return &alias
}

// first is the command that c is an alias of, else c.
func (c *Command) first() *Command {
	if c.original != nil {
		return c.original
	}
	return c
}

// Word is a completion with its help text.
type Word struct{ Text, Help string }

// Result is a value that can be shown. Text writes VPP's own layout; JSON is made
// from the same value by encoding/json, so the two cannot disagree.
type Result interface {
	Text(w io.Writer, l Layout) error
}

// Layout is what the terminal can show. A width or height of 0 is unknown: do not
// wrap, do not cut.
type Layout struct {
	Width, Height int
	Color         bool
}

// Options of one Exec.
type Options struct {
	JSON    bool     // show results as JSON
	Layout  Layout   // passed on to Result.Text
	Session *Session // macros, history; nil for a fresh one
}

// Ctx is one invocation. It is done when the user pressed Ctrl-C or hung up.
type Ctx struct {
	context.Context
	Layout  Layout
	Session *Session // never nil
	Options Options  // as given to Registry.Exec; "| json" sets JSON too
	// Emit shows a Result at once, for commands that run long. In JSON format each
	// is a line of its own. An error means that nobody can read the output any more:
	// return it. Emit may only be called on the goroutine that called Run.
	Emit func(Result) error
	// Exec runs another line for the same issuer: its output goes where this
	// command's goes, its errors are returned. The depth of such calls is limited.
	Exec func(line string) error
	// Typed is what was typed of the word to complete, for Command.Complete.
	Typed string
}

// Text is a Result that is plain text. In JSON it is {"text": "…"}.
type Text string

// Text writes t as it is.
func (t Text) Text(w io.Writer, _ Layout) error { _, err := io.WriteString(w, string(t)); return err }

// MarshalJSON wraps the text in an object, so that every Result is an object or an
// array.
func (t Text) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Text string `json:"text"`
	}{string(t)})
}
