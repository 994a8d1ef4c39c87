package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// Limits of one line. They keep a hostile client from spending the instance's time.
const (
	maxLine  = 64 << 10 // bytes after macros were replaced
	maxDepth = 16       // of lines that run lines (exec, uncomment)
)

// Exec runs one line, which may hold pipes ("| json", "| include x"). It is the
// only way in: shell, socket, scripts and tests all call it. What commands show is
// written to out and always ends in a newline; the returned error is what the
// caller prints, with WriteError (it has the command's path in front).
func (r *Registry) Exec(ctx context.Context, line string, out io.Writer, o Options) error {
	if o.Session == nil {
		o.Session = NewSession("")
	}
	return r.exec(ctx, line, &screen{w: out, json: o.JSON, indent: true}, o, 0)
}

// call is a line that was checked and is ready to run.
type call struct {
	path  string
	cmd   *Command
	args  string
	pipes pipes
}

func (r *Registry) exec(ctx context.Context, line string, s *screen, o Options, depth int) error {
	if strings.TrimSpace(line) == "" {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return interruption(err)
	}
	if depth > maxDepth {
		return fmt.Errorf("lines run lines more than %d deep", maxDepth)
	}
	if r.LogLine != nil {
		r.LogLine(o.Session, line)
	}
	c, err := r.parse(o.Session, line)
	if err == nil {
		s, done := c.pipes.open(s)
		o.JSON = s.json
		err = r.run(ctx, c, s, o, depth)
		if perr := done(); err == nil {
			err = perr
		}
	}
	if err != nil && c.pipes.json() {
		err = AsJSON(err)
	}
	return err
}

// parse checks all of the line but the arguments. The call holds the pipes even
// when there is an error in what precedes them.
func (r *Registry) parse(s *Session, line string) (c call, err error) {
	text := s.Expand(line)
	if len(text) > maxLine {
		return c, Usagef("line is longer than %d bytes", maxLine)
	}
	head, tail := cutPipes(text)
	if c.pipes, err = r.parsePipes(tail); err != nil {
		return c, err
	}
	if c.cmd, err = r.question(head); c.cmd != nil || err != nil {
		return c, err
	}
	n, args, found, err := r.walk(head)
	switch {
	case err != nil:
		return c, err
	case n.wantsHelp(args) && found == nil:
		c.cmd = n.help()
		return c, nil
	case n.cmd == nil:
		return c, n.unknown(args, found)
	case n.cmd.Usage == "" && args != "":
		return c, &Error{n.path, unknownInput(args)}
	}
	n.hits.Add(1)
	c.path, c.cmd, c.args = n.path, n.cmd, args
	return c, nil
}

// run runs a call and shows its result. A panic anywhere in it is an error.
func (r *Registry) run(parent context.Context, c call, s *screen, o Options, depth int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if r.LogPanic != nil {
				r.LogPanic(c.path, p, debug.Stack())
			}
			err = &Error{c.path, fmt.Errorf("internal error: %v", p)}
		}
	}()
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	cc := &Ctx{Context: ctx, Layout: o.Layout, Session: o.Session, Options: o}
	cc.Emit = func(res Result) error { return s.emit(res, o.Layout) }
	cc.Exec = func(line string) error {
		s.indent = false // other results will stand beside this one
		return r.exec(ctx, line, s, o, depth+1)
	}
	in := NewInput(c.args)
	res, err := c.cmd.Run(cc, in)
	if err == nil && !in.Done() {
		res, err = nil, in.Unknown()
	}
	if res != nil {
		if werr := s.show(res, o.Layout); err == nil {
			err = werr
		}
	}
	if err == nil || errors.Is(err, ErrQuit) {
		return err
	}
	return &Error{c.path, interruption(err)}
}
