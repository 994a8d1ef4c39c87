package ip

import (
	"vpphost/dataplane/fib"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// errorKind is an ICMP error that we send.
type errorKind uint8

const (
	netUnreachable errorKind = iota
	hostUnreachable
	protoUnreachable
	portUnreachable
	tooBig
	ttlExceeded
	reassemblyTime
)

// errorForms are type and code in ICMP and ICMPv6, and the counter.
var errorForms = [...]struct {
	form   [2]struct{ typ, code uint8 }
	reason int
}{
	netUnreachable:   {[2]struct{ typ, code uint8 }{{hdr.ICMPUnreachable, hdr.ICMPNetUnreachable}, {hdr.ICMP6Unreachable, hdr.ICMP6NoRoute}}, errUnreachable},
	hostUnreachable:  {[2]struct{ typ, code uint8 }{{hdr.ICMPUnreachable, hdr.ICMPHostUnreachable}, {hdr.ICMP6Unreachable, hdr.ICMP6AddrUnreach}}, errUnreachable},
	protoUnreachable: {[2]struct{ typ, code uint8 }{{hdr.ICMPUnreachable, hdr.ICMPProtoUnreachable}, {hdr.ICMP6ParamProblem, hdr.ICMP6BadNextHeader}}, errUnreachable},
	portUnreachable:  {[2]struct{ typ, code uint8 }{{hdr.ICMPUnreachable, hdr.ICMPPortUnreachable}, {hdr.ICMP6Unreachable, hdr.ICMP6PortUnreach}}, errUnreachable},
	tooBig:           {[2]struct{ typ, code uint8 }{{hdr.ICMPUnreachable, hdr.ICMPFragNeeded}, {hdr.ICMP6TooBig, 0}}, errTooBig},
	ttlExceeded:      {[2]struct{ typ, code uint8 }{{hdr.ICMPTimeExceeded, 0}, {hdr.ICMP6TimeExceeded, hdr.ICMP6HopLimit}}, errTimeExceeded},
	reassemblyTime:   {[2]struct{ typ, code uint8 }{{hdr.ICMPTimeExceeded, 1}, {hdr.ICMP6TimeExceeded, hdr.ICMP6ReassemblyTime}}, errTimeExceeded},
}

const (
	// Errors are limited for each worker (RFC 1812 section 4.3.2.8, RFC 4443 section
	// 2.4 (f)).
	errorsPerSecond = 1000
	errorsBurst     = 100
	// How long an error may be: RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c).
	maxError4 = 576
	maxError6 = 1280
)

// PortUnreachable answers a packet as it came to Handler.Input: nobody listens there.
// It owns the buffer.
func (s *Stack) PortUnreachable(w *worker.Worker, b *pkt.Buf) {
	st := s.states[w.Index]
	st.refresh()
	st.icmpError(b, portUnreachable, 0)
}

// icmpError answers a received packet, whose IP header is at L3, with an error, if it
// is one that may be answered. arg is the MTU of tooBig. It owns the buffer.
func (st *state) icmpError(b *pkt.Buf, kind errorKind, arg uint32) {
	f := &errorForms[kind]
	v := v4
	if b.Flags&pkt.V6 != 0 {
		v = v6
	}
	st.sendError(b, v, f.form[v].typ, f.form[v].code, arg, f.reason)
}

// paramProblem answers an IPv6 packet with a parameter problem; pointer is the offset of
// the bad byte from the IPv6 header. It owns the buffer.
func (st *state) paramProblem(b *pkt.Buf, code uint8, pointer uint32) {
	st.sendError(b, v6, hdr.ICMP6ParamProblem, code, pointer, errParam)
}

func (st *state) sendError(b *pkt.Buf, v int, typ, code uint8, arg uint32, reason int) {
	st.dropped++
	errs := &st.count.errs[v]
	st.w.TraceDrop(b, errs.g.Node, errs.g.Reasons[reason].Text)
	switch {
	case !answerable(b, v):
		errs.inc(errSuppressed)
	case !st.errs.Take(st.w.Now(), errorsPerSecond, errorsBurst):
		errs.inc(errLimited)
	default:
		errs.inc(st.answerError(b, v, typ, code, arg, reason))
	}
	st.w.Bufs.Put(b)
}

// answerable tells whether an error may be sent about a packet: RFC 1122 section
// 3.2.2, RFC 4443 section 2.4 (e).
func answerable(b *pkt.Buf, v int) bool {
	if b.Flags&(pkt.Broadcast|pkt.Multicast) != 0 {
		return false
	}
	if v == v4 {
		h := hdr.IP4(b.At(b.L3))
		src := h.Src()
		if src.IsZero() || src.IsMulticast() || src.IsLimitedBroadcast() || h.FragOffset() != 0 {
			return false
		}
		if h.Proto() != hdr.ProtoICMP {
			return true
		}
		m := h[h.HeaderLen():]
		return len(m) > 0 && (m[0] == hdr.ICMPEchoRequest || m[0] == hdr.ICMPEchoReply || m[0] > hdr.ICMPParamProblem)
	}
	h := hdr.IP6(b.At(b.L3))
	src := h.Src()
	if src.IsMulticast() || src == (hdr.Addr{}) || h.TotalLen() > len(h) {
		return false
	}
	x := h.Exts()
	for x.Next() {
	}
	if x.Proto != hdr.ProtoICMPv6 || x.Bad {
		return true
	}
	return x.End < h.TotalLen() && h[x.End] >= hdr.ICMP6FirstInfo
}

// answerError builds the error and sends it. It returns what to count.
func (st *state) answerError(b *pkt.Buf, v int, typ, code uint8, arg uint32, reason int) int {
	data := b.At(b.L3)
	var to, from hdr.Addr
	limit, hl := maxError4, hdr.IP4Len
	if v == v4 {
		h := hdr.IP4(data)
		to, from = h.Src(), h.Dst()
	} else {
		h := hdr.IP6(data)
		to, from = h.Src(), h.Dst()
		limit, hl = maxError6, hdr.IP6Len
	}
	var p Path
	index := uint32(0)
	if to.IsLinkLocal() {
		index = b.Iface
	}
	if st.findPath(&to, index, &p) != nil {
		return errNoWay
	}
	// From the address that was meant, if it is ours, else from the interface that the
	// error leaves by.
	if !st.snap.Owns(&from, 0) {
		var err error
		if from, err = st.source(&p, &to); err != nil {
			return errNoWay
		}
	}
	e := st.w.Bufs.Get()
	if e == nil {
		return errNoBuffer
	}
	n := min(len(data), limit-hl-hdr.ICMPLen)
	out := e.Append(hl + hdr.ICMPLen + n)
	if out == nil {
		st.w.Bufs.Put(e)
		return errNoBuffer
	}
	m := hdr.ICMP(out[hl:])
	m.Put(typ, code, arg)
	copy(m.Body(), data[:n])
	if v == v4 {
		m.SetChecksum4()
		// Precedence of internetwork control (RFC 1812 section 4.3.2.5).
		hdr.IP4(out).Put(&hdr.IP4Fields{TOS: 0xc0, TotalLen: len(out), ID: uint16(st.nextID()), TTL: defaultTTL,
			Proto: hdr.ProtoICMP, Src: from, Dst: to})
	} else {
		m.SetChecksum6(&from, &to)
		hdr.IP6(out).Put(&hdr.IP6Fields{PayloadLen: len(m), Next: hdr.ProtoICMPv6, HopLimit: defaultTTL, Src: from, Dst: to})
	}
	st.outputOne(&p, &to, e)
	return reason
}

// outputOne sends one packet.
func (st *state) outputOne(p *Path, to *hdr.Addr, b *pkt.Buf) {
	st.one.bufs[0] = b
	st.output(p, to, st.one.bufs)
}

// undeliverable reports an IP packet that found no neighbour to whoever sent it: our own
// transport, or with an ICMP error somebody else. It owns the buffer.
func (st *state) undeliverable(b *pkt.Buf, kind ErrorKind) {
	d := b.Data()
	v := version(b)
	var src hdr.Addr
	if v == v4 {
		src = hdr.IP4(d).Src()
	} else {
		src = hdr.IP6(d).Src()
	}
	if e := st.snap.Lookup(&src); e.Kind == fib.Receive || src.IsLinkLocal() && st.snap.Owns(&src, 0) {
		st.refuse(b, kind, 0)
		return
	}
	b.L3, b.Flags = 0, 0
	if v == v6 {
		b.Flags = pkt.V6
	}
	st.icmpError(b, hostUnreachable, 0)
}

// refuse reports a packet of our own that cannot be sent to the transport that made it.
// It owns the buffer.
func (st *state) refuse(b *pkt.Buf, kind ErrorKind, mtu uint32) {
	st.report(version(b), kind, mtu, b.Data())
	st.w.Bufs.Put(b)
}
