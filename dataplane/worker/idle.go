package worker

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// IdleMode is what a worker does when a Step found no work.
type IdleMode uint8

const (
	// Adaptive spins for a moment, then sleeps: in epoll when every device has a
	// descriptor, in growing naps when one has not.
	Adaptive IdleMode = iota
	// Polling never sleeps.
	Polling
)

const (
	// spinFor is how long a worker keeps polling after the last work. A round
	// trip under load is shorter, so a busy worker never sleeps.
	spinFor = 200 * int64(time.Microsecond)
	napMin  = 50 * int64(time.Microsecond)
	napMax  = 2 * int64(time.Millisecond)
	// After quietAfter without work naps grow to napQuiet: the longest that the
	// first packet after silence waits, with devices that cannot signal.
	quietAfter = int64(time.Second)
	napQuiet   = 8 * int64(time.Millisecond)
)

// idler decides how long to sleep and does it.
type idler struct {
	mode     IdleMode
	every    int64 // fixed sleep after each Step, ns
	epfd     int
	wakefd   int
	deaf     int // devices without a descriptor to wait for
	lastWork int64
	nap      int64
	sleeping atomic.Bool
	kicked   atomic.Bool   // Wake was called since the last sleep
	requests atomic.Uint64 // times that somebody woke a sleeping worker
	count    Sleeps
	armers   []Armer
}

func (d *idler) init(mode IdleMode, every int64) error {
	d.mode, d.every, d.nap = mode, every, napMin
	var err error
	if d.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("worker: epoll: %w", err)
	}
	if d.wakefd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return fmt.Errorf("worker: eventfd: %w", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(d.wakefd)}
	return unix.EpollCtl(d.epfd, unix.EPOLL_CTL_ADD, d.wakefd, &ev)
}

// WatchFD has the worker woken from its sleep when fd becomes readable. A device
// that has no such descriptor calls Deaf instead. On a running worker call these
// through Do.
func (w *Worker) WatchFD(fd int) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(w.idle.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("worker: watch descriptor %d: %w", fd, err)
	}
	return nil
}

// UnwatchFD undoes WatchFD, before fd is closed.
func (w *Worker) UnwatchFD(fd int) {
	_ = unix.EpollCtl(w.idle.epfd, unix.EPOLL_CTL_DEL, fd, nil)
}

// Armer is something that wakes the worker, by a descriptor given to WatchFD, only after
// it was asked to. Arm asks; false means that there is work already.
type Armer interface{ Arm() bool }

// AddArmer has a called before each sleep that nothing but descriptors would end.
// RemoveArmer undoes that. On a running worker call these through Do.
func (w *Worker) AddArmer(a Armer) { w.idle.armers = append(w.idle.armers, a) }

// RemoveArmer: see AddArmer.
func (w *Worker) RemoveArmer(a Armer) {
	w.idle.armers = slices.DeleteFunc(w.idle.armers, func(x Armer) bool { return x == a })
}

// Deaf counts (delta 1) or discounts (-1) a device that cannot wake the worker.
func (w *Worker) Deaf(delta int) { w.idle.deaf += delta }

// SetIdle changes what the worker does when there is nothing to do; every is a
// fixed sleep in ns after each Step, 0 for none.
func (w *Worker) SetIdle(mode IdleMode, every int64) {
	w.idle.mode, w.idle.every = mode, every
}

// Sleeps count how a worker has slept.
type Sleeps struct {
	Naps     uint64 `json:"naps"`
	Ns       uint64 `json:"ns"`
	TimedOut uint64 `json:"timedOut"` // naps that nothing ended early
	ByDevice uint64 `json:"byDevice"` // ended by a device's descriptor
	ByWake   uint64 `json:"byWake"`   // ended by a letter or Wake
}

func (s *Sleeps) sub(o *Sleeps) {
	s.Naps -= o.Naps
	s.Ns -= o.Ns
	s.TimedOut -= o.TimedOut
	s.ByDevice -= o.ByDevice
	s.ByWake -= o.ByWake
}

// Sleeping is how often and how long, in ns, the worker has slept.
func (w *Worker) Sleeping() (naps uint64, ns uint64) { return w.idle.count.Naps, w.idle.count.Ns }

