package worker

// A worker has one wheel and several users of it. Each registers with OnTimer and
// marks the user values that it arms with its TimerOwner, so that a timer that
// fires finds its way back.

// TimerOwner names one user of a worker's wheel.
type TimerOwner uint8

const ownerShift = 56

// User marks v, which must be below 1<<56, as o's: the user value to arm with.
func (o TimerOwner) User(v uint64) uint64 { return uint64(o)<<ownerShift | v }

// OnTimer registers fire to be called, in the Timers phase, with v for each timer
// that was armed with User(v). Before the worker runs, or through Do.
func (w *Worker) OnTimer(fire func(v uint64)) TimerOwner {
	if len(w.timers) == 0 {
		w.timers = append(w.timers, func(uint64) {}) // owner 0: nobody
		w.Add(Timers, "timer-wheel", NodeFunc(func(w *Worker, now int64) int {
			return w.Wheel.Advance(now, w.fire)
		}))
		w.fire = func(user uint64) { w.timers[user>>ownerShift](user & (1<<ownerShift - 1)) }
	}
	w.timers = append(w.timers, fire)
	return TimerOwner(len(w.timers) - 1)
}
