package cli

import (
	"context"
	"errors"
	"io"
	"net/netip"
)

// Command is one leaf of the tree. Each package declares its commands next to the
// state they show, in its own cli.go, as a function Commands(...) []*cli.Command
// that main adds to the Registry.
type Command struct {
	Path  string // "show session"; words may be abbreviated while unambiguous
	Usage string // "[verbose [n]] [proto <name>]", printed by ? and help; may be empty
	Help  string // first line is the summary in listings; required
	// Run does the work. It returns what to show; it does not print. A nil Result
	// prints nothing. An error prints "<path>: <error>" and makes the exit status 1,
	// or 2 when it is ErrUsage. Run is called on the caller's goroutine, never on a
	// worker, and must stop soon after c is done.
	Run func(c *Ctx, in *Input) (Result, error)
	// Complete suggests argument words; nil means only the tree completes.
	Complete func(c *Ctx, in *Input) []Word
}

// Word is a completion with its help text.
type Word struct{ Text, Help string }

// Result is a value that can be shown. Text writes VPP's own layout; JSON is made
// from the same value by encoding/json, so the two cannot disagree.
type Result interface {
	Text(w io.Writer, l Layout) error
}

// Layout is what the terminal can show.
type Layout struct {
	Width, Height int
	Color         bool
}

// Ctx is one invocation. It is done when the user pressed Ctrl-C or hung up.
type Ctx struct {
	context.Context
	Layout Layout
	// Emit shows a Result at once, for commands that run long. In JSON format each
	// is a line of its own.
	Emit func(Result) error
}

// ErrUsage marks an error as the user's: an unknown word, a value that does not
// parse. errors.Is finds it; the exit status is 2.
var ErrUsage = errors.New("usage")

// Input scans a command's arguments as VPP's unformat does: in any order, each
// tried against what the command knows. Every scan method consumes what it
// matched and returns true, or consumes nothing and returns false.
//
//	for !in.Done() {
//		switch {
//		case in.Match("repeat"):
//			if !in.Uint(&repeat) { return nil, in.Expect("a number after repeat") }
//		case in.Addr(&dst):
//		default:
//			return nil, in.Unknown()
//		}
//	}
type Input struct{ rest string }

// Done tells whether nothing but blanks is left. Rest is what is left.
func (in *Input) Done() bool   { return in.rest == "" }
func (in *Input) Rest() string { return in.rest }

// Match consumes the given keyword (which may consist of several words). The
// keyword must be typed in full; a number may follow without a blank, as in
// "verbose2".
func (in *Input) Match(keyword string) bool { return false }

// Word consumes a word, or a { } group without its braces. Line consumes the rest.
func (in *Input) Word(v *string) bool { return false }
func (in *Input) Line(v *string) bool { return false }

// Numbers: decimal; Hex also takes 0x. Size takes k, m, g, t suffixes as powers of
// 1024, Base10 as powers of 1000. Float takes 1, .5, 1e-3.
func (in *Input) Uint(v *uint64) bool   { return false }
func (in *Input) Uint32(v *uint32) bool { return false }
func (in *Input) Int(v *int) bool       { return false }
func (in *Input) Hex(v *uint64) bool    { return false }
func (in *Input) Size(v *uint64) bool   { return false }
func (in *Input) Base10(v *uint64) bool { return false }
func (in *Input) Float(v *float64) bool { return false }

// Addresses.
func (in *Input) Addr(v *netip.Addr) bool     { return false }
func (in *Input) Prefix(v *netip.Prefix) bool { return false } // 10.0.0.1/24, host bits kept
func (in *Input) MAC(v *[6]byte) bool         { return false } // aa:bb:.. or aabb.ccdd.eeff
func (in *Input) OnOff(v *bool) bool          { return false } // on|enable|up, off|disable|down

// Unknown is VPP's error for input that nothing matched: unknown input `…'.
// Expect is for a missing or malformed value: expected <what>, got `…'. Both are
// ErrUsage.
func (in *Input) Unknown() error           { return ErrUsage }
func (in *Input) Expect(what string) error { return ErrUsage }

// NewInput scans s; for tests.
func NewInput(s string) *Input { return &Input{rest: s} }

// Text is a Result that is plain text.
type Text string

func (t Text) Text(w io.Writer, _ Layout) error { _, err := io.WriteString(w, string(t)); return err }

// Registry holds the tree. It is filled in main and then only read.
type Registry struct{}

// NewRegistry makes a tree that knows the engine's own words only (help, ?, exec,
// comment, echo, wait, define, history, …).
func NewRegistry() *Registry { return &Registry{} }

// Add reports a duplicate path, or a command without Help, as an error at start-up.
func (r *Registry) Add(cmds ...*Command) error { return nil }

// Exec runs one line, which may hold pipes ("| json", "| include x"). It is the
// only way in: shell, socket, scripts and tests all call it. What commands show is
// written to out; the returned error is what the caller prints (it has the
// command's path in front).
func (r *Registry) Exec(ctx context.Context, line string, out io.Writer, o Options) error { return nil }

// Complete suggests words for the end of line.
func (r *Registry) Complete(ctx context.Context, line string) []Word { return nil }

// Options of one Exec.
type Options struct {
	JSON    bool
	Layout  Layout
	Session *Session // macros, history; nil for none
}

// Session is what one shell, socket connection or script keeps between lines.
type Session struct{}
