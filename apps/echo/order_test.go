package echo

import (
	"math/rand/v2"
	"testing"
)

// TestOrder compares with a set of all numbers that have come.
func TestOrder(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		o := &order{}
		seen := map[uint32]bool{}
		base := uint32(0xffffff00) // it wraps
		top := uint32(0)
		for i := range 20000 {
			seq := uint32(i)
			switch rnd.IntN(10) {
			case 0:
				seq -= uint32(rnd.IntN(orderWindow - 20))
			case 1:
				seq += uint32(rnd.IntN(20))
			}
			if int32(seq) < 0 {
				continue
			}
			want := inOrder
			switch {
			case seen[seq]:
				want = duplicate
			case i > 0 && seq < top:
				want = outOfOrder
			}
			if int(top)-int(seq) > orderWindow {
				continue
			}
			seen[seq] = true
			top = max(top, seq+1)
			if got := o.take(base + seq); got != want {
				t.Fatalf("seed %d: number %d after %d: %d, want %d", seed, seq, top, got, want)
			}
		}
		// A jump forgets everything; what is older than the window is late.
		if o.take(base+top+5*orderWindow) != inOrder || o.take(base+top) != outOfOrder {
			t.Fatal("after a jump")
		}
	}
}

func TestTransit(t *testing.T) {
	x := &transit{}
	if _, ok := x.vary(5); ok {
		t.Error("the first datagram differs")
	}
	for _, c := range [][2]uint32{{8, 3}, {2, 6}, {2, 0}, {1<<32 - 3, 5}, {1, 4}, {1 << 31, 1<<31 - 1}, {1<<31 - 9, 9}} {
		if d, ok := x.vary(c[0]); !ok || d != c[1] {
			t.Errorf("%d after all before: %d, want %d", c[0], d, c[1])
		}
	}
}
