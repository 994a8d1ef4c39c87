package hdr

import (
	"encoding/binary"
	"net/netip"
)

// Addr is an IPv6 address, or an IPv4 one mapped into ::ffff:0:0/96. It is
// comparable and holds no pointer.
type Addr [16]byte

// AddrOf converts; a zone is dropped.
func AddrOf(a netip.Addr) Addr {
	if !a.IsValid() {
		return Addr{}
	}
	return a.As16()
}

// Addr4 makes the mapped form of four IPv4 bytes.
func Addr4(b []byte) (a Addr) {
	a[10], a[11] = 0xff, 0xff
	copy(a[12:], b[:4])
	return a
}

// Addr6 copies sixteen bytes.
func Addr6(b []byte) (a Addr) {
	copy(a[:], b[:16])
	return a
}

// Is4 tells whether a is a mapped IPv4 address.
func (a *Addr) Is4() bool {
	return binary.NativeEndian.Uint64(a[:8]) == 0 && binary.BigEndian.Uint32(a[8:12]) == 0xffff
}

// V4 is the IPv4 part of a mapped address.
func (a *Addr) V4() []byte { return a[12:16] }

// Netip converts back; a mapped IPv4 address comes out as IPv4.
func (a Addr) Netip() netip.Addr { return netip.AddrFrom16(a).Unmap() }

// IsZero tells whether a is unset: all zero, or 0.0.0.0.
func (a *Addr) IsZero() bool {
	return *a == Addr{} || a.Is4() && binary.NativeEndian.Uint32(a[12:]) == 0
}

func (a Addr) String() string { return a.Netip().String() }

// Well-known IPv6 groups (RFC 4291 section 2.7.1).
var (
	AllNodes   = Addr{0: 0xff, 1: 0x02, 15: 1}
	AllRouters = Addr{0: 0xff, 1: 0x02, 15: 2}
)

// IsMulticast tells whether a is a group: 224.0.0.0/4 or ff00::/8.
func (a *Addr) IsMulticast() bool {
	return a[0] == 0xff || a.Is4() && a[12]>>4 == 14
}

// IsLinkLocal tells whether a is an IPv6 unicast address of fe80::/10, which means
// something on one link only.
func (a *Addr) IsLinkLocal() bool { return a[0] == 0xfe && a[1]&0xc0 == 0x80 }

// IsLoopback tells whether a is of 127.0.0.0/8 or ::1.
func (a *Addr) IsLoopback() bool {
	return a.Is4() && a[12] == 127 || *a == Addr{15: 1}
}

// IsLimitedBroadcast tells whether a is 255.255.255.255.
func (a *Addr) IsLimitedBroadcast() bool {
	return a.Is4() && binary.NativeEndian.Uint32(a[12:]) == 0xffffffff
}

// SolicitedNode is the group in which the owner of a is asked for its link-layer
// address (RFC 4291 section 2.7.1).
func (a *Addr) SolicitedNode() Addr {
	return Addr{0xff, 0x02, 11: 1, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]}
}

// LinkLocal is the link-local address made of an Ethernet address: fe80::/64 and a
// modified EUI-64 (RFC 4291 appendix A).
func LinkLocal(m MAC) Addr {
	return Addr{0xfe, 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]}
}

// Hi and Lo are the two halves of a as numbers: high bits first.
func (a *Addr) Hi() uint64 { return binary.BigEndian.Uint64(a[:8]) }
func (a *Addr) Lo() uint64 { return binary.BigEndian.Uint64(a[8:]) }
