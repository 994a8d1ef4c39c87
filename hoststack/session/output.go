package session

import (
	"time"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

const (
	// stepBudget is the most segments that the scheduler lets out in a Step, so that
	// received packets do not wait; turnBudget the most for one session at its turn.
	stepBudget = 256
	turnBudget = 64
	// maxBlocked sessions that could send nothing, one after the other, mean that the
	// device pushes back.
	maxBlocked = 8
	// retryBlocked is how long the worker may sleep, in ns, while sessions wait for
	// the device.
	retryBlocked = 100 * int64(time.Microsecond)
)

// output is the node of the Output phase: the scheduler. Sessions that want to send
// take turns; each is asked once a Step.
func (w *Worker) output(_ *worker.Worker, now int64) (work int) {
	for w.paced.n > 0 && w.paced.heap[0].until <= now {
		s := w.pool.At(w.paced.heap[0].index)
		w.paced.remove(w, s)
		w.Send(s)
	}
	budget, blocked, row := stepBudget, 0, 0
	for n := w.ready.Len(); n > 0 && budget > 0 && row < maxBlocked; n-- {
		s := w.pool.At(w.ready.Pop())
		s.flags &^= fReady
		if s.flags&fDead != 0 {
			w.release(s)
			continue
		}
		if s.flags&fTransportGone != 0 {
			continue
		}
		t, turn := w.transportOf(s), turnBudget
		if t.Service() == transport.Datagram {
			// Nothing slows a sender of datagrams down but what its receiver's device takes.
			// Who sends back what it receives, as many in a Step as a device gives, must not
			// be let out fewer.
			turn = max(turn, budget/n)
		}
		sent := t.Send(w.Worker, s.conn, min(turn, budget))
		budget -= sent.Segments
		work += sent.Segments
		switch {
		case s.flags&(fTransportGone|fReady) != 0 || s.pace != 0: // decided meanwhile
		case sent.Verdict == transport.Paced && sent.Until > now:
			w.paced.add(w, s, sent.Until)
		case sent.Verdict != transport.Idle:
			w.Send(s)
			if sent.Segments == 0 {
				blocked++
				row++
				continue
			}
		}
		row = 0
	}
	work += w.cool(now)
	w.setAlarm(now, blocked)
	if work == 0 && (w.pending.Len() > 0 || w.ready.Len() > blocked && row < maxBlocked) {
		work = 1 // there is work for the next Step: do not sleep
	}
	return work
}

// setAlarm sees to it that the worker does not sleep longer than the scheduler allows.
// A timer that fires too early costs an empty Step; one that would have to be moved
// each time costs more.
func (w *Worker) setAlarm(now int64, blocked int) {
	var at int64
	switch {
	case blocked > 0:
		at = now + retryBlocked
	case w.paced.n > 0:
		at = w.paced.heap[0].until
	case w.cooling.Len() > 0:
		at = w.sweepAt + sweepEvery
	default:
		if w.alarm != 0 {
			w.Wheel.Disarm(&w.alarm)
		}
		return
	}
	if w.alarm == 0 || at < w.alarmAt {
		w.alarmAt = at
		w.Wheel.Arm(&w.alarm, at, w.owner.User(0))
	}
}
