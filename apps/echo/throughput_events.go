package echo

import (
	"errors"
	"fmt"

	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// Connected takes a session that is open, or ends the run.
func (r *clientRun) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	if err != nil {
		r.fail(w.Worker, err)
		return
	}
	if opaque == ctrlOpaque {
		r.ctrl.connected(r.shared(), w, s)
		return
	}
	cw := r.workers[w.Index]
	c := &cw.conns[opaque]
	c.handle, c.state = w.Handle(s), connOpen
	cw.connected.Add(1)
	if r.sum().connected >= uint64(r.opts.clients) {
		w.Notify(r.note)
	}
}

func (r *clientRun) Readable(w *session.Worker, s *session.Session) {
	if s.Opaque == ctrlOpaque {
		r.ctrl.receive(r.shared(), w, s)
		return
	}
	cw := r.workers[w.Index]
	cw.turns.Add(1)
	cw.receive(s, &cw.conns[s.Opaque])
}

func (r *clientRun) Writable(w *session.Worker, s *session.Session) {
	if s.Opaque == ctrlOpaque {
		return
	}
	cw := r.workers[w.Index]
	c := &cw.conns[s.Opaque]
	cw.turns.Add(1)
	switch {
	case c.state != connOpen || phase(r.phase.Load()) != phaseRunning:
	case r.opts.rate != 0:
		cw.check(s, c)
	default:
		cw.produce(s, c)
	}
}

// Closed: the peer has ended its side before the test was over.
func (r *clientRun) Closed(w *session.Worker, s *session.Session) {
	if s.Opaque != ctrlOpaque && r.workers[w.Index].conns[s.Opaque].wanted() {
		r.lose(w, s, nil)
	}
	w.Close(s)
}

func (r *clientRun) Gone(w *session.Worker, s *session.Session, why error) {
	if s.Opaque == ctrlOpaque {
		r.ctrl.lost(r.shared(), w, why)
		return
	}
	cw := r.workers[w.Index]
	if cw.conns[s.Opaque].wanted() {
		r.lose(w, s, why)
	}
	cw.gone.Add(1)
	if phase(r.phase.Load()) == phaseClosing {
		w.Notify(r.note)
	}
}

// wanted tells whether we do not want c to end yet.
func (c *clientConn) wanted() bool { return c.state == connOpen || c.state == connHeld }

// lose counts a session that ended too early, and ends the run.
func (r *clientRun) lose(w *session.Worker, s *session.Session, why error) {
	cw := r.workers[w.Index]
	cw.conns[s.Opaque].state = connFailed
	cw.lost.Add(1)
	if errors.Is(why, transport.ErrReset) {
		cw.resets.Add(1)
	}
	if phase(r.phase.Load()) >= phaseClosing {
		return
	}
	t := r.sum()
	err := fmt.Errorf("failed: %d session close events before test completion (%d reset, %d disconnected)",
		t.lost, t.resets, t.lost-t.resets)
	if why != nil && !errors.Is(why, transport.ErrReset) {
		err = fmt.Errorf("%w: %w", err, why)
	}
	r.fail(w.Worker, err)
}
