package session

import (
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/transport"
)

// What an application that hands sessions to goroutines needs beside the callbacks: to
// keep unread data beyond the end of a session, to give up an active open, and to know
// on which of its endpoints a session came.

// TakeRx takes the receive FIFO of s, with what is unread in it, from the session: in
// Gone, for who reads it later. The caller frees it with FreeFIFO, on this worker; it
// may do so after its application was detached. 0: there is nothing unread.
func (w *Worker) TakeRx(s *Session) fifo.Ref {
	ref := s.rx
	if f := w.fifos.At(ref); f.Len() == 0 {
		return 0
	}
	s.rx = 0
	return ref
}

// FIFO is what TakeRx has taken.
func (w *Worker) FIFO(ref fifo.Ref) *fifo.FIFO { return w.fifos.At(ref) }

// FreeFIFO ends it.
func (w *Worker) FreeFIFO(ref fifo.Ref) { w.fifos.Free(ref) }

// Cancel gives up an active open that Dial began, when its end has not been told yet:
// Connected follows with transport.ErrAborted. A stale handle is ignored.
func (w *Worker) Cancel(h Handle) {
	if int(h.Worker) != w.Index || !w.pool.Valid(h.Index) || w.pool.Gen(h.Index) != h.Gen {
		return
	}
	s := w.pool.At(h.Index)
	if s.flags&(fActive|fDead|fKnown|fReset|fTransportGone) != fActive {
		return
	}
	if s.state != Connecting { // open, and the application is to hear of it
		w.Reset(s)
		return
	}
	s.flags |= fReset
	w.transportOf(s).Reset(w.Worker, s.conn)
}

// Listened is the endpoint, as given to Listen, on which s was accepted; false when s
// was not accepted or nobody listens there any more.
func (w *Worker) Listened(s *Session) (transport.Proto, transport.Endpoint, bool) {
	if ln := w.l.listener(s.listener); ln != nil {
		return ln.proto, ln.ep, true
	}
	return 0, transport.Endpoint{}, false
}

// Detacher is an App that wants to know when it has been detached, by itself, by
// "session disable" or after a panic. Its sessions are gone by then, or will be without
// a further call. Detached runs on a goroutine, once.
type Detacher interface{ Detached() }

// bereaved tells it.
func (a *AppHandle) bereaved() {
	if d, ok := a.app.(Detacher); ok && !a.told.Swap(true) {
		d.Detached()
	}
}
