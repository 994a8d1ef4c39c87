package fifo

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/mem"
)

// perBlock is the most chunks in a block: 2 MiB of 512-byte headers.
const perBlock = blockSize >> headerShift

// block describes 2 MiB of the segment. It is on one list: of its class when it
// has a free chunk, of free blocks, or on none when it is full.
type block struct {
	next, prev uint32
	free       uint16 // first free chunk, counted from 1; links continue the list
	fresh      uint16 // chunks that were given out at some time
	used       uint16 // chunks in use
	shift      uint8  // chunk size; 0 while the block is free
	dirty      bool   // the kernel backs its pages
}

// class is the blocks of one chunk size that have a free chunk. The first is the
// one that got a chunk back last, and a block gives out its own last-freed chunk
// first, so that hot memory is used again.
type class struct {
	first uint32
	spare uint32 // one block without a chunk in use, kept against thrashing
}

// allocator hands out the chunks of a segment. All of it is private to the stack,
// off the Go heap, and used by one worker.
type allocator struct {
	base   unsafe.Pointer
	blocks []block
	links  []uint16 // perBlock for each block: the free chunk after this, from 1
	fresh  uint32   // lowest block never used
	free   uint32   // first free block
	backed uint32   // dirty blocks
	class  [maxChunkShift + 1]class

	used, chunks, failed uint64
	memfd, heap          bool // what the segment is: decides how pages go back
}

// newAllocator makes the allocator of segment b, and returns the regions in which it
// lives.
func newAllocator(b []byte, memfd, heap bool) (*allocator, [3]*mem.Region, error) {
	n := len(b) >> blockShift
	var own [3]*mem.Region
	for i, size := range [3]int{int(unsafe.Sizeof(allocator{})), n * int(unsafe.Sizeof(block{})), n * perBlock * 2} {
		r, err := mem.Map(size)
		if err != nil {
			for _, r := range own[:i] {
				r.Close()
			}
			return nil, own, fmt.Errorf("fifo: allocator: %w", err)
		}
		own[i] = r
	}
	a := (*allocator)(own[0].Base())
	*a = allocator{base: unsafe.Pointer(unsafe.SliceData(b)), fresh: 1,
		blocks: unsafe.Slice((*block)(own[1].Base()), n),
		links:  unsafe.Slice((*uint16)(own[2].Base()), n*perBlock),
		memfd:  memfd, heap: heap}
	return a, own, nil
}

// at is the address of a line.
func (a *allocator) at(line uint32) unsafe.Pointer {
	return unsafe.Add(a.base, uintptr(line)<<lineShift)
}

// alloc returns the line of a chunk of 1<<shift bytes, 0 when memory has run out.
// Its bytes are whatever they were.
func (a *allocator) alloc(shift uint8) uint32 {
	if shift > blockShift {
		return a.allocRun(shift)
	}
	c := &a.class[shift]
	b := c.first
	if b == 0 {
		if b = a.takeBlock(); b == 0 {
			a.failed++
			return 0
		}
		a.blocks[b].shift = shift
		a.push(&c.first, b)
	}
	blk := &a.blocks[b]
	var i uint32
	if blk.free != 0 {
		i = uint32(blk.free - 1)
		blk.free = a.links[b*perBlock+i]
	} else {
		i = uint32(blk.fresh)
		blk.fresh++
	}
	if c.spare == b {
		c.spare = 0
	}
	blk.used++
	if blk.used == uint16(1<<(blockShift-shift)) {
		a.unlink(&c.first, b)
	}
	a.used += 1 << shift
	a.chunks++
	return b<<blockLines | i<<(shift-lineShift)
}

