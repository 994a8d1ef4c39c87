package tcp

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/transport"
)

// How segments leave, once the machine has planned them:
//
//  1. ask the network layer how many packets it takes, and get buffers
//  2. have the machine plan (send): from here on the segments count as sent
//  3. build one header as the pattern of all
//  4. for each segment: copy the text from the transmit FIFO and sum it in one pass,
//     put the pattern in front, fill in what differs
//  5. hand the batch to the network layer

// transmit sends what c may send now, at most budget segments.
func (s *shard) transmit(i uint32, c *Conn, budget int) transport.Sent {
	now := s.w.Now()
	s.begin(c)
	tx := s.t.upper.TxFIFO(s.w, c.session)
	s.tx = tx
	avail := tx.Len()
	limit := min(budget, len(s.bufs), s.estimate(c, avail))
	room := s.t.net.Room(s.w, &c.path)
	if limit <= 0 || room <= 0 {
		if s.waiting(c, avail) || c.has(fProbe) {
			return transport.Sent{Verdict: transport.Again}
		}
		return transport.Sent{}
	}
	s.fitPath(c)
	bufs := s.bufs[:min(limit, room)]
	got := s.w.Bufs.GetN(bufs)
	if got == 0 {
		s.stats.NoBuffer++
		s.snt[outNoBuffer]++
		return transport.Sent{Verdict: transport.Again}
	}
	r := s.send(c, avail, got, now)
	if r.Segments > 0 {
		s.emit(c, bufs[:r.Segments], tx, avail, now)
	}
	s.w.Bufs.PutN(bufs[r.Segments:got])
	if r.Segments > 0 {
		s.t.net.Output(s.w, &c.path, &c.remote, bufs[:r.Segments])
	}
	s.arm(i, c, now)
	return r
}

// estimate is how many buffers the next send needs at most. Should it need more, because
// it fills many small holes, it says Again.
func (s *shard) estimate(c *Conn, avail int) int {
	k, mss := s.cold(c), int(c.mss)
	n := s.cwndRoom(c, k)
	if k == nil || k.mode == open {
		n = min(n, avail-c.dataFlight(), c.wndRoom())
	}
	return max(n, 0)/mss + 3 // a piece, a probe, a FIN
}

// fitPath lowers the segment size when the path has become narrower.
func (s *shard) fitPath(c *Conn) {
	if int(c.mss)+c.hdrLen() > int(c.path.MTU) {
		c.setMSS(min(s.ourMSS(c), c.stats.peerMSS))
	}
}

// emit builds the segments of the plan in bufs, one each.
func (s *shard) emit(c *Conn, bufs []*pkt.Buf, tx *fifo.FIFO, avail int, now int64) {
	var opts []byte
	if c.has(fTS) {
		opts = putTS(s.opts[:0], c.tsNow(now), c.tsRecent)
	}
	h := &s.hdr
	h.build(c, hdr.ACK, c.rcvNxt, c.window(), opts, s.cfg.CsumOffload)
	mss, una := int(c.mss), c.sndUna
	k := 0
	for _, x := range s.machine.plan[:s.plans] {
		seq, left := x.seq, int(x.n)
		for {
			n := min(left, mss)
			left -= n
			extra := hdr.TCPFlags(0)
			off := seq.Sub(una)
			if n > 0 && off+n == avail {
				extra |= hdr.PSH // nothing waits behind it
			}
			if left == 0 && x.fin {
				extra |= hdr.FIN
			}
			b := bufs[k]
			k++
			s.put(b, h, tx, seq, off, n, extra)
			h.finish(b, n, c.pseudo)
			if n > 0 {
				c.stats.dataSegsOut++
			}
			seq = seq.Add(n)
			if left == 0 {
				break
			}
		}
	}
	c.stats.segsOut += uint32(k)
	s.snt[outSent] += uint64(k)
	// The segments carry our acknowledgment. What is out of order takes SACK blocks,
	// which only a bare ACK has.
	if kold := s.cold(c); kold == nil || kold.held.n == 0 {
		c.acked()
	}
}

// put builds one segment of n bytes that begin off bytes into the transmit FIFO.
func (s *shard) put(b *pkt.Buf, h *header, tx *fifo.FIFO, seq hdr.Seq, off, n int, extra hdr.TCPFlags) {
	b.SetLen(h.n + n)
	d := b.Data()
	text := d[h.n:]
	src := tx.PeekAt(off, n)
	var sum hdr.Sum
	switch {
	case n == 0:
	case len(src) < n:
		sum = gather(text, tx, off)
	case h.csum:
		copy(text, src)
	default:
		sum = hdr.CopyChecksum(text, src, 0)
	}
	h.put(d, seq, n, extra, sum)
}