// rest is called after every Step with the work it found; it returns true when
// it slept.
func (d *idler) rest(w *Worker, work int) bool {
	if d.every > 0 {
		d.sleep(w, d.every)
		return true
	}
	if work != 0 || d.mode == Polling {
		d.lastWork, d.nap = w.now, napMin
		return false
	}
	quiet := w.now - d.lastWork
	if quiet < spinFor {
		return false
	}
	limit := napMax
	if quiet > quietAfter {
		limit = napQuiet
	}
	t := d.nap
	if d.deaf == 0 {
		t = int64(time.Second) // a device or a letter wakes us
	} else {
		d.nap = min(d.nap+d.nap/4, limit)
	}
	if next := w.Wheel.Next(); next-w.now < t {
		t = next - w.now
	}
	if t <= 0 || d.deaf == 0 && !d.arm() {
		return false
	}
	d.sleep(w, t)
	return true
}

// arm asks everything that wakes us only on request. false: there is work to do.
func (d *idler) arm() bool {
	for _, a := range d.armers {
		if !a.Arm() {
			return false
		}
	}
	return true
}

func (d *idler) sleep(w *Worker, ns int64) {
	d.sleeping.Store(true)
	// A letter pushed, or a Wake called, before the store above is seen here; one
	// that comes after it finds sleeping set and writes the descriptor.
	if !d.kicked.Swap(false) && !w.mail.pending() {
		t := w.clock()
		var ev [8]unix.EpollEvent
		n := d.wait(ev[:], ns)
		if n > 0 && allFailed(ev[:n]) {
			n = d.waitWithout(ev[:], n, min(ns, napQuiet))
		}
		woken := false
		for _, e := range ev[:n] {
			if e.Fd == int32(d.wakefd) {
				var b [8]byte
				_, _ = unix.Read(d.wakefd, b[:])
				woken = true
			}
		}
		d.count.add(w.clock()-t, n, woken)
	}
	d.sleeping.Store(false)
}

// wait sleeps for at most ns, and returns how many descriptors have ended that.
func (d *idler) wait(ev []unix.EpollEvent, ns int64) int {
	ts := unix.NsecToTimespec(ns)
	n, err := epollPwait2(d.epfd, ev, &ts)
	if err != nil {
		return 0
	}
	return n
}

// allFailed tells that descriptors have only errors to report. That of a tap does so for
// ever once the kernel has removed its end.
func allFailed(ev []unix.EpollEvent) bool {
	for _, e := range ev {
		if e.Events&unix.EPOLLIN != 0 {
			return false
		}
	}
	return true
}

// waitWithout is wait on all descriptors but the first failed ones of ev, which would wake
// us at once.
func (d *idler) waitWithout(ev []unix.EpollEvent, failed int, ns int64) int {
	var out [8]unix.EpollEvent
	copy(out[:], ev[:failed])
	for _, e := range out[:failed] {
		_ = unix.EpollCtl(d.epfd, unix.EPOLL_CTL_DEL, int(e.Fd), nil)
	}
	n := d.wait(ev, ns)
	for _, e := range out[:failed] {
		_ = unix.EpollCtl(d.epfd, unix.EPOLL_CTL_ADD, int(e.Fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: e.Fd})
	}
	return n
}

// Wake has the worker make a Step soon, should it be asleep or about to sleep.
// Another worker calls it after it has put something where this one looks in every
// Step (a hand-off ring). Any thread; costs two loads while the worker is awake.
func (w *Worker) Wake() {
	if !w.idle.kicked.Load() {
		w.idle.kicked.Store(true)
	}
	w.idle.wake()
}

// Idle is what SetIdle, or the configuration, has chosen.
func (w *Worker) Idle() (mode IdleMode, every int64) { return w.idle.mode, w.idle.every }

// add counts one nap: its length and how many descriptors ended it.
func (s *Sleeps) add(ns int64, ready int, woken bool) {
	s.Naps++
	s.Ns += uint64(ns)
	switch {
	case woken:
		s.ByWake++
	case ready > 0:
		s.ByDevice++
	default:
		s.TimedOut++
	}
}

func (d *idler) wake() {
	// One write wakes it, however many ask until it has come to.
	if d.sleeping.Load() && d.sleeping.CompareAndSwap(true, false) {
		d.requests.Add(1)
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = unix.Write(d.wakefd, one[:])
	}
}

func (d *idler) close() {
	_ = unix.Close(d.epfd)
	_ = unix.Close(d.wakefd)
}
