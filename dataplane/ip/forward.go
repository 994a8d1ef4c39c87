package ip

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/trace"
)

// forward4 sends an IPv4 packet for somebody else on its way (RFC 1812 section 5).
func (st *state) forward4(b *pkt.Buf, h hdr.IP4) {
	fwd := &st.count.fwd[v4]
	dst := h.Dst()
	switch {
	case b.Flags&(pkt.Broadcast|pkt.Multicast) != 0: // section 5.3.4
		st.drop(b, fwd, fwdNotForwardable)
		return
	case h.TTL() <= 1: // section 5.3.1
		fwd.inc(fwdTTL)
		st.icmpError(b, ttlExceeded, 0)
		return
	case !st.findForward(b, &dst, v4):
		return
	case h.TotalLen() > int(st.fwdPath.MTU) && h.DontFragment():
		fwd.inc(fwdTooBig)
		st.icmpError(b, tooBig, uint32(st.fwdPath.MTU))
		return
	}
	h.DecTTL()
	st.forward(b, v4)
}

// forward6 does so for IPv6 (RFC 8200 section 3).
func (st *state) forward6(b *pkt.Buf, h hdr.IP6) {
	fwd := &st.count.fwd[v6]
	src, dst := h.Src(), h.Dst()
	switch {
	case b.Flags&(pkt.Broadcast|pkt.Multicast) != 0 || src.IsLinkLocal() || src == hdr.Addr{}:
		st.drop(b, fwd, fwdNotForwardable)
		return
	case h.HopLimit() <= 1:
		fwd.inc(fwdTTL)
		st.icmpError(b, ttlExceeded, 0)
		return
	case !st.findForward(b, &dst, v6):
		return
	case h.TotalLen() > int(st.fwdPath.MTU): // routers do not fragment (section 5)
		fwd.inc(fwdTooBig)
		st.icmpError(b, tooBig, uint32(st.fwdPath.MTU))
		return
	}
	h[7]--
	st.forward(b, v6)
}

// findForward makes fwdPath the path to dst, and sends what was collected for the one
// before. Without a way it reports and returns false.
func (st *state) findForward(b *pkt.Buf, dst *hdr.Addr, v int) bool {
	if st.fwdDst == *dst && st.fwdPath.Epoch == st.epoch {
		return true
	}
	st.flushForward()
	err := st.findPath(dst, 0, &st.fwdPath)
	if err == nil && st.fwdPath.Flags&PathLocal == 0 {
		st.fwdDst = *dst
		return true
	}
	st.fwdPath = Path{}
	st.count.fwd[v].inc(fwdNoRoute)
	st.icmpError(b, netUnreachable, 0)
	return false
}

// forward adds a packet to those that leave by fwdPath.
func (st *state) forward(b *pkt.Buf, v int) {
	if b.Trace != 0 {
		if v == v4 {
			st.w.Trace(b, &trace.IP4Rewrite, b.L3)
		} else {
			st.w.Trace(b, &trace.IP6Rewrite, b.L3)
		}
	}
	st.count.fwd[v].inc(fwdForwarded)
	b.Trim(int(b.L3))
	if b.Flags&pkt.L4Good != 0 {
		// Within a host a device vouches for checksums that nobody has computed.
		completeChecksum(b)
	}
	b.Flags = 0
	if st.fwd.n == len(st.fwd.bufs) {
		st.flushForward()
	}
	st.fwd.bufs[st.fwd.n] = b
	st.fwd.n++
}

// flushForward sends what was collected.
func (st *state) flushForward() {
	if n := st.fwd.n; n > 0 {
		st.fwd.n = 0
		st.output(&st.fwdPath, &st.fwdDst, st.fwd.bufs[:n])
	}
}
