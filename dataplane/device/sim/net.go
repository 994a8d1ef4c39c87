package sim

import (
	"math"
	"sync/atomic"
)

// Net is a set of wires with one clock.
type Net struct {
	now   atomic.Int64
	clock func() int64
	seed  uint64
	wires []*Wire
}

// NewNet makes a Net at time 0. The seed decides every random choice in it.
func NewNet(seed uint64) *Net { return &Net{seed: seed} }

// SetNow sets the time, in ns. It never goes back.
func (n *Net) SetNow(ns int64) {
	if ns > n.now.Load() {
		n.now.Store(ns)
	}
}

// RealTime has the wires read the time from clock, in ns, instead of SetNow. Before
// any end is used.
func (n *Net) RealTime(clock func() int64) { n.clock = clock }

// Now is the present time in ns.
func (n *Net) Now() int64 {
	if n.clock != nil {
		return n.clock()
	}
	return n.now.Load()
}

// Next is when the next frame arrives somewhere, in ns; it may lie in the past when
// a frame waits to be received. math.MaxInt64 when nothing is under way.
func (n *Net) Next() int64 {
	next := int64(math.MaxInt64)
	for _, w := range n.wires {
		next = min(next, w.Next())
	}
	return next
}

// random is a splitmix64 generator.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// chance is true with probability p. Without a probability no number is drawn, so
// that switching one impairment on leaves the choices of the others alone.
func (r *random) chance(p float64) bool {
	return p > 0 && float64(r.next()>>11)/(1<<53) < p
}

// below is uniform in [0, n).
func (r *random) below(n int64) int64 {
	if n <= 0 {
		return 0
	}
	return int64(r.next() % uint64(n))
}
