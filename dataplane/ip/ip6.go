package ip

import (
	"vpphost/dataplane/fib"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/trace"
)

// maxExts is how many extension headers are looked at; more are taken for an attack.
const maxExts = 8

// Options that are known and need nothing to be done. The jumbo option is unknown here,
// and its type says what to do about that.
const (
	optRouterAlert = 0x05 // RFC 2711
	optQuickStart  = 0x26 // RFC 4782
)

// ip6 is ip6-input and ip6-lookup for one packet whose header starts at l3.
func (st *state) ip6(b *pkt.Buf, l3 uint16) {
	in := &st.count.in[v6]
	h := hdr.IP6(b.At(l3))
	if b.Trace != 0 {
		st.w.Trace(b, &trace.IP6Input, l3)
	}
	if len(h) < hdr.IP6Len {
		st.drop(b, in, inTooShort)
		return
	}
	if h[0]>>4 != 6 {
		st.drop(b, in, inBadVersion)
		return
	}
	total, have := h.TotalLen(), int(b.PktLen)-int(l3)
	if total > have {
		st.drop(b, in, inBadLength)
		return
	}
	if total < have {
		st.cut(b, int(l3)+total)
	}

	c := st.caches
	if src := (*hdr.Addr)(h[8:24]); c.src6[slot6(src)] != *src && !st.source6(b, src) {
		return
	}
	dst := (*hdr.Addr)(h[24:40])
	to := &c.dst6[slot6(dst)]
	if to.v == unknown || to.addr != *dst {
		to.addr, to.v = *dst, st.classify6(dst)
	}
	b.Flags |= pkt.V6
	b.L3, b.L4, b.L4Len, b.Proto = l3, l3+hdr.IP6Len, uint16(total-hdr.IP6Len), h[6]
	if to.v == toUs && b.Flags&(pkt.Broadcast|pkt.Multicast) == 0 && !hdr.IsExt(h[6]) {
		st.local(b, v6)
		return
	}
	st.ip6Rest(b, h, to.v)
}

// ip6Rest is what becomes of packets that are not simply ours.
func (st *state) ip6Rest(b *pkt.Buf, h hdr.IP6, v verdict) {
	switch v {
	case toUs:
		if b.Flags&(pkt.Broadcast|pkt.Multicast) != 0 {
			st.drop(b, &st.count.in[v6], inUnicastInBroadcast)
			return
		}
	case toAll:
		b.Flags |= pkt.Multicast
	case notMember:
		st.drop(b, &st.count.in[v6], inNotMember)
		return
	case nowhere:
		st.drop(b, &st.count.in[v6], inBadDestination)
		return
	default:
		st.forward6(b, h)
		return
	}
	st.extensions(b, h)
}

// source6 checks a source address that is not in the cache. The unspecified address
// is passed on: neighbour discovery uses it (RFC 4861 section 7.2.3).
func (st *state) source6(b *pkt.Buf, src *hdr.Addr) bool {
	switch {
	case src.IsMulticast() || src.Is4() || src.IsLoopback() && !st.inside:
		// An address with IPv4 inside must not be on the wire (RFC 6890), and would be
		// taken for IPv4 here.
		st.drop(b, &st.count.in[v6], inBadSource)
		return false
	case st.inside:
		return true
	case *src == hdr.Addr{}:
		if b.Flags&pkt.Multicast == 0 {
			st.drop(b, &st.count.in[v6], inBadSource)
			return false
		}
		return true
	case st.snap.Owns(src, st.i.Index):
		st.drop(b, &st.count.in[v6], inSpoofed)
		return false
	}
	st.caches.src6[slot6(src)] = *src
	return true
}

// classify6 finds out what the destination address is to us.
func (st *state) classify6(a *hdr.Addr) verdict {
	switch {
	case a.IsMulticast():
		if l := st.snap.Link(st.i.Index); l != nil && l.Member(a) {
			return toAll
		}
		return notMember
	case a.IsLinkLocal():
		if l := st.snap.Link(st.i.Index); l != nil && l.Owns(a) {
			return toUs
		}
		return nowhere // RFC 4291 section 2.5.6: stays on its link
	case a.Is4() || *a == hdr.Addr{} || a.IsLoopback() && !st.inside:
		return nowhere
	case st.snap.Lookup(a).Kind == fib.Receive:
		return toUs
	}
	return elsewhere
}

// extensions walks the extension headers of a packet for us (RFC 8200 section 4) and
// delivers what follows them.
func (st *state) extensions(b *pkt.Buf, h hdr.IP6) {
	local := &st.count.local[v6]
	x := h.Exts() // of a packet of several buffers, in the first
	for n := 0; x.Next(); n++ {
		ext := h[x.Off:][:x.Len]
		if n == maxExts {
			st.drop(b, local, localBadExtension)
			return
		}
		switch x.Type {
		case hdr.ExtHopByHop:
			if x.Off != hdr.IP6Len { // only directly after the header (section 4.1)
				st.paramProblem(b, hdr.ICMP6BadNextHeader, previousNext(h, x.Off))
				return
			}
			fallthrough
		case hdr.ExtDest:
			if !st.options6(b, ext, x.Off) {
				return
			}
		case hdr.ExtRouting:
			// No type is known here; without segments left it is skipped (section 4.4).
			if ext[3] != 0 {
				st.paramProblem(b, 0, uint32(x.Off)+2)
				return
			}
		case hdr.ExtFragment:
			f := hdr.Frag6(ext)
			if f.Offset() == 0 && !f.More() {
				continue // an atomic fragment (RFC 6946)
			}
			b.L4, b.L4Len, b.Proto = b.L3+uint16(x.End), uint16(h.TotalLen()-x.End), x.Proto
			st.fragment6(b, h, x.Off)
			return
		default: // authentication, mobility
			st.paramProblem(b, hdr.ICMP6BadNextHeader, previousNext(h, x.Off))
			return
		}
	}
	if x.Bad {
		st.drop(b, local, localBadExtension)
		return
	}
	b.L4, b.L4Len, b.Proto = b.L3+uint16(x.End), uint16(h.TotalLen()-x.End), x.Proto
	st.local(b, v6)
}

// previousNext is where the type of the extension header at off stands: in the header
// before it.
func previousNext(h hdr.IP6, off int) uint32 {
	at := uint32(6)
	for x := h.Exts(); x.Next() && x.Off < off; {
		at = uint32(x.Off)
	}
	return at
}

// options6 obeys the options of a hop-by-hop or destination options header (RFC 8200
// section 4.2). It returns false when one of them has ended the packet.
func (st *state) options6(b *pkt.Buf, ext []byte, off int) bool {
	o := hdr.NewOpts6(ext)
	for o.Next() {
		if o.Type == optRouterAlert || o.Type == optQuickStart {
			continue
		}
		switch o.Type >> 6 {
		case 0: // skip over this option
		case 1:
			st.drop(b, &st.count.local[v6], localUnknownOption)
			return false
		case 2:
			st.paramProblem(b, hdr.ICMP6UnknownOption, uint32(off+o.Off))
			return false
		case 3:
			if b.Flags&pkt.Multicast != 0 {
				st.drop(b, &st.count.local[v6], localUnknownOption)
			} else {
				st.paramProblem(b, hdr.ICMP6UnknownOption, uint32(off+o.Off))
			}
			return false
		}
	}
	if o.Bad {
		st.drop(b, &st.count.local[v6], localBadExtension)
		return false
	}
	return true
}
