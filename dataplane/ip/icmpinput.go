package ip

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/trace"
	"vpphost/dataplane/worker"
)

// defaultTTL is that of the packets that IP itself sends (RFC 1700).
const defaultTTL = 64

// icmp4 is the Handler of ICMP.
type icmp4 struct{ s *Stack }

// TakesChains: echo requests may be as large as IP allows.
func (*icmp4) TakesChains() {}

// Error is about an echo request of ours: see ping.
func (p *icmp4) Error(w *worker.Worker, e *Error) { p.s.pingError(w, e) }

// Input is ip4-icmp-input.
func (p *icmp4) Input(w *worker.Worker, bufs []*pkt.Buf) {
	st := p.s.states[w.Index]
	for _, b := range bufs {
		st.icmp4(b)
	}
}

func (st *state) icmp4(b *pkt.Buf) {
	c := &st.count.icmp[v4]
	if b.Trace != 0 {
		st.w.Trace(b, &trace.IP4ICMPInput, b.L3)
	}
	m := hdr.ICMP(b.At(b.L4))
	if !m.Valid() {
		st.drop(b, c, icmpTooShort)
		return
	}
	if !sum(b, b.L4).Good() { // devices know TCP and UDP only, and may vouch for more
		st.drop(b, c, icmpBadChecksum)
		return
	}
	h := hdr.IP4(b.At(b.L3))
	switch m.Type() {
	case hdr.ICMPEchoRequest:
		if b.Flags&(pkt.Broadcast|pkt.Multicast) != 0 { // RFC 1122 section 3.2.2.6
			st.drop(b, c, icmpToGroup)
			return
		}
		st.echo4(b, h, m)
	case hdr.ICMPEchoReply:
		c.inc(st.pong(h.Src(), m, h.TTL(), h.TotalLen()))
		st.w.Bufs.Put(b)
	case hdr.ICMPUnreachable, hdr.ICMPTimeExceeded, hdr.ICMPParamProblem:
		kind, mtu := kind4(m)
		c.inc(st.report(v4, kind, mtu, m.Body()))
		st.w.Bufs.Put(b)
	default:
		st.drop(b, c, icmpUnknownType)
	}
}

// echo4 turns an echo request into its reply (RFC 792, RFC 1122 section 3.2.2.6).
// Options of the request are left out.
func (st *state) echo4(b *pkt.Buf, h hdr.IP4, m hdr.ICMP) {
	f := hdr.IP4Fields{TOS: h.TOS(), TotalLen: hdr.IP4Len + int(b.L4Len), ID: uint16(st.nextID()), TTL: defaultTTL,
		Proto: hdr.ProtoICMP, Src: h.Dst(), Dst: h.Src()}
	m[0] = hdr.ICMPEchoReply
	s := hdr.Sum(^m.Checksum()).Word(uint16(^hdr.ICMPEchoRequest)<<8 | 0xff) // RFC 1624
	binary.BigEndian.PutUint16(m[2:], s.Fold())
	b.Trim(int(b.L4) - hdr.IP4Len)
	hdr.IP4(b.Data()).Put(&f)
	st.count.icmp[v4].inc(icmpEchoSent)
	st.answer(b, &f.Dst)
}

// answer sends a packet back to where another one came from. The path of who was
// answered last is remembered.
func (st *state) answer(b *pkt.Buf, to *hdr.Addr) {
	index := uint32(0)
	if to.IsLinkLocal() {
		index = b.Iface
	}
	b.Flags = 0
	r := &st.reply
	if r.to != *to || r.path.Epoch != st.epoch || index != 0 && r.path.Iface != index {
		st.refresh()
		r.to = *to
		if st.findPath(to, index, &r.path) != nil {
			st.drop(b, &st.count.fwd[version(b)], fwdNoRoute)
			return
		}
	}
	st.outputOne(&r.path, &r.to, b)
}

