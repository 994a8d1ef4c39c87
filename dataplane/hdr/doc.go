// Package hdr reads and writes protocol headers in place.
//
// A header is a typed byte slice with accessors: no parse step, no allocation.
// The caller checks the length once (Valid) before it uses accessors. Addresses
// on the packet path are Addr, sixteen plain bytes with IPv4 mapped as in RFC
// 4291 section 2.5.5.2; netip.Addr carries a pointer and stays in control code.
// Seq is a sequence number as RFC 9293 section 3.4 compares them.
//
// The Internet checksum (RFC 1071) is here too, alone and in one pass with a copy, in
// AVX2 assembly where the processor has it and in Go elsewhere. Measured on a Zen 5 core
// at 1460 bytes: 16 ns for the sum and 18 ns for copy and sum, against 73 and 126 in Go.
package hdr
