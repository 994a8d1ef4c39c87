package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"vpphost/cli"
)

// maxFile bounds the size of a script, in bytes.
const maxFile = 16 << 20

// Error is a line of a script that failed.
type Error struct {
	File string
	Line int // from 1
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap gives the error of the line.
func (e *Error) Unwrap() error { return e.Err }

// RunFile runs a script line by line through the registry, for the file that the
// configuration names. It stops at the first line that fails and returns an *Error,
// or at "quit" and returns an error that is cli.ErrQuit. Macros live as long as
// o.Session.
func RunFile(ctx context.Context, reg *cli.Registry, file string, out io.Writer, o cli.Options) error {
	if o.Session == nil {
		o.Session = cli.NewSession(file)
	}
	lines, err := read(file)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if err := reg.Exec(ctx, l.text, out, o); err != nil {
			return &Error{file, l.number, err}
		}
	}
	return nil
}

// read gives the logical lines of a file.
func read(file string) ([]line, error) {
	// O_NONBLOCK: opening a pipe that no one writes to must not hang.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		var cause *os.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, fmt.Errorf("failed to open %s: %w", cli.Quote(file), err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("not a regular file %s", cli.Quote(file))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) == 0:
		return nil, fmt.Errorf("empty file %s", cli.Quote(file))
	case len(text) > maxFile:
		return nil, fmt.Errorf("file %s is longer than %d bytes", cli.Quote(file), maxFile)
	}
	lines, last, err := split(string(text))
	if err != nil {
		return nil, &Error{file, last, err}
	}
	return lines, nil
}
