package iface

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

var (
	// ErrConflict is returned for an address whose subnet overlaps another one.
	ErrConflict = errors.New("conflict")
	// ErrBadAddress is returned for what cannot be the address of an interface.
	ErrBadAddress = errors.New("not an interface address")
	// ErrNoAddress is returned for removing an address that is not there.
	ErrNoAddress = errors.New("address not found")
)

// AddAddr gives the interface an address. p keeps its host bits. As in VPP several
// addresses of one interface may share a subnet; subnets that overlap otherwise are an
// error, as is an address that is there already. Link-local IPv6 subnets are the same
// on every link and never conflict.
func (m *Manager) AddAddr(i *Interface, p netip.Prefix) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(i); err != nil {
		return err
	}
	if err := validAddr(p); err != nil {
		return err
	}
	for _, o := range m.All() {
		for _, q := range o.Addrs() {
			if err := conflict(i, p, o, q); err != nil {
				return err
			}
		}
	}
	addrs := append(slices.Clone(i.Addrs()), p)
	i.addrs.Store(&addrs)
	m.tell(Event{Iface: i, Kind: AddrAdded, Addr: p})
	return nil
}

func validAddr(p netip.Prefix) error {
	a := p.Addr()
	if !p.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Is4In6() ||
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return fmt.Errorf("%s: %w", p, ErrBadAddress)
	}
	return nil
}

func conflict(i *Interface, p netip.Prefix, o *Interface, q netip.Prefix) error {
	if o == i && q.Addr() == p.Addr() {
		return fmt.Errorf("%s %w on %s", q, ErrExists, o.Name)
	}
	sameSubnet := o == i && q.Masked() == p.Masked()
	if !p.Overlaps(q) || sameSubnet || p.Addr().IsLinkLocalUnicast() && p.Addr().Is6() {
		return nil
	}
	return fmt.Errorf("failed to add %s on %s which %ws with %s for interface %s", p, i.Name, ErrConflict, q, o.Name)
}

// RemoveAddr takes an address away again. The prefix length has to match.
func (m *Manager) RemoveAddr(i *Interface, p netip.Prefix) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(i); err != nil {
		return err
	}
	if !slices.Contains(i.Addrs(), p) {
		return fmt.Errorf("%s on %s: %w", p, i.Name, ErrNoAddress)
	}
	m.dropAddr(i, p)
	return nil
}

func (m *Manager) dropAddr(i *Interface, p netip.Prefix) {
	addrs := slices.DeleteFunc(slices.Clone(i.Addrs()), func(q netip.Prefix) bool { return q == p })
	i.addrs.Store(&addrs)
	m.tell(Event{Iface: i, Kind: AddrRemoved, Addr: p})
}
