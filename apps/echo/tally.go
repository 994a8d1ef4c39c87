package echo

import (
	"sync"
	"sync/atomic"
)

// tally counts bytes on one worker. They only grow, so that the others may read them
// at any time; a test subtracts what there was when it began.
type tally struct {
	rx, tx atomic.Uint64 // bytes
	bad    atomic.Uint64 // sessions with a byte that differs from the pattern
}

// totals is a sum of tallies at one moment.
type totals struct{ rx, tx, bad uint64 }

func (t totals) minus(u totals) totals { return totals{t.rx - u.rx, t.tx - u.tx, t.bad - u.bad} }

// testClock is the present or last test of a server. Control sessions set it, once a
// test; the report reads it.
type testClock struct {
	mu             sync.Mutex
	serial         int // counts begins
	running        bool
	echo           bool
	started, ended int64 // ns
	base, final    totals
}

// begin returns the number of the test.
func (t *testClock) begin(now int64, echo bool, base totals) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.serial++
	t.running, t.echo, t.started, t.base = true, echo, now, base
	return t.serial
}

func (t *testClock) end(now int64, sum totals) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running, t.ended, t.final = false, now, sum.minus(t.base)
}

// abandon ends the test of that number, if it still runs, and tells whether it did.
func (t *testClock) abandon(serial int, now int64, sum totals) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.running || t.serial != serial {
		return false
	}
	t.running, t.ended, t.final = false, now, sum.minus(t.base)
	return true
}

// result is what the last finished test counted.
func (t *testClock) result() totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.final
}

// testState is a copy of a testClock.
type testState struct {
	serial         int
	running, echo  bool
	started, ended int64
	base, final    totals
}

func (t *testClock) state() testState {
	t.mu.Lock()
	defer t.mu.Unlock()
	return testState{t.serial, t.running, t.echo, t.started, t.ended, t.base, t.final}
}
