package hdr

import (
	"encoding/binary"
	"net"
)

// EtherLen is the length of an Ethernet header without VLAN tags.
const EtherLen = 14

// EtherType is the protocol of an Ethernet frame.
type EtherType uint16

const (
	EtherIP4  EtherType = 0x0800
	EtherARP  EtherType = 0x0806
	EtherVLAN EtherType = 0x8100 // IEEE 802.1Q
	EtherIP6  EtherType = 0x86dd
	EtherQinQ EtherType = 0x88a8 // IEEE 802.1ad
)

// MAC is an Ethernet address.
type MAC [6]byte

// BroadcastMAC reaches everyone on the link.
var BroadcastMAC = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// IsGroup tells whether m names a group: multicast or broadcast.
func (m MAC) IsGroup() bool { return m[0]&1 != 0 }

// IsZero tells whether m is unset.
func (m MAC) IsZero() bool { return m == MAC{} }

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// MarshalText is String, for JSON.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// GroupMAC is the Ethernet address of an IP multicast group: RFC 1112 section
// 6.4, RFC 2464 section 7.
func GroupMAC(group *Addr) MAC {
	if group.Is4() {
		return MAC{0x01, 0x00, 0x5e, group[13] & 0x7f, group[14], group[15]}
	}
	return MAC{0x33, 0x33, group[12], group[13], group[14], group[15]}
}

// Ether is a frame from its Ethernet header on. Check Valid before using the
// accessors.
type Ether []byte

// Valid tells whether the header is complete.
func (h Ether) Valid() bool { return len(h) >= EtherLen }

func (h Ether) Dst() MAC        { return MAC(h[0:6]) }
func (h Ether) Src() MAC        { return MAC(h[6:12]) }
func (h Ether) Type() EtherType { return EtherType(binary.BigEndian.Uint16(h[12:])) }
func (h Ether) Payload() []byte { return h[EtherLen:] }

// Put writes the whole header.
func (h Ether) Put(dst, src MAC, t EtherType) {
	copy(h[0:6], dst[:])
	copy(h[6:12], src[:])
	binary.BigEndian.PutUint16(h[12:], uint16(t))
}
