package neigh

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"vpphost/dataplane/hdr"
)

// asking is what one worker has asked for of late, for all others to see: the answer may
// come in on any of them. A question may be pushed out by another one; then the answer is
// told as other news are, or the neighbour is asked again.
type asking [1 << askingLog]atomic.Uint64

const askingLog = 10

// question is a neighbour in 64 bits, never 0.
func question(iface uint32, a *hdr.Addr) uint64 {
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(a[:8])^0x9e3779b97f4a7c15, uint64(iface)<<1|0xd6e8feb800000001)
	hi, lo = bits.Mul64(hi^lo^binary.LittleEndian.Uint64(a[8:]), 0xd6e8feb86659fd93)
	return (hi ^ lo) | 1
}

func (s *asking) slot(q uint64) *atomic.Uint64 { return &s[q>>(64-askingLog)] }

// ask notes a question. The worker itself.
func (s *asking) ask(q uint64) { s.slot(q).Store(q) }

// answer tells whether q was asked, and that it is not any more. Any worker.
func (s *asking) answer(q uint64) bool {
	x := s.slot(q)
	return x.Load() == q && x.CompareAndSwap(q, 0)
}
