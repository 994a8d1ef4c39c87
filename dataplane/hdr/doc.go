// Package hdr reads and writes protocol headers in place.
//
// A header is a typed byte slice with accessors: no parse step, no allocation.
// The caller checks the length once (Valid) before it uses accessors. Addresses
// on the packet path are Addr, sixteen plain bytes with IPv4 mapped as in RFC
// 4291 section 2.5.5.2; netip.Addr carries a pointer and stays in control code.
// Seq is a sequence number as RFC 9293 section 3.4 compares them.
//
// The Internet checksum (RFC 1071) is here too, alone and in one pass with a copy.
package hdr
