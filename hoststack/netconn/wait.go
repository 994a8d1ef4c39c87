package netconn

import (
	"sync"
	"sync/atomic"
	"time"

	"vpphost/dataplane/worker"
)

// waiter is where goroutines wait for something of one kind: bytes, room, a connection.
// Only one waits at a time, under the mutex of the operation; the others queue for that.
//
// Whoever has changed something leaves a token in note.C: the worker by Notify, and only
// when waiting says that somebody wants it; the deadline and Close at once. Who finds a
// token looks again, so one too many does no harm.
type waiter struct {
	note    worker.Notifier
	waiting atomic.Bool

	mu      sync.Mutex
	at      time.Time // deadline, zero for none
	expired atomic.Bool
	timer   *time.Timer
}

func (w *waiter) init() { w.note.C = make(chan struct{}, 1) }

// arm says that the caller is about to wait. It must look once more before it does.
func (w *waiter) arm() { w.waiting.Store(true) }

// wake has the waiting goroutine look again. Not on a worker.
func (w *waiter) wake() {
	select {
	case w.note.C <- struct{}{}:
	default:
	}
}

// notify does so on a worker.
func (w *waiter) notify(k *worker.Worker) {
	if w.waiting.Load() && w.waiting.Swap(false) {
		k.Notify(&w.note)
	}
}

// setDeadline sets when waiting ends, never for the zero time.
func (w *waiter) setDeadline(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = t
	d := time.Until(t)
	switch {
	case t.IsZero():
		w.stop()
		w.expired.Store(false)
	case d <= 0:
		w.stop()
		w.expired.Store(true)
		w.wake()
	case w.timer == nil:
		w.expired.Store(false)
		w.timer = time.AfterFunc(d, w.ring)
	default:
		w.expired.Store(false)
		w.timer.Reset(d)
	}
}

// ring is called by the timer, perhaps for a deadline that has been changed since.
func (w *waiter) ring() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at.IsZero() || time.Until(w.at) > 0 {
		return // it was moved, and the timer with it
	}
	w.expired.Store(true)
	w.wake()
}

// stop ends the timer. Under mu.
func (w *waiter) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// end ends the timer for good.
func (w *waiter) end() {
	w.mu.Lock()
	w.at = time.Time{}
	w.stop()
	w.mu.Unlock()
}
