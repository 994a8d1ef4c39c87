package worker

import (
	"math/rand/v2"
	"testing"
)

// TestWheelTurns arms timers before the moments at which the last level of the wheel
// begins a new turn (every 19.5 hours), for after them.
func TestWheelTurns(t *testing.T) {
	const turn = int64(1) << (slotBits*wheelLevels + tickShift)
	r := rand.New(rand.NewPCG(4, 4))
	w := newWorker(t, Config{})
	h := &w.Wheel
	for n := int64(1); n < 5; n++ {
		edge := n * turn
		for range 20 {
			from := max(edge-int64(r.Uint64N(1<<uint(20+r.IntN(26)))), h.tick<<tickShift)
			h.Advance(from, func(uint64) {})
			deadline := edge + int64(r.Uint64N(1<<uint(20+r.IntN(24))))
			if r.IntN(4) == 0 { // nearly a whole turn ahead
				deadline = from + turn - int64(r.Uint64N(1<<30)) - 2<<tickShift
			}
			deadline = max(deadline, (h.tick+2)<<tickShift)
			var x Timer
			if !h.Arm(&x, deadline, 7) {
				t.Fatal("not armed")
			}
			fired := int64(0)
			for fired == 0 {
				next := h.Next()
				if next > deadline+2<<tickShift || next <= h.tick<<tickShift {
					t.Fatalf("turn %d: at tick %d Next is %d for deadline %d", n, h.tick, next, deadline)
				}
				h.Advance(next, func(uint64) { fired = next })
			}
			if fired < deadline || fired > deadline+2<<tickShift {
				t.Fatalf("turn %d: deadline %d fired at %d", n, deadline, fired)
			}
			if h.tick<<tickShift > edge+turn/2 {
				break
			}
		}
	}
}

// TestWheelIsNeverStalled arms many timers for one moment, and others meanwhile: each
// Advance handles a bounded number, none is lost, early, or left when time stands still.
func TestWheelIsNeverStalled(t *testing.T) {
	const many = 100_000
	r := rand.New(rand.NewPCG(5, 5))
	w := newWorker(t, Config{})
	h := &w.Wheel
	h.Advance(1e9, nil)
	timers := make([]Timer, many)
	deadline := make([]int64, many)
	for i := range timers {
		deadline[i] = 61e9 + int64(r.Uint64N(100e6))
		h.Arm(&timers[i], deadline[i], uint64(i))
	}
	late, left := Timer(0), many
	for now := int64(1e9); left > 0; now += 1e6 {
		n := 0
		work := h.Advance(now, func(u uint64) {
			n++
			if u == many { // the one that is armed in between
				late = 0
				return
			}
			if deadline[u] > now || timers[u] == 0 {
				t.Fatalf("timer %d fired at %d for %d", u, now, deadline[u])
			}
			timers[u] = 0
			left--
		})
		if n > advanceStep || work < n {
			t.Fatalf("%d timers fired in one call of work %d", n, work)
		}
		if h.present && h.Next() > now {
			t.Fatal("the worker may sleep while timers are due")
		}
		if i := r.IntN(many); timers[i] != 0 { // moved, or stopped, while others are dealt out
			if h.Disarm(&timers[i]); r.IntN(2) == 0 {
				h.Arm(&timers[i], deadline[i], uint64(i))
			} else {
				left--
			}
		}
		if late == 0 {
			h.Arm(&late, now+int64(r.Uint64N(50e6)), many)
		}
		if now > 70e9 {
			t.Fatalf("%d timers have not fired", left)
		}
	}
	h.Disarm(&late)
	if h.Len() != 0 {
		t.Fatalf("%d timers are left", h.Len())
	}
}
