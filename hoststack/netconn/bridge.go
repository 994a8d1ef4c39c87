package netconn

import (
	"sync/atomic"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// bridge is a Net's part of one worker: the side of all its connections that only the
// worker touches, and the queue by which goroutines ask it to come by.
type bridge struct {
	n    *Net
	w    *session.Worker
	node *worker.Added

	_      [64]byte
	kicked atomic.Pointer[Conn] // connections to visit; each is in here once
	_      [56]byte
	ports  atomic.Pointer[port] // sessions of packet sockets to visit
}

// What a goroutine wants done, in Conn.want.
const (
	wantOpen   uint32 = 1 << iota // connect
	wantBind                      // take over an accepted session
	wantFin                       // end our direction
	wantDeaf                      // throw away what comes
	wantClose                     // close, after what was written; nobody reads any more
	wantAbort                     // reset
	wantCancel                    // give up connecting; close
)

// far is the worker's side of a connection.
type far struct {
	h        session.Handle
	state    farState
	kept     fifo.Ref // unread data of a session that is gone
	lent     int      // bytes lent, and not dropped yet
	wants    uint32   // what was wanted so far
	finished bool     // nothing more is to be done
	pressed  bool     // Writable is wanted
	finSent  bool     // half-closed
	closed   bool     // Close was called
}

type farState uint8

const (
	farNew farState = iota
	farOpening
	farOpen
	farGone
)

// kick has the worker visit c in this Step or the next. Any goroutine.
func (b *bridge) kick(c *Conn) {
	if c.queued.Swap(true) {
		return // it will come, and see all that was stored before
	}
	for {
		first := b.kicked.Load()
		c.next = first
		if b.kicked.CompareAndSwap(first, c) {
			break
		}
	}
	b.w.Wake()
}

// Step is the node: it visits who asked for it.
func (b *bridge) Step(*worker.Worker, int64) (work int) {
	if b.ports.Load() != nil {
		work += b.visitPorts()
	}
	if b.kicked.Load() == nil {
		return work
	}
	for c := b.kicked.Swap(nil); c != nil; {
		next := c.next
		c.next = nil
		c.queued.Store(false)
		b.visit(c)
		c = next
		work++
	}
	return work
}

// visit does for c what its goroutines want.
func (b *bridge) visit(c *Conn) {
	f := &c.far
	if f.finished {
		return
	}
	if want := c.want.Swap(0); want != 0 {
		f.wants |= want
		switch {
		case want&wantOpen != 0:
			b.open(c)
		case want&wantBind != 0:
			b.bind(c)
		}
	}
	var s *session.Session
	if f.state == farOpen {
		s = b.w.Get(f.h)
	}
	b.exchange(c, s)
	switch {
	case f.state == farOpening && f.wants&(wantCancel|wantAbort|wantClose) != 0:
		b.w.Cancel(f.h)
	case s != nil && f.wants&(wantAbort|wantCancel) != 0:
		b.w.Reset(s)
	case s != nil:
		b.pump(c, s)
	}
	b.finish(c)
}

// open begins an active open.
func (b *bridge) open(c *Conn) {
	h, err := b.w.Dial(b.n.app, c.proto, c.target, uint64(c.entry.id))
	if err != nil {
		b.fail(c, err)
		return
	}
	c.far.h = h
	if c.far.state == farNew { // else Connected has been told already
		c.far.state = farOpening
	}
}

// bind gives an accepted session to its connection, which takes over what has happened
// to it meanwhile.
func (b *bridge) bind(c *Conn) {
	s := b.w.Get(c.far.h)
	if s == nil {
		b.n.counts.goneEarly.Add(1)
		b.fail(c, transport.ErrReset)
		return
	}
	c.far.state = farOpen
	ended := s.Opaque == unboundEOF
	s.Opaque = uint64(c.entry.id)
	b.exchange(c, s)
	if ended {
		b.ended(c)
	}
}

// unboundEOF is the Opaque of an accepted session whose peer has closed its side before a
// goroutine came for it.
const unboundEOF = 1 << 63

// callbacks is a Net as an application of the session layer.
type callbacks Net

var (
	_ session.App      = (*callbacks)(nil)
	_ session.Detacher = (*callbacks)(nil)
)

// find is the bridge of a worker, and what a session of it belongs to; nil when nobody
// has it yet.
func (a *callbacks) find(w *session.Worker, opaque uint64) (*bridge, *entry) {
	return a.bridges[w.Index], a.table.get(opaque)
}

// Accept queues the session for who calls Accept.
func (a *callbacks) Accept(w *session.Worker, s *session.Session) error {
	p, ep, ok := w.Listened(s)
	if !ok {
		return transport.ErrNoListener
	}
	if p == transport.UDP {
		return (*Net)(a).bindPort(w, s, ep)
	}
	for _, l := range *a.listeners.Load() {
		if l.has(ep.Addr) {
			return l.push(w, s)
		}
	}
	return transport.ErrNoListener
}

// Connected ends Dial.
func (a *callbacks) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	b, e := a.find(w, opaque)
	switch {
	case e == nil:
		if s != nil {
			w.Reset(s)
		}
	case e.port != nil:
		e.port.connected(s, err)
	case err != nil:
		b.fail(e.conn, err)
		b.finish(e.conn)
	default:
		c := e.conn
		c.far.h, c.far.state = w.Handle(s), farOpen
		c.localAddr, c.remoteAddr = w.Addrs(s)
		c.status.Store(statusOpen)
		w.Notify(&c.rd.note)
		if c.far.wants&(wantCancel|wantAbort) != 0 {
			w.Reset(s)
		}
	}
}

