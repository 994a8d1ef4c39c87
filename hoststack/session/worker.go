package session

import (
	"errors"
	"fmt"
	"net/netip"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/transport"
)

// Worker is the session layer's part of one worker: what callbacks use. All methods
// must be called on that worker.
type Worker struct {
	*worker.Worker
	l *Layer

	pool  *mem.Pool[Session]
	fifos *fifo.Store
	live  int // sessions, listeners among them
	links     // of spliced sessions

	// Queues of sessions. Each is in one at most once, so that none overflows.
	pending *mem.Ring // with events to tell
	ready   *mem.Ring // that may send
	cooling *mem.Ring // whose FIFOs may be idle
	paced   pacing

	cur    *Session // whose callback is running, nil outside of callbacks
	dying  []*AppHandle
	others map[uint32]error // causes that are in no list

	alarm   worker.Timer // ends the worker's sleep for the scheduler
	alarmAt int64
	owner   worker.TimerOwner

	sweepAt   int64 // when the present round of cooling began
	sweepLeft int   // sessions left in it
	usedAt    int64 // when there was a FIFO last

	errors []uint64 // row of Layer.errors
	nodes  []*worker.Added

	accounts []*worker.Account
}

// newWorker makes the session layer's part of w.
func newWorker(l *Layer, w *worker.Worker) (*Worker, error) {
	n := l.cfg.Sessions
	sw := &Worker{Worker: w, l: l, others: map[uint32]error{}, errors: l.errors.Row(w.Index)}
	seg, err := fifo.NewSegment(l.cfg.Memory)
	if err != nil {
		return nil, err
	}
	if sw.fifos, err = fifo.NewStore(seg, l.cfg.FIFOs); err != nil {
		seg.Close()
		return nil, err
	}
	if sw.pool, err = mem.NewPool[Session](n); err != nil {
		return nil, fmt.Errorf("session: pool: %w", err)
	}
	for _, q := range []**mem.Ring{&sw.pending, &sw.ready, &sw.cooling} {
		if *q, err = mem.NewRing(n); err != nil {
			return nil, fmt.Errorf("session: queue: %w", err)
		}
	}
	if err = sw.links.init(n); err != nil {
		return nil, fmt.Errorf("session: splices: %w", err)
	}
	if sw.paced.heap, err = mem.Slice[paced](n); err != nil {
		return nil, fmt.Errorf("session: queue: %w", err)
	}
	sw.accounts = []*worker.Account{w.Account("sessions", sw.pool.Usage), w.Account("fifos", sw.fifos.Usage),
		w.Account("fifo segment", seg.Memory)}
	sw.owner = w.OnTimer(func(uint64) { sw.alarm = 0 })
	sw.nodes = []*worker.Added{
		w.Add(worker.Events, "session-queue", worker.NodeFunc(sw.tell)),
		w.Add(worker.Output, "session-output", worker.NodeFunc(sw.output)),
	}
	return sw, nil
}

// close takes the nodes away and unmaps everything.
func (w *Worker) close() {
	for _, n := range w.nodes {
		w.Remove(n)
	}
	for _, a := range w.accounts {
		w.CloseAccount(a)
	}
	w.Wheel.Disarm(&w.alarm)
	seg := w.fifos.Segment()
	w.fifos.Close()
	seg.Close()
	w.pool.Close()
	w.links.close()
	for _, q := range []*mem.Ring{w.pending, w.ready, w.cooling} {
		q.Close()
	}
}

func (w *Worker) count(reason int) { w.errors[reason]++ }

// Sessions is how many sessions there are, listeners among them (on worker 0).
func (w *Worker) Sessions() int { return w.live }

// appOf is the application of s, nil when it has gone.
func (w *Worker) appOf(s *Session) *AppHandle {
	return (*w.l.apps.Load())[s.app]
}

// transportOf is the transport of s.
func (w *Worker) transportOf(s *Session) transport.Transport {
	return w.l.transports[s.conn.Proto]
}

// Rx is the receive FIFO, nil (and usable as empty) when nothing waits in it, or when it
// is another session's to send (Splice).
func (w *Worker) Rx(s *Session) *fifo.FIFO {
	if s.flags&fSpliced != 0 {
		return nil
	}
	return w.fifos.At(s.rx)
}

