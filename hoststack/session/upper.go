package session

import (
	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/transport"
)

// upper is what transports call. It takes note of events and makes FIFOs; it calls
// nobody back, so that neither an application nor a transport is ever entered twice.
type upper struct{ l *Layer }

var _ transport.Upper = (*upper)(nil)

func (u *upper) on(w *worker.Worker, session uint32) (*Worker, *Session) {
	sw := u.l.workers[w.Index]
	return sw, sw.pool.At(session)
}

// Accepted makes a session; the application is asked in the Events phase.
func (u *upper) Accepted(w *worker.Worker, c transport.Conn, listener uint32) (transport.Attach, error) {
	sw := u.l.workers[w.Index]
	ln := u.l.listener(listener)
	if ln == nil {
		sw.count(errNotListening)
		return transport.Attach{}, transport.ErrNoListener
	}
	if ln.app.status.Load() != appRunning {
		sw.count(errNoApp)
		return transport.Attach{}, transport.ErrAppRefused
	}
	s := sw.alloc(ln.app, Accepting)
	if s == nil {
		return transport.Attach{}, transport.ErrNoMemory
	}
	s.conn, s.listener = c, listener
	if ln.connectionless && c.Proto == ln.proto {
		s.flags |= fConnectionless
	}
	sw.post(s, evOpen)
	return sw.attach(s, ln.app), nil
}

// attach is what a transport is told about s.
func (w *Worker) attach(s *Session, a *AppHandle) transport.Attach {
	size := a.sizesFor(w.transportOf(s).Service())
	return transport.Attach{Session: s.index, RxSize: size.rx, TxSize: size.tx}
}

// Connected ends an active open. opaque is the session that Worker.Connect made.
func (u *upper) Connected(w *worker.Worker, c transport.Conn, opaque uint32, err error) (transport.Attach, error) {
	sw, s := u.on(w, opaque)
	a := sw.appOf(s)
	if err == nil && a == nil {
		err = transport.ErrAppRefused // detached meanwhile
	}
	sw.post(s, evOpen)
	if err != nil {
		// The transport has let go.
		s.flags |= fTransportGone
		s.state = TransportDeleted
		sw.setCause(s, err)
		sw.countCause(err)
		return transport.Attach{}, err
	}
	s.conn, s.state = c, Accepting
	return sw.attach(s, a), nil
}

// RxFIFO makes the receive FIFO when the first byte comes.
func (u *upper) RxFIFO(w *worker.Worker, session uint32) *fifo.FIFO {
	sw, s := u.on(w, session)
	if s.rx != 0 {
		return sw.fifos.At(s.rx)
	}
	a := sw.appOf(s)
	if a == nil {
		return nil
	}
	z, p := a.sizesFor(sw.Service(s)), sw.Spliced(s)
	size := z.rx
	if p != nil {
		size = sw.link[s.index].size
	}
	ref, f := sw.fifos.NewGrowing(size, z.most, s.rxPos)
	if f == nil {
		sw.count(errNoFIFO)
		return nil
	}
	s.rx = ref
	sw.warm(s)
	if p != nil {
		p.tx = sw.fifos.Join(ref)
		sw.warm(p)
	}
	return f
}

func (u *upper) TxFIFO(w *worker.Worker, session uint32) *fifo.FIFO {
	sw, s := u.on(w, session)
	return sw.fifos.At(s.tx)
}

func (u *upper) Delivered(w *worker.Worker, session uint32, n int) {
	sw, s := u.on(w, session)
	if s.flags&fSpliced != 0 {
		sw.passOn(s, n)
		return
	}
	sw.post(s, evReadable)
}

func (u *upper) Acked(w *worker.Worker, session uint32, n int) {
	sw, s := u.on(w, session)
	sw.warm(s)
	if s.flags&fSpliced != 0 {
		sw.passedOn(s)
		return
	}
	if s.flags&fWantWritable != 0 {
		sw.post(s, evWritable)
	}
}

func (u *upper) PeerClosed(w *worker.Worker, session uint32) {
	sw, s := u.on(w, session)
	s.flags |= fPeerClosed
	if s.state == Ready {
		s.state = TransportClosing
	}
	sw.post(s, evClosed)
}

func (u *upper) Gone(w *worker.Worker, session uint32, why error) {
	sw, s := u.on(w, session)
	s.flags |= fTransportGone
	sw.setCause(s, why)
	if s.state != Accepting {
		s.state = TransportDeleted
	}
	sw.post(s, evGone)
}

func (u *upper) WantTx(w *worker.Worker, session uint32) {
	sw, s := u.on(w, session)
	sw.paced.remove(sw, s)
	sw.Send(s)
}
