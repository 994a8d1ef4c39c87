package hdr

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// vectorMin is the length from which the vector code is faster.
const vectorMin = 64

var hasAVX2 = cpu.X86.HasAVX2

// sumAVX2 adds up n bytes; copySumAVX2 copies them as well. The results are sums of
// words in memory order, to be folded.
//
//go:noescape
func sumAVX2(p *byte, n int) uint64

//go:noescape
func copySumAVX2(dst, src *byte, n int) uint64

// Checksum adds the bytes of b to s.
func Checksum(b []byte, s Sum) Sum {
	if len(b) < vectorMin || !hasAVX2 {
		return checksumGo(b, s)
	}
	return s.add(swapFold(sumAVX2(unsafe.SliceData(b), len(b)), 0))
}

// CopyChecksum copies src to dst, which must be as long, and adds the bytes to s: one pass
// over memory.
func CopyChecksum(dst, src []byte, s Sum) Sum {
	if len(src) < vectorMin || !hasAVX2 {
		return copyChecksumGo(dst, src, s)
	}
	dst = dst[:len(src)]
	return s.add(swapFold(copySumAVX2(unsafe.SliceData(dst), unsafe.SliceData(src), len(src)), 0))
}
