package hdr

import (
	"encoding/binary"
	"math/bits"
)

// Sum is a partial Internet checksum: a one's complement sum of big-endian
// 16-bit words, not yet folded (RFC 1071). Sums of consecutive pieces add up as
// long as each piece but the last has an even length.
type Sum uint64

// checksumGo is Checksum without vector instructions.
func checksumGo(b []byte, s Sum) Sum {
	// Eight bytes at a time in memory order: RFC 1071 section 2 (B) allows any
	// byte order as long as the end result is swapped back.
	acc, carry := uint64(0), uint64(0)
	for len(b) >= 64 {
		p := b[:64:64]
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[0:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[8:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[16:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[24:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[32:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[40:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[48:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[56:]), carry)
		b = b[64:]
	}
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b), carry)
		b = b[8:]
	}
	var tail uint64
	for i, c := range b {
		tail |= uint64(c) << (8 * i)
	}
	acc, carry = bits.Add64(acc, tail, carry)
	return s.add(swapFold(acc, carry))
}

// copyChecksumGo is CopyChecksum without vector instructions.
func copyChecksumGo(dst, src []byte, s Sum) Sum {
	acc, carry := uint64(0), uint64(0)
	dst = dst[:len(src)]
	for len(src) >= 32 {
		p, q := src[:32:32], dst[:32:32]
		a, b := binary.LittleEndian.Uint64(p[0:]), binary.LittleEndian.Uint64(p[8:])
		c, d := binary.LittleEndian.Uint64(p[16:]), binary.LittleEndian.Uint64(p[24:])
		binary.LittleEndian.PutUint64(q[0:], a)
		binary.LittleEndian.PutUint64(q[8:], b)
		binary.LittleEndian.PutUint64(q[16:], c)
		binary.LittleEndian.PutUint64(q[24:], d)
		acc, carry = bits.Add64(acc, a, carry)
		acc, carry = bits.Add64(acc, b, carry)
		acc, carry = bits.Add64(acc, c, carry)
		acc, carry = bits.Add64(acc, d, carry)
		src, dst = src[32:], dst[32:]
	}
	for len(src) >= 8 {
		a := binary.LittleEndian.Uint64(src)
		binary.LittleEndian.PutUint64(dst, a)
		acc, carry = bits.Add64(acc, a, carry)
		src, dst = src[8:], dst[8:]
	}
	var tail uint64
	for i, c := range src {
		dst[i] = c
		tail |= uint64(c) << (8 * i)
	}
	acc, carry = bits.Add64(acc, tail, carry)
	return s.add(swapFold(acc, carry))
}

// swapFold folds a little-endian 64-bit sum to 16 bits and swaps it to network
// order.
func swapFold(acc, carry uint64) uint64 {
	acc, c := bits.Add64(acc, carry, 0)
	acc += c
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return uint64(bits.ReverseBytes16(uint16(acc)))
}

func (s Sum) add(v uint64) Sum { return s + Sum(v) }

// Join adds the sum of a second piece whose bytes follow a first piece of n bytes:
// after an odd n its bytes stand in the other half of each word (RFC 1071 section 2
// (B)).
func (s Sum) Join(n int, second Sum) Sum {
	if n&1 != 0 {
		second = Sum(bits.ReverseBytes16(^second.Fold()))
	}
	return s + second
}

// Word adds one 16-bit word.
func (s Sum) Word(v uint16) Sum { return s + Sum(v) }

// Long adds one 32-bit word.
func (s Sum) Long(v uint32) Sum { return s + Sum(v>>16) + Sum(v&0xffff) }

// Fold is the checksum field's value: the complement of the folded sum.
func (s Sum) Fold() uint16 {
	v := uint64(s)
	for v > 0xffff {
		v = v>>16 + v&0xffff
	}
	return ^uint16(v)
}

// Good tells whether a sum over data that includes its checksum field is right.
func (s Sum) Good() bool { return s.Fold() == 0 }

// Pseudo is the sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section
// 8.1) without the length: add that with Long.
func Pseudo(src, dst *Addr, proto uint8) Sum {
	if src.Is4() {
		return Sum(proto).
			Long(binary.BigEndian.Uint32(src[12:])).
			Long(binary.BigEndian.Uint32(dst[12:]))
	}
	s := Sum(proto)
	for i := 0; i < 16; i += 4 {
		s = s.Long(binary.BigEndian.Uint32(src[i:])).Long(binary.BigEndian.Uint32(dst[i:]))
	}
	return s
}
