package ports

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"vpphost/dataplane/device"
	"vpphost/dataplane/iface"
)

// Kinds of the interfaces made here; packets come in by "<kind>-input".
const (
	KindMemif = "memif"
	KindHost  = "af-packet"
	KindTap   = "tap"
)

var (
	// ErrSocketInUse is returned for deleting a memif socket that interfaces use.
	ErrSocketInUse = errors.New("socket is in use")
	// ErrNoSocket is returned for a memif socket id that nobody created.
	ErrNoSocket = errors.New("no such socket")
	// ErrWrongKind is returned for an interface that another command made.
	ErrWrongKind = errors.New("not an interface of this kind")
)

// Openers open devices from options that have been checked. The devices are not
// started. A nil function is a kind that this program does not have.
type Openers struct {
	Memif func(MemifOptions) (device.Device, error)
	Host  func(HostOptions) (device.Device, error)
	Tap   func(TapOptions) (device.Device, error)
	// MemifSocket is the path of memif socket 0. Sockets with a relative path lie
	// beside it.
	MemifSocket string
}

// Manager makes and deletes interfaces over devices.
type Manager struct {
	ifs  *iface.Manager
	open Openers

	mu      sync.Mutex // one command at a time
	sockets map[uint32]string
	memifs  map[*iface.Interface]MemifOptions
	hosts   map[*iface.Interface]HostOptions
	taps    map[*iface.Interface]TapOptions
}

// New makes a manager that knows memif socket 0 only.
func New(ifs *iface.Manager, o Openers) *Manager {
	return &Manager{ifs: ifs, open: o,
		sockets: map[uint32]string{0: o.MemifSocket},
		memifs:  map[*iface.Interface]MemifOptions{},
		hosts:   map[*iface.Interface]HostOptions{},
		taps:    map[*iface.Interface]TapOptions{}}
}

// Close deletes all interfaces made here.
func (m *Manager) Close() {
	for _, i := range m.ifs.All() {
		_ = m.Delete(i, i.Kind)
	}
}

// Delete removes an interface of the given kind, and its device.
func (m *Manager) Delete(i *iface.Interface, kind string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := false
	switch kind {
	case KindMemif:
		_, found = m.memifs[i]
	case KindHost:
		_, found = m.hosts[i]
	case KindTap:
		_, found = m.taps[i]
	}
	if !found {
		return fmt.Errorf("%s: %w", i.Name, ErrWrongKind)
	}
	err := m.ifs.Delete(i)
	delete(m.memifs, i)
	delete(m.hosts, i)
	delete(m.taps, i)
	return err
}

// add opens a device and makes an interface over it. Names are checked first, so that
// a device is not opened in vain.
func (m *Manager) add(name, kind string, open func() (device.Device, error)) (*iface.Interface, error) {
	if m.ifs.ByName(name) != nil {
		return nil, fmt.Errorf("interface %s %w", name, iface.ErrExists)
	}
	d, err := open()
	if err != nil {
		return nil, err
	}
	if err := d.Start(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	i, err := m.ifs.Add(name, kind, d)
	if err != nil {
		return nil, errors.Join(err, d.Stop(), d.Close())
	}
	return i, nil
}

// Memif makes memif<socket>/<id>.
func (m *Manager) Memif(o MemifOptions) (*iface.Interface, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	path, ok := m.sockets[o.SocketID]
	if !ok {
		return nil, fmt.Errorf("socket-id %d: %w", o.SocketID, ErrNoSocket)
	}
	if m.open.Memif == nil {
		return nil, device.ErrUnsupported
	}
	o.SocketPath = path
	i, err := m.add(o.name(), KindMemif, func() (device.Device, error) { return m.open.Memif(o) })
	if err == nil {
		m.memifs[i] = o
	}
	return i, err
}

// Host makes host-<name> over a network interface of the kernel.
func (m *Manager) Host(o HostOptions) (*iface.Interface, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open.Host == nil {
		return nil, device.ErrUnsupported
	}
	i, err := m.add(o.name(), KindHost, func() (device.Device, error) { return m.open.Host(o) })
	if err == nil {
		m.hosts[i] = o
	}
	return i, err
}

// Tap makes tap<id>, or the lowest free one when the id is negative.
func (m *Manager) Tap(o TapOptions) (*iface.Interface, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open.Tap == nil {
		return nil, device.ErrUnsupported
	}
	used := func(id int) bool {
		for _, t := range m.taps {
			if t.ID == id {
				return true
			}
		}
		return m.ifs.ByName(fmt.Sprintf("tap%d", id)) != nil
	}
	if o.ID < 0 {
		for o.ID = 0; used(o.ID); {
			o.ID++
		}
	} else if used(o.ID) {
		return nil, fmt.Errorf("tap id %d %w", o.ID, iface.ErrExists)
	}
	if o.HostName == "" {
		o.HostName = fmt.Sprintf("tap%d", o.ID)
	}
	i, err := m.add(o.name(), KindTap, func() (device.Device, error) { return m.open.Tap(o) })
	if err == nil {
		m.taps[i] = o
	}
	return i, err
}

// AddSocket names a path for memif sockets with this id.
func (m *Manager) AddSocket(id uint32, path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(m.sockets[0]), path)
	}
	for other, p := range m.sockets {
		if other == id {
			return fmt.Errorf("socket id %d (%s) %w", id, p, iface.ErrExists)
		}
		if p == path {
			return fmt.Errorf("socket %s %w as id %d", path, iface.ErrExists, other)
		}
	}
	m.sockets[id] = path
	return nil
}

// DeleteSocket forgets a socket that no interface uses. Socket 0 stays.
func (m *Manager) DeleteSocket(id uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.sockets[id]; !ok {
		return fmt.Errorf("socket id %d: %w", id, ErrNoSocket)
	}
	if id == 0 {
		return errors.New("socket id 0 cannot be deleted")
	}
	for i, o := range m.memifs {
		if o.SocketID == id {
			return fmt.Errorf("socket id %d: %w by %s", id, ErrSocketInUse, i.Name)
		}
	}
	delete(m.sockets, id)
	return nil
}

// socketIDs are the memif sockets, in order.
func (m *Manager) socketIDs() (ids []uint32) {
	for id := range m.sockets {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
