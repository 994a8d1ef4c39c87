package session

import (
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

// abandonStep is how many sessions of an ended application are reset at once.
const abandonStep = 256

// tell is the node of the Events phase: it tells applications what has happened to
// their sessions since the last Step.
func (w *Worker) tell(*worker.Worker, int64) (work int) {
	if n := w.pending.Len(); n > 0 {
		work = n
		// What callbacks lead to is told in the next Step, so that a Step ends.
		for n > 0 {
			n = w.tellSome(n)
		}
	}
	if len(w.dying) > 0 {
		work += w.bury()
	}
	return work
}

// tellSome tells the events of the first n queued sessions, until a callback panics.
// It returns how many are left.
func (w *Worker) tellSome(n int) (left int) {
	left = n
	defer func() {
		if w.cur == nil {
			return
		}
		s := w.cur
		w.cur = nil
		if p := recover(); p != nil {
			w.l.failed(w, s, p)
		}
	}()
	for left > 0 {
		left--
		w.dispatch(w.pool.At(w.pending.Pop()))
	}
	return 0
}

// dispatch tells the events of one session, in the order in which they can have
// happened. The session may be gone afterwards.
func (w *Worker) dispatch(s *Session) {
	s.flags &^= fQueued
	ev := s.events
	s.events = 0
	a := w.appOf(s)
	if s.flags&fDead != 0 || a == nil || a.status.Load() == appFailed {
		// Nobody wants to know.
		if s.flags&(fDead|fTransportGone) != 0 {
			w.release(s)
		}
		return
	}
	if ev&evOpen != 0 && !w.open(s, a, ev) {
		return
	}
	if ev&evReadable != 0 && s.flags&fAppClosed != 0 {
		w.discard(s)
	}
	if s.flags&fSpliced != 0 {
		w.relay(s, ev)
	}
	w.cur = s
	if ev&evReadable != 0 && s.flags&(fAppClosed|fSpliced) == 0 {
		a.app.Readable(w, s)
	}
	if ev&evWritable != 0 && s.flags&(fWantWritable|fAppClosed|fHalfClosed|fTransportGone) == fWantWritable {
		a.app.Writable(w, s)
	}
	if ev&evClosed != 0 && s.flags&fAppClosed == 0 {
		a.app.Closed(w, s)
	}
	why := w.cause(s)
	if ev&evGone != 0 {
		a.app.Gone(w, s, why)
	}
	w.cur = nil
	if ev&evGone != 0 {
		w.part(s, why)
		w.countCause(why)
		w.release(s)
	}
}

// open tells that a session was accepted, or how a connect ended. It returns false
// when nothing more is to be told.
func (w *Worker) open(s *Session, a *AppHandle, ev events) bool {
	if s.flags&fActive == 0 {
		if ev&evGone != 0 { // it did not live long enough to be heard of
			w.count(errGoneEarly)
			w.release(s)
			return false
		}
		w.opened(s)
		w.cur = s
		err := a.app.Accept(w, s) // until it agrees it does not own s
		w.cur = nil
		if err != nil {
			w.count(errAppRefused)
			w.abandon(s)
			return false
		}
		s.flags |= fKnown
		return true
	}
	if s.state == TransportDeleted { // the connect failed
		opaque, why := s.Opaque, w.cause(s)
		w.cur = s
		a.app.Connected(w, nil, opaque, why)
		w.cur = nil
		w.release(s)
		return false
	}
	w.opened(s)
	s.flags |= fKnown
	w.cur = s
	a.app.Connected(w, s, s.Opaque, nil)
	w.cur = nil
	return true
}

// opened gives s the state of a session that its application knows.
func (w *Worker) opened(s *Session) {
	switch {
	case s.flags&fTransportGone != 0:
		s.state = TransportDeleted
	case s.flags&fPeerClosed != 0:
		s.state = TransportClosing
	case s.flags&fConnectionless != 0:
		s.state = Opened
	default:
		s.state = Ready
	}
}

// discard throws away what came after the application has closed.
func (w *Worker) discard(s *Session) {
	if f := w.fifos.At(s.rx); f.Len() > 0 {
		f.Drop(f.Len())
		w.Dropped(s)
	}
}

// abandon resets s, whose application will not be called for it again.
func (w *Worker) abandon(s *Session) {
	if p := w.unsplice(s); p != nil {
		defer w.Reset(p) // there is nobody any more whom it could talk to
	}
	w.orphan(s)
	if s.flags&fTransportGone != 0 {
		w.release(s)
		return
	}
	s.flags |= fReset | fAppClosed
	s.state = Closing
	w.transportOf(s).Reset(w.Worker, s.conn)
}

// abandonSome abandons at most n sessions of a; tell says whether a wants to know. It
// returns false when none was left.
func (w *Worker) abandonSome(a *AppHandle, n int, tell bool) bool {
	for ; n > 0; n-- {
		i := a.per[w.Index].first
		if i == 0 {
			return false
		}
		s := w.pool.At(i)
		if s.state == Listening {
			w.release(s)
			continue
		}
		if tell {
			w.farewell(a, s)
		}
		w.abandon(s)
	}
	return a.per[w.Index].first != 0
}

// farewell tells a, which is being detached, the end of s.
func (w *Worker) farewell(a *AppHandle, s *Session) {
	s.flags |= fReset | fAppClosed // nothing that a calls for s has an effect
	why := transport.ErrAborted
	if s.flags&fTransportGone != 0 {
		why = w.cause(s)
	}
	switch {
	case s.flags&fKnown != 0:
		a.app.Gone(w, s, why)
	case s.flags&fActive != 0:
		a.app.Connected(w, nil, s.Opaque, why)
	}
}

// bury resets the sessions of applications that have failed, some a Step.
func (w *Worker) bury() (work int) {
	a := w.dying[0]
	before := a.per[w.Index].n
	more := w.abandonSome(a, abandonStep, false)
	work = int(before - a.per[w.Index].n)
	if !more {
		w.dying = w.dying[1:]
		if a.mourners.Add(-1) == 0 {
			w.Notify(w.l.reaper)
		}
	}
	return work + 1
}