// kind4 translates type and code of an ICMP error.
func kind4(m hdr.ICMP) (kind ErrorKind, mtu uint32) {
	switch m.Type() {
	case hdr.ICMPTimeExceeded:
		return TimeExceeded, 0
	case hdr.ICMPParamProblem:
		return ParameterProblem, 0
	}
	switch m.Code() {
	case hdr.ICMPProtoUnreachable:
		return ProtoUnreachable, 0
	case hdr.ICMPPortUnreachable:
		return PortUnreachable, 0
	case hdr.ICMPFragNeeded:
		mtu = uint32(m.FragMTU())
		if mtu == 0 {
			mtu = plateau(m.Body())
		}
		return TooBig, mtu
	case hdr.ICMPNetProhibited, hdr.ICMPHostProhibited, hdr.ICMPProhibited:
		return Prohibited, 0
	}
	return HostUnreachable, 0
}

// plateau guesses the MTU that a router has not told: the next common one below the
// packet's length (RFC 1191 sections 5 and 7).
func plateau(quoted []byte) uint32 {
	if len(quoted) < hdr.IP4Len {
		return 68
	}
	n := hdr.IP4(quoted).TotalLen()
	for _, mtu := range [...]int{32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296} {
		if mtu < n {
			return uint32(mtu)
		}
	}
	return 68
}

// icmp6 is the Handler of ICMPv6.
type icmp6 struct{ s *Stack }

// TakesChains: as for ICMP.
func (*icmp6) TakesChains() {}

// Error is about an echo request of ours: see ping.
func (p *icmp6) Error(w *worker.Worker, e *Error) { p.s.pingError(w, e) }

// Input is ip6-icmp-input.
func (p *icmp6) Input(w *worker.Worker, bufs []*pkt.Buf) {
	st := p.s.states[w.Index]
	for _, b := range bufs {
		st.icmp6(b)
	}
}

func (st *state) icmp6(b *pkt.Buf) {
	c := &st.count.icmp[v6]
	if b.Trace != 0 {
		st.w.Trace(b, &trace.IP6ICMPInput, b.L3)
	}
	m := hdr.ICMP(b.At(b.L4))
	h := hdr.IP6(b.At(b.L3))
	if !m.Valid() {
		st.drop(b, c, icmpTooShort)
		return
	}
	src, dst := h.Src(), h.Dst()
	s := hdr.Pseudo(&src, &dst, hdr.ProtoICMPv6).Long(uint32(b.L4Len))
	if !(s + sum(b, b.L4)).Good() {
		st.drop(b, c, icmpBadChecksum)
		return
	}
	switch m.Type() {
	case hdr.ICMP6NeighSolicit, hdr.ICMP6NeighAdvert:
		if b.NbSegs != 1 || hasFragmentHeader(h) { // RFC 6980 section 5
			st.drop(b, c, icmpFragmentedND)
			return
		}
		st.neigh.InputND(b.Iface, h, int(b.L4-b.L3))
		st.w.Bufs.Put(b)
	case hdr.ICMP6EchoRequest:
		if src == (hdr.Addr{}) {
			st.drop(b, c, icmpToGroup)
			return
		}
		st.echo6(b, h, m, src, dst)
	case hdr.ICMP6EchoReply:
		c.inc(st.pong(src, m, h.HopLimit(), h.TotalLen()))
		st.w.Bufs.Put(b)
	case hdr.ICMP6Unreachable, hdr.ICMP6TooBig, hdr.ICMP6TimeExceeded, hdr.ICMP6ParamProblem:
		kind, mtu := kind6(m)
		c.inc(st.report(v6, kind, mtu, m.Body()))
		st.w.Bufs.Put(b)
	default:
		st.drop(b, c, icmpUnknownType)
	}
}

// hasFragmentHeader tells whether a packet came as the only fragment of itself.
func hasFragmentHeader(h hdr.IP6) bool {
	for x := h.Exts(); x.Next(); {
		if x.Type == hdr.ExtFragment {
			return true
		}
	}
	return false
}

