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
	dgrams datagramTally
}

// datagramTally is the part for datagrams.
type datagramTally struct {
	rx, tx     atomic.Uint64
	outOfOrder atomic.Uint64
	duplicates atomic.Uint64
	wrong      atomic.Uint64 // with a byte that differs from the pattern
	dropped    atomic.Uint64 // of a server: no room to send it back
	varied     atomic.Uint64 // differences in how long two of them were under way,
	variation  atomic.Uint64 // and their sum in ns
}

// totals is a sum of tallies at one moment.
type totals struct {
	rx, tx, bad                            uint64
	dgramsRx, dgramsTx                     uint64
	outOfOrder, duplicates, wrong, dropped uint64
	varied, variation                      uint64
}

func (t totals) minus(u totals) totals {
	return totals{t.rx - u.rx, t.tx - u.tx, t.bad - u.bad, t.dgramsRx - u.dgramsRx, t.dgramsTx - u.dgramsTx,
		t.outOfOrder - u.outOfOrder, t.duplicates - u.duplicates, t.wrong - u.wrong, t.dropped - u.dropped,
		t.varied - u.varied, t.variation - u.variation}
}

// add adds what x has counted.
func (t *totals) add(x *tally) {
	t.rx += x.rx.Load()
	t.tx += x.tx.Load()
	t.bad += x.bad.Load()
	d := &x.dgrams
	t.dgramsRx += d.rx.Load()
	t.dgramsTx += d.tx.Load()
	t.outOfOrder += d.outOfOrder.Load()
	t.duplicates += d.duplicates.Load()
	t.wrong += d.wrong.Load()
	t.dropped += d.dropped.Load()
	t.varied += d.varied.Load()
	t.variation += d.variation.Load()
}

// jitter is the mean difference in how long two datagrams, one after the other, were
// under way, in ms.
func (t totals) jitter() float64 { return ms(int64(t.variation)) / float64(max(t.varied, 1)) }

// testClock is the present or last test of a server. Control sessions set it, once a
// test; the report reads it.
type testClock struct {
	mu             sync.Mutex
	serial         int // counts begins
	running        bool
	echo           bool
	numbered       bool
	started, ended int64 // ns
	base, final    totals
}

// begin returns the number of the test.
func (t *testClock) begin(now int64, echo, numbered bool, base totals) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.serial++
	t.running, t.echo, t.numbered, t.started, t.base = true, echo, numbered, now, base
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
	numbered       bool
	started, ended int64
	base, final    totals
}

func (t *testClock) state() testState {
	t.mu.Lock()
	defer t.mu.Unlock()
	return testState{t.serial, t.running, t.echo, t.numbered, t.started, t.ended, t.base, t.final}
}
