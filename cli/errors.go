package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrUsage marks an error as the user's: an unknown word, a value that does not
// parse. errors.Is finds it; the exit status is 2. Make one with Usagef.
var ErrUsage = errors.New("usage")

// ErrQuit is returned by quit, q and exit: the front end shall end the session. It
// is not a failure and is not printed. Test for it with errors.Is.
var ErrQuit = errors.New("quit")

// Exit statuses of one command, as ExitStatus gives them.
const (
	StatusOK     = 0
	StatusFailed = 1 // the command ran and failed
	StatusUsage  = 2 // unknown command or bad usage; nothing was changed
)

// ExitStatus is the status a process that ran one command exits with.
func ExitStatus(err error) int {
	switch {
	case err == nil, errors.Is(err, ErrQuit):
		return StatusOK
	case errors.Is(err, ErrUsage):
		return StatusUsage
	}
	return StatusFailed
}

// Usagef formats an error that is ErrUsage and prints only its own text.
func Usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

type usageError struct{ error }

func (e *usageError) Is(target error) bool { return target == ErrUsage }
func (e *usageError) Unwrap() error        { return e.error }

// Error is what Registry.Exec returns when a command was found and failed: the
// full path of the command in front of its own error.
type Error struct {
	Path string // "show session"; empty at the root
	Err  error
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return e.Path + ": " + e.Err.Error()
}

// Unwrap gives the command's own error.
func (e *Error) Unwrap() error { return e.Err }

// jsonError marks the error of a line that asked for JSON with a pipe.
type jsonError struct{ error }

func (e *jsonError) Unwrap() error { return e.error }

// AsJSON marks an error so that WriteError prints JSON, as if the line had ended in
// "| json".
func AsJSON(err error) error { return &jsonError{err} }

// IsJSON tells whether an error is marked so.
func IsJSON(err error) bool {
	var piped *jsonError
	return errors.As(err, &piped)
}

// WriteError prints err as front ends do: one line of text, or in JSON format
// {"error": "...", "status": n}. ErrQuit and nil print nothing.
func WriteError(w io.Writer, err error, o Options) error {
	if err == nil || errors.Is(err, ErrQuit) {
		return nil
	}
	if o.JSON || IsJSON(err) {
		return json.NewEncoder(w).Encode(struct {
			Error  string `json:"error"`
			Status int    `json:"status"`
		}{err.Error(), ExitStatus(err)})
	}
	_, werr := io.WriteString(w, err.Error()+"\n")
	return werr
}

// interruption gives the end of a context words that a user understands.
func interruption(err error) error {
	if err == context.Canceled || err == context.DeadlineExceeded {
		return &interrupted{err}
	}
	return err
}

type interrupted struct{ error }

func (e *interrupted) Error() string {
	if e.error == context.DeadlineExceeded {
		return "timed out"
	}
	return "interrupted"
}
func (e *interrupted) Unwrap() error { return e.error }

func unknownInput(rest string) error { return Usagef("unknown input %s", Quote(rest)) }

// quoteLimit is how much of the unread input VPP shows in an error.
const quoteLimit = 30

// Quote prints unread input as VPP's errors do: `…', cut at 30 characters, with
// control characters made visible and trailing blanks dropped.
func Quote(s string) string {
	s = strings.TrimRight(s, " \t\r\n")
	var b strings.Builder
	b.WriteByte('`')
	n := 0
	for _, c := range s {
		if n++; n > quoteLimit {
			b.WriteString("...")
			break
		}
		switch {
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}
