package filecache

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"

	"vpphost/dataplane/mem"
)

// table finds entries by the hash of their key: open addressing, linear probing, each slot
// a hash and the number of an entry in one word. Goroutines change it, one at a time;
// workers read it meanwhile. One that reads while entries are moved may miss an entry, and
// then asks a goroutine, who does not.
type table struct {
	slots  []atomic.Uint64
	mask   uint32
	region *mem.Region
}

// newTable makes a table for at most n entries.
func newTable(n int) (*table, error) {
	size := 1 << bits.Len(uint(2*n-1))
	t := &table{mask: uint32(size - 1)}
	var err error
	t.slots, t.region, err = mem.Array[atomic.Uint64](size)
	return t, err
}

func slotOf(hash, i uint32) uint64 { return uint64(hash)<<32 | uint64(i) }

// add enters entry i.
func (t *table) add(hash, i uint32) {
	p := hash & t.mask
	for t.slots[p].Load() != 0 {
		p = (p + 1) & t.mask
	}
	t.slots[p].Store(slotOf(hash, i))
}

// remove takes entry i out, and moves those behind it that are not where they would be
// found.
func (t *table) remove(hash, i uint32) {
	p := hash & t.mask
	for t.slots[p].Load() != slotOf(hash, i) {
		p = (p + 1) & t.mask
	}
	for q := (p + 1) & t.mask; ; q = (q + 1) & t.mask {
		v := t.slots[q].Load()
		if v == 0 {
			break
		}
		home := uint32(v>>32) & t.mask
		if (q-home)&t.mask >= (q-p)&t.mask { // it may stand at p
			t.slots[p].Store(v)
			p = q
		}
	}
	t.slots[p].Store(0)
}

// seed is new in every process, so that nobody can choose names that collide.
var seed = maphash.MakeSeed()

// hashOf is the hash of a key.
func hashOf(path []byte, enc Encoding) uint32 {
	return uint32(maphash.Bytes(seed, path)) ^ uint32(enc)*0x9e3779b9
}
