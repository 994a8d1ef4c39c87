package iface

import (
	"fmt"

	"vpphost/dataplane/device"
	"vpphost/dataplane/worker"
)

// RxMode is how the worker of an interface waits for packets.
type RxMode uint8

const (
	// AdaptiveMode spins under load and sleeps when nothing comes: until the device
	// wakes the worker, or in short naps when it cannot.
	AdaptiveMode RxMode = iota
	// PollingMode never sleeps.
	PollingMode
	// InterruptMode is AdaptiveMode, and needs a device that wakes the worker.
	InterruptMode
)

func (m RxMode) String() string { return [...]string{"adaptive", "polling", "interrupt"}[m] }

// Placement tells which worker polls a receive queue.
type Placement struct {
	Iface  *Interface
	Queue  int
	Worker *worker.Worker
	Mode   RxMode
}

// Placements are all receive queues, by interface and queue.
func (m *Manager) Placements() []Placement {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Placement
	for _, i := range m.All() {
		for q, w := range i.rx {
			out = append(out, Placement{Iface: i, Queue: q, Worker: w, Mode: i.mode})
		}
	}
	return out
}

// Mode is how the worker of i waits for packets.
func (m *Manager) Mode(i *Interface) RxMode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return i.mode
}

// SetMode chooses how the workers that poll i wait for packets. A worker never sleeps
// while any of its interfaces is in PollingMode.
func (m *Manager) SetMode(i *Interface, mode RxMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(i); err != nil {
		return err
	}
	if mode == InterruptMode && i.Dev != nil && !i.wakes() {
		return fmt.Errorf("interrupt mode: %w", device.ErrUnsupported)
	}
	return m.moved(i, func() { i.mode = mode })
}

// Place has worker number w poll queue q of i.
func (m *Manager) Place(i *Interface, q, w int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(i); err != nil {
		return err
	}
	if q < 0 || q >= len(i.rx) {
		return fmt.Errorf("%s has no rx queue %d", i.Name, q)
	}
	if w < 0 || w >= len(m.stations) {
		return fmt.Errorf("no worker %d", w)
	}
	return m.moved(i, func() { i.rx[q] = m.stations[w].w })
}

// moved stops all polling of i, makes a change and starts again: a queue never has two
// workers.
func (m *Manager) moved(i *Interface, change func()) error {
	defer func() { i.deal(len(m.stations)) }()
	if err := m.onWorkers(func(s *station) {
		if p := s.port(i.Index); p != nil && p.up {
			s.stopPolling(p)
		}
	}); err != nil {
		return err
	}
	change()
	return m.onWorkers(func(s *station) {
		if p := s.port(i.Index); p != nil && p.up {
			s.startPolling(p)
		}
	})
}

// deal notes whether every one of n workers polls a queue of i.
func (i *Interface) deal(n int) {
	var seen [worker.MaxWorkers]bool
	for _, w := range i.rx {
		if !seen[w.Index] {
			seen[w.Index] = true
			n--
		}
	}
	i.everywhere.Store(n <= 0 || i.loopback())
}

// spin counts interfaces in polling mode on this worker and keeps it awake for them.
func (s *station) spin(mode RxMode, delta int) {
	if mode != PollingMode {
		return
	}
	s.spinners += delta
	_, every := s.w.Idle()
	if s.spinners > 0 {
		s.w.SetIdle(worker.Polling, every)
	} else {
		s.w.SetIdle(s.idle, every)
	}
}
