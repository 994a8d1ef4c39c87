package fifo

import (
	"sync/atomic"
	"unsafe"
)

// A segment is a range of bytes that can be mapped anywhere. References inside are
// line numbers: offsets from its start in units of 64 bytes, so that 32 bits reach
// 256 GiB. Line 0 is the segment's own header; as a reference it means "none".
//
//	segment            0          2 MiB       4 MiB       6 MiB
//	                   +----------+-----------+-----------+---
//	                   | segment  | block 1   | block 2   | ...    a block holds chunks
//	                   | header   | 16x128KiB | 512x4KiB  |        of one size
//	                   +----------+-----------+-----------+---
//
//	chunk table        slot      0   1   2   3   4  ...  63
//	(64 slots)                 +---+---+---+---+---+---+---+
//	                           | 0 | 0 | a | b | c | 0 | 0 |       line number, 0: none
//	                           +---+---+---+---+---+---+---+
//	                                     │   │   │
//	position p:                          │   │   └─► chunk, partly free
//	slot   (p >> shift) % 64             │   └─────► chunk, full
//	offset  p & (chunk-1)                └─────────► chunk, partly dropped
//
//	shared FIFO header, one cache line a row (512 bytes; written by):
//	+--------------------------------------------------------------+
//	| 0  magic, version, size, shift, role: constants     stack    |
//	+--------------------------------------------------------------+
//	| 1  head, grant                                      consumer |
//	+--------------------------------------------------------------+
//	| 2  tail                                             producer |
//	+--------------------------------------------------------------+
//	| 3  event, wantRoom: who must be told                both     |
//	+--------------------------------------------------------------+
//	| 4-7 chunk table, 64 line numbers                    stack    |
//	+--------------------------------------------------------------+
//
// The window of a FIFO may begin and end inside a chunk, so Size is at most 63
// chunks: no two positions of the window share a slot. 64 is a power of two that
// divides 2^32/chunk, so slots stay in step when positions wrap.
const (
	slots    = 64
	slotMask = slots - 1

	lineShift  = 6
	blockShift = 21
	blockSize  = 1 << blockShift
	blockLines = blockShift - lineShift // shift from line number to block number

	headerShift   = 9  // shared headers are 512 bytes
	minChunkShift = 12 // chunks are 4 KiB at least
	maxChunkShift = 26

	magic   = 0x46494630 // "FIF0"
	version = 1
)

// MinSize and MaxSize bound the size of a FIFO, in bytes.
const (
	MinSize = 4 << 10
	MaxSize = 2 << 30
)

// chunkShift is the base-2 logarithm of the chunk size for a FIFO of size bytes.
func chunkShift(size uint32) uint8 {
	s := uint8(minChunkShift)
	for uint64(slots-1)<<s < uint64(size) {
		s++
	}
	return s
}

// ClampSize brings a wished FIFO size into the allowed range.
func ClampSize(size uint32) uint32 { return min(max(size, MinSize), MaxSize) }

// segmentHeader is the first line of a segment, for who maps it.
type segmentHeader struct {
	magic   uint32
	version uint32
	size    uint64
	_       [48]byte
}

// header is the shared part of a FIFO. Every field may hold anything at any time
// when the other end is hostile.
type header struct {
	magic   uint32
	version uint32
	size    uint32
	shift   uint32
	role    uint32 // of the stack
	_       [44]byte

	head  atomic.Uint32 // first position not yet dropped
	grant atomic.Uint32 // a remote producer may write up to here
	_     [56]byte

	tail atomic.Uint32 // first position not yet committed
	_    [60]byte

	event    atomic.Uint32 // 1: the consumer has been told that there is data
	wantRoom atomic.Uint32 // n > 0: tell the producer when n bytes are free
	_        [56]byte

	table [slots]atomic.Uint32
}

const (
	_ = uint(1<<headerShift - unsafe.Sizeof(header{}))
	_ = uint(unsafe.Sizeof(header{}) - 1<<headerShift)
	_ = uint(1<<lineShift - unsafe.Sizeof(segmentHeader{}))
)

// Role is which end of a shared FIFO the stack is.
type Role uint8

const (
	Producer Role = iota + 1 // the stack writes: a receive FIFO
	Consumer                 // the stack reads: a transmit FIFO
)
