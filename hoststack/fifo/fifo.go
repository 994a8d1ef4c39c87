package fifo

import "unsafe"

// FIFO is one direction of a session: a stream of bytes with one producer and one
// consumer. Positions are free-running 32-bit counters: head is the first byte not
// yet dropped, tail the first not yet committed, and tail-head never exceeds Size.
//
// The methods here are for code on the worker that owns the session, be it the
// stack or a builtin application. A nil *FIFO may be used: it is empty and
// has no room. A FIFO lives in its Store and is private to the stack; the table of its
// chunks is, too.
type FIFO struct {
	head, tail uint32
	held       uint32 // end of what was reserved out of order; tail when nothing was
	size       uint32
	mask       uint32 // chunk size - 1
	shift      uint8  // log2 of the chunk size
	role       Role   // of the stack, in a shared FIFO
	broken     bool   // the other end wrote an index that cannot be
	more       uint8  // holders besides the first, see Store.Join
	grant      uint32 // a remote producer may write up to here
	hdr        uint32 // line of the shared header, 0 in a local FIFO
	shared     *header
	a          *allocator
	base       unsafe.Pointer
	table      [slots]uint32
}

// Size is the most bytes that the FIFO holds.
func (f *FIFO) Size() int {
	if f == nil {
		return 0
	}
	return int(f.size)
}

// Grow makes the FIFO hold up to n bytes, as far as its chunks go (Store.NewGrowing), and
// returns its size. It never shrinks, and one that is shared stays as it is: the other end
// has been told the size.
func (f *FIFO) Grow(n int) int {
	if f == nil {
		return 0
	}
	if f.shared == nil && n > int(f.size) {
		f.size = uint32(min(uint64(n), uint64(slots-1)<<f.shift))
	}
	return int(f.size)
}

// Len is how many committed bytes wait for the consumer.
func (f *FIFO) Len() int {
	if f == nil {
		return 0
	}
	if f.shared != nil {
		f.sync()
	}
	return int(f.tail - f.head)
}

// Free is how many bytes the producer may still commit.
func (f *FIFO) Free() int {
	if f == nil {
		return 0
	}
	return int(f.size) - f.Len()
}

// ReserveAt returns writable memory for at most n bytes that begin off bytes
// beyond the tail: one contiguous piece, which may be shorter than n where a chunk
// ends (call again with a larger off), and empty when the FIFO is full there or
// memory has run out. Nothing is visible to the consumer before Commit, so bytes
// that arrive out of order are written at their place and committed later.
//
// What was written at off > 0 keeps its place until it is committed or discarded,
// however the FIFO is drained meanwhile. What was written at off 0 must be
// committed before the consumer runs again.
func (f *FIFO) ReserveAt(off, n int) []byte {
	if f == nil {
		return nil
	}
	room := int(f.size) - int(f.tail-f.head) - off
	if n > room {
		if f.shared != nil {
			f.sync()
			room = int(f.size) - int(f.tail-f.head) - off
		}
		n = min(n, room)
	}
	if n <= 0 || off < 0 {
		return nil
	}
	pos := f.tail + uint32(off)
	at := pos & f.mask
	n = min(n, int(f.mask+1-at))
	line := f.table[pos>>f.shift&slotMask]
	if line == 0 {
		if line = f.grow(pos); line == 0 {
			return nil
		}
	}
	if off > 0 {
		f.hold(pos + uint32(n))
	}
	return unsafe.Slice((*byte)(unsafe.Add(f.base, uintptr(line)<<lineShift+uintptr(at))), n)
}

// hold remembers that bytes before end are kept though they are not committed.
func (f *FIFO) hold(end uint32) {
	if end-f.tail > f.held-f.tail {
		f.held = end
	}
}

// grow gives position pos a chunk and returns its line, 0 when there is no memory.
func (f *FIFO) grow(pos uint32) uint32 {
	line := f.a.alloc(f.shift)
	slot := pos >> f.shift & slotMask
	f.table[slot] = line
	if f.shared != nil {
		f.shared.table[slot].Store(line)
	}
	return line
}

// Commit moves the tail over n bytes that were written before. It never moves it
// beyond the FIFO's size.
func (f *FIFO) Commit(n int) {
	if f == nil {
		return
	}
	if uint(n) > uint(f.size-(f.tail-f.head)) {
		n = max(0, min(n, f.Free()))
	}
	f.tail += uint32(n)
	if f.held-f.tail > f.size { // the tail has passed it
		f.held = f.tail
	}
	if f.shared != nil {
		f.shared.tail.Store(f.tail)
	}
}

