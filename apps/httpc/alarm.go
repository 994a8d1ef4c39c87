package httpc

import "vpphost/dataplane/worker"

// alarm ends the sleep of a worker at a given time, so that a node that waits for that time
// gets a Step. Only its worker touches it.
type alarm struct {
	w     *worker.Worker
	owner worker.TimerOwner
	timer worker.Timer
	at    int64 // when it rings, while timer is armed
}

// newAlarm makes the alarm of w, for ever: before w runs.
func newAlarm(w *worker.Worker) *alarm {
	a := &alarm{w: w}
	a.owner = w.OnTimer(func(uint64) { a.timer = 0 })
	return a
}

// set has the alarm ring at the given time, or before.
func (a *alarm) set(at int64) {
	if a.timer == 0 || at < a.at {
		a.at = at
		a.w.Wheel.Arm(&a.timer, at, a.owner.User(0))
	}
}

// stop has it ring no more.
func (a *alarm) stop() { a.w.Wheel.Disarm(&a.timer) }
