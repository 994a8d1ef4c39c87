package iface

import (
	"errors"

	"vpphost/dataplane/worker"
)

// Counters of one interface. Packets and bytes are counted by the workers; the rx-no-buf,
// rx-miss and error counters include the device's own.
type Counters struct {
	RxPackets uint64 `json:"rxPackets"`
	RxBytes   uint64 `json:"rxBytes"`
	TxPackets uint64 `json:"txPackets"`
	TxBytes   uint64 `json:"txBytes"`
	Drops     uint64 `json:"drops"`
	Punts     uint64 `json:"punts"`
	IP4       uint64 `json:"ip4"`
	IP6       uint64 `json:"ip6"`
	RxNoBuf   uint64 `json:"rxNoBuf"`
	RxMissed  uint64 `json:"rxMiss"`
	RxErrors  uint64 `json:"rxError"`
	TxErrors  uint64 `json:"txError"`
}

func (c *Counters) add(o *Counters) {
	c.RxPackets += o.RxPackets
	c.RxBytes += o.RxBytes
	c.TxPackets += o.TxPackets
	c.TxBytes += o.TxBytes
	c.Drops += o.Drops
	c.Punts += o.Punts
	c.IP4 += o.IP4
	c.IP6 += o.IP6
	c.RxNoBuf += o.RxNoBuf
	c.RxMissed += o.RxMissed
	c.RxErrors += o.RxErrors
	c.TxErrors += o.TxErrors
}

// Dropped counts n received packets of an interface that the stack dropped; Punted n that
// it gave to somebody else. Only on a worker.
func (m *Manager) Dropped(w *worker.Worker, index uint32, n int) {
	if p := m.stations[w.Index].port(index); p != nil {
		p.c.Drops += uint64(n)
	}
}

// Punted: see Dropped.
func (m *Manager) Punted(w *worker.Worker, index uint32, n int) {
	if p := m.stations[w.Index].port(index); p != nil {
		p.c.Punts += uint64(n)
	}
}

// Counters reads the counters of an interface on all workers and from the device. Control
// path.
func (m *Manager) Counters(i *Interface) (Counters, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sum Counters
	if m.ByIndex(i.Index) != i {
		return sum, ErrUnknown
	}
	err := m.onWorkers(func(s *station) { sum.add(&s.counters[i.Index]) })
	if i.Dev != nil {
		now := i.Dev.Counters()
		sum.RxNoBuf += now.RxNoBufs - i.base.RxNoBufs
		sum.RxMissed += now.RxMissed - i.base.RxMissed
		sum.RxErrors += now.RxErrors - i.base.RxErrors
		sum.TxErrors += now.TxErrors - i.base.TxErrors
	}
	return sum, err
}

// ClearCounters zeroes the counters of all interfaces.
func (m *Manager) ClearCounters() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, i := range m.All() {
		errs = append(errs, m.onWorkers(func(s *station) { s.counters[i.Index] = Counters{} }))
		if i.Dev != nil {
			i.base = i.Dev.Counters()
		}
	}
	return errors.Join(errs...)
}
