package session

import (
	"fmt"
	"io"

	"vpphost/cli"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

// Commands are the commands of the session layer.
func Commands(l *Layer) []*cli.Command {
	return []*cli.Command{
		{Path: "session enable", Help: "Enable the session layer",
			Usage: "[rt-backend rule-table|sdl]", Run: l.runEnable},
		{Path: "session disable", Help: "Detach all applications and disable the session layer",
			Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) { return nil, l.Disable() }},
		{Path: "show session", Help: "Show sessions, of all threads unless filtered", Usage: showUsage,
			Run: l.runShow, Complete: l.showWords},
		{Path: "show session stats", Help: "Show session errors by thread", Run: l.runStats},
		{Path: "clear session stats", Help: "Clear the session errors", Run: l.runClearStats},
		{Path: "clear session", Help: "Close one session, or all", Usage: "thread <n> session <index> | all", Run: l.runClear},
		{Path: "show app", Help: "Show applications, their listeners and their sessions",
			Usage: "[server|listeners|client|<index>|<name>] [verbose]", Run: l.runApp, Complete: l.appWords},
		{Path: "show segment-manager", Help: "Show the memory of FIFOs", Usage: "[verbose]", Run: l.runSegments},
	}
}

func (l *Layer) runEnable(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	var backend string
	if in.Match("rt-backend") && !in.OneOf(&backend, "rule-table", "sdl") {
		return nil, in.Expect("rule-table or sdl")
	}
	if err := in.End(); err != nil {
		return nil, err
	}
	if backend != "" {
		return nil, fmt.Errorf("rt-backend %s: %w", backend, ErrNotSupported)
	}
	return nil, l.Enable()
}

// threadErrors is one thread of "show session stats".
type threadErrors struct {
	Thread int          `json:"thread"`
	Errors []errorCount `json:"errors"`
}

type errorCount struct {
	Text  string `json:"text"`
	Count uint64 `json:"count"`
}

type sessionStats []threadErrors

func (l *Layer) runStats(*cli.Ctx, *cli.Input) (cli.Result, error) {
	if !l.Enabled() {
		return nil, ErrNotEnabled
	}
	out := sessionStats{}
	for i, w := range l.workers {
		t := threadErrors{Thread: i, Errors: []errorCount{}}
		err := w.Do(func(*worker.Worker) {
			for r, n := range w.errors {
				if n != 0 {
					t.Errors = append(t.Errors, errorCount{errorTexts[r].Text, n})
				}
			}
		})
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (s sessionStats) Text(w io.Writer, _ cli.Layout) error {
	for _, t := range s {
		fmt.Fprintf(w, "Thread %d:\n", t.Thread)
		for _, e := range t.Errors {
			fmt.Fprintf(w, " %d %s\n", e.Count, e.Text)
		}
	}
	return nil
}

func (l *Layer) runClearStats(*cli.Ctx, *cli.Input) (cli.Result, error) {
	if !l.Enabled() {
		return nil, ErrNotEnabled
	}
	for _, w := range l.workers {
		if err := w.Do(func(w *worker.Worker) { l.errors.Clear(w) }); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// runClear closes sessions gracefully, as if their application had.
func (l *Layer) runClear(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if !l.Enabled() {
		return nil, ErrNotEnabled
	}
	var all, haveThread, haveSession bool
	var thread, index uint32
	for !in.Done() {
		switch {
		case in.Match("all"):
			all = true
		case in.Match("thread"):
			if haveThread = in.Uint32(&thread); !haveThread {
				return nil, in.Expect("a thread number")
			}
		case in.Match("session"):
			if haveSession = in.Uint32(&index); !haveSession {
				return nil, in.Expect("a session index")
			}
		default:
			return nil, in.Unknown()
		}
	}
	if !all && !haveSession {
		return nil, cli.Usagef("session <nn> required, but not set.")
	}
	if all {
		return nil, l.each(c, func(w *Worker, s *Session) {
			if s.state >= Accepting {
				w.Close(s)
			}
		})
	}
	if thread >= uint32(len(l.workers)) {
		return nil, cli.Usagef("no thread %d", thread)
	}
	w := l.workers[thread]
	found := false
	err := w.Do(func(*worker.Worker) {
		if s := w.at(index); s != nil && s.state >= Accepting {
			found = true
			w.Close(s)
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("no session %d on thread %d", index, thread)
	}
	return nil, err
}

// each calls f for all sessions, on their workers, a few at a time.
func (l *Layer) each(c *cli.Ctx, f func(w *Worker, s *Session)) error {
	for _, w := range l.workers {
		if err := w.each(c, eachStep, f, nil); err != nil {
			return err
		}
	}
	return nil
}

// How many slots are looked at in one visit to a worker: of all that is told about a
// session it takes some 15 us to gather.
const (
	eachStep   = 1024
	eachDetail = 64
)

// each calls f for the sessions of w, in visits to so many slots, and then, if it is not
// nil, between them, from the caller's goroutine.
func (w *Worker) each(c *cli.Ctx, step uint32, f func(w *Worker, s *Session), then func()) error {
	for lo, more := uint32(0), true; more; lo += step {
		if err := c.Err(); err != nil {
			return err
		}
		err := w.Do(func(*worker.Worker) {
			for i := lo; i < lo+step; i++ {
				if s := w.at(i); s != nil {
					f(w, s)
				}
			}
			more = lo+step < w.pool.Fresh()
		})
		if err != nil {
			return err
		}
		if then != nil {
			then()
		}
	}
	return nil
}

// gather describes the sessions that match lets through, limit of them at most, and counts
// all of them. Only a bounded number of rows is made in one visit to the worker, and none
// is moved there.
func (w *Worker) gather(c *cli.Ctx, verbose, limit int, match func(s *Session) bool) (rows []Row, matched int, err error) {
	step := uint32(eachStep)
	if verbose > 1 {
		step = eachDetail
	}
	batch := make([]Row, 0, step)
	err = w.each(c, step, func(w *Worker, s *Session) {
		if match(s) {
			if matched++; matched <= limit {
				batch = append(batch, w.row(s, verbose))
			}
		}
	}, func() {
		rows = append(rows, batch...)
		batch = batch[:0]
	})
	return rows, matched, err
}

// number is how users see a session's index: VPP counts from 0, and a pool's slot 0 is
// never used.
func (s *Session) number() uint32 { return s.index - 1 }

// at is the session that users know as number n, nil when there is none.
func (w *Worker) at(n uint32) *Session {
	i := n + 1
	if !w.pool.Valid(i) {
		return nil
	}
	s := w.pool.At(i)
	if s.index != i || s.flags&fDead != 0 || s.state == Created {
		return nil
	}
	return s
}

// printable is what is known of the connection of s, or, brief, its ends and state.
func (w *Worker) printable(s *Session, brief bool) (i transport.Info, ok bool) {
	i.Brief = brief
	switch {
	case s.state == Listening:
		if ln := w.l.listener(s.listener); ln != nil {
			i := transport.Info{Local: ln.ep.Addr, State: "LISTEN"}
			if s.conn.Proto == transport.CT {
				i.Letter = transport.CT.Letter() + ":" + ln.proto.Letter()
			}
			return i, true
		}
	case s.flags&fTransportGone == 0 && s.conn != (transport.Conn{}):
		ok = w.transportOf(s).Info(w.Worker, s.conn, &i)
	}
	return i, ok
}
