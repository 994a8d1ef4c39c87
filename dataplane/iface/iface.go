package iface

import (
	"net/netip"

	"vpphost/dataplane/device"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
)

// Interface is a port with a name, a number and addresses. Its fields are fixed at
// creation; what changes is behind methods, which any goroutine or worker may call.
type Interface struct {
	Index uint32        // 0 is local0, which no packet comes from
	Name  string        // memif0/0
	Kind  string        // memif, af-packet, tap, loopback, dpdk, sim: "trace add <kind>-input"
	Dev   device.Device // nil for local0 and loopbacks
}

// MAC, MTU (of IP packets, bytes) and Up (administratively) are the present values.
func (i *Interface) MAC() [6]byte          { return [6]byte{} }
func (i *Interface) MTU() int              { return 0 }
func (i *Interface) Up() bool              { return false }
func (i *Interface) LinkUp() bool          { return false }
func (i *Interface) Addrs() []netip.Prefix { return nil } // an immutable snapshot

// Input takes received Ethernet frames: all of one interface and one burst, Arrived
// and Iface set. It owns the buffers.
type Input interface {
	Input(w *worker.Worker, i *Interface, bufs []*pkt.Buf)
}

// Event is a change of an interface, told to subscribers in order, on the control
// goroutine that made it, after it took effect.
type Event struct {
	Iface *Interface
	Kind  EventKind
	Addr  netip.Prefix // AddrAdded, AddrRemoved
}

// EventKind is what changed.
type EventKind uint8

const (
	Added EventKind = iota
	Removed
	AdminUp
	AdminDown
	AddrAdded
	AddrRemoved
	MTUChanged
	MACChanged
)

// Manager holds the interfaces of an instance.
type Manager struct{}

// New makes a manager with local0 in it.
func New(workers []*worker.Worker, set *stats.Set) (*Manager, error) { return &Manager{}, nil }

// SetInput names the receiver of all packets. Before the first interface is up.
func (m *Manager) SetInput(in Input) {}

// Subscribe adds a listener for changes. Before workers run.
func (m *Manager) Subscribe(f func(Event)) {}

// Add makes an interface over a started device (nil for a loopback) and gives it
// the lowest free index. It is down and nobody polls it. Delete stops polling,
// closes the device and frees what the workers hold of it.
func (m *Manager) Add(name, kind string, dev device.Device) (*Interface, error) { return nil, nil }
func (m *Manager) Delete(i *Interface) error                                    { return nil }

// ByName and ByIndex find an interface; nil when there is none. Any goroutine, any
// worker.
func (m *Manager) ByName(name string) *Interface   { return nil }
func (m *Manager) ByIndex(index uint32) *Interface { return nil }
func (m *Manager) All() []*Interface               { return nil }

// Changes of an interface. Control path.
func (m *Manager) SetUp(i *Interface, up bool) error             { return nil }
func (m *Manager) SetMTU(i *Interface, mtu int) error            { return nil }
func (m *Manager) SetMAC(i *Interface, mac [6]byte) error        { return nil }
func (m *Manager) AddAddr(i *Interface, p netip.Prefix) error    { return nil }
func (m *Manager) RemoveAddr(i *Interface, p netip.Prefix) error { return nil }

// Tx queues Ethernet frames for interface index; they go out at the end of the
// Step, or before when a burst is full. It owns the buffers. On a loopback they come
// in again in the next Step. TxRoom is how many it would take now without dropping:
// 0 while the device refuses packets.
func (m *Manager) Tx(w *worker.Worker, index uint32, bufs []*pkt.Buf) {}
func (m *Manager) TxRoom(w *worker.Worker, index uint32) int          { return 0 }