// Tx is the transmit FIFO, made on first use; nil (and usable as full) when memory
// has run out, the session is over, or the application has ended its direction: what it
// wrote now would follow the end of the stream. Of a spliced session it is nil too.
func (w *Worker) Tx(s *Session) *fifo.FIFO {
	if s.flags&(fAppClosed|fHalfClosed|fTransportGone|fSpliced) != 0 {
		return nil
	}
	if s.tx != 0 {
		return w.fifos.At(s.tx)
	}
	a := w.appOf(s)
	if a == nil {
		return nil
	}
	service, peer := w.Service(s), w.peer(s)
	size := a.sizesFor(service).tx
	if peer != nil {
		if b := w.appOf(peer); b != nil {
			size = max(size, b.sizesFor(service).rx) // the reader may wait for so much before it reads
		}
	}
	ref, f := w.fifos.NewAt(size, s.txPos)
	if f == nil {
		w.count(errNoFIFO)
		return nil
	}
	s.tx = ref
	if peer != nil {
		peer.rx = w.fifos.Join(ref)
	}
	w.warm(s)
	return f
}

// peer is the session at the other end of s when both are here: each reads what the
// other writes from the same FIFO.
func (w *Worker) peer(s *Session) *Session {
	if t, ok := w.transportOf(s).(transport.Paired); ok {
		if i, ok := t.Peer(w.Worker, s.conn); ok {
			return w.pool.At(i)
		}
	}
	return nil
}

// Unacked is how many bytes wait in Tx, sent or not, for the peer to acknowledge them.
func (w *Worker) Unacked(s *Session) int { return w.fifos.At(s.tx).Len() }

// Dropped tells the stack that the application has read from Rx: the receive
// window may open. Once per callback is enough.
func (w *Worker) Dropped(s *Session) {
	w.warm(s)
	if s.flags&fTransportGone == 0 {
		w.transportOf(s).RxSpace(w.Worker, s.conn)
	}
}

// Send tells the stack that bytes were committed to Tx.
func (w *Worker) Send(s *Session) {
	// A paced session is asked when its time comes.
	if s.flags&(fTransportGone|fReady) == 0 && s.pace == 0 {
		s.flags |= fReady
		w.ready.Push(s.index)
	}
}

// WantWritable switches Writable callbacks on or off. When nothing of ours is under
// way that could be acknowledged, one comes in the next Step; an application that finds
// no memory then calls WantWritable again, and is called again some milliseconds later.
func (w *Worker) WantWritable(s *Session, on bool) {
	switch {
	case !on:
		s.flags &^= fWantWritable | fStarved
		return
	case w.Unacked(s) > 0:
	case s.flags&fWantWritable == 0:
		w.post(s, evWritable)
	default:
		s.flags |= fStarved
		w.warm(s)
	}
	s.flags |= fWantWritable
}

// Again has Readable called in the next Step, for an application that has not read all so
// that others have their turn.
func (w *Worker) Again(s *Session) { w.post(s, evReadable) }

// HalfClose ends our direction after what is in Tx. Data that comes is still told.
func (w *Worker) HalfClose(s *Session) {
	if s.flags&(fHalfClosed|fAppClosed|fTransportGone) != 0 {
		return
	}
	s.flags |= fHalfClosed
	w.transportOf(s).HalfClose(w.Worker, s.conn)
}

// Close ends both directions gracefully, after what is in Tx. What comes from now on
// is thrown away; Gone is the only callback that follows. Of a spliced session it means
// both: what either has received is still sent by the other.
func (w *Worker) Close(s *Session) {
	if s.flags&(fAppClosed|fTransportGone) != 0 {
		return
	}
	if p := w.unsplice(s); p != nil {
		w.divide(s, p)
		defer w.Close(p)
	}
	s.flags |= fAppClosed
	s.state = AppClosed
	w.transportOf(s).Close(w.Worker, s.conn)
}

