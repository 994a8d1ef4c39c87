package netconn

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vpphost/hoststack/transport"
)

// Conn is a net.Conn over a session. All methods may be called by several goroutines at
// the same time.
type Conn struct {
	n      *Net
	b      *bridge
	entry  entry
	proto  transport.Proto
	target transport.Endpoint // of an active open

	// Status, and what was true when it was stored.
	status                atomic.Uint32
	localAddr, remoteAddr netip.AddrPort // from statusOpen on
	why                   error          // from statusGone on; nil: an orderly end

	rmu     sync.Mutex // of the goroutine that reads
	rd      waiter
	in      loan
	stopped atomic.Bool // CloseRead

	wmu sync.Mutex // of the goroutine that writes
	wr  waiter
	out atomic.Pointer[ring]
	big bool // a small ring was full once; under wmu, as what follows

	sweptRing *ring // the ring at the last sweep, and where its tail was
	sweptAt   uint32

	mu      sync.Mutex  // of what follows, held for moments only
	shutWr  bool        // nothing more may be committed
	finWr   atomic.Bool // CloseWrite
	closed  atomic.Bool // Close
	down    atomic.Bool // the Net has ended
	abortly bool        // SetLinger(0)
	linger  *time.Timer

	// The way to the worker, and what is the worker's.
	queued atomic.Bool
	next   *Conn // in bridge.kicked
	want   atomic.Uint32
	_      [64]byte
	far    far
}

const (
	statusNew uint32 = iota
	statusOpen
	statusGone
)

// lingerLimit is how long what was written may take to leave after Close, when the FIFO
// has had no room for it.
const lingerLimit = time.Minute

var _ net.Conn = (*Conn)(nil)

// newConn makes a connection of a worker, which nobody kicks yet.
func (n *Net) newConn(b *bridge, p transport.Proto) (*Conn, error) {
	c := &Conn{n: n, b: b, proto: p}
	c.entry.conn = c
	c.rd.init()
	c.wr.init()
	if !n.table.add(&c.entry) {
		return nil, ErrTooMany
	}
	if n.down.Load() {
		c.shut()
		n.table.remove(&c.entry)
		return nil, net.ErrClosed
	}
	return c, nil
}

// ask has the worker do something.
func (c *Conn) ask(want uint32) {
	c.want.Or(want)
	c.kick()
}

func (c *Conn) kick() {
	if !c.down.Load() {
		c.b.kick(c)
	}
}

// LocalAddr is our end. The client of a cut-through connection has no port.
func (c *Conn) LocalAddr() net.Addr { return addrOf(c.proto, c.localAddr) }

// RemoteAddr is the peer's end.
func (c *Conn) RemoteAddr() net.Addr { return addrOf(c.proto, c.remoteAddr) }

// Read reads at least one byte. io.EOF: the peer has closed its side. Bytes that came
// before a reset are read before its error.
func (c *Conn) Read(p []byte) (int, error) {
	c.rmu.Lock()
	defer c.rmu.Unlock()
	n, err := c.read(p)
	if err != nil && err != io.EOF {
		err = c.opError("read", err)
	}
	return n, err
}

func (c *Conn) read(p []byte) (int, error) {
	for armed := false; ; {
		switch {
		case c.closed.Load() || c.down.Load():
			return 0, net.ErrClosed
		case c.rd.expired.Load():
			return 0, errDeadline
		case c.stopped.Load():
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		if n := c.in.take(p); n > 0 {
			if c.in.due(c.quota()) {
				c.in.asked = c.in.eaten.Load()
				c.kick()
			}
			return n, nil
		}
		if _, over := c.in.empty(); over {
			return 0, c.end()
		}
		if !armed {
			c.rd.arm()
			armed = true
			continue
		}
		// The worker may drop what was read, if it has not when it came by for an answer
		// of ours.
		if c.in.owing() {
			c.in.asked = c.in.eaten.Load()
			c.kick()
		}
		<-c.rd.note.C
		armed = false
	}
}

// quota is how much may be read before the window must move.
func (c *Conn) quota() uint32 { return c.n.cfg.RxFIFO / 4 }

// end is why nothing more will be read.
func (c *Conn) end() error {
	if c.status.Load() == statusGone && c.why != nil {
		return &failure{"read", c.why}
	}
	return io.EOF
}

// Write returns when all of p is on its way, in the transmit FIFO or about to be moved
// there; it waits while a slow peer leaves no room.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if len(p) == 0 {
		if err := c.writable(); err != nil {
			return 0, c.opError("write", err)
		}
		return 0, nil
	}
	for {
		r, err := c.roomFor(len(p))
		if err != nil {
			return n, c.opError("write", err)
		}
		k := r.fill(p)
		if k > 0 && !c.commit(r, k) {
			continue // closed meanwhile
		}
		n += k
		if p = p[k:]; len(p) == 0 {
			return n, nil
		}
	}
}

