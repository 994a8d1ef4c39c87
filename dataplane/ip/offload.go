package ip

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

// completeChecksum computes the TCP or UDP checksum of an IP packet, which begins with
// its IP header, where that was left to a device: when it leaves by one that does not do
// so, or in fragments, or when it came from an interface of this host and never had one.
func completeChecksum(b *pkt.Buf) {
	b.Flags &^= pkt.CsumPartial
	d := b.Data()
	var src, dst hdr.Addr
	var proto uint8
	var l4, n int
	if version(b) == v4 {
		h := hdr.IP4(d)
		if h.IsFragment() {
			return
		}
		src, dst, proto, l4, n = h.Src(), h.Dst(), h.Proto(), h.HeaderLen(), h.TotalLen()
	} else {
		h := hdr.IP6(d)
		x := h.Exts()
		for x.Next() {
			if x.Type == hdr.ExtFragment {
				return
			}
		}
		src, dst, proto, l4, n = h.Src(), h.Dst(), x.Proto, x.End, h.TotalLen()
	}
	var field int
	switch proto {
	case hdr.ProtoTCP:
		field = 16
	case hdr.ProtoUDP:
		field = 6
	default:
		return
	}
	if l4+field+2 > len(d) {
		return
	}
	at := d[l4+field:]
	at[0], at[1] = 0, 0
	s := hdr.Pseudo(&src, &dst, proto).Long(uint32(n-l4)) + sum(b, uint16(l4))
	v := s.Fold()
	if proto == hdr.ProtoUDP {
		v = hdr.UDPChecksum(s)
	}
	binary.BigEndian.PutUint16(at, v)
}
