package trace

import (
	"encoding/binary"
	"fmt"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
)

// decode describes headers from the one that layer names on, as VPP does. The bytes may be
// anything and may end anywhere.
func decode(dst []byte, layer worker.TraceLayer, b []byte) []byte {
	switch layer {
	case worker.TraceEthernet:
		return decodeEthernet(dst, b)
	case worker.TraceARP:
		return decodeARP(dst, b)
	case worker.TraceIP:
		return decodeIP(dst, b)
	case worker.TraceTCP:
		return decodeTCP(dst, b)
	case worker.TraceUDP:
		return decodeUDP(dst, b)
	case worker.TraceICMP:
		return decodeICMP(dst, b, false)
	}
	return dst
}

func short(dst []byte, what string, n int) []byte {
	return fmt.Appendf(dst, "  %s header truncated (%d bytes)\n", what, n)
}

func decodeEthernet(dst, b []byte) []byte {
	if len(b) < hdr.EtherLen {
		return short(dst, "ethernet", len(b))
	}
	h := hdr.Ether(b)
	var name string
	switch h.Type() {
	case hdr.EtherIP4:
		name = "IP4"
	case hdr.EtherIP6:
		name = "IP6"
	case hdr.EtherARP:
		name = "ARP"
	default:
		name = fmt.Sprintf("0x%04x", uint16(h.Type()))
	}
	return fmt.Appendf(dst, "  %s: %s -> %s\n", name, h.Src(), h.Dst())
}

func decodeARP(dst, b []byte) []byte {
	h := hdr.ARP(b)
	if len(b) < hdr.ARPLen {
		return short(dst, "arp", len(b))
	}
	if !h.Valid() {
		return fmt.Appendf(dst, "  hardware type %d, protocol type 0x%04x, address size %d/%d\n",
			h.HardwareType(), uint16(h.ProtocolType()), h[4], h[5])
	}
	op := fmt.Sprintf("operation %d", h.Op())
	switch h.Op() {
	case hdr.ARPRequest:
		op = "request"
	case hdr.ARPReply:
		op = "reply"
	}
	return fmt.Appendf(dst, "  %s, type ethernet/IP4, address size 6/4\n  %s/%s -> %s/%s\n",
		op, h.SenderMAC(), h.SenderIP(), h.TargetMAC(), h.TargetIP())
}

func protoName(p uint8) string {
	switch p {
	case 1:
		return "ICMP"
	case 6:
		return "TCP"
	case 17:
		return "UDP"
	case 58:
		return "ICMP6"
	case 132:
		return "SCTP"
	}
	return fmt.Sprintf("unknown %d", p)
}

// Names of the DiffServ code points (RFC 2474, 2597, 3246) and of the ECN field.
var dscpNames = map[uint8]string{0: "CS0", 8: "CS1", 16: "CS2", 24: "CS3", 32: "CS4", 40: "CS5", 48: "CS6",
	56: "CS7", 10: "AF11", 12: "AF12", 14: "AF13", 18: "AF21", 20: "AF22", 22: "AF23", 26: "AF31", 28: "AF32",
	30: "AF33", 34: "AF41", 36: "AF42", 38: "AF43", 46: "EF"}

var ecnNames = [4]string{"NON_ECN", "ECT_1", "ECT_0", "CE"}

func class(tos uint8) string {
	d, ok := dscpNames[tos>>2]
	if !ok {
		d = fmt.Sprint(tos >> 2)
	}
	return fmt.Sprintf("dscp %s ecn %s", d, ecnNames[tos&3])
}

func decodeIP(dst, b []byte) []byte {
	if len(b) > 0 && b[0]>>4 == 6 {
		return decodeIP6(dst, b)
	}
	if len(b) < hdr.IP4Len {
		return short(dst, "ip4", len(b))
	}
	h := hdr.IP4(b)
	dst = fmt.Appendf(dst, "  %s: %s -> %s\n", protoName(h.Proto()), h.Src(), h.Dst())
	dst = fmt.Appendf(dst, "    tos 0x%02x, ttl %d, length %d, checksum 0x%04x %s\n",
		h.TOS(), h.TTL(), h.TotalLen(), h.Checksum(), class(h.TOS()))
	dst = fmt.Appendf(dst, "    fragment id 0x%04x", h.ID())
	if off := h.FragOffset(); off != 0 || h.MoreFragments() {
		dst = fmt.Appendf(dst, " offset %d", off)
	}
	sep := ", flags "
	for _, f := range [...]struct {
		on   bool
		name string
	}{{h.DontFragment(), "DONT_FRAGMENT"}, {h.MoreFragments(), "MORE_FRAGMENTS"}} {
		if f.on {
			dst = append(append(dst, sep...), f.name...)
			sep = " "
		}
	}
	dst = append(dst, '\n')
	if n := h.HeaderLen(); h.FragOffset() == 0 && n >= hdr.IP4Len && n <= len(b) {
		return decodeTransport(dst, h.Proto(), b[n:])
	}
	return dst
}