func (a *callbacks) Readable(w *session.Worker, s *session.Session) {
	switch b, e := a.find(w, s.Opaque); {
	case e == nil:
	case e.port != nil:
		e.port.receive(s)
	default:
		b.exchange(e.conn, s)
	}
}

func (a *callbacks) Writable(w *session.Worker, s *session.Session) {
	switch b, e := a.find(w, s.Opaque); {
	case e == nil:
	case e.port != nil:
		e.port.send(s)
	default:
		b.pump(e.conn, s)
	}
}

// Closed: the peer sends no more.
func (a *callbacks) Closed(w *session.Worker, s *session.Session) {
	switch b, e := a.find(w, s.Opaque); {
	case e == nil:
		s.Opaque = unboundEOF
	case e.conn != nil:
		b.exchange(e.conn, s)
		b.ended(e.conn)
	}
}

// Gone ends the session. What is unread stays for the reader.
func (a *callbacks) Gone(w *session.Worker, s *session.Session, why error) {
	switch b, e := a.find(w, s.Opaque); {
	case e == nil:
	case e.port != nil:
		e.port.gone(s, why)
	default:
		c := e.conn
		c.far.kept = w.TakeRx(s)
		b.fail(c, why)
		b.exchange(c, nil)
		b.finish(c)
	}
}

func (a *callbacks) Detached() { (*Net)(a).detached() }

// ended tells the reader that nothing more comes, after what is in the FIFO.
func (b *bridge) ended(c *Conn) {
	c.in.eof.Store(true)
	c.rd.notify(b.w.Worker)
}

// fail ends c's session, or notes that there will be none: why is nil after an orderly
// end.
func (b *bridge) fail(c *Conn, why error) {
	c.far.state = farGone
	if why != nil {
		c.why = why
	}
	c.status.Store(statusGone)
	b.ended(c)
	c.wr.notify(b.w.Worker)
	b.w.Notify(&c.rd.note) // Dial does not arm
}

// finish forgets c when its session is gone and the goroutines have closed it.
func (b *bridge) finish(c *Conn) {
	f := &c.far
	if f.state != farGone || f.wants&(wantClose|wantCancel) == 0 || f.finished {
		return
	}
	f.finished = true
	b.free(c)
	b.n.table.remove(&c.entry)
}

// free ends the FIFO that was kept for the reader.
func (b *bridge) free(c *Conn) {
	b.w.FreeFIFO(c.far.kept)
	c.far.kept, c.far.lent = 0, 0
}

// leave frees what is kept for the connections of this worker. Nobody reads them any
// more, and no callback comes.
func (b *bridge) leave(entries []*entry) {
	for _, e := range entries {
		if c := e.conn; c != nil && c.b == b && !c.far.finished {
			c.far.state, c.far.finished = farGone, true
			b.free(c)
		}
	}
}
