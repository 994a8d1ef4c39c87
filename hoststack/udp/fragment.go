package udp

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/hoststack/datagram"
)

// putLarge adds a datagram that is larger than the path in fragments: RFC 791 section 3.2,
// RFC 8200 section 4.5. They are made as the payload is copied, so that it is touched once.
// ok and why as in put.
func (s *shard) putLarge(c *Conn, r *datagram.Reader) (ok bool, why int) {
	h := &s.head
	ext, most := 0, datagram.MaxLen
	if h.ip == hdr.IP6Len {
		ext, most = hdr.Frag6Len, datagram.MaxLen6
	}
	total := hdr.UDPLen + r.Len
	room := (s.mtu - h.ip - ext) &^ 7
	switch {
	case r.Len > most:
		return false, outTooLong
	case c.has(fNoFrag) || room <= 0 || total > room*len(s.bufs):
		return false, outTooBig
	}
	need := (total + room - 1) / room
	if s.n+need > len(s.bufs) {
		s.flush()
	}
	if s.room < need {
		// All or none. Should it be the neighbour that is not known yet, and keeps fewer
		// packets than these, he must be asked for all the same.
		s.flush()
		s.u.net.Output(s.w, s.path, s.dst, s.bufs[:0])
		return false, -1
	}
	bufs := s.bufs[s.n:][:need]
	if got := s.w.Bufs.GetN(bufs); got < need {
		s.w.Bufs.PutN(bufs[:got])
		s.out[outNoBuffer]++
		return false, -1
	}
	s.id++
	sum := h.sum + 2*hdr.Sum(total)
	for k, b := range bufs {
		at := k * room
		n := min(room, total-at)
		b.SetLen(h.ip + ext + n)
		d := b.Data()
		text, off := d[h.ip+ext:], at-hdr.UDPLen
		if k == 0 {
			text, off = text[hdr.UDPLen:], 0
		}
		sum += gather(text, r, off) // all but the last are of even length
		h.putFragment(d, at, n, at+n < total, s.id, r.TOS&3)
		h.finishFragment(b, n)
	}
	x := bufs[0].Data()[h.ip+ext:]
	copy(x, h.b[h.ip:h.ip+4])
	binary.BigEndian.PutUint16(x[4:], uint16(total))
	binary.BigEndian.PutUint16(x[6:], hdr.UDPChecksum(sum))
	s.n += need
	s.room -= need
	s.out[outFragmented]++
	s.out[outFragments] += uint64(need)
	s.stats.Fragmented++
	if s.n == len(s.bufs) {
		s.flush()
	}
	return true, -1
}

// putFragment writes the IP header of the fragment that begins at byte at of the IP payload
// and has n bytes.
func (h *header) putFragment(d []byte, at, n int, more bool, id uint32, ecn uint8) {
	copy(d, h.b[:h.ip])
	if h.ip == hdr.IP6Len {
		d[1] |= ecn << 4
		binary.BigEndian.PutUint16(d[4:], uint16(hdr.Frag6Len+n))
		d[6] = hdr.ExtFragment
		hdr.Frag6(d[hdr.IP6Len:]).Put(hdr.ProtoUDP, at, more, id)
		return
	}
	frag := uint16(at / 8)
	if more {
		frag |= hdr.IP4MoreFragments
	}
	d[1] |= ecn
	total := uint16(h.ip + n)
	binary.BigEndian.PutUint16(d[2:], total)
	binary.BigEndian.PutUint16(d[4:], uint16(id))
	binary.BigEndian.PutUint16(d[6:], frag)
	binary.BigEndian.PutUint16(d[10:], (h.isum + hdr.Sum(total) + hdr.Sum(uint16(id)) + hdr.Sum(frag) + hdr.Sum(ecn)).Fold())
}

// finishFragment is finish for a fragment with n bytes of payload.
func (h *header) finishFragment(b *pkt.Buf, n int) {
	b.L3, b.L4, b.L4Len, b.Proto = 0, uint16(h.ip), uint16(n), hdr.ProtoUDP
	if h.ip == hdr.IP6Len {
		b.Flags |= pkt.V6
	}
}
