package gso

import (
	"encoding/binary"
	"unsafe"
)

// Header is struct virtio_net_hdr, in the byte order of the machine.
type Header struct {
	Flags, Type uint8
	// HdrLen is a hint: the kernel's linear part, which may hold more than headers.
	HdrLen     uint16
	Size       uint16 // text of each segment
	CsumStart  uint16 // where the sum begins
	CsumOffset uint16 // where it goes, from CsumStart
}

// HeaderSize is what a Header takes in front of a frame.
const HeaderSize = 10

const _ = -(HeaderSize - unsafe.Sizeof(Header{})) // they are equal

// Flags and types of a Header.
const (
	NeedsCsum = 1 // the checksum field holds the sum of the pseudo-header
	DataValid = 2 // the checksum has been verified

	TypeNone = 0
	TypeTCP4 = 1
	TypeTCP6 = 4
	TypeUDP  = 5    // VIRTIO_NET_HDR_GSO_UDP_L4: a datagram a segment
	TypeECN  = 0x80 // besides one of the TCP types: CWR is set
)

// SumKnown tells that a receiver need not look at the transport checksum: it was
// verified, or left out because the packet has never been on a wire.
func (h *Header) SumKnown() bool { return h.Flags&(NeedsCsum|DataValid) != 0 }

const (
	etherLen = 14
	tcpLen   = 20
	udpLen   = 8

	protoTCP = 6
	protoUDP = 17

	// Offsets in the headers.
	ip4Total, ip4ID, ip4Frag, ip4Proto, ip4Sum = 2, 4, 6, 9, 10
	ip6Payload, ip6Next                        = 4, 6
	tcpSeq, tcpOff, tcpFlags, tcpSum, tcpUrg   = 4, 12, 13, 16, 18
	udpTotal, udpSum                           = 4, 6
	ip4Len, ip6Len                             = 20, 40

	fin, syn, psh, ack, cwr = 0x01, 0x02, 0x08, 0x10, 0x80
	rst                     = 0x04
	dontFragment            = 0x4000
	fragment                = 0x3fff // more to come, or an offset
)

// layout is where things are in the frame of a TCP or UDP packet.
type layout struct {
	l4, text int // offsets of the transport header and of what follows it
	end      int // offset of the end that the IP header tells
	proto    uint8
	v6       bool
}

// parse finds the layout of a frame; false when it is not a whole TCP or UDP packet right
// behind its IP header.
func (l *layout) parse(f []byte) bool {
	if len(f) < etherLen+ip4Len+udpLen {
		return false
	}
	ip := f[etherLen:]
	switch {
	case f[12] == 0x08 && f[13] == 0x00 && ip[0]>>4 == 4:
		n := int(ip[0]&15) * 4
		if n < ip4Len || binary.BigEndian.Uint16(ip[ip4Frag:])&fragment != 0 {
			return false
		}
		*l = layout{l4: etherLen + n, end: etherLen + int(binary.BigEndian.Uint16(ip[ip4Total:])), proto: ip[ip4Proto]}
	case f[12] == 0x86 && f[13] == 0xdd && ip[0]>>4 == 6 && len(ip) >= ip6Len:
		*l = layout{l4: etherLen + ip6Len, proto: ip[ip6Next], v6: true,
			end: etherLen + ip6Len + int(binary.BigEndian.Uint16(ip[ip6Payload:]))}
	default:
		return false
	}
	switch l.proto {
	case protoTCP:
		if len(f) < l.l4+tcpLen || f[l.l4+tcpOff]>>4 < tcpLen/4 {
			return false
		}
		l.text = l.l4 + int(f[l.l4+tcpOff]>>4)*4
	case protoUDP:
		l.text = l.l4 + udpLen
	default:
		return false
	}
	return l.text <= l.end && l.end <= len(f)
}

// sumAt is where the transport checksum is, from the transport header.
func (l *layout) sumAt() uint16 {
	if l.proto == protoTCP {
		return tcpSum
	}
	return udpSum
}

// fold makes 16 bits of a one's complement sum (RFC 1071).
func fold(s uint32) uint16 {
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s)
}
