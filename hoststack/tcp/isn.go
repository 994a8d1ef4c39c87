package tcp

import (
	"encoding/binary"
	"math/bits"

	"vpphost/dataplane/hdr"
)

// secret keys the hash behind initial sequence numbers and timestamp offsets.
type secret struct{ k0, k1 uint64 }

// isn makes the initial sequence number and the timestamp offset of a connection
// as RFC 6528 section 3 and RFC 7323 section 5.4 ask: a clock of 4 us plus a keyed
// hash of the addresses and ports, so that the numbers of one 4-tuple only grow
// while those of another tell nothing about them.
func (k secret) isn(local, remote *hdr.Addr, lport, rport uint16, now int64) (iss hdr.Seq, tsOffset uint32) {
	h := k.sum(local, remote, lport, rport)
	return hdr.SeqOf(uint32(now>>12) + uint32(h)), uint32(h >> 32)
}

// sum is SipHash-2-4 (Aumasson and Bernstein 2012) of the 4-tuple.
func (k secret) sum(local, remote *hdr.Addr, lport, rport uint16) uint64 {
	s := sip{k.k0 ^ 0x736f6d6570736575, k.k1 ^ 0x646f72616e646f6d,
		k.k0 ^ 0x6c7967656e657261, k.k1 ^ 0x7465646279746573}
	s.word(binary.LittleEndian.Uint64(local[0:]))
	s.word(binary.LittleEndian.Uint64(local[8:]))
	s.word(binary.LittleEndian.Uint64(remote[0:]))
	s.word(binary.LittleEndian.Uint64(remote[8:]))
	s.word(uint64(lport) | uint64(rport)<<16 | 36<<56) // the tail, and the length
	s[2] ^= 0xff
	for range 4 {
		s.round()
	}
	return s[0] ^ s[1] ^ s[2] ^ s[3]
}

type sip [4]uint64

func (s *sip) word(m uint64) {
	s[3] ^= m
	s.round()
	s.round()
	s[0] ^= m
}

func (s *sip) round() {
	s[0] += s[1]
	s[1] = bits.RotateLeft64(s[1], 13) ^ s[0]
	s[0] = bits.RotateLeft64(s[0], 32)
	s[2] += s[3]
	s[3] = bits.RotateLeft64(s[3], 16) ^ s[2]
	s[0] += s[3]
	s[3] = bits.RotateLeft64(s[3], 21) ^ s[0]
	s[2] += s[1]
	s[1] = bits.RotateLeft64(s[1], 17) ^ s[2]
	s[2] = bits.RotateLeft64(s[2], 32)
}