// release takes back the chunk at line.
func (a *allocator) release(line uint32, shift uint8) {
	a.used -= 1 << shift
	a.chunks--
	b := line >> blockLines
	if shift > blockShift {
		for range uint32(1) << (shift - blockShift) {
			a.freeBlock(b)
			b++
		}
		return
	}
	i := line & (1<<blockLines - 1) >> (shift - lineShift)
	c, blk := &a.class[shift], &a.blocks[b]
	a.links[b*perBlock+i] = blk.free
	blk.free = uint16(i + 1)
	full := blk.used == uint16(1<<(blockShift-shift))
	blk.used--
	if blk.used == 0 {
		if c.spare != 0 {
			if !full {
				a.unlink(&c.first, b)
			}
			a.freeBlock(b)
			return
		}
		c.spare = b
	}
	switch {
	case full:
		a.push(&c.first, b)
	case c.first != b:
		a.unlink(&c.first, b)
		a.push(&c.first, b)
	}
}

// allocRun is alloc for chunks of several blocks. Only FIFOs beyond 126 MB have
// them, so a linear search does.
func (a *allocator) allocRun(shift uint8) uint32 {
	n := uint32(1) << (shift - blockShift)
	b := a.findRun(n)
	if b == 0 {
		a.reclaimSpares()
		if b = a.findRun(n); b == 0 {
			a.failed++
			return 0
		}
	}
	for i := b; i < b+n; i++ {
		if i < a.fresh {
			a.unlink(&a.free, i)
		} else {
			a.fresh = i + 1
		}
		a.claim(i)
		a.blocks[i].shift = shift
	}
	a.used += 1 << shift
	a.chunks++
	return b << blockLines
}

// findRun is the first of n adjacent free blocks.
func (a *allocator) findRun(n uint32) uint32 {
	run := uint32(0)
	for i := uint32(1); i < uint32(len(a.blocks)); i++ {
		if a.blocks[i].shift != 0 {
			run = 0
		} else if run++; run == n {
			return i - n + 1
		}
	}
	return 0
}

// takeBlock is a free block, 0 when there is none.
func (a *allocator) takeBlock() uint32 {
	if a.free == 0 && a.fresh == uint32(len(a.blocks)) {
		a.reclaimSpares()
	}
	b := a.free
	switch {
	case b != 0:
		a.unlink(&a.free, b)
	case a.fresh < uint32(len(a.blocks)):
		b = a.fresh
		a.fresh++
	default:
		return 0
	}
	a.claim(b)
	return b
}

func (a *allocator) claim(b uint32) {
	dirty := a.blocks[b].dirty
	a.blocks[b] = block{dirty: true}
	if !dirty {
		a.backed++
	}
}

func (a *allocator) freeBlock(b uint32) {
	a.blocks[b] = block{dirty: true}
	a.push(&a.free, b)
}

// reclaimSpares frees the blocks that classes keep though nothing is in them.
func (a *allocator) reclaimSpares() {
	for s := range a.class {
		c := &a.class[s]
		if b := c.spare; b != 0 {
			c.spare = 0
			a.unlink(&c.first, b)
			a.freeBlock(b)
		}
	}
}

// trim gives back the pages of at most n free blocks.
func (a *allocator) trim(n int) (done int) {
	a.reclaimSpares()
	for b := a.free; b != 0 && done < n; b = a.blocks[b].next {
		if !a.blocks[b].dirty {
			continue
		}
		a.blocks[b].dirty = false
		a.backed--
		done++
		if p := unsafe.Slice((*byte)(a.at(b<<blockLines)), blockSize); a.memfd {
			_ = unix.Madvise(p, unix.MADV_REMOVE)
		} else if !a.heap {
			_ = unix.Madvise(p, unix.MADV_DONTNEED)
		}
	}
	return done
}

func (a *allocator) push(first *uint32, b uint32) {
	blk := &a.blocks[b]
	blk.next, blk.prev = *first, 0
	if *first != 0 {
		a.blocks[*first].prev = b
	}
	*first = b
}

func (a *allocator) unlink(first *uint32, b uint32) {
	blk := &a.blocks[b]
	if blk.prev != 0 {
		a.blocks[blk.prev].next = blk.next
	} else {
		*first = blk.next
	}
	if blk.next != 0 {
		a.blocks[blk.next].prev = blk.prev
	}
	blk.next, blk.prev = 0, 0
}
