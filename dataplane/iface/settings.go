package iface

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vpphost/dataplane/device"
)

const (
	ethernetHeader = 14
	// minMTU is what every IPv4 link must carry (RFC 791 section 3.2).
	minMTU = 68
	// minMTU6 is the same for IPv6 (RFC 8200 section 5).
	minMTU6 = 1280
	// Until told otherwise a device carries what any Ethernet does, a loopback what
	// VPP's does.
	ethernetMTU = 1500
	loopbackMTU = 9000
)

var (
	// ErrMTU is returned for an MTU that the interface cannot have.
	ErrMTU = errors.New("mtu out of range")
	// ErrBadMAC is returned for a group address or zero.
	ErrBadMAC = errors.New("not the address of one station")
)

func (m *Manager) defaultMTU(i *Interface) int {
	if i.loopback() {
		return loopbackMTU
	}
	return ethernetMTU
}

// maxMTU is the largest IP packet that the device and our buffers can hold.
func (m *Manager) maxMTU(i *Interface) int {
	n := m.maxFrame() - ethernetHeader
	if i.info.MaxMTU > 0 {
		n = min(n, i.info.MaxMTU)
	}
	return n
}

// SetMTU sets the largest IP packet, in bytes.
func (m *Manager) SetMTU(i *Interface, mtu int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(i); err != nil {
		return err
	}
	if limit := m.maxMTU(i); mtu < minMTU || mtu > limit {
		return fmt.Errorf("%w: %d is not between %d and %d", ErrMTU, mtu, minMTU, limit)
	}
	if i.MTU() == mtu {
		return nil
	}
	i.mtu.Store(int32(mtu))
	m.tell(Event{Iface: i, Kind: MTUChanged})
	return nil
}

// SetIPMTU sets a smaller MTU for one IP version, in bytes; 0 removes it.
func (m *Manager) SetIPMTU(i *Interface, v6 bool, mtu int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(i); err != nil {
		return err
	}
	least, v := minMTU, &i.mtu4
	if v6 {
		least, v = minMTU6, &i.mtu6
	}
	if limit := m.maxMTU(i); mtu != 0 && (mtu < least || mtu > limit) {
		return fmt.Errorf("%w: %d is not between %d and %d", ErrMTU, mtu, least, limit)
	}
	if int(v.Swap(int32(mtu))) != mtu {
		m.tell(Event{Iface: i, Kind: MTUChanged})
	}
	return nil
}

func checkMAC(mac [6]byte) error {
	if mac[0]&1 != 0 || mac == [6]byte{} {
		return ErrBadMAC
	}
	return nil
}

// SetMAC changes the Ethernet address. Group addresses and zero are refused.
func (m *Manager) SetMAC(i *Interface, mac [6]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(i); err != nil {
		return err
	}
	if err := checkMAC(mac); err != nil {
		return err
	}
	if i.MAC() == mac {
		return nil
	}
	if i.Dev != nil {
		err := i.Dev.SetMAC(mac)
		if errors.Is(err, device.ErrUnsupported) && i.Kind == kindMemif {
			err = nil // shared memory filters no addresses: only we need to know it
		}
		if err != nil {
			return err
		}
	}
	i.setMAC(mac)
	m.tell(Event{Iface: i, Kind: MACChanged})
	return nil
}

// SetUp sets the administrative state. An interface that is down is not polled, and
// what is sent to it is dropped and counted.
func (m *Manager) SetUp(i *Interface, up bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(i); err != nil {
		return err
	}
	return m.setUp(i, up)
}

func (m *Manager) setUp(i *Interface, up bool) error {
	if i.Up() == up {
		return nil
	}
	i.pollLink()
	if err := m.onWorkers(func(s *station) { s.setUp(i, up) }); err != nil {
		return err
	}
	if !up {
		// Workers that went down last may still have handed frames over.
		if err := m.onWorkers(func(s *station) {
			if p := s.port(i.Index); p != nil {
				p.discardRings(dropDown)
			}
		}); err != nil {
			return err
		}
	}
	i.up.Store(up)
	kind := AdminDown
	if up {
		kind = AdminUp
	}
	m.tell(Event{Iface: i, Kind: kind})
	return nil
}

// pollLink looks at the wire and tells whether its state has changed.
func (i *Interface) pollLink() (changed bool) {
	up, mbps := true, uint32(0)
	if i.Dev != nil {
		l := i.Dev.Link()
		up, mbps = l.Up, l.Mbps
	}
	i.mbps.Store(mbps)
	return i.linkUp.Swap(up) != up
}

// PollLinks looks at all wires and tells subscribers of changes.
func (m *Manager) PollLinks() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.All() {
		if i.Dev == nil || !i.pollLink() {
			continue
		}
		kind := LinkDown
		if i.LinkUp() {
			kind = LinkUp
		}
		m.tell(Event{Iface: i, Kind: kind})
	}
}

// WatchLinks calls PollLinks again and again until c is done. Run it on a goroutine of
// its own.
func (m *Manager) WatchLinks(c context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-c.Done():
			return
		case <-t.C:
			m.PollLinks()
		}
	}
}
