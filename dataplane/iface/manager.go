package iface

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"vpphost/dataplane/device"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
)

// MaxInterfaces bounds the number of interfaces.
const MaxInterfaces = 4096

var (
	// ErrExists is returned for a name or an address that is taken.
	ErrExists = errors.New("already exists")
	// ErrUnknown is returned for an interface that is not, or no longer, there.
	ErrUnknown = errors.New("no such interface")
	// ErrTooMany is returned when MaxInterfaces exist.
	ErrTooMany = errors.New("too many interfaces")
	// ErrLocal is returned for what local0 cannot do.
	ErrLocal = errors.New("not possible on local0")
)

// Manager holds the interfaces of an instance.
type Manager struct {
	tables   atomic.Pointer[tables]
	stations []*station // by worker index
	drops    *stats.Group
	input    Input
	tap      Tap

	mu          sync.Mutex // held by whatever changes interfaces
	subscribers []func(Event)
	nextRx      int // worker that gets the next receive queue
}

// tables are an immutable snapshot of which interfaces there are.
type tables struct {
	byIndex []*Interface // nil where an index is free
	byName  map[string]*Interface
}

// New makes a manager with local0 in it.
func New(workers []*worker.Worker, set *stats.Set) (*Manager, error) {
	m := &Manager{drops: newDrops(set, len(workers))}
	for _, w := range workers {
		s, err := newStation(m, w)
		if err != nil {
			return nil, fmt.Errorf("iface: %w", err)
		}
		m.stations = append(m.stations, s)
	}
	local0 := &Interface{Name: "local0", Kind: kindLocal}
	m.tables.Store(&tables{byIndex: []*Interface{local0}, byName: map[string]*Interface{"local0": local0}})
	return m, nil
}

// SetInput names the receiver of all packets. Before the first interface is up.
func (m *Manager) SetInput(in Input) { m.input = in }

// SetTap names who looks at all packets; nil for nobody. Before the first interface is up.
func (m *Manager) SetTap(t Tap) { m.tap = t }

// Subscribe adds a listener for changes. Before workers run. It may read interfaces
// but not change them.
func (m *Manager) Subscribe(f func(Event)) { m.subscribers = append(m.subscribers, f) }

func (m *Manager) tell(e Event) {
	for _, f := range m.subscribers {
		f(e)
	}
}

// ByName finds an interface; nil when there is none. Any goroutine, any worker.
func (m *Manager) ByName(name string) *Interface { return m.tables.Load().byName[name] }

// ByIndex finds an interface; nil when there is none. Any goroutine, any worker.
func (m *Manager) ByIndex(index uint32) *Interface {
	t := m.tables.Load().byIndex
	if int(index) >= len(t) {
		return nil
	}
	return t[index]
}

// All are the interfaces by index.
func (m *Manager) All() []*Interface {
	var out []*Interface
	for _, i := range m.tables.Load().byIndex {
		if i != nil {
			out = append(out, i)
		}
	}
	return out
}

// Add makes an interface over a started device (nil for a loopback) and gives it
// the lowest free index. It is down and nobody polls it. On an error the device is
// left alone.
func (m *Manager) Add(name, kind string, dev device.Device) (*Interface, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.add(name, kind, dev, -1)
}

func (m *Manager) add(name, kind string, dev device.Device, instance int) (*Interface, error) {
	old := m.tables.Load()
	if old.byName[name] != nil {
		return nil, fmt.Errorf("interface %s %w", name, ErrExists)
	}
	index := slices.Index(old.byIndex, nil)
	if index < 0 {
		index = len(old.byIndex)
	}
	if index == MaxInterfaces {
		return nil, ErrTooMany
	}
	i := &Interface{Index: uint32(index), Name: name, Kind: kind, Dev: dev, instance: instance}
	if dev == nil {
		i.info = loopbackInfo(max(0, instance))
	} else {
		i.info = dev.Info()
		i.base = dev.Counters()
	}
	i.setMAC(i.info.MAC)
	i.mtu.Store(int32(min(m.defaultMTU(i), m.maxMTU(i))))
	i.pollLink()
	for range i.info.RxQ {
		i.rx = append(i.rx, m.stations[m.nextRx].w)
		m.nextRx = (m.nextRx + 1) % len(m.stations)
	}
	i.deal(len(m.stations))
	if err := m.openPorts(i); err != nil {
		_ = m.closePorts(i)
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	t := &tables{byIndex: slices.Clone(old.byIndex), byName: maps.Clone(old.byName)}
	if index == len(t.byIndex) {
		t.byIndex = append(t.byIndex, i)
	} else {
		t.byIndex[index] = i
	}
	t.byName[name] = i
	m.tables.Store(t)
	m.tell(Event{Iface: i, Kind: Added})
	return i, nil
}

// Delete removes an interface: it goes down, every worker lets go of it and frees what
// it holds for it, and the device is stopped and closed.
func (m *Manager) Delete(i *Interface) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(i); err != nil {
		return err
	}
	if err := m.setUp(i, false); err != nil {
		return err
	}
	for _, p := range i.Addrs() {
		m.dropAddr(i, p)
	}
	old := m.tables.Load()
	t := &tables{byIndex: slices.Clone(old.byIndex), byName: maps.Clone(old.byName)}
	t.byIndex[i.Index] = nil
	delete(t.byName, i.Name)
	m.tables.Store(t)
	err := m.closePorts(i)
	m.tell(Event{Iface: i, Kind: Removed})
	if i.Dev != nil {
		err = errors.Join(err, i.Dev.Stop(), i.Dev.Close())
	}
	return err
}

// check tells whether i may be changed.
func (m *Manager) check(i *Interface) error {
	if i == nil || m.ByIndex(i.Index) != i {
		return ErrUnknown
	}
	if i.Kind == kindLocal {
		return ErrLocal
	}
	return nil
}

// onWorkers runs f on every worker in turn.
func (m *Manager) onWorkers(f func(*station)) error {
	var errs []error
	for _, s := range m.stations {
		errs = append(errs, s.do(f))
	}
	return errors.Join(errs...)
}

// do runs f on the station's worker. A worker that has stopped has no thread any more:
// then f runs here, so that what it holds can still be freed.
func (s *station) do(f func(*station)) error {
	err := s.w.Do(func(*worker.Worker) { f(s) })
	if errors.Is(err, worker.ErrStopped) {
		s.stopped = true
		f(s)
		s.w.Bufs.Flush()
		return nil
	}
	return err
}

// maxFrame is the longest frame that fits a buffer of every worker.
func (m *Manager) maxFrame() int {
	n := 1 << 16
	for _, s := range m.stations {
		n = min(n, s.w.Bufs.Pool().Room()-pkt.Headroom)
	}
	return n
}
