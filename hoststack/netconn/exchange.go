package netconn

import (
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/session"
)

// exchange is the receiving direction of a visit: bytes that the reader has read are
// dropped from the FIFO, bytes that came are lent. s is nil when the session is gone, or
// not there yet.
func (b *bridge) exchange(c *Conn, s *session.Session) {
	f := b.rx(c, s)
	if f == nil {
		return
	}
	l := &c.in
	drop := int(l.eaten.Load() - l.seen.Load())
	deaf := c.far.wants&(wantDeaf|wantClose|wantCancel) != 0
	if deaf && c.far.wants&wantClose == 0 {
		drop = f.Len() // nobody reads, the pieces are of no concern
	}
	if drop > 0 {
		f.Drop(drop)
		c.far.lent = max(c.far.lent-drop, 0)
		l.seen.Store(l.eaten.Load())
		if s != nil {
			b.w.Dropped(s)
		}
	}
	if c.far.kept != 0 && f.Len() == 0 {
		b.free(c)
	}
	if !deaf {
		b.lend(c, f)
	}
}

// rx is the FIFO that c's reader reads.
func (b *bridge) rx(c *Conn, s *session.Session) *fifo.FIFO {
	if c.far.kept != 0 {
		return b.w.FIFO(c.far.kept)
	}
	if s == nil {
		return nil
	}
	return b.w.Rx(s)
}

// lend gives the reader what it has not got yet, as far as there are places.
func (b *bridge) lend(c *Conn, f *fifo.FIFO) {
	l, n := &c.in, f.Len()
	put := l.put.Load()
	first := put
	for free := pieces - (put - l.got.Load()); free > 0 && c.far.lent < n; free-- {
		p := f.PeekAt(c.far.lent, n-c.far.lent)
		if len(p) == 0 {
			break
		}
		l.piece[put%pieces] = p
		c.far.lent += len(p)
		put++
	}
	if put != first {
		l.put.Store(put)
	}
	if more := c.far.lent < n; more != l.more.Load() {
		l.more.Store(more)
	}
	if put != first {
		c.rd.notify(b.w.Worker)
	}
}

// pump is the sending direction of a visit: what was written goes into the transmit FIFO,
// as much as fits; then our direction is ended, if that is wanted.
func (b *bridge) pump(c *Conn, s *session.Session) {
	f := &c.far
	if f.closed {
		return
	}
	if f.wants&wantClose != 0 && b.w.Rx(s).Len() > 0 {
		b.close(c, s) // it has left data unread: a reset tells the peer
		return
	}
	if !b.transfer(c, s) {
		return
	}
	switch {
	case f.wants&wantClose != 0:
		b.close(c, s)
	case f.wants&wantFin != 0 && !f.finSent:
		f.finSent = true
		b.w.HalfClose(s)
	}
}

func (b *bridge) close(c *Conn, s *session.Session) {
	c.far.closed = true
	b.w.Close(s)
}

// transfer moves bytes from the ring to the FIFO. It returns whether the ring is empty.
func (b *bridge) transfer(c *Conn, s *session.Session) (empty bool) {
	r := c.out.Load()
	if r == nil {
		return true
	}
	head, tail := r.head.Load(), r.tail.Load()
	if head == tail {
		return true
	}
	n, size := int(tail-head), len(r.buf)
	at := int(head) & (size - 1)
	tx := b.w.Tx(s)
	k := tx.Write(r.buf[at:min(at+n, size)])
	if k == size-at && k < n {
		k += tx.Write(r.buf[:n-k])
	}
	if k > 0 {
		r.head.Store(head + uint32(k))
		b.w.Send(s)
		if size-(n-k) >= size/2 {
			c.wr.notify(b.w.Worker)
		}
	}
	empty = k == n
	if !empty || c.far.pressed {
		c.far.pressed = !empty
		b.w.WantWritable(s, !empty)
	}
	return empty
}
