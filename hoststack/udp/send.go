package udp

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/transport"
)

// batch is the packets that are being built, all of one path.
type batch struct {
	bufs []*pkt.Buf
	n    int // of them
	room int // more that may be sent along the path
	sent int // handed to the network layer in this turn
	path *ip.Path
	dst  *hdr.Addr
	mtu  int
	head header
	to   datagram.Ends // that head is for, of a connectionless session
}

// send sends what the FIFO of connection i holds:
//
//  1. find out where to, how large packets may be, how many are taken, and build the pattern
//     of their headers; of a connectionless session anew when that changes (aimAt)
//  2. for each datagram: copy the payload from the FIFO and sum it in one pass, put the
//     pattern in front, fill in what differs (put); or do so in fragments
//  3. hand the batch to the network layer and give the FIFO's room back
func (s *shard) send(i uint32, c *Conn, budget int) transport.Sent {
	tx := s.u.upper.TxFIFO(s.w, c.session)
	s.n, s.sent, s.path = 0, 0, nil
	why := -1
	if c.kind != connectionless && tx.Len() > 0 {
		why = s.point(c)
	}
	r := datagram.Read(tx)
	before, dropped, bytes := c.dgramsOut, 0, 0
	for s.sent+s.n < budget && r.Step() {
		bad := why
		if c.kind == connectionless {
			bad = s.aimAt(c, &r)
		}
		ok := true
		if bad < 0 {
			ok, bad = s.put(c, &r)
		}
		switch {
		case bad >= 0:
			s.out[bad]++
			dropped++
			continue
		case !ok:
			r.Keep()
		default:
			c.dgramsOut++
			bytes += r.Len
			continue
		}
		break
	}
	s.flush()
	if r.Bad() {
		s.out[outBad]++
	}
	_, freed := r.Done()
	if n := c.dgramsOut - before; n > 0 {
		c.last = s.w.Now()
		c.bytesOut += uint64(bytes)
		s.stats.OutDatagrams += n
		s.stats.OutBytes += uint64(bytes)
	}
	c.errsOut += uint64(dropped)
	s.stats.OutErrors += uint64(dropped)
	if freed > 0 {
		s.u.upper.Acked(s.w, c.session, freed)
	}
	out := transport.Sent{Segments: s.sent + dropped}
	switch {
	case tx.Len() > 0:
		out.Verdict = transport.Again
	case c.has(fClosing):
		s.end(i, c, nil)
	}
	return out
}

// point aims the batch at the other end of c. It returns why that cannot be, -1 when it can.
func (s *shard) point(c *Conn) (why int) {
	s.version(b2i(!c.is4()))
	if s.u.net.Renew(s.w, &c.path, &c.remote) != nil {
		return outNoRoute
	}
	s.tuple = tuple{local: c.local, remote: c.remote, lport: c.lport, rport: c.rport}
	s.path, s.dst = &c.path, &c.remote
	s.room = s.u.net.Room(s.w, s.path)
	s.mtu = s.limit(&c.narrowed, s.path)
	s.head.build(&s.tuple, hdr.Sum(c.pseudo), c.tos, c.ttl, c.has(fNoFrag), s.offloads(s.path))
	return -1
}

// limit is how large packets may be along a path.
func (s *shard) limit(n *narrowed, p *ip.Path) int {
	mtu := n.limit(int(p.MTU), s.w.Now())
	if s.cfg.MTU != 0 {
		mtu = min(mtu, int(s.cfg.MTU))
	}
	return mtu
}

// put adds the present datagram of r to the batch. ok is false when it must wait; why is why
// it is to be dropped instead, -1 when it is not.
func (s *shard) put(c *Conn, r *datagram.Reader) (ok bool, why int) {
	h, n := &s.head, r.Len
	if h.n+n > s.mtu {
		return s.putLarge(c, r)
	}
	if s.room <= 0 {
		return false, -1
	}
	b := s.w.Bufs.Get()
	if b == nil {
		s.out[outNoBuffer]++
		return false, -1
	}
	b.SetLen(h.n + n)
	d := b.Data()
	text := d[h.n:]
	src := r.Piece(0)
	var sum hdr.Sum
	switch {
	case len(src) < n:
		sum = gather(text, r, 0)
	case h.csum:
		copy(text, src)
	default:
		sum = hdr.CopyChecksum(text, src, 0)
	}
	s.id++
	h.put(d, n, uint16(s.id), r.TOS&3, sum)
	h.finish(b, n)
	s.add(b)
	return true, -1
}

// gather copies and sums the payload of r from off on, which lies in several pieces of the
// FIFO. Bytes that are not there are sent as zeros.
func gather(text []byte, r *datagram.Reader, off int) (sum hdr.Sum) {
	for done := 0; done < len(text); {
		p := r.Piece(off + done)
		if len(p) == 0 {
			clear(text[done:])
			break
		}
		n := min(len(p), len(text)-done)
		sum = sum.Join(done, hdr.CopyChecksum(text[done:done+n], p[:n], 0))
		done += n
	}
	return sum
}

// add adds a packet to the batch.
func (s *shard) add(b *pkt.Buf) {
	s.bufs[s.n] = b
	s.n++
	s.room--
	if s.n == len(s.bufs) {
		s.flush()
	}
}

// flush hands the batch to the network layer.
func (s *shard) flush() {
	if n := s.n; n > 0 {
		s.n = 0
		s.sent += n
		s.out[outSent] += uint64(n)
		s.u.net.Output(s.w, s.path, s.dst, s.bufs[:n])
	}
}
