package mem

import (
	"math/bits"
	"unsafe"
)

// Pool is a fixed maximum of equal slots of a pointer-free type T. A slot is named by its
// index, which stays valid until Free. Slots come back zeroed.
//
//	block          0              1              2
//	slots    |1 2 3 4 5 6 7 |8 9 . . 12 . .|. . . . . . . |   no page of block 2 is backed
//
// The lowest block that has a free slot gives the next one, so that the upper blocks run
// empty when there is less to hold; the pages of an empty block go back to the kernel.
// An empty block stays while the pool is only a little smaller than with it, lest one that
// sways about its end take and give back pages all the time.
type Pool[T any] struct {
	base   unsafe.Pointer
	shift  uint8
	spare  uint32   // an empty block that is still backed, 0 when none
	used   uint32   // slots in use
	top    uint32   // blocks from this one on are not backed
	limit  uint32   // highest index + 1
	slots  []slot   // by index
	blocks []block  // by index >> shift
	open   []uint64 // a bit for each block that has a free slot
	region *Region
	notes  *Region // holds slots
}

// slot is what is known of one index.
type slot struct {
	next uint16 // the free slot of the same block after this one, from 1
	gen  uint16 // how often it was freed
}

// block is a run of slots.
type block struct {
	free  uint16 // first free slot, from 1; next continues the list
	gen   uint16 // of slots that were not used since the pages went back
	fresh uint32 // slots given out since then
	used  uint32
}

const (
	// blockSize bounds a block, in bytes. Giving one back takes some 30 us; and of each
	// pool one block is never given back.
	blockSize = 512 << 10
	// maxBlockShift keeps places in a block, counted from 1, within 16 bits.
	maxBlockShift = 15
)

// NewPool reserves address space for max slots. Memory is used only for blocks of which
// a slot was handed out.
func NewPool[T any](max int) (*Pool[T], error) {
	var t T
	p := &Pool[T]{limit: uint32(max) + 1, shift: blockShift(int(unsafe.Sizeof(t)))}
	n := max>>p.shift + 1
	p.blocks, p.open = make([]block, n), make([]uint64, (n+63)/64)
	for k := range n {
		p.open[k/64] |= 1 << (k % 64)
	}
	var err error
	if p.region, err = Map((max + 1) * int(unsafe.Sizeof(t))); err != nil {
		return nil, err
	}
	if p.notes, err = Map((max + 1) * int(unsafe.Sizeof(slot{}))); err != nil {
		p.region.Close()
		return nil, err
	}
	p.base = p.region.Base()
	p.slots = unsafe.Slice((*slot)(p.notes.Base()), max+1)
	p.blocks[0] = block{fresh: 1, used: 1} // index 0 means none
	p.top = 1
	return p, nil
}

// blockShift is the base-2 logarithm of how many slots of size bytes are a block: whole
// pages of them, as only such can be given back.
func blockShift(size int) uint8 {
	whole := max(0, 12-bits.TrailingZeros(uint(size)))
	return uint8(max(whole, min(maxBlockShift, bits.Len(uint(blockSize/size))-1)))
}

// Alloc returns a zeroed slot and its index, or 0 and nil when the pool is full.
func (p *Pool[T]) Alloc() (uint32, *T) {
	for w, open := range p.open {
		if open != 0 {
			return p.take(uint32(w<<6 | bits.TrailingZeros64(open)))
		}
	}
	return 0, nil
}

// take takes a slot of block k, which has a free one.
func (p *Pool[T]) take(k uint32) (i uint32, t *T) {
	b := &p.blocks[k]
	if b.free != 0 {
		i = k<<p.shift + uint32(b.free-1)
		t = p.At(i)
		b.free = p.slots[i].next
		var zero T
		*t = zero
	} else {
		i = k<<p.shift + b.fresh
		t = p.At(i)
		b.fresh++
		p.slots[i].gen = b.gen
	}
	p.used++
	b.used++
	if b.used>>p.shift != 0 || k<<p.shift+b.used == p.limit {
		p.open[k/64] &^= 1 << (k % 64)
	}
	p.top = max(p.top, k+1)
	if p.spare == k {
		p.spare = 0
	}
	return i, t
}

// At is the slot named i. The index must come from Alloc; it is not checked.
func (p *Pool[T]) At(i uint32) *T {
	var t T
	return (*T)(unsafe.Add(p.base, uintptr(i)*unsafe.Sizeof(t)))
}

// Valid tells whether i names a slot of a block that is in use: At reads what was there
// last, and touches no new page.
func (p *Pool[T]) Valid(i uint32) bool {
	return i != 0 && i < p.limit && p.blocks[i>>p.shift].used != 0
}

// Gen is the generation of slot i, which a Free ends. It tells two users of one index
// apart, until it comes round after 65536 of them.
func (p *Pool[T]) Gen(i uint32) uint16 { return p.slots[i].gen }

// Free gives slot i back. Freeing a slot twice corrupts the pool.
func (p *Pool[T]) Free(i uint32) {
	k := i >> p.shift
	b, s := &p.blocks[k], &p.slots[i]
	s.gen++
	s.next = b.free
	b.free = uint16(i&(1<<p.shift-1)) + 1
	b.used--
	p.used--
	p.open[k/64] |= 1 << (k % 64)
	if b.used == 0 {
		if p.spare != 0 {
			p.release(max(k, p.spare))
			k = min(k, p.spare)
		}
		p.spare = k
	}
	if p.spare != 0 && p.used+1<<p.shift/2 < p.spare<<p.shift {
		p.release(p.spare)
		p.spare = 0
	}
}

// release gives the pages of an empty block back.
func (p *Pool[T]) release(k uint32) {
	var t T
	b, first := &p.blocks[k], k<<p.shift
	gen := b.gen
	for _, s := range p.slots[first : first+b.fresh] { // a new user must not pass for an old one
		if int16(s.gen-gen) > 0 {
			gen = s.gen
		}
	}
	*b = block{gen: gen}
	p.region.Release(int(uintptr(first)*unsafe.Sizeof(t)), int(unsafe.Sizeof(t))<<p.shift)
	p.notes.Release(int(uintptr(first)*unsafe.Sizeof(slot{})), int(unsafe.Sizeof(slot{}))<<p.shift)
	for p.blocks[p.top-1].fresh == 0 {
		p.top--
	}
}

// Used is the number of slots in use, Max the capacity. Fresh bounds the indexes that are
// in use.
func (p *Pool[T]) Used() int     { return int(p.used) }
func (p *Pool[T]) Max() int      { return int(p.limit) - 1 }
func (p *Pool[T]) Fresh() uint32 { return min(p.top<<p.shift, p.limit) }

// Usage tells what the pool holds.
func (p *Pool[T]) Usage() Usage {
	var t T
	n := int(p.Fresh())
	return Usage{Slot: int(unsafe.Sizeof(t)), Used: p.Used(), Max: p.Max(),
		where: [2][]byte{p.region.b[:n*int(unsafe.Sizeof(t))], p.notes.b[:n*int(unsafe.Sizeof(slot{}))]}}
}

// Close unmaps the pool.
func (p *Pool[T]) Close() {
	p.region.Close()
	p.notes.Close()
}
