package tcp

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

// segment is a received segment off the fast path, taken apart. SEG.LEN of RFC 9293
// is len(payload) and one each for SYN and FIN.
type segment struct {
	seq, ack hdr.Seq
	wnd      uint32 // as received, not scaled
	flags    hdr.TCPFlags
	opt      options
	payload  []byte
}

func (s *segment) length() int {
	return len(s.payload) + int(s.flags&hdr.SYN>>1) + int(s.flags&hdr.FIN)
}

// end is the number after the last one that s occupies.
func (s *segment) end() hdr.Seq { return s.seq.Add(s.length()) }

// skipSYN takes the SYN off s, as if it had been received.
func (s *segment) skipSYN() {
	s.flags &^= hdr.SYN
	s.seq = s.seq.Add(1)
}

// trimFront removes what s has before from, SYN included.
func (s *segment) trimFront(from hdr.Seq) {
	n := from.Sub(s.seq)
	if n <= 0 {
		return
	}
	if s.flags&hdr.SYN != 0 {
		s.flags &^= hdr.SYN
		n--
	}
	cut := min(n, len(s.payload))
	s.payload = s.payload[cut:]
	if n > cut {
		s.flags &^= hdr.FIN
	}
	s.seq = from
}

// trimBack removes what s has from to on.
func (s *segment) trimBack(to hdr.Seq) {
	over := s.end().Sub(to)
	if over <= 0 {
		return
	}
	if s.flags&hdr.FIN != 0 {
		s.flags &^= hdr.FIN
		over--
	}
	s.payload = s.payload[:len(s.payload)-min(over, len(s.payload))]
}

// parse takes the segment in b apart and verifies its checksum. It returns the
// reason not to go on, -1 for none. pseudo is the sum of the pseudo-header without
// length.
func (s *segment) parse(b *pkt.Buf, pseudo hdr.Sum) (reason int) {
	h := hdr.TCP(b.At(b.L4)[:b.L4Len])
	if !h.Valid() {
		return inLength
	}
	if b.Flags&pkt.L4Good == 0 && !hdr.Checksum(h, pseudo+hdr.Sum(b.L4Len)).Good() {
		return inChecksum
	}
	s.seq, s.ack, s.wnd, s.flags = h.Seq(), h.Ack(), uint32(h.Window()), h.Flags()
	s.payload = h.Payload()
	if !s.opt.parse(h.Options()) {
		return inOptions
	}
	return -1
}
