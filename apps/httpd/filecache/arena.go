package filecache

import (
	"math/bits"

	"vpphost/dataplane/mem"
)

// arena divides one region into blocks: a buddy allocator. A block of order k has
// minBlock<<k bytes and begins at a multiple of that; its buddy is the other half of the
// block that it was cut from, and both become one again when both are free.
//
// It reserves eight times the address space that it may fill, so that there is a place for a
// file however the free blocks lie. Only pages that were written are in memory, and those
// of large free blocks go back to the kernel.
//
// Blocks are named by the number of their first minBlock bytes, from 1.
type arena struct {
	region     *mem.Region
	notes      *mem.Region
	blocks     []blockNote
	orders     int
	free       []uint32 // first free block of each order, 0 for none
	quiet      int      // order from which on free pages go back
	usedBlocks int
}

// blockNote is what is known of a block that begins there.
type blockNote struct {
	next, prev uint32 // in the list of free blocks of its order
	order      uint8  // and 1 more, of a free block; 0 otherwise
	taken      uint8  // the same of a block in use
}

const (
	minBlock     = 256
	minShift     = 8
	releaseBytes = 64 << 10 // smaller free blocks keep their pages
)

// newArena makes an arena that has room for about size bytes.
func newArena(size int) (*arena, error) {
	orders := bits.Len(uint(max(size, releaseBytes)-1)) - minShift + 4 // eight times the next power of two
	n := 1 << (orders - 1)
	a := &arena{orders: orders, free: make([]uint32, orders), quiet: bits.Len(releaseBytes-1) - minShift}
	var err error
	if a.region, err = mem.Map(n * minBlock); err != nil {
		return nil, err
	}
	a.region.Small() // a byte in a block must not cost 2 MB
	if a.blocks, a.notes, err = mem.Array[blockNote](n + 1); err != nil {
		a.region.Close()
		return nil, err
	}
	a.push(1, orders-1)
	return a, nil
}

// orderOf is the order of the smallest block of n bytes.
func orderOf(n int) int {
	if n <= minBlock {
		return 0
	}
	return bits.Len(uint(n-1)) - minShift
}

// alloc finds a block of at least n bytes, 0 when there is none.
func (a *arena) alloc(n int) uint32 {
	want := orderOf(n)
	k := want
	for k < a.orders && a.free[k] == 0 {
		k++
	}
	if k >= a.orders {
		return 0
	}
	b := a.free[k]
	a.unlink(b, k)
	for k > want { // the upper half stays free
		k--
		a.push(b+1<<k, k)
	}
	a.blocks[b].taken = uint8(want) + 1
	a.usedBlocks++
	return b
}

// release gives a block back.
func (a *arena) release(b uint32) {
	k := int(a.blocks[b].taken) - 1
	a.blocks[b].taken = 0
	a.usedBlocks--
	large := k >= a.quiet // its own pages are in memory, those of its buddies are not
	if large {
		a.region.Release(int(b-1)<<minShift, minBlock<<k)
	}
	for k < a.orders-1 {
		buddy := (b - 1) ^ (1 << k) + 1
		if a.blocks[buddy].order != uint8(k)+1 {
			break
		}
		a.unlink(buddy, k)
		b = min(b, buddy)
		if k++; k == a.quiet && !large {
			a.region.Release(int(b-1)<<minShift, minBlock<<k)
		}
	}
	a.push(b, k)
}

// bytes is the memory of a block, all of it.
func (a *arena) bytes(b uint32) []byte {
	at, k := int(b-1)<<minShift, int(a.blocks[b].taken)-1
	return a.region.Bytes()[at : at+minBlock<<k]
}

func (a *arena) push(b uint32, k int) {
	first := a.free[k]
	a.blocks[b] = blockNote{next: first, order: uint8(k) + 1}
	if first != 0 {
		a.blocks[first].prev = b
	}
	a.free[k] = b
}

func (a *arena) unlink(b uint32, k int) {
	n := &a.blocks[b]
	if n.prev != 0 {
		a.blocks[n.prev].next = n.next
	} else {
		a.free[k] = n.next
	}
	if n.next != 0 {
		a.blocks[n.next].prev = n.prev
	}
	*n = blockNote{}
}

func (a *arena) close() {
	a.region.Close()
	a.notes.Close()
}
