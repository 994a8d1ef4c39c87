package flow

import (
	"errors"
	"fmt"
	"math/bits"
	"unsafe"

	"vpphost/dataplane/mem"
)

// ErrFull is returned when the kernel gives no memory for a larger table.
var ErrFull = errors.New("flow: table is full")

// entry is one connection. An empty entry has index 0.
type entry struct {
	hash  uint32
	index uint32
}

const (
	minShift = 10 // 1024 entries at least
	// moveSlots is how many old positions are looked at per change while moving; one that
	// holds an entry counts moveCost times. In a new slab each entry that is moved may be a
	// page fault: many at a time would make the first changes after a growth slow. For the
	// same reason slabs are in small pages: 2 MB take the kernel up to 2 ms to clear, and
	// the first changes touch all of them.
	moveSlots = 64
	moveCost  = 8
	releaseAt = 1 << 16 // bytes
)

// slab is one open-addressed array.
type slab struct {
	region *mem.Region
	base   unsafe.Pointer
	shift  uint8 // 32 - log2(entries)
	mask   uint32
}

func newSlab(log int) (slab, error) {
	r, err := mem.Map(8 << log)
	if err != nil {
		return slab{}, err
	}
	return slab{region: r, base: r.Base(), shift: uint8(32 - log), mask: 1<<log - 1}, nil
}

func (s *slab) at(i uint32) *entry { return (*entry)(unsafe.Add(s.base, uintptr(i)<<3)) }

// home is where a hash's run begins. The high bits of a product with an odd
// constant depend on all bits of the hash.
func (s *slab) home(hash uint32) uint32 { return hash * 0x9e3779b1 >> s.shift }

func (s *slab) size() uint32 { return s.mask + 1 }

func (s *slab) insert(hash, index uint32) {
	i := s.home(hash)
	for s.at(i).index != 0 {
		i = (i + 1) & s.mask
	}
	*s.at(i) = entry{hash, index}
}

// find is the position of an entry.
func (s *slab) find(hash, index uint32) (uint32, bool) {
	for i := s.home(hash); ; i = (i + 1) & s.mask {
		switch e := s.at(i); {
		case e.index == 0:
			return 0, false
		case e.index == index && e.hash == hash:
			return i, true
		}
	}
}

// remove empties position i and moves later entries of the run up, so that no run
// has a hole before one of its entries (Knuth volume 3, section 6.4, algorithm R).
func (s *slab) remove(i uint32) {
	for j := (i + 1) & s.mask; ; j = (j + 1) & s.mask {
		e := s.at(j)
		if e.index == 0 {
			break
		}
		// e may move to i unless its home lies behind i.
		if (j-s.home(e.hash))&s.mask >= (j-i)&s.mask {
			*s.at(i) = *e
			i = j
		}
	}
	*s.at(i) = entry{}
}

// Table maps hashes to connection indexes for one worker.
type Table struct {
	cur   slab
	old   slab   // being emptied; no region when there is none
	sweep uint32 // next position of old to look at
	n     uint32
	inOld uint32

	shared *presence // nil when this worker is the only one
}

// NewTable makes an empty table. Its memory grows as it fills.
func NewTable() (*Table, error) {
	s, err := newSlab(minShift)
	if err != nil {
		return nil, fmt.Errorf("flow: table: %w", err)
	}
	return &Table{cur: s}, nil
}

// Len is the number of entries; Cap how many there is room for before the next
// growth; Bytes the memory of the table.
func (t *Table) Len() int { return int(t.n) }
func (t *Table) Cap() int { return int(t.cur.size() / 2) }
func (t *Table) Bytes() int {
	b := int(t.cur.size()) * 8
	if t.old.region != nil {
		b += int(t.old.size()) * 8
	}
	return b
}

// Usage tells what the table holds.
func (t *Table) Usage() mem.Usage {
	where := [][]byte{t.cur.region.Bytes()}
	if t.old.region != nil {
		where = append(where, t.old.region.Bytes())
	}
	return mem.UsageOf(8, t.Len(), t.Cap(), where...)
}

// Cursor walks over the candidates for one hash. The table must not change
// meanwhile.
type Cursor struct {
	s    *slab
	old  *slab
	hash uint32
	i    uint32
}

