package ip

import (
	"vpphost/dataplane/fib"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/trace"
)

// v4 and v6 index what exists once per IP version.
const (
	v4 = 0
	v6 = 1
)

// ip4 is ip4-input and ip4-lookup for one packet whose header starts at l3. It checks
// what RFC 1122 section 3.2.1 and RFC 1812 section 5.2.2 ask for.
func (st *state) ip4(b *pkt.Buf, l3 uint16) {
	in := &st.count.in[v4]
	h := hdr.IP4(b.At(l3))
	if b.Trace != 0 {
		st.w.Trace(b, &trace.IP4Input, l3)
	}
	if len(h) < hdr.IP4Len {
		st.drop(b, in, inTooShort)
		return
	}
	x, n := h.Words(), hdr.IP4Len
	if x.Common() {
		if !x.Good() {
			st.drop(b, in, inBadChecksum)
			return
		}
	} else if n = st.header4(b, h); n == 0 {
		return
	}
	total, have := x.TotalLen(), int(b.PktLen)-int(l3)
	if total != have {
		if total > have || total < n {
			st.drop(b, in, inBadLength)
			return
		}
		st.cut(b, int(l3)+total) // padding of the link
	}

	src, dst := x.Src(), x.Dst()
	c := st.caches
	if c.src4[slot4(src)] != src && !st.source4(b, h, src) {
		return
	}
	to := &c.dst4[slot4(dst)]
	if to.addr != dst || to.v == unknown {
		to.addr, to.v = dst, st.classify4(h)
	}
	b.L3, b.L4, b.L4Len, b.Proto = l3, l3+uint16(n), uint16(total-n), x.Proto()
	if to.v == toUs && b.Flags&(pkt.Broadcast|pkt.Multicast) == 0 && !x.IsFragment() {
		st.local(b, v4)
		return
	}
	st.ip4Rest(b, h, to.v)
}

// header4 checks a header that is not of version 4 with 20 bytes, and returns its length;
// 0 when it has dropped the packet.
func (st *state) header4(b *pkt.Buf, h hdr.IP4) int {
	in := &st.count.in[v4]
	n := h.HeaderLen()
	switch {
	case h.Version() != 4:
		st.drop(b, in, inBadVersion)
	case n < hdr.IP4Len || n > len(h):
		st.drop(b, in, inBadHeader)
	case !h.GoodChecksum():
		st.drop(b, in, inBadChecksum)
	default:
		return n
	}
	return 0
}

// ip4Rest is what becomes of packets that are not simply ours.
func (st *state) ip4Rest(b *pkt.Buf, h hdr.IP4, v verdict) {
	switch v {
	case toUs:
		if b.Flags&(pkt.Broadcast|pkt.Multicast) != 0 { // RFC 1122 section 3.3.6
			st.drop(b, &st.count.in[v4], inUnicastInBroadcast)
			return
		}
	case toAll:
		if b.Flags&pkt.Multicast == 0 {
			b.Flags |= pkt.Broadcast
		}
	case notMember:
		st.drop(b, &st.count.in[v4], inNotMember)
		return
	case nowhere:
		st.drop(b, &st.count.in[v4], inBadDestination)
		return
	default:
		st.forward4(b, h)
		return
	}
	if h.IsFragment() {
		st.fragment4(b, h)
		return
	}
	st.local(b, v4)
}

// source4 checks a source address that is not in the cache, and drops the packet when
// it cannot be that of a host.
func (st *state) source4(b *pkt.Buf, h hdr.IP4, src uint32) bool {
	a := h.Src()
	if st.inside {
		return true
	}
	first := h[12]
	if first == 0 || first == 127 || first >= 224 {
		st.drop(b, &st.count.in[v4], inBadSource)
		return false
	}
	switch e := st.snap.Lookup(&a); {
	case e.Kind == fib.Receive && e.Origin == fib.FromInterface:
		st.drop(b, &st.count.in[v4], inSpoofed)
		return false
	case e.Kind == fib.Broadcast:
		st.drop(b, &st.count.in[v4], inBadSource)
		return false
	}
	st.caches.src4[slot4(src)] = src
	return true
}

// classify4 finds out what the destination address is to us.
func (st *state) classify4(h hdr.IP4) verdict {
	a := h.Dst()
	switch {
	case a.IsMulticast():
		if l := st.snap.Link(st.i.Index); l != nil && l.Member(&a) {
			return toAll
		}
		return notMember
	case a.IsLimitedBroadcast():
		return toAll
	case h[16] == 0 || h[16] == 127 && !st.inside || h[16] >= 240:
		return nowhere
	}
	switch e := st.snap.Lookup(&a); {
	case e.Kind == fib.Receive:
		return toUs
	case e.Kind == fib.Broadcast && e.Iface == st.i.Index:
		return toAll
	case e.Kind == fib.Broadcast: // RFC 2644: not sent on to another link
		return nowhere
	}
	return elsewhere
}