func decodeIP6(dst, b []byte) []byte {
	if len(b) < hdr.IP6Len {
		return short(dst, "ip6", len(b))
	}
	h := hdr.IP6(b)
	proto, rest := h.Next(), b[hdr.IP6Len:]
	first := true
	for hdr.IsExt(proto) && len(rest) >= 8 {
		n := 8 + int(rest[1])*8
		if proto == 44 { // a fragment header has no length (RFC 8200 section 4.5)
			n = hdr.Frag6Len
			first = first && binary.BigEndian.Uint16(rest[2:])&^7 == 0
		}
		proto, rest = rest[0], rest[min(n, len(rest)):]
	}
	dst = fmt.Appendf(dst, "  %s: %s -> %s\n", protoName(proto), h.Src(), h.Dst())
	dst = fmt.Appendf(dst, "    tos 0x%02x, flow label 0x%x, hop limit %d, payload length %d\n",
		h.Class(), h.FlowLabel(), h.HopLimit(), h.PayloadLen())
	if !first {
		return dst
	}
	return decodeTransport(dst, proto, rest)
}

func decodeTransport(dst []byte, proto uint8, b []byte) []byte {
	switch proto {
	case 1:
		return decodeICMP(dst, b, false)
	case 6:
		return decodeTCP(dst, b)
	case 17:
		return decodeUDP(dst, b)
	case 58:
		return decodeICMP(dst, b, true)
	}
	return dst
}

func decodeTCP(dst, b []byte) []byte {
	if len(b) < hdr.TCPLen {
		return short(dst, "tcp", len(b))
	}
	h := hdr.TCP(b)
	dst = fmt.Appendf(dst, "  TCP: %d -> %d\n    seq. 0x%08x ack 0x%08x\n", h.SrcPort(), h.DstPort(), h.Seq().Val(), h.Ack().Val())
	dst = fmt.Appendf(dst, "    flags 0x%02x %s, tcp header: %d bytes\n    window %d, checksum 0x%04x\n",
		uint8(h.Flags()), h.Flags(), h.HeaderLen(), h.Window(), h.Checksum())
	if !h.Valid() {
		return dst
	}
	sep := "    options: "
	for o := h.Options(); ; {
		kind, data, rest, bad := o.Next()
		if bad {
			dst = fmt.Appendf(dst, "%smalformed", sep)
			sep = ", "
		}
		if kind == 0 {
			break
		}
		dst = append(append(dst, sep...), tcpOption(kind, data)...)
		sep, o = ", ", rest
	}
	if sep == ", " {
		dst = append(dst, '\n')
	}
	return dst
}

func tcpOption(kind uint8, data []byte) string {
	switch {
	case kind == 2 && len(data) == 2:
		return fmt.Sprintf("mss %d", binary.BigEndian.Uint16(data))
	case kind == 3 && len(data) == 1:
		return fmt.Sprintf("window scale %d", data[0])
	case kind == 4 && len(data) == 0:
		return "sack permitted"
	case kind == 5 && len(data)%8 == 0:
		s := "sack"
		for ; len(data) > 0; data = data[8:] {
			s += fmt.Sprintf(" 0x%08x-0x%08x", binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:]))
		}
		return s
	case kind == 8 && len(data) == 8:
		return fmt.Sprintf("timestamp %d echo %d", binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:]))
	}
	return fmt.Sprintf("kind %d length %d", kind, len(data)+2)
}

func decodeUDP(dst, b []byte) []byte {
	if len(b) < hdr.UDPLen {
		return short(dst, "udp", len(b))
	}
	h := hdr.UDP(b)
	return fmt.Appendf(dst, "  UDP: %d -> %d\n    length %d, checksum 0x%04x\n", h.SrcPort(), h.DstPort(), h.Length(), h.Checksum())
}

var icmpNames = map[uint8]string{hdr.ICMPEchoReply: "echo_reply", hdr.ICMPUnreachable: "destination_unreachable",
	hdr.ICMPEchoRequest: "echo_request", hdr.ICMPTimeExceeded: "time_exceeded", hdr.ICMPParamProblem: "parameter_problem"}

var icmp6Names = map[uint8]string{hdr.ICMP6Unreachable: "destination_unreachable", hdr.ICMP6TooBig: "packet_too_big",
	hdr.ICMP6TimeExceeded: "time_exceeded", hdr.ICMP6ParamProblem: "parameter_problem", hdr.ICMP6EchoRequest: "echo_request",
	hdr.ICMP6EchoReply: "echo_reply", hdr.ICMP6RouterSolicit: "router_solicitation", hdr.ICMP6RouterAdvert: "router_advertisement",
	hdr.ICMP6NeighSolicit: "neighbor_solicitation", hdr.ICMP6NeighAdvert: "neighbor_advertisement", hdr.ICMP6Redirect: "redirect"}

func decodeICMP(dst, b []byte, v6 bool) []byte {
	if len(b) < 4 {
		return short(dst, "icmp", len(b))
	}
	h := hdr.ICMP(b)
	names, echo := icmpNames, h.Type() == hdr.ICMPEchoRequest || h.Type() == hdr.ICMPEchoReply
	if v6 {
		names, echo = icmp6Names, h.Type() == hdr.ICMP6EchoRequest || h.Type() == hdr.ICMP6EchoReply
	}
	name := names[h.Type()]
	if name == "" {
		name = fmt.Sprintf("type %d", h.Type())
	}
	dst = fmt.Appendf(dst, "  ICMP %s", name)
	if !echo {
		dst = fmt.Appendf(dst, " code %d", h.Code())
	}
	dst = fmt.Appendf(dst, " checksum 0x%04x", h.Checksum())
	if echo && h.Valid() {
		dst = fmt.Appendf(dst, " id %d seq %d", h.ID(), h.EchoSeq())
	}
	return append(dst, '\n')
}
