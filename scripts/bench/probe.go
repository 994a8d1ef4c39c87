package main

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// class is how far apart the two cores are at the moment.
type class string

const (
	near  class = "near"
	far   class = "far"
	mixed class = "mixed" // it changed during the run
	one   class = "one core"
)

// nearLimit separates the classes: ns for a cache line to travel one way.
const nearLimit = 80

// probe bounces a cache line between two pinned threads and returns the time of one
// way in ns.
func probe(a, b int) float64 {
	const rounds = 20000
	var turn atomic.Uint32
	done := make(chan time.Duration, 2)
	side := func(cpu int, mine, next uint32) {
		// The thread goes back as it was: were it to end, the processes that it started would
		// believe that we are gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var all, set unix.CPUSet
		_ = unix.SchedGetaffinity(0, &all)
		set.Set(cpu)
		_ = unix.SchedSetaffinity(0, &set)
		defer func() { _ = unix.SchedSetaffinity(0, &all) }()
		start := time.Now()
		for range rounds {
			for spins := 0; turn.Load() != mine; spins++ {
				if spins > 1<<24 {
					break // the other thread has no core
				}
			}
			turn.Store(next)
		}
		done <- time.Since(start)
	}
	go side(a, 0, 1)
	go side(b, 1, 0)
	d := max(<-done, <-done)
	return float64(d.Nanoseconds()) / rounds / 2
}

// classOf names a pair of probes, before and after.
func classOf(before, after float64) class {
	switch {
	case before < nearLimit && after < nearLimit:
		return near
	case before >= nearLimit && after >= nearLimit:
		return far
	}
	return mixed
}

// settle waits for the cores to come near each other, for a few seconds at most:
// resting both often brings them together.
func settle(a, b int) float64 {
	ns := probe(a, b)
	for i := 0; i < 4 && ns >= nearLimit; i++ {
		time.Sleep(700 * time.Millisecond)
		ns = probe(a, b)
	}
	return ns
}
