package neigh

import "testing"

func TestLimit(t *testing.T) {
	for _, step := range []int64{100, 999, 1000, 12345, 1e6, 3e9} {
		var l Limit
		now, n := int64(5e9), 0
		for l.Take(now, 1000, 50) {
			n++
		}
		if n != 50 {
			t.Fatalf("burst of %d, want 50", n)
		}
		n = 0
		end := now + max(2e8, 3*step)
		for ; now < end; now += step {
			for l.Take(now, 1000, 50) {
				n++
			}
		}
		want := 200 // in 0.2 s
		if step == 3e9 {
			want = 100 // two full bursts
		}
		if n < want-2 || n > want+2 {
			t.Errorf("step %d ns: %d, want %d", step, n, want)
		}
	}
}
