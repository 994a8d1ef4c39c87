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
