package worker

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// ErrStopped is returned by Do when the worker has stopped.
var ErrStopped = errors.New("worker has stopped")

// letter is one function to be run on a worker.
type letter struct {
	next *letter
	run  func(*Worker)
	done *Notifier // told afterwards, nil when nobody waits
	err  error
}

// mailbox is a stack that many goroutines push on and one worker empties: no
// lock on either side.
type mailbox struct {
	head atomic.Pointer[letter]
}

func (m *mailbox) pending() bool { return m.head.Load() != nil }

func (m *mailbox) push(l *letter) {
	for {
		old := m.head.Load()
		l.next = old
		if m.head.CompareAndSwap(old, l) {
			return
		}
	}
}

// run empties the mailbox, oldest first, and returns how many letters it held.
func (m *mailbox) run(w *Worker) int {
	var first *letter
	for l := m.head.Swap(nil); l != nil; {
		next := l.next
		l.next, first = first, l
		l = next
	}
	n := 0
	for l := first; l != nil; l = l.next {
		l.call(w)
		if l.done != nil {
			w.Notify(l.done)
		}
		n++
	}
	return n
}

// call runs one letter. Control code that panics fails its own command, not the
// dataplane.
func (l *letter) call(w *Worker) {
	defer func() {
		if p := recover(); p != nil {
			l.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	l.run(w)
}

// Do runs f on the worker between two Steps and waits until it has run. Any
// goroutine except the worker itself may call it. On a worker that is not
// running (a test steps it by hand) f runs at once, on the caller.
func (w *Worker) Do(f func(*Worker)) error {
	if !w.running.Load() {
		if w.stopping.Load() {
			return ErrStopped
		}
		l := letter{run: f}
		l.call(w)
		return l.err
	}
	l := &letter{run: f, done: NewNotifier()}
	w.mail.push(l)
	w.idle.wake()
	select {
	case <-l.done.C:
		return l.err
	case <-w.done:
		return ErrStopped
	}
}

// Post runs f on the worker between two Steps and does not wait. Any goroutine
// and any worker may call it.
func (w *Worker) Post(f func(*Worker)) {
	w.mail.push(&letter{run: f})
	w.idle.wake()
}
