package echo

import "vpphost/dataplane/worker"

// alarm ends the sleep of a worker at a time, for what a test does by the clock: the
// worker's nodes run in the Step that follows. A client has one for each worker for as
// long as it lives, as a worker does not forget who uses its wheel.
type alarm struct {
	w     *worker.Worker
	owner worker.TimerOwner
	timer worker.Timer
	at    int64 // ns, when timer is armed
}

func newAlarm(w *worker.Worker) *alarm {
	a := &alarm{w: w}
	_ = w.Do(func(w *worker.Worker) { a.owner = w.OnTimer(func(uint64) { a.timer = 0 }) })
	return a
}

// set asks for a Step at a time, or before. On its worker, as clear.
func (a *alarm) set(at int64) {
	if a.timer == 0 || at < a.at {
		a.at = at
		a.w.Wheel.Arm(&a.timer, at, a.owner.User(0))
	}
}

func (a *alarm) clear() { a.w.Wheel.Disarm(&a.timer) }