// PeekAt returns at most n committed bytes that begin off bytes beyond the head:
// one contiguous piece, which may be shorter than n, empty at the end of the data.
// It is valid until Drop.
func (f *FIFO) PeekAt(off, n int) []byte {
	if f == nil {
		return nil
	}
	avail := int(f.tail-f.head) - off
	if n > avail {
		if f.shared != nil {
			f.sync()
			avail = int(f.tail-f.head) - off
		}
		n = min(n, avail)
	}
	if n <= 0 || off < 0 {
		return nil
	}
	pos := f.head + uint32(off)
	at := pos & f.mask
	line := f.table[pos>>f.shift&slotMask]
	if line == 0 {
		return nil // committed but never written
	}
	n = min(n, int(f.mask+1-at))
	return unsafe.Slice((*byte)(unsafe.Add(f.base, uintptr(line)<<lineShift+uintptr(at))), n)
}

// Drop consumes n bytes and gives back the chunks they leave empty: all of them
// when nothing is left.
func (f *FIFO) Drop(n int) {
	if f == nil {
		return
	}
	if uint(n) > uint(f.tail-f.head) {
		n = max(0, min(n, f.Len()))
	}
	old := f.head
	f.head += uint32(n)
	if f.shared != nil {
		f.dropped(old)
		return
	}
	if f.head == f.tail && f.held == f.tail {
		f.releaseFrom(old)
	} else if old>>f.shift != f.head>>f.shift {
		f.releaseBetween(old, f.head)
	}
}

// releaseBetween gives back the chunks that lie wholly in [from, to).
func (f *FIFO) releaseBetween(from, to uint32) {
	last := to >> f.shift & slotMask
	for s := from >> f.shift & slotMask; s != last; s = (s + 1) & slotMask {
		f.releaseSlot(s)
	}
}

// releaseFrom gives back all chunks from that of position from to the last.
func (f *FIFO) releaseFrom(from uint32) {
	last := f.held >> f.shift & slotMask
	s := from >> f.shift & slotMask
	f.releaseSlot(s)
	for s != last {
		s = (s + 1) & slotMask
		f.releaseSlot(s)
	}
}

func (f *FIFO) releaseSlot(s uint32) {
	if line := f.table[s]; line != 0 {
		f.table[s] = 0
		if f.shared != nil {
			f.shared.table[s].Store(0)
		}
		f.a.release(line, f.shift)
	}
}

// Held is how many bytes beyond the tail are reached by what was reserved out of
// order.
func (f *FIFO) Held() int {
	if f == nil {
		return 0
	}
	return int(f.held - f.tail)
}

// Discard forgets all bytes that were reserved and not committed, and gives back
// their chunks. A producer calls it when what it wrote turns out to be bad and it
// holds nothing else out of order.
func (f *FIFO) Discard() {
	if f == nil || f.role == Consumer {
		return
	}
	if f.head == f.tail {
		f.releaseFrom(f.tail)
	} else if f.held>>f.shift != f.tail>>f.shift {
		f.releaseFrom(f.tail + f.mask + 1) // the tail's own chunk stays
	}
	f.held = f.tail
}

// Positions are the free-running counters, for "show session verbose".
func (f *FIFO) Positions() (head, tail uint32) {
	if f == nil {
		return 0, 0
	}
	return f.head, f.tail
}

// Chunks is how many chunks the FIFO holds, and of how many bytes each.
func (f *FIFO) Chunks() (n, size int) {
	if f == nil {
		return 0, 0
	}
	for _, line := range &f.table {
		if line != 0 {
			n++
		}
	}
	return n, int(f.mask) + 1
}

// Write copies p into the FIFO and commits it; it returns how much there was room
// for.
func (f *FIFO) Write(p []byte) (n int) {
	for len(p) > 0 {
		b := f.ReserveAt(0, len(p))
		if len(b) == 0 {
			break
		}
		c := copy(b, p)
		f.Commit(c)
		p = p[c:]
		n += c
	}
	return n
}

// Read moves at most len(p) bytes from the FIFO to p and returns how many.
func (f *FIFO) Read(p []byte) (n int) {
	for len(p) > 0 {
		b := f.PeekAt(0, len(p))
		if len(b) == 0 {
			break
		}
		c := copy(p, b)
		f.Drop(c)
		p = p[c:]
		n += c
	}
	return n
}
