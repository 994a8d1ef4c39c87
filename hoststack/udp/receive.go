package udp

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/hoststack/datagram"
)

// receive takes a run of datagrams for connection i.
func (s *shard) receive(i uint32, c *Conn, run []*pkt.Buf) {
	if c.has(fClosing) || !c.has(fAttached) {
		c.errsIn += uint64(len(run))
		s.drop(inClosing, len(run))
		return
	}
	rx := s.u.upper.RxFIFO(s.w, c.session)
	if rx == nil {
		c.errsIn += uint64(len(run))
		s.drop(inNoMemory, len(run))
		return
	}
	c.last = s.w.Now()
	t := datagram.Write(rx)
	pseudo, ends := hdr.Sum(c.pseudo), (*datagram.Ends)(nil)
	if c.kind == connectionless {
		x := &s.tuple
		pseudo = hdr.Pseudo(&x.local, &x.remote, hdr.ProtoUDP)
		s.ends = datagram.Ends{Remote: x.remote, Local: x.local, RemotePort: x.rport, LocalPort: x.lport, Iface: run[0].Iface}
		ends = &s.ends
	}
	bytes, bad := 0, 0
	for _, b := range run {
		n, sum, why := parse(b, pseudo)
		if why < 0 && !t.BeginRaw(n, class(b), ends) {
			why = inFIFOFull
			if t.Starved() {
				why = inNoMemory
			}
		}
		if why < 0 && !fill(&t, b, n, sum) {
			why = inChecksum
		}
		if why >= 0 {
			s.in[why]++
			bad++
			continue
		}
		t.End()
		bytes += n
	}
	n := t.Commit()
	c.dgramsIn += uint64(n)
	c.bytesIn += uint64(bytes)
	s.stats.InDatagrams += uint64(n)
	s.stats.InBytes += uint64(bytes)
	s.in[inEnqueued] += uint64(n)
	if bad > 0 {
		c.errsIn += uint64(bad)
		s.stats.InErrors += uint64(bad)
	}
	if n > 0 {
		s.u.upper.Delivered(s.w, c.session, bytes)
	}
}

// class is the traffic class of a packet.
func class(b *pkt.Buf) uint8 {
	h := b.At(b.L3)
	if b.Flags&pkt.V6 != 0 {
		return h[0]<<4 | h[1]>>4
	}
	return h[1]
}

// verified is the sum of a datagram whose checksum need not be looked at.
const verified = ^hdr.Sum(0)

// parse reads the header of a complete packet: the bytes of payload, and the sum of
// everything else, or verified. why is what is wrong with it, -1 when nothing is.
func parse(b *pkt.Buf, pseudo hdr.Sum) (n int, sum hdr.Sum, why int) {
	h := b.At(b.L4)
	w := binary.BigEndian.Uint32(h[4:])
	length := int(w >> 16)
	// What follows the datagram in the packet is ignored (RFC 768 knows no such thing; the
	// sender's IP may pad).
	if length < hdr.UDPLen || length > int(b.L4Len) {
		return 0, 0, inLength
	}
	n = length - hdr.UDPLen
	if uint16(w) == 0 {
		if b.Flags&pkt.V6 != 0 {
			return 0, 0, inChecksum // RFC 8200 section 8.1: MUST be discarded
		}
		return n, verified, -1 // RFC 768: there is none
	}
	if b.Flags&pkt.L4Good != 0 {
		return n, verified, -1
	}
	return n, (pseudo + hdr.Sum(length)).Long(binary.BigEndian.Uint32(h)).Long(w), -1
}

// fill copies n bytes of payload to the datagram that t has begun, and verifies them unless
// sum is verified.
func fill(t *datagram.Writer, b *pkt.Buf, n int, sum hdr.Sum) bool {
	if b.NbSegs != 1 {
		return fillChain(t, b, n, sum)
	}
	src := b.At(b.L4)[hdr.UDPLen:][:n]
	if dst := t.Piece(0); len(dst) >= n {
		if sum == verified {
			copy(dst, src)
			return true
		}
		return hdr.CopyChecksum(dst[:n], src, sum).Good()
	}
	done := 0
	return fillPieces(t, src, &done, &sum) && (sum == verified || sum.Good())
}

// fillPieces copies src to where done bytes have been written before.
func fillPieces(t *datagram.Writer, src []byte, done *int, sum *hdr.Sum) bool {
	for len(src) > 0 {
		dst := t.Piece(*done)
		n := min(len(src), len(dst))
		if n == 0 {
			return false
		}
		if *sum == verified {
			copy(dst, src[:n])
		} else {
			*sum = sum.Join(*done, hdr.CopyChecksum(dst[:n], src[:n], 0))
		}
		*done += n
		src = src[n:]
	}
	return true
}

// fillChain is fill for a packet of several buffers.
func fillChain(t *datagram.Writer, b *pkt.Buf, n int, sum hdr.Sum) bool {
	done := 0
	for src := b.At(b.L4)[hdr.UDPLen:]; ; src = b.Data() {
		if !fillPieces(t, src[:min(len(src), n-done)], &done, &sum) {
			return false
		}
		if b = b.Next; b == nil || done == n {
			break
		}
	}
	return done == n && (sum == verified || sum.Good())
}

// check tells what is wrong with a complete packet, -1 when nothing is.
func check(b *pkt.Buf, pseudo hdr.Sum) (why int) {
	n, sum, why := parse(b, pseudo)
	if why >= 0 || sum == verified {
		return why
	}
	done := 0
	for src := b.At(b.L4)[hdr.UDPLen:]; ; src = b.Data() {
		src = src[:min(len(src), n-done)]
		sum = sum.Join(done, hdr.Checksum(src, 0))
		done += len(src)
		if b = b.Next; b == nil {
			break
		}
	}
	if done != n {
		return inLength
	}
	if !sum.Good() {
		return inChecksum
	}
	return -1
}
