package session

import (
	"errors"
	"testing"

	"vpphost/hoststack/fifo"
	"vpphost/hoststack/transport"
)

// TestTakeRx: what was unread when a session ended is there until it is freed.
func TestTakeRx(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, cln, sa, ca := h.pair()
	var kept fifo.Ref
	srv.onReadable = func(*Worker, *Session) {}
	srv.onGone = func(w *Worker, s *Session) {
		kept = w.TakeRx(s)
		if w.Rx(s) != nil || w.TakeRx(s) != 0 {
			t.Error("it is still the session's")
		}
	}
	cln.onGone = func(w *Worker, s *Session) {
		if w.TakeRx(s) != 0 {
			t.Error("there is nothing unread")
		}
	}
	h.on(cln, func(w *Worker, s *Session) { write(w, s, 5000) })
	h.settle()
	h.on(cln, func(w *Worker, s *Session) { w.Reset(s) })
	h.settle()
	h.now += 50e6
	h.settle()
	w := h.l.workers[0]
	f := w.FIFO(kept)
	if kept == 0 || f.Len() != 5000 || len(f.PeekAt(0, 100)) != 100 {
		t.Fatalf("%d bytes are left", f.Len())
	}
	if err := errors.Join(sa.Detach(), ca.Detach()); err != nil {
		t.Fatal(err)
	}
	w.FreeFIFO(kept)
	h.done()
}

// TestCancel: an active open is given up while it is under way, and when it is open and
// the application has not heard of it; afterwards Cancel does nothing.
func TestCancel(t *testing.T) {
	for _, steps := range []int{0, 1} {
		h := newHost(t, 1, Config{})
		srv, cln, sa, ca := h.pair()
		w := h.l.workers[0]
		b, err := w.Dial(ca, transport.TCP, serverEP, 43)
		if err != nil {
			t.Fatal(err)
		}
		if steps == 1 { // the transport has opened it
			h.f.shards[0].input(h.ws[0], 0)
		}
		w.Cancel(b)
		w.Cancel(b)
		h.settle()
		cln.want(t, "connected 43 "+transport.ErrAborted.Error())
		srv.log = nil
		w.Cancel(b)
		h.on(cln, func(w *Worker, s *Session) { w.Cancel(w.Handle(s)) })
		h.settle()
		cln.want(t)
		h.done(sa, ca)
	}
}

// TestListened: a session knows the endpoint that was listened on.
func TestListened(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, cln, sa, ca := h.pair()
	h.on(srv, func(w *Worker, s *Session) {
		if p, ep, ok := w.Listened(s); !ok || p != transport.TCP || ep != serverEP {
			t.Error(p, ep, ok)
		}
	})
	h.on(cln, func(w *Worker, s *Session) {
		if _, _, ok := w.Listened(s); ok {
			t.Error("it was opened by us")
		}
	})
	h.done(sa, ca)
}

// leaver is a recorder that wants to know when it was detached.
type leaver struct {
	recorder
	left chan bool
}

func (l *leaver) Detached() { l.left <- true }

// TestDetached: an application is told once that it was detached, whoever did it.
func TestDetached(t *testing.T) {
	for name, end := range map[string]func(*host, *AppHandle) error{
		"itself":  func(_ *host, a *AppHandle) error { return errors.Join(a.Detach(), a.Detach()) },
		"disable": func(h *host, _ *AppHandle) error { return h.l.Disable() },
	} {
		h := newHost(t, 2, Config{})
		l := &leaver{left: make(chan bool, 2)}
		a, err := h.l.Attach("leaver", l, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := end(h, a); err != nil {
			t.Fatal(err)
		}
		if n := len(l.left); n != 1 {
			t.Errorf("%s: told %d times", name, n)
		}
	}
}