// Reset aborts: the peer is told, what is in Tx is thrown away. Gone follows. Of a spliced
// session it means both.
func (w *Worker) Reset(s *Session) {
	if s.flags&(fReset|fTransportGone) != 0 {
		return
	}
	if p := w.unsplice(s); p != nil {
		defer w.Reset(p)
	}
	s.flags |= fReset | fAppClosed
	s.state = AppClosed
	w.transportOf(s).Reset(w.Worker, s.conn)
}

// Connect begins an active open from this worker for application a; Connected
// follows, with opaque, unless an error is returned.
func (w *Worker) Connect(a *AppHandle, p transport.Proto, ep transport.Endpoint, opaque uint64) error {
	_, err := w.Dial(a, p, ep, opaque)
	return err
}

// Dial is Connect, and names the session to be, for Cancel.
func (w *Worker) Dial(a *AppHandle, p transport.Proto, ep transport.Endpoint, opaque uint64) (Handle, error) {
	switch {
	case !w.l.enabled.Load():
		return Handle{}, ErrNotEnabled
	case a.status.Load() != appRunning:
		return Handle{}, ErrNotAttached
	}
	t, err := w.l.transport(p)
	if err != nil {
		return Handle{}, err
	}
	s := w.alloc(a, Connecting)
	if s == nil {
		return Handle{}, transport.ErrNoMemory
	}
	s.Opaque = opaque
	s.flags |= fActive
	c, err := w.dial(a, t, ep, s.index)
	if err != nil {
		w.countCause(err)
		w.release(s)
		return Handle{}, err
	}
	s.conn = c
	return w.Handle(s), nil
}

// dial begins the active open with the transport that a's scope names: cut-through when
// somebody in this instance listens on ep, else t.
func (w *Worker) dial(a *AppHandle, t transport.Transport, ep transport.Endpoint, opaque uint32) (transport.Conn, error) {
	if ct := w.l.transports[transport.CT]; ct != nil && a.scope&LocalScope != 0 {
		c, err := ct.Connect(w.Worker, inside(t.Proto(), ep), opaque)
		if !errors.Is(err, transport.ErrNoListener) {
			return c, err
		}
	}
	if a.scope&GlobalScope == 0 {
		return transport.Conn{}, fmt.Errorf("nobody here listens on %v: %w", ep.Addr, ErrScope)
	}
	return t.Connect(w.Worker, ep, opaque)
}

// Info describes the session's connection; false when it is gone.
func (w *Worker) Info(s *Session, out *transport.Info) bool {
	if s.flags&(fTransportGone|fDead) != 0 || s.state < Accepting {
		return false
	}
	return w.transportOf(s).Info(w.Worker, s.conn, out)
}

// Addrs are the two ends of the session; zero when its connection is gone.
func (w *Worker) Addrs(s *Session) (local, remote netip.AddrPort) {
	if s.flags&(fTransportGone|fDead) != 0 || s.state < Accepting {
		return
	}
	if t, ok := w.transportOf(s).(transport.Addressed); ok {
		return t.Addrs(w.Worker, s.conn)
	}
	var i transport.Info
	w.Info(s, &i)
	return i.Local, i.Remote
}

// LocalPort is the port of our end: the listener's, in an accepted session.
func (w *Worker) LocalPort(s *Session) uint16 {
	if ln := w.l.listener(s.listener); ln != nil {
		return ln.ep.Addr.Port()
	}
	local, _ := w.Addrs(s)
	return local.Port()
}

// ListenEndpoint is where s was accepted; false in an active open, or when nobody listens
// there any more.
func (w *Worker) ListenEndpoint(s *Session) (transport.Endpoint, bool) {
	if ln := w.l.listener(s.listener); ln != nil && s.listener != 0 {
		return ln.ep, true
	}
	return transport.Endpoint{}, false
}

// RTT is the session's smoothed round-trip time in ns, 0 when it is not known.
func (w *Worker) RTT(s *Session) int64 {
	if s.flags&(fTransportGone|fDead) == 0 && s.state >= Accepting {
		if t, ok := w.transportOf(s).(transport.Timed); ok {
			return t.RTT(w.Worker, s.conn)
		}
	}
	return 0
}

// post notes events of s and queues it.
func (w *Worker) post(s *Session, e events) {
	s.events |= e
	if s.flags&fQueued == 0 {
		s.flags |= fQueued
		w.pending.Push(s.index)
	}
}
