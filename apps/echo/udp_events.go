package echo

import (
	"fmt"

	"vpphost/hoststack/session"
)

// Connected takes a session, or ends the run.
func (r *udpRun) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
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
	c.handle, c.state = w.Handle(s), udpSending
	cw.connected.Add(1)
	if r.sum().connected >= uint64(r.opts.clients) {
		w.Notify(r.note)
	}
}

func (r *udpRun) Readable(w *session.Worker, s *session.Session) {
	if s.Opaque == ctrlOpaque {
		r.ctrl.receive(r.shared(), w, s)
		return
	}
	cw := r.workers[w.Index]
	cw.receive(s, &cw.conns[s.Opaque])
}

// Writable: datagrams have left.
func (r *udpRun) Writable(w *session.Worker, s *session.Session) {
	if s.Opaque == ctrlOpaque {
		return
	}
	cw := r.workers[w.Index]
	if c := &cw.conns[s.Opaque]; c.state == udpSending && phase(r.phase.Load()) == phaseRunning {
		cw.refill(s, c)
	}
}

func (r *udpRun) Closed(w *session.Worker, s *session.Session) { w.Close(s) }

// Gone: of a data session that means that the server's host refuses the datagrams.
func (r *udpRun) Gone(w *session.Worker, s *session.Session, why error) {
	if s.Opaque == ctrlOpaque {
		r.ctrl.lost(r.shared(), w, why)
		return
	}
	cw := r.workers[w.Index]
	c := &cw.conns[s.Opaque]
	if c.state != udpLost {
		c.state = udpLost
		cw.lost.Add(1)
	}
	if why != nil && phase(r.phase.Load()) < phaseClosing {
		r.fail(w.Worker, fmt.Errorf("failed: datagrams to %v: %w", r.dataEP.Addr, why))
	}
}
