package tcp

import (
	"math/rand/v2"
	"testing"

	"vpphost/dataplane/hdr"
)

// TestRangesAgainstModel compares with a bitmap, across the wrap of the sequence
// space.
func TestRangesAgainstModel(t *testing.T) {
	const size = 4000
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		base := hdr.SeqOf(0xffffffff - uint32(r.IntN(size)))
		var g ranges
		var model [size]bool
		low := 0
		count := func(a, b int) (n int) {
			for _, x := range model[a:b] {
				n += b2i(x)
			}
			return n
		}
		for range 200 {
			a := low + r.IntN(size-low)
			b := min(a+1+r.IntN(60), size)
			switch r.IntN(10) {
			case 0:
				low = min(low+r.IntN(100), size-1)
				g.trim(base.Add(low))
				clear(model[:low])
			case 1:
				x, ok := g.holds(base.Add(a))
				if ok != model[a] {
					t.Fatalf("seed %d: holds(%d) = %v", seed, a, ok)
				}
				if ok && (count(x.from.Sub(base), x.to.Sub(base)) != x.len() || x.len() == 0) {
					t.Fatalf("seed %d: holds(%d) = %v", seed, a, x)
				}
			case 2:
				x := g.gap(base.Add(a), base.Add(b))
				from := a
				for from < b && model[from] {
					from++
				}
				to := from
				for to < b && !model[to] {
					to++
				}
				if x.len() != to-from || x.len() > 0 && x.from.Sub(base) != from {
					t.Fatalf("seed %d: gap(%d,%d) = %d+%d, want %d+%d", seed, a, b, x.from.Sub(base), x.len(), from, to-from)
				}
			default:
				before := count(0, size)
				fresh, ok := g.add(base.Add(a), base.Add(b))
				if !ok {
					if g.n != maxRanges {
						t.Fatalf("seed %d: add refused with %d spans", seed, g.n)
					}
					continue
				}
				for i := a; i < b; i++ {
					model[i] = true
				}
				if got := count(0, size) - before; got != fresh {
					t.Fatalf("seed %d: add(%d,%d) = %d, want %d", seed, a, b, fresh, got)
				}
			}
			if n := count(0, size); int(g.total) != n || g.in(base, base.Add(size)) != n || g.in(base.Add(a), base.Add(b)) != count(a, b) {
				t.Fatalf("seed %d: total %d, in %d, want %d", seed, g.total, g.in(base, base.Add(size)), n)
			}
			for i, x := range g.list() {
				if x.len() <= 0 || i > 0 && x.from.AtOrBefore(g.r[i-1].to) {
					t.Fatalf("seed %d: spans out of order: %v", seed, g.list())
				}
			}
		}
	}
}

func TestRangesFull(t *testing.T) {
	var g ranges
	for i := range maxRanges {
		if _, ok := g.add(hdr.SeqOf(uint32(10*i)), hdr.SeqOf(uint32(10*i+5))); !ok {
			t.Fatalf("full at %d", i)
		}
	}
	if _, ok := g.add(hdr.SeqOf(7), hdr.SeqOf(8)); ok {
		t.Error("a span too many was taken")
	}
	if fresh, ok := g.add(hdr.SeqOf(5), hdr.SeqOf(10)); !ok || fresh != 5 || g.n != maxRanges-1 {
		t.Errorf("filling a gap in a full list: %d %v, %d spans", fresh, ok, g.n)
	}
}
