package fifo

// NewShared makes an empty FIFO whose other end is a Remote: role says which end
// the stack is. line names it to the remote side. It returns 0 and nil when memory
// has run out.
func (s *Store) NewShared(size uint32, role Role) (ref Ref, f *FIFO, line uint32) {
	ref, f = s.New(size)
	if f == nil {
		return 0, nil, 0
	}
	if line = f.a.alloc(headerShift); line == 0 {
		s.Free(ref)
		return 0, nil, 0
	}
	h := (*header)(f.a.at(line))
	h.magic, h.version, h.size, h.shift, h.role = magic, version, f.size, uint32(f.shift), uint32(role)
	h.head.Store(0)
	h.tail.Store(0)
	h.grant.Store(0)
	h.event.Store(0)
	h.wantRoom.Store(0)
	for i := range h.table {
		h.table[i].Store(0)
	}
	f.hdr, f.shared, f.role = line, h, role
	return ref, f, line
}

// Broken tells that the other end of a shared FIFO wrote an index that no correct
// program would write. What it wrote is ignored; the session should be reset.
func (f *FIFO) Broken() bool { return f != nil && f.broken }

// sync takes over the other end's index when it lies where it may.
func (f *FIFO) sync() {
	if f.role == Consumer {
		t := f.shared.tail.Load()
		if t-f.tail > f.grant-f.tail {
			f.broken = true
			return
		}
		f.tail, f.held = t, t
		return
	}
	h := f.shared.head.Load()
	if h-f.head > f.tail-f.head {
		f.broken = true
		return
	}
	old := f.head
	if h == old {
		return
	}
	f.head = h
	if h == f.tail && f.held == f.tail {
		f.releaseFrom(old)
	} else {
		f.releaseBetween(old, h)
	}
}

// dropped finishes Drop for a shared FIFO: old was the head. As consumer the stack
// gives back chunks that were read; those granted to the producer stay.
func (f *FIFO) dropped(old uint32) {
	f.releaseBetween(old, f.head)
	if f.role == Consumer {
		f.shared.head.Store(f.head)
	}
}

// Grant lets a remote producer write at least n bytes beyond the tail, as far as
// size and memory allow, and returns how many bytes it may write. Chunks that were
// granted stay until they were written and read.
func (f *FIFO) Grant(n int) int {
	if f.role != Consumer {
		return 0
	}
	f.sync()
	limit := f.head + f.size
	end := f.tail + uint32(min(max(n, 0), int(limit-f.tail)))
	for p := f.grant; end-f.head > p-f.head; {
		if f.table[p>>f.shift&slotMask] == 0 && f.grow(p) == 0 {
			break
		}
		p = (p | f.mask) + 1 // to the end of the chunk
		if p-f.head > f.size {
			p = limit
		}
		f.grant = p
	}
	f.shared.grant.Store(f.grant)
	return int(f.grant - f.tail)
}

// SetEvent is called by a producer that committed bytes. True: the consumer does
// not know yet, tell it.
func (f *FIFO) SetEvent() bool { return f.shared.event.Swap(1) == 0 }

// ClearEvent is called by a consumer before it reads for the last time. It must
// look at Len once more afterwards.
func (f *FIFO) ClearEvent() { f.shared.event.Store(0) }

// WantRoom is called by a producer that wants to be told when n bytes are free; 0
// takes the wish back. It must look at Free once more afterwards.
func (f *FIFO) WantRoom(n uint32) { f.shared.wantRoom.Store(n) }

// RoomWanted is called by a consumer that dropped bytes. True: the producer's wish
// is fulfilled and taken back, tell it.
func (f *FIFO) RoomWanted() bool {
	n := f.shared.wantRoom.Load()
	return n != 0 && uint32(f.Free()) >= n && f.shared.wantRoom.Swap(0) != 0
}
