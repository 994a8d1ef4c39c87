package hdr

import "encoding/binary"

// ICMPLen is the length of the header that all ICMP and ICMPv6 messages share:
// type, code, checksum and four bytes whose meaning depends on the type.
const ICMPLen = 8

// ICMP message types (RFC 792).
const (
	ICMPEchoReply    uint8 = 0
	ICMPUnreachable  uint8 = 3
	ICMPEchoRequest  uint8 = 8
	ICMPTimeExceeded uint8 = 11
	ICMPParamProblem uint8 = 12
)

// Codes of ICMPUnreachable (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section
// 5.2.7.1).
const (
	ICMPNetUnreachable   uint8 = 0
	ICMPHostUnreachable  uint8 = 1
	ICMPProtoUnreachable uint8 = 2
	ICMPPortUnreachable  uint8 = 3
	ICMPFragNeeded       uint8 = 4
	ICMPSourceRoute      uint8 = 5
	ICMPNetProhibited    uint8 = 9
	ICMPHostProhibited   uint8 = 10
	ICMPProhibited       uint8 = 13
)

// ICMPv6 message types (RFC 4443, RFC 4861).
const (
	ICMP6Unreachable    uint8 = 1
	ICMP6TooBig         uint8 = 2
	ICMP6TimeExceeded   uint8 = 3
	ICMP6ParamProblem   uint8 = 4
	ICMP6EchoRequest    uint8 = 128
	ICMP6EchoReply      uint8 = 129
	ICMP6RouterSolicit  uint8 = 133
	ICMP6RouterAdvert   uint8 = 134
	ICMP6NeighSolicit   uint8 = 135
	ICMP6NeighAdvert    uint8 = 136
	ICMP6Redirect       uint8 = 137
	ICMP6FirstInfo      uint8 = 128 // types below are errors (RFC 4443 section 2.1)
	ICMP6NoRoute        uint8 = 0   // codes of ICMP6Unreachable
	ICMP6Prohibited     uint8 = 1
	ICMP6AddrUnreach    uint8 = 3
	ICMP6PortUnreach    uint8 = 4
	ICMP6BadNextHeader  uint8 = 1 // codes of ICMP6ParamProblem
	ICMP6UnknownOption  uint8 = 2
	ICMP6HopLimit       uint8 = 0 // codes of ICMP6TimeExceeded
	ICMP6ReassemblyTime uint8 = 1
)

// ICMP is an ICMP or ICMPv6 message from its header on. Check Valid before using
// the accessors.
type ICMP []byte

// Valid tells whether the header is complete.
func (h ICMP) Valid() bool { return len(h) >= ICMPLen }

func (h ICMP) Type() uint8      { return h[0] }
func (h ICMP) Code() uint8      { return h[1] }
func (h ICMP) Checksum() uint16 { return binary.BigEndian.Uint16(h[2:]) }
func (h ICMP) Body() []byte     { return h[ICMPLen:] }

// ID and EchoSeq belong to echo messages.
func (h ICMP) ID() uint16      { return binary.BigEndian.Uint16(h[4:]) }
func (h ICMP) EchoSeq() uint16 { return binary.BigEndian.Uint16(h[6:]) }

// Rest is the second word: the MTU of ICMP6TooBig, the pointer of
// ICMP6ParamProblem. FragMTU is the MTU of ICMPFragNeeded (RFC 1191 section 4).
func (h ICMP) Rest() uint32    { return binary.BigEndian.Uint32(h[4:]) }
func (h ICMP) FragMTU() uint16 { return binary.BigEndian.Uint16(h[6:]) }

// Put writes the header with a zero checksum.
func (h ICMP) Put(typ, code uint8, rest uint32) {
	h[0], h[1], h[2], h[3] = typ, code, 0, 0
	binary.BigEndian.PutUint32(h[4:], rest)
}

// SetChecksum4 computes the checksum over the whole message (RFC 792).
func (h ICMP) SetChecksum4() {
	h[2], h[3] = 0, 0
	binary.BigEndian.PutUint16(h[2:], Checksum(h, 0).Fold())
}

// SetChecksum6 computes the checksum over the pseudo-header and the whole message
// (RFC 4443 section 2.3).
func (h ICMP) SetChecksum6(src, dst *Addr) {
	h[2], h[3] = 0, 0
	s := Pseudo(src, dst, ProtoICMPv6).Long(uint32(len(h)))
	binary.BigEndian.PutUint16(h[2:], Checksum(h, s).Fold())
}

// ND is a neighbour solicitation or advertisement (RFC 4861 sections 4.3, 4.4): a
// target address after the ICMP header, then options. Check Valid before using the
// accessors.
type ND []byte

// NDLen is the length of a neighbour message without options.
const NDLen = 24

// NDOptLen is the length of a link-layer address option for Ethernet.
const NDOptLen = 8

// Flags of a neighbour advertisement.
const (
	NDRouter    uint32 = 1 << 31
	NDSolicited uint32 = 1 << 30
	NDOverride  uint32 = 1 << 29
)

// Types of options.
const (
	NDSourceLL uint8 = 1
	NDTargetLL uint8 = 2
)

// Valid tells whether target and options are complete; an option of length zero
// makes the message invalid (RFC 4861 section 7.1).
func (h ND) Valid() bool {
	if len(h) < NDLen {
		return false
	}
	for o := h[NDLen:]; len(o) > 0; {
		if len(o) < 8 || o[1] == 0 || int(o[1])*8 > len(o) {
			return false
		}
		o = o[int(o[1])*8:]
	}
	return true
}

func (h ND) Flags() uint32 { return binary.BigEndian.Uint32(h[4:]) }
func (h ND) Target() Addr  { return Addr6(h[8:24]) }

// LinkAddr finds the link-layer address option of the given type. It needs Valid.
func (h ND) LinkAddr(opt uint8) (MAC, bool) {
	for o := h[NDLen:]; len(o) >= 8; o = o[int(o[1])*8:] {
		if o[0] == opt {
			return MAC(o[2:8]), true
		}
	}
	return MAC{}, false
}

// Put writes a message with one link-layer address option, or none when opt is 0.
// The checksum is left to SetChecksum6.
func (h ND) Put(typ uint8, flags uint32, target *Addr, opt uint8, m MAC) {
	ICMP(h).Put(typ, 0, flags)
	copy(h[8:24], target[:])
	if opt != 0 {
		h[24], h[25] = opt, 1
		copy(h[26:32], m[:])
	}
}