// Find begins a look-up:
//
//	for c := t.Find(hash); ; {
//		i := c.Next()
//		if i == 0 { … not found }
//		if pool.At(i) has this tuple { … found }
//	}
func (t *Table) Find(hash uint32) Cursor {
	c := Cursor{s: &t.cur, hash: hash, i: t.cur.home(hash)}
	if t.inOld != 0 {
		c.old = &t.old
	}
	return c
}

// Next is the index of the next connection with this hash, 0 when there is no
// other.
func (c *Cursor) Next() uint32 {
	for {
		e := c.s.at(c.i)
		if e.index == 0 {
			if c.old == nil {
				return 0
			}
			c.s, c.old = c.old, nil
			c.i = c.s.home(c.hash)
			continue
		}
		c.i = (c.i + 1) & c.s.mask
		if e.hash == c.hash {
			return e.index
		}
	}
}

// Insert adds an entry; index must not be 0. It does not look whether the same
// entry is there already.
func (t *Table) Insert(hash, index uint32) error {
	if t.n >= t.cur.size()/2 {
		if err := t.resize(bits.Len32(t.cur.mask) + 1); err != nil && t.n >= t.cur.size()/8*7 {
			return err
		}
	}
	t.cur.insert(hash, index)
	t.n++
	if t.shared != nil {
		t.shared.add(hash)
	}
	t.move()
	return nil
}

// Delete removes an entry and tells whether it was there.
func (t *Table) Delete(hash, index uint32) bool {
	switch i, ok := t.cur.find(hash, index); {
	case ok:
		t.cur.remove(i)
	case t.inOld != 0:
		if i, ok = t.old.find(hash, index); !ok {
			return false
		}
		t.old.remove(i)
		t.inOld--
	default:
		return false
	}
	t.n--
	if t.shared != nil {
		t.shared.remove(hash)
	}
	t.move()
	if t.n < t.cur.size()/16 && t.cur.size() > 1<<minShift {
		_ = t.resize(max(minShift, bits.Len32(t.cur.mask)-2)) // without memory it stays large
	}
	return true
}

// Replace gives an entry another index, and tells whether it was there.
func (t *Table) Replace(hash, index, by uint32) bool {
	if i, ok := t.cur.find(hash, index); ok {
		t.cur.at(i).index = by
		return true
	}
	if t.inOld != 0 {
		if i, ok := t.old.find(hash, index); ok {
			t.old.at(i).index = by
			return true
		}
	}
	return false
}

// Each calls f for every index, in no order, until it returns false. The table
// must not change meanwhile.
func (t *Table) Each(f func(index uint32) bool) {
	for _, s := range [2]*slab{&t.cur, &t.old} {
		if s.region == nil {
			continue
		}
		for i := range s.size() {
			if e := s.at(i); e.index != 0 && !f(e.index) {
				return
			}
		}
	}
}

// resize begins to move to a slab of 1<<log entries. While an earlier move is under
// way it is refused.
func (t *Table) resize(log int) error {
	if t.old.region != nil {
		return ErrFull
	}
	s, err := newSlab(log)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	t.old, t.cur = t.cur, s
	t.inOld, t.sweep = t.n, 0
	return nil
}

// move takes a few positions of the old slab to the current one, from the first to the
// last. Runs are moved as a whole: within one that is half gone, look-ups would end at
// the gap. (Of a run that goes over the end of the slab the second part goes first, which
// leaves no gap before the first part.)
func (t *Table) move() {
	if t.old.region == nil {
		return
	}
	for budget := moveSlots; t.sweep < t.old.size(); budget-- {
		e := t.old.at(t.sweep)
		if e.index != 0 {
			t.cur.insert(e.hash, e.index)
			*e = entry{}
			t.inOld--
			budget -= moveCost - 1
		} else if budget <= 0 {
			return
		}
		t.sweep++
		if t.sweep*8%releaseAt == 0 {
			// Give the empty pages back bit by bit, so that the last unmapping is
			// cheap.
			t.old.region.Release(int(t.sweep)*8-releaseAt, releaseAt)
		}
	}
	t.old.region.Close()
	t.old = slab{}
}

// Close unmaps the table.
func (t *Table) Close() {
	t.cur.region.Close()
	if t.old.region != nil {
		t.old.region.Close()
	}
}