// echo6 turns an echo request into its reply. One that was sent to a group is answered
// from an address of the interface (RFC 4443 section 4.2).
func (st *state) echo6(b *pkt.Buf, h hdr.IP6, m hdr.ICMP, src, dst hdr.Addr) {
	f := hdr.IP6Fields{Class: h.Class(), PayloadLen: int(b.L4Len), Next: hdr.ProtoICMPv6, HopLimit: defaultTTL, Src: dst, Dst: src}
	m[0] = hdr.ICMP6EchoReply
	s := hdr.Sum(^m.Checksum()).Word(^uint16(uint16(hdr.ICMP6EchoRequest) << 8)).Word(uint16(hdr.ICMP6EchoReply) << 8)
	if dst.IsMulticast() {
		f.Src = st.snap.Source(b.Iface, &src, &src)
		if f.Src == (hdr.Addr{}) {
			st.drop(b, &st.count.icmp[v6], icmpToGroup)
			return
		}
		for i := 0; i < 16; i += 2 { // the pseudo-header changes with the address
			s = s.Word(^binary.BigEndian.Uint16(dst[i:])).Word(binary.BigEndian.Uint16(f.Src[i:]))
		}
	}
	binary.BigEndian.PutUint16(m[2:], s.Fold())
	b.Trim(int(b.L4) - hdr.IP6Len)
	hdr.IP6(b.Data()).Put(&f)
	st.count.icmp[v6].inc(icmpEchoSent)
	st.answer(b, &f.Dst)
}

// kind6 translates type and code of an ICMPv6 error.
func kind6(m hdr.ICMP) (kind ErrorKind, mtu uint32) {
	switch m.Type() {
	case hdr.ICMP6TooBig:
		return TooBig, max(m.Rest(), 1280) // RFC 8201 section 4
	case hdr.ICMP6TimeExceeded:
		return TimeExceeded, 0
	case hdr.ICMP6ParamProblem:
		if m.Code() == hdr.ICMP6BadNextHeader {
			return ProtoUnreachable, 0
		}
		return ParameterProblem, 0
	}
	switch m.Code() {
	case hdr.ICMP6PortUnreach:
		return PortUnreachable, 0
	case hdr.ICMP6Prohibited:
		return Prohibited, 0
	}
	return HostUnreachable, 0
}

// report tells the transport that made the quoted packet about an error. It returns
// what to count. A packet that cannot be ours is not believed.
func (st *state) report(v int, kind ErrorKind, mtu uint32, quoted []byte) int {
	e := &st.error
	*e = Error{Kind: kind, MTU: mtu}
	var proto uint8
	if v == v4 {
		h := hdr.IP4(quoted)
		if len(h) < hdr.IP4Len || h.Version() != 4 || h.HeaderLen() < hdr.IP4Len || h.HeaderLen()+8 > len(h) || h.FragOffset() != 0 {
			return icmpErrorBadQuote
		}
		e.Local, e.Remote, proto, e.Quoted = h.Src(), h.Dst(), h.Proto(), h[h.HeaderLen():]
	} else {
		h := hdr.IP6(quoted)
		if len(h) < hdr.IP6Len || h.Version() != 6 {
			return icmpErrorBadQuote
		}
		// The quotation may be cut: walk over what is there.
		off := hdr.IP6Len
		proto = h.Next()
		for proto == hdr.ExtFragment && off+hdr.Frag6Len <= len(h) {
			f := hdr.Frag6(h[off:])
			if f.Offset() != 0 {
				return icmpErrorBadQuote
			}
			proto, off = f.Next(), off+hdr.Frag6Len
		}
		if off+8 > len(h) {
			return icmpErrorBadQuote
		}
		e.Local, e.Remote, e.Quoted = h.Src(), h.Dst(), h[off:]
	}
	slot := st.s.slots[v][proto]
	if slot == 0 || !st.snap.Owns(&e.Local, 0) {
		return icmpErrorBadQuote
	}
	st.s.handlers[slot].Error(st.w, e)
	return icmpErrorTaken
}
