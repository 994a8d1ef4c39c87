package httpc

import "testing"

func TestPaceClosed(t *testing.T) {
	p := pace{left: 3}
	for now := int64(5); now < 8; now++ {
		if since, ok := p.take(now); !ok || since != now {
			t.Fatalf("at %d: %d, %v", now, since, ok)
		}
	}
	if _, ok := p.take(9); ok || !p.over(9) || p.missed(9) != 0 {
		t.Fatal("a fourth of three")
	}
	p = pace{left: 1 << 40, end: 100}
	if _, ok := p.take(99); !ok || p.over(99) {
		t.Fatal("over before the end")
	}
	if _, ok := p.take(100); ok || !p.over(100) {
		t.Fatal("goes on after the end")
	}
	p = pace{left: 5}
	if p.stop(50); !p.over(50) || p.over(49) {
		t.Fatal("not stopped")
	}
}

// TestPaceOpen: requests are due at even distances, however late they are taken, and the
// time of each counts from when it was due.
func TestPaceOpen(t *testing.T) {
	p := pace{rate: 1000, begin: 5e9, end: 6e9, left: 1 << 40}
	if _, ok := p.take(5e9 - 1); ok {
		t.Fatal("taken before it was due")
	}
	if since, ok := p.take(5e9); !ok || since != 5e9 {
		t.Fatal(since, ok)
	}
	if _, ok := p.take(5e9 + 999e3); ok || p.due() != 5e9+1e6 {
		t.Fatalf("the second is due at %d", p.due())
	}
	// The server stalls for 10.5 ms: ten are late by then.
	now := int64(5e9 + 10.5e6)
	if n := p.missed(now); n != 10 {
		t.Fatalf("%d are late", n)
	}
	for k := int64(1); k <= 10; k++ {
		if since, ok := p.take(now); !ok || since != 5e9+k*1e6 {
			t.Fatalf("the one numbered %d was due at %d, %v", k, since, ok)
		}
	}
	if _, ok := p.take(now); ok || p.missed(now) != 0 {
		t.Fatal("an eleventh")
	}
	if _, ok := p.take(6e9); ok || p.missed(9e9) != 989 {
		t.Fatalf("%d missed of 1000 in a second, 11 taken", p.missed(9e9))
	}
	p = pace{rate: 1000, begin: 5e9, left: 3}
	if p.missed(4e9) != 0 || p.missed(9e9) != 3 {
		t.Fatal("more missed than there were")
	}
}

func TestShares(t *testing.T) {
	for _, n := range []uint64{0, 1, 2, 7, 1000} {
		for _, parts := range []uint64{1, 2, 3, 5} {
			sum := uint64(0)
			for i := range parts {
				s := share(n, parts, i)
				if sum += s; s > n/parts+1 || s < n/parts {
					t.Errorf("part %d of %d of %d is %d", i, parts, n, s)
				}
			}
			if sum != n {
				t.Errorf("%d parts of %d are %d", parts, n, sum)
			}
		}
	}
	for _, c := range []struct {
		repeat uint64
		seats  []int
	}{{10, []int{1}}, {10, []int{2, 1}}, {3, []int{1, 1, 1, 0}}, {1000003, []int{34, 33, 33}}, {1 << 60, []int{3, 2}}} {
		r := &load{opts: &options{}}
		for _, n := range c.seats {
			r.opts.sessions += n
			r.workers = append(r.workers, &loadWorker{seats: make([]seat, n)})
		}
		r.dealRequests(c.repeat)
		sum := uint64(0)
		for i, lw := range r.workers {
			if sum += lw.pace.left; (lw.pace.left == 0) != (c.seats[i] == 0) {
				t.Errorf("%d seats have %d requests of %d", c.seats[i], lw.pace.left, c.repeat)
			}
		}
		if sum != c.repeat {
			t.Errorf("%d of %d requests were dealt", sum, c.repeat)
		}
	}
}
