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