// gather copies and sums what lies in several pieces of the FIFO. Bytes that are not
// there, because the other end of a shared FIFO lied about them, are sent as zeros.
func gather(text []byte, tx *fifo.FIFO, off int) (sum hdr.Sum) {
	done := 0
	for done < len(text) {
		p := tx.PeekAt(off+done, len(text)-done)
		if len(p) == 0 {
			clear(text[done:])
			return sum
		}
		sum = sum.Join(done, hdr.CopyChecksum(text[done:done+len(p)], p, 0))
		done += len(p)
	}
	return sum
}

// sendOwed sends the SYN or the acknowledgments that c owes; false when it cannot now.
func (s *shard) sendOwed(c *Conn, now int64) bool {
	if s.t.net.Room(s.w, &c.path) <= 0 {
		return false
	}
	if c.has(fSynOwed) {
		return s.sendSYN(c, now)
	}
	opts := s.opts[:0]
	if c.has(fTS) {
		opts = putTS(opts, c.tsNow(now), c.tsRecent)
	}
	if k := s.cold(c); k != nil && k.held.n > 0 && c.has(fSACK) {
		var blocks [maxSACK]span
		if n := k.sackBlocks(&blocks, (maxOptions-len(opts)-4)/8); n > 0 {
			opts = putSACK(opts, blocks[:n])
		}
	}
	extra := int(c.stats.extraAcks)
	wnd := c.window()
	for range 1 + extra {
		if !s.lone(c, hdr.ACK, c.sndNxt, c.rcvNxt, wnd, opts) {
			return false
		}
	}
	c.stats.segsOut += uint32(1 + extra)
	c.stats.dupAcksOut += uint32(b2i(c.lastAck == c.rcvNxt) + extra)
	c.acked()
	return true
}

// sendSYN sends our SYN, or SYN-ACK, again or for the first time.
func (s *shard) sendSYN(c *Conn, now int64) bool {
	flags, ack := hdr.SYN, hdr.Seq{}
	first := c.state == SynSent
	if !first {
		flags, ack = hdr.SYN|hdr.ACK, c.rcvNxt
	}
	opts := putMSS(s.opts[:0], s.ourMSS(c))
	if first || c.has(fWScale) {
		opts = putWScale(opts, s.cfg.wscale())
	}
	if first || c.has(fTS) {
		opts = putTS(opts, c.tsNow(now), c.tsRecent)
	}
	if first || c.has(fSACK) {
		opts = putSACKPerm(opts)
	}
	wnd := uint16(min(c.rcvWnd(), 65535))
	if !s.lone(c, flags, c.stats.iss, ack, wnd, opts) {
		return false
	}
	c.stats.segsOut++
	if c.tries > 0 {
		s.stats.RxtSegs++
		c.stats.rxtSegs++
	}
	c.clear(fSynOwed)
	c.acked()
	return true
}

// lone sends one segment without text; false when there is no buffer.
func (s *shard) lone(c *Conn, flags hdr.TCPFlags, seq, ack hdr.Seq, wnd uint16, opts []byte) bool {
	b := s.w.Bufs.Get()
	if b == nil {
		s.stats.NoBuffer++
		s.snt[outNoBuffer]++
		return false
	}
	h := &s.hdr
	h.build(c, flags, ack, wnd, opts, s.cfg.CsumOffload)
	b.SetLen(h.n)
	h.put(b.Data(), seq, 0, 0, 0)
	h.finish(b, 0, c.pseudo)
	s.one[0] = b
	s.snt[outSent]++
	s.t.net.Output(s.w, &c.path, &c.remote, s.one)
	return true
}

// sendReset sends the reset that the machine has left in out.
func (s *shard) sendReset(c *Conn) {
	r := s.out.reset
	s.snt[outRst]++
	c.stats.segsOut++
	s.lone(c, r.flags, r.seq, r.ack, 0, nil)
}

// sendResetTo answers a segment that belongs to no connection.
func (s *shard) sendResetTo(t *tuple, r reset) {
	c := s.strayConn(t)
	if c == nil {
		s.snt[outNoRoute]++
		return
	}
	s.snt[outRst]++
	s.lone(c, r.flags, r.seq, r.ack, 0, nil)
}

// strayConn is as much of a connection between t's ends as one segment takes where there
// is none, until the next call; nil when no path leads there.
func (s *shard) strayConn(t *tuple) *Conn {
	c := &s.stray
	*c = Conn{local: t.local, remote: t.remote, lport: t.lport, rport: t.rport}
	if s.t.net.FindPath(s.w, &c.remote, t.iface, &c.path) != nil {
		return nil
	}
	c.pseudo = uint32(hdr.Pseudo(&c.local, &c.remote, hdr.ProtoTCP))
	return c
}
