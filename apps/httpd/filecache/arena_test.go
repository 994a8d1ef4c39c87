package filecache

import (
	"math/rand/v2"
	"testing"
)

// TestArenaModel: blocks do not overlap, are large enough, and become one again.
func TestArenaModel(t *testing.T) {
	const limit = 1 << 20
	a, err := newArena(limit)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	type held struct {
		n    int
		mark byte
	}
	live := map[uint32]held{}
	r := rand.New(rand.NewPCG(1, 1))
	used := 0
	check := func(b uint32, h held) {
		for i, c := range a.bytes(b)[:h.n] {
			if c != h.mark {
				t.Fatalf("byte %d of block %d was overwritten", i, b)
			}
		}
	}
	for step := range 20000 {
		if used < limit/2 && r.IntN(3) > 0 {
			n := 1 + r.IntN(1<<uint(r.IntN(18)))
			b := a.alloc(n)
			if b == 0 {
				t.Fatalf("step %d: no block of %d bytes with %d in use", step, n, used)
			}
			if _, ok := live[b]; ok {
				t.Fatalf("block %d twice", b)
			}
			h := held{n, byte(step)}
			for i := range a.bytes(b)[:n] {
				a.bytes(b)[i] = h.mark
			}
			live[b] = h
			used += n
			continue
		}
		for b, h := range live {
			check(b, h)
			a.release(b)
			delete(live, b)
			used -= h.n
			break
		}
	}
	for b, h := range live {
		check(b, h)
		a.release(b)
	}
	if a.free[a.orders-1] != 1 || a.usedBlocks != 0 {
		t.Fatalf("the blocks did not become one again: %v", a.free)
	}
	if a.alloc(a.region.Size()) == 0 || a.alloc(1) != 0 {
		t.Fatal("all of it is one block")
	}
}

// TestTableModel: with many collisions everything that is in the table is found, and
// nothing else.
func TestTableModel(t *testing.T) {
	const n = 500
	tab, err := newTable(n)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.region.Close()
	r := rand.New(rand.NewPCG(2, 2))
	hash := func(i uint32) uint32 { return i % 37 * 29 } // runs that grow into one another
	find := func(i uint32) bool {
		for p := hash(i) & tab.mask; tab.slots[p].Load() != 0; p = (p + 1) & tab.mask {
			if tab.slots[p].Load() == slotOf(hash(i), i) {
				return true
			}
		}
		return false
	}
	in := map[uint32]bool{}
	for range 20000 {
		i := 1 + r.Uint32N(n)
		if in[i] {
			tab.remove(hash(i), i)
			delete(in, i)
		} else {
			tab.add(hash(i), i)
			in[i] = true
		}
		if i = 1 + r.Uint32N(n); find(i) != in[i] {
			t.Fatalf("entry %d: found %v, is there %v", i, find(i), in[i])
		}
	}
	for i := uint32(1); i <= n; i++ {
		if find(i) != in[i] {
			t.Fatalf("entry %d: found %v, is there %v", i, find(i), in[i])
		}
	}
}

// TestLRUModel compares the heap with a list.
func TestLRUModel(t *testing.T) {
	const n = 300
	l := lru{at: make([]int32, n)}
	used := map[uint32]int64{}
	r := rand.New(rand.NewPCG(3, 3))
	for now := int64(1); now < 20000; now++ {
		i := r.Uint32N(n)
		if _, ok := used[i]; ok {
			l.remove(i)
			delete(used, i)
		} else {
			used[i] = now + r.Int64N(50)*1000
			l.push(lruItem{used[i], i})
		}
		if len(l.heap) != len(used) {
			t.Fatalf("%d in the heap, not %d", len(l.heap), len(used))
		}
		if len(used) == 0 {
			continue
		}
		if r.IntN(4) == 0 {
			i := l.heap[0].entry
			used[i] += r.Int64N(100000)
			l.touch(used[i])
		}
		first := l.heap[0]
		for i, u := range used {
			if u < first.used || i == first.entry && u != first.used {
				t.Fatalf("entry %d of %d is first, %d is of %d", first.entry, first.used, i, u)
			}
		}
	}
	l.remove(n - 1)
	l.remove(n - 1) // not there: nothing happens
}
