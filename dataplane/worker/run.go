package worker

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Run starts the worker's thread and returns once it is pinned and about to
// make its first Step.
func (w *Worker) Run() error {
	ready := make(chan error, 1)
	go w.loop(ready)
	return <-ready
}

func (w *Worker) loop(ready chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	defer close(w.done)
	if err := w.pin(); err != nil {
		ready <- err
		return
	}
	w.tid.Store(int32(unix.Gettid()))
	if w.cfg.Start != nil {
		w.cfg.Start()
	}
	w.running.Store(true)
	ready <- nil

	w.delay.open()
	defer w.delay.close()
	now := w.clock()
	w.idle.lastWork = now
	for !w.stopping.Load() {
		work := w.Step(now)
		rested := w.idle.rest(w, work)
		if !rested && (w.cfg.Yield == YieldAlways || w.cfg.Yield == YieldIdle && work == 0) {
			_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
		next := w.clock()
		if !rested {
			w.Stalls.Add(next - now)
			if next-now >= ownFrom {
				w.Stalls.addOwn(next - now - w.delay.since())
			}
		}
		now = next
	}
	w.running.Store(false)
	w.mail.run(w)
	w.notify.flush()
	if w.cfg.Stop != nil {
		w.cfg.Stop()
	}
	w.Bufs.Flush()
}

func (w *Worker) pin() error {
	if w.Name != "" {
		_ = os.WriteFile(fmt.Sprintf("/proc/self/task/%d/comm", unix.Gettid()), []byte(w.Name), 0)
	}
	if w.cfg.CPU < 0 {
		return nil
	}
	var set unix.CPUSet
	set.Set(w.cfg.CPU)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("worker %d: pin to cpu %d: %w", w.Index, w.cfg.CPU, err)
	}
	return nil
}

// Stop ends the loop after the present Step and waits for the thread. A second call
// does nothing.
func (w *Worker) Stop() {
	if w.stopping.Swap(true) {
		return
	}
	if w.running.Load() {
		w.idle.wake()
		<-w.done
	}
	w.notify.close()
	w.idle.close()
}