// roomFor waits until the ring has room, and makes one that suits n bytes when there is
// none, or a small one has nothing in it. Under wmu.
//
// The worker may hold a ring that was replaced for a moment longer. So it must not be
// used for another connection then, and is left to the garbage collector; rings of
// connections that have ended are used again (table.reap).
func (c *Conn) roomFor(n int) (*ring, error) {
	for armed := false; ; {
		if err := c.writable(); err != nil {
			return nil, err
		}
		r := c.out.Load()
		large := n > smallRing || c.big
		if r == nil || large && len(r.buf) == smallRing && r.queued() == 0 {
			if r == nil {
				c.n.rings.Add(1)
			}
			r = newRing(large)
			c.out.Store(r)
		}
		if r.room() > 0 {
			return r, nil
		}
		c.big = true
		if !armed {
			c.wr.arm()
			armed = true
			continue
		}
		<-c.wr.note.C
		armed = false
	}
}

// writable is why nothing can be written, nil if it can.
func (c *Conn) writable() error {
	switch {
	case c.closed.Load() || c.down.Load():
		return net.ErrClosed
	case c.wr.expired.Load():
		return errDeadline
	case c.finWr.Load():
		return &failure{"write", syscall.EPIPE}
	case c.status.Load() == statusGone && c.why == nil:
		return &failure{"write", syscall.EPIPE}
	case c.status.Load() == statusGone:
		return &failure{"write", c.why}
	}
	return nil
}

// commit sends n bytes of the ring on their way, unless the connection was closed.
func (c *Conn) commit(r *ring, n int) bool {
	c.mu.Lock()
	ok := !c.shutWr
	if ok {
		r.commit(n)
	}
	c.mu.Unlock()
	if ok {
		c.kick()
	}
	return ok
}

// ReadFrom reads from src straight into what is to be sent, until its end.
func (c *Conn) ReadFrom(src io.Reader) (n int64, err error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	for {
		r, err := c.roomFor(1)
		if err != nil {
			return n, c.opError("write", err)
		}
		b := r.piece(0, largeRing)
		k, rerr := src.Read(b)
		if k > 0 {
			c.big = c.big || k == len(b)
			if !c.commit(r, k) {
				continue
			}
			n += int64(k)
		}
		if rerr == io.EOF {
			return n, nil
		}
		if rerr != nil {
			return n, rerr
		}
	}
}

// CloseWrite ends our direction, after what was written. The peer reads io.EOF.
func (c *Conn) CloseWrite() error {
	if c.closed.Load() || c.down.Load() {
		return c.opError("close", net.ErrClosed)
	}
	c.finWr.Store(true)
	c.mu.Lock()
	c.shutWr = true
	c.mu.Unlock()
	c.wr.wake()
	c.ask(wantFin)
	return nil
}

// CloseRead has Read return io.EOF, and what comes thrown away.
func (c *Conn) CloseRead() error {
	if c.closed.Load() || c.down.Load() {
		return c.opError("close", net.ErrClosed)
	}
	c.stopped.Store(true)
	c.awaitReader()
	c.ask(wantDeaf)
	return nil
}

// SetLinger decides what Close does: with 0 it resets the peer and throws away what was
// written, else it closes in order. As in package net.
func (c *Conn) SetLinger(sec int) error {
	c.mu.Lock()
	c.abortly = sec == 0
	c.mu.Unlock()
	return nil
}

// Close ends both directions, after what was written. What is unread is lost, and the
// peer is reset then, as the kernel does. Reads and writes under way end with
// net.ErrClosed.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	c.mu.Lock()
	c.shutWr = true
	want := wantClose
	if c.abortly {
		want |= wantAbort
	} else if r := c.out.Load(); r != nil && r.queued() > 0 {
		c.linger = time.AfterFunc(lingerLimit, func() { c.ask(wantAbort) })
	}
	c.mu.Unlock()
	c.wr.wake()
	c.awaitReader()
	c.ask(want)
	c.rd.end()
	c.wr.end()
	return nil
}

// shut ends the goroutines' side when the Net has ended.
func (c *Conn) shut() {
	c.down.Store(true)
	c.mu.Lock()
	c.shutWr = true
	c.mu.Unlock()
	c.wr.wake()
	c.awaitReader()
}

// awaitReader returns when nobody reads any more, as none may begin to.
func (c *Conn) awaitReader() {
	c.rd.wake()
	c.rmu.Lock()
	defer c.rmu.Unlock()
}

// forget ends what is left when neither the stack nor, through it, anybody else knows c.
func (c *Conn) forget() {
	if c.linger != nil {
		c.linger.Stop()
	}
	// A writer that is still inside has the ring's memory in its hands (ReadFrom).
	if c.closed.Load() && c.wmu.TryLock() {
		if r := c.out.Swap(nil); r != nil {
			c.n.rings.Add(-1)
			r.recycle()
		}
		c.wmu.Unlock()
	}
}

// SetDeadline sets when reads and writes end with os.ErrDeadlineExceeded.
func (c *Conn) SetDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	c.rd.setDeadline(t)
	c.wr.setDeadline(t)
	return nil
}

// SetReadDeadline sets that of reads.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	c.rd.setDeadline(t)
	return nil
}

// SetWriteDeadline sets that of writes.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	c.wr.setDeadline(t)
	return nil
}

// opError words an error of c.
func (c *Conn) opError(op string, err error) error {
	var local, remote net.Addr
	if c.localAddr.IsValid() {
		local, remote = c.LocalAddr(), c.RemoteAddr()
	}
	return opError(op, c.proto.String(), local, remote, err)
}
