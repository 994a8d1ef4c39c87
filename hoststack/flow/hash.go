package flow

import (
	"encoding/binary"
	"math/bits"

	"vpphost/dataplane/hdr"
)

// Hasher is a keyed hash of flows. The same key must be used by everything that
// compares hashes: all workers of an instance.
type Hasher struct {
	k [4]uint64
}

// NewHasher makes a hasher from a random seed (splitmix64 spreads it).
func NewHasher(seed uint64) Hasher {
	var h Hasher
	for i := range h.k {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		h.k[i] = z ^ z>>31 | 1
	}
	return h
}

// fold multiplies and xors the halves of the 128-bit product.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// end hashes one end of a flow.
func (h *Hasher) end(a *hdr.Addr, port uint16) uint64 {
	hi := binary.LittleEndian.Uint64(a[:8])
	lo := binary.LittleEndian.Uint64(a[8:])
	return fold(fold(hi^h.k[0], uint64(port)^h.k[1])^lo, h.k[2])
}

// Hash of a flow; the same when the ends are swapped. Never 0, which means "not
// computed" in a packet.
func (h *Hasher) Hash(a, b *hdr.Addr, aPort, bPort uint16) uint32 {
	x, y := h.end(a, aPort), h.end(b, bPort)
	z := fold(x+y^h.k[3], x^y^h.k[1])
	v := uint32(z ^ z>>32)
	if v == 0 {
		return 1
	}
	return v
}

// Hash4 is Hash for two IPv4 addresses as they lie in a packet.
func (h *Hasher) Hash4(a, b []byte, aPort, bPort uint16) uint32 {
	x, y := hdr.Addr4(a), hdr.Addr4(b)
	return h.Hash(&x, &y, aPort, bPort)
}

// Owner is which of n workers a flow with this hash belongs to.
func Owner(hash uint32, n int) int {
	return int(uint64(hash) * uint64(n) >> 32)
}
