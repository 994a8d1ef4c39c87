package fifo

import (
	"fmt"
	"unsafe"
)

// Remote is the other end of a shared FIFO: what an application in another thread
// or process uses. It works on the mapped bytes of the segment only, and on one
// goroutine at a time. It trusts the stack, but a damaged segment makes it find
// nothing rather than fault.
type Remote struct {
	mem        []byte
	h          *header
	head, tail uint32
	grant      uint32
	size       uint32
	mask       uint32
	shift      uint8
	producer   bool
}

// OpenRemote finds the FIFO at the given line of a mapped segment.
func OpenRemote(mem []byte, line uint32) (*Remote, error) {
	if len(mem) < blockSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrSegment, len(mem))
	}
	s := (*segmentHeader)(unsafe.Pointer(unsafe.SliceData(mem)))
	if s.magic != magic || s.version != version || s.size > uint64(len(mem)) {
		return nil, fmt.Errorf("%w: magic %#x version %d size %d", ErrSegment, s.magic, s.version, s.size)
	}
	off := uint64(line) << lineShift
	if line == 0 || off+1<<headerShift > uint64(len(mem)) {
		return nil, fmt.Errorf("%w: line %d", ErrSegment, line)
	}
	h := (*header)(unsafe.Pointer(&mem[off]))
	r := &Remote{mem: mem, h: h, size: h.size, shift: uint8(h.shift), producer: Role(h.role) == Consumer}
	if h.magic != magic || h.version != version || h.shift > maxChunkShift ||
		r.size < MinSize || r.size > MaxSize || chunkShift(r.size) != r.shift {
		return nil, fmt.Errorf("%w: line %d is not a fifo", ErrSegment, line)
	}
	r.mask = 1<<r.shift - 1
	r.head, r.tail, r.grant = h.head.Load(), h.tail.Load(), h.grant.Load()
	return r, nil
}

// Producer tells which end this is.
func (r *Remote) Producer() bool { return r.producer }

// Size is the most bytes that the FIFO holds.
func (r *Remote) Size() int { return int(r.size) }

// Len is how many bytes are in it.
func (r *Remote) Len() int {
	if r.producer {
		r.head = r.h.head.Load()
	} else {
		r.tail = r.h.tail.Load()
	}
	return int(r.tail - r.head)
}

// Free is how many bytes may still come, whether the stack has granted memory for
// them or not.
func (r *Remote) Free() int { return int(r.size) - r.Len() }

// Granted is how many bytes a producer may write now.
func (r *Remote) Granted() int {
	r.grant = r.h.grant.Load()
	return int(r.grant - r.tail)
}

// piece is at most n bytes at pos, as far as its chunk goes.
func (r *Remote) piece(pos uint32, n int) []byte {
	line := r.h.table[pos>>r.shift&slotMask].Load()
	at := pos & r.mask
	n = min(n, int(r.mask+1-at))
	off := uint64(line)<<lineShift + uint64(at)
	if n <= 0 || line == 0 || off+uint64(n) > uint64(len(r.mem)) {
		return nil
	}
	return r.mem[off : off+uint64(n)]
}

// Reserve returns writable memory for at most n bytes off bytes beyond the tail: as
// far as the grant and the chunk go. Commit makes n written bytes visible.
func (r *Remote) Reserve(off, n int) []byte {
	if off < 0 || off > int(r.size) {
		return nil
	}
	return r.piece(r.tail+uint32(off), min(n, r.Granted()-off))
}

// Commit moves the tail over n bytes that were written.
func (r *Remote) Commit(n int) {
	r.tail += uint32(max(0, min(n, r.Granted())))
	r.h.tail.Store(r.tail)
}

// Peek returns at most n bytes off bytes beyond the head, valid until Drop.
func (r *Remote) Peek(off, n int) []byte {
	if off < 0 {
		return nil
	}
	return r.piece(r.head+uint32(off), min(n, r.Len()-off))
}

// Drop consumes n bytes. The stack may give their memory to somebody else at once.
func (r *Remote) Drop(n int) {
	r.head += uint32(max(0, min(n, r.Len())))
	r.h.head.Store(r.head)
}

// SetEvent, ClearEvent, WantRoom and RoomWanted are as in FIFO.
func (r *Remote) SetEvent() bool    { return r.h.event.Swap(1) == 0 }
func (r *Remote) ClearEvent()       { r.h.event.Store(0) }
func (r *Remote) WantRoom(n uint32) { r.h.wantRoom.Store(n) }
func (r *Remote) RoomWanted() bool {
	n := r.h.wantRoom.Load()
	return n != 0 && uint32(r.Free()) >= n && r.h.wantRoom.Swap(0) != 0
}
