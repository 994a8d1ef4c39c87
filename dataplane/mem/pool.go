package mem

import "unsafe"

// Pool is a fixed maximum of equal slots of a pointer-free type T. A slot is
// named by its index, which stays valid until Free. Slots come back zeroed.
type Pool[T any] struct {
	region *Region
	base   unsafe.Pointer
	next   []uint32 // free list: next[i] is the free slot after i
	nregn  *Region
	free   uint32 // first free slot, 0 when none
	used   uint32 // slots in use
	fresh  uint32 // lowest index never given out
	limit  uint32 // highest index + 1
}

// NewPool reserves address space for max slots. Memory is used only for slots
// that were handed out at least once.
func NewPool[T any](max int) (*Pool[T], error) {
	var t T
	r, err := Map((max + 1) * int(unsafe.Sizeof(t)))
	if err != nil {
		return nil, err
	}
	n, err := Map((max + 1) * 4)
	if err != nil {
		r.Close()
		return nil, err
	}
	return &Pool[T]{region: r, base: r.Base(), nregn: n,
		next:  unsafe.Slice((*uint32)(n.Base()), max+1),
		fresh: 1, limit: uint32(max) + 1}, nil
}

// Alloc returns a zeroed slot and its index, or 0 and nil when the pool is full.
func (p *Pool[T]) Alloc() (uint32, *T) {
	i := p.free
	if i != 0 {
		p.free = p.next[i]
		t := p.At(i)
		var zero T
		*t = zero
		p.next[i] = 0
		p.used++
		return i, t
	}
	if p.fresh == p.limit {
		return 0, nil
	}
	i = p.fresh
	p.fresh++
	p.used++
	return i, p.At(i)
}

// At is the slot named i. The index must come from Alloc; it is not checked.
func (p *Pool[T]) At(i uint32) *T {
	var t T
	return (*T)(unsafe.Add(p.base, uintptr(i)*unsafe.Sizeof(t)))
}

// Valid tells whether i could name a slot that was handed out at some time.
func (p *Pool[T]) Valid(i uint32) bool { return i != 0 && i < p.fresh }

// Free gives slot i back. Freeing a slot twice corrupts the pool.
func (p *Pool[T]) Free(i uint32) {
	p.next[i] = p.free
	p.free = i
	p.used--
	if p.used == 0 {
		p.reset()
	}
}

// reset starts over and returns all pages, once nothing is in use and the pool
// had grown past what is worth keeping.
func (p *Pool[T]) reset() {
	var t T
	if uintptr(p.fresh)*unsafe.Sizeof(t) < 4*HugePage {
		return
	}
	p.region.Release(0, p.region.Size())
	p.nregn.Release(0, p.nregn.Size())
	p.free, p.fresh = 0, 1
}

// Used is the number of slots in use; Fresh bounds every index ever given out;
// Max is the capacity.
func (p *Pool[T]) Used() int     { return int(p.used) }
func (p *Pool[T]) Fresh() uint32 { return p.fresh }
func (p *Pool[T]) Max() int      { return int(p.limit) - 1 }

// Close unmaps the pool.
func (p *Pool[T]) Close() {
	p.region.Close()
	p.nregn.Close()
}
