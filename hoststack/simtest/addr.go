package simtest

import "net/netip"

// Addr4 and Addr6 are the addresses of host side (1 or 2) on wire n.
func Addr4(n, side int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), byte(side)})
}

func Addr6(n, side int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfd, 6: byte(n >> 8), 7: byte(n), 15: byte(side)})
}
