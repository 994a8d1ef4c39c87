package worker

import "time"

var epoch = time.Now()

// Monotonic is the time since the process started, in ns. Only workers and
// control code read it; protocol code is told the time.
func Monotonic() int64 { return int64(time.Since(epoch)) }

// Epoch is the wall-clock time at which Monotonic was zero.
func Epoch() time.Time { return epoch }
