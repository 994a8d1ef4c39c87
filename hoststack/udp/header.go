package udp

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
)

const (
	defaultTTL = 64
	maxHeader  = hdr.IP6Len + hdr.UDPLen
)

// header is the headers of a datagram, as the pattern of many: everything is filled in but
// what differs between those of a batch.
type header struct {
	b      [maxHeader]byte
	ip     int     // length of the IP header
	n      int     // length of both headers
	pseudo hdr.Sum // of the pseudo-header without the length
	sum    hdr.Sum // of that and the ports
	isum   hdr.Sum // of the IPv4 header, without length and identification
	csum   bool    // the device completes the checksum
}

// build fills in h for datagrams between t's ends.
func (h *header) build(t *tuple, pseudo hdr.Sum, tos, ttl uint8, noFrag, csum bool) {
	h.pseudo, h.csum = pseudo, csum
	if ttl == 0 {
		ttl = defaultTTL
		if t.remote.IsMulticast() {
			ttl = 1 // RFC 1112 section 6.1: unless asked for more
		}
	}
	if t.remote.Is4() {
		h.ip = hdr.IP4Len
		b := h.b[:hdr.IP4Len]
		binary.BigEndian.PutUint64(b[0:], 0x45<<56|uint64(tos)<<48)
		if noFrag {
			b[6] = uint8(hdr.IP4DontFragment >> 8)
		}
		binary.BigEndian.PutUint32(b[8:], uint32(ttl)<<24|uint32(hdr.ProtoUDP)<<16)
		copy(b[12:16], t.local.V4())
		copy(b[16:20], t.remote.V4())
		h.isum = hdr.Checksum(b, 0)
	} else {
		h.ip = hdr.IP6Len
		b := h.b[:hdr.IP6Len]
		// RFC 6437: a flow label that is the flow's own.
		label := (uint32(pseudo) ^ uint32(t.lport)<<16 ^ uint32(t.rport)) * 0x9e3779b1 >> 12
		binary.BigEndian.PutUint32(b[0:], 6<<28|uint32(tos)<<20|label)
		b[4], b[5], b[6], b[7] = 0, 0, hdr.ProtoUDP, ttl
		copy(b[8:24], t.local[:])
		copy(b[24:40], t.remote[:])
	}
	h.n = h.ip + hdr.UDPLen
	x := h.b[h.ip:]
	binary.BigEndian.PutUint16(x[0:], t.lport)
	binary.BigEndian.PutUint16(x[2:], t.rport)
	binary.BigEndian.PutUint32(x[4:], 0)
	h.sum = pseudo + hdr.Sum(t.lport) + hdr.Sum(t.rport)
}

// put writes the headers in front of n bytes of payload, whose sum is text, to d.
func (h *header) put(d []byte, n int, id uint16, ecn uint8, text hdr.Sum) {
	_ = d[h.n-1]
	l4 := uint16(hdr.UDPLen + n)
	if h.ip == hdr.IP4Len {
		*(*[hdr.IP4Len + hdr.UDPLen]byte)(d) = *(*[hdr.IP4Len + hdr.UDPLen]byte)(h.b[:])
		total := hdr.IP4Len + l4
		d[1] |= ecn
		binary.BigEndian.PutUint16(d[2:], total)
		binary.BigEndian.PutUint16(d[4:], id)
		binary.BigEndian.PutUint16(d[10:], (h.isum + hdr.Sum(total) + hdr.Sum(id) + hdr.Sum(ecn)).Fold())
	} else {
		*(*[maxHeader]byte)(d) = h.b
		d[1] |= ecn << 4
		binary.BigEndian.PutUint16(d[4:], l4)
	}
	x := d[h.ip:]
	binary.BigEndian.PutUint16(x[4:], l4)
	if h.csum {
		// The device wants the sum of the pseudo-header where the checksum goes.
		binary.BigEndian.PutUint16(x[6:], ^(h.pseudo + hdr.Sum(l4)).Fold())
	} else {
		binary.BigEndian.PutUint16(x[6:], hdr.UDPChecksum(h.sum+2*hdr.Sum(l4)+text))
	}
}

// finish sets what the layers below want to know of a datagram in b, which has n bytes of
// payload.
func (h *header) finish(b *pkt.Buf, n int) {
	b.L3, b.L4, b.L4Len, b.Proto = 0, uint16(h.ip), uint16(hdr.UDPLen+n), hdr.ProtoUDP
	if h.ip == hdr.IP6Len {
		b.Flags |= pkt.V6
	}
	if h.csum {
		b.Flags |= pkt.CsumPartial
	}
}

// offloads tells whether the device completes checksums on a path.
func (s *shard) offloads(p *ip.Path) bool { return s.cfg.CsumOffload && p.Flags&ip.PathTxCsum != 0 }
