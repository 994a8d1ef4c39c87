package iface

import (
	"net/netip"
	"sync/atomic"

	"vpphost/dataplane/device"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// Interface is a port with a name, a number and addresses. Its fields are fixed at
// creation; what changes is behind methods, which any goroutine or worker may call.
type Interface struct {
	Index uint32        // 0 is local0, which no packet comes from
	Name  string        // memif0/0
	Kind  string        // memif, af-packet, tap, loopback, dpdk, sim: "trace add <kind>-input"
	Dev   device.Device // nil for local0 and loopbacks

	info   device.Info
	mac    atomic.Uint64
	mtu    atomic.Int32
	mtu4   atomic.Int32 // 0: mtu
	mtu6   atomic.Int32
	up     atomic.Bool
	linkUp atomic.Bool
	mbps   atomic.Uint32
	addrs  atomic.Pointer[[]netip.Prefix]

	everywhere atomic.Bool // see Everywhere

	// Control state, guarded by the manager's mutex.
	rx       []*worker.Worker // who polls each receive queue
	mode     RxMode
	instance int             // of a loopback
	base     device.Counters // device counters when they were last cleared
}

// Info is what the device is and can do, without asking it. A loopback verifies no
// checksum because none can be wrong.
func (i *Interface) Info() device.Info { return i.info }

// MAC is the present Ethernet address.
func (i *Interface) MAC() [6]byte {
	v := i.mac.Load()
	return [6]byte{byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

// MTU is the largest IP packet in bytes.
func (i *Interface) MTU() int { return int(i.mtu.Load()) }

// IPMTU is the largest packet of one IP version: the MTU, or less where one was set for
// that version.
func (i *Interface) IPMTU(v6 bool) int {
	n := i.mtu4.Load()
	if v6 {
		n = i.mtu6.Load()
	}
	if m := i.mtu.Load(); n == 0 || n > m {
		n = m
	}
	return int(n)
}

// Up tells whether the interface is administratively up.
func (i *Interface) Up() bool { return i.up.Load() }

// LinkUp is the state of the wire as it was last looked at (see Manager.PollLinks).
func (i *Interface) LinkUp() bool { return i.linkUp.Load() }

// Everywhere tells whether every worker polls a receive queue. Then the device, or whoever
// sends to it, deals the flows to the workers; else it is up to the stack.
func (i *Interface) Everywhere() bool { return i.everywhere.Load() }

// Addrs are the addresses with their prefix lengths: an immutable snapshot.
func (i *Interface) Addrs() []netip.Prefix {
	if p := i.addrs.Load(); p != nil {
		return *p
	}
	return nil
}

func (i *Interface) setMAC(m [6]byte) {
	i.mac.Store(uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 |
		uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5]))
}

// loopback tells whether what is sent comes in again.
func (i *Interface) loopback() bool { return i.Kind == kindLoopback }

// Kinds of interfaces that differ from others here.
const (
	kindLocal    = "local"
	kindLoopback = "loopback"
	kindMemif    = "memif"
)

// Input takes received Ethernet frames: all of one interface and one burst, Arrived
// and Iface set. It owns the buffers.
type Input interface {
	Input(w *worker.Worker, i *Interface, bufs []*pkt.Buf)
}

// Tap looks at frames as they come and go: the packet trace and captures. Received runs
// before Input, Sent when frames are queued for the device. Both only look, keep
// nothing, and are called once per burst.
type Tap interface {
	Received(w *worker.Worker, index uint32, kind string, queue int, bufs []*pkt.Buf)
	Sent(w *worker.Worker, index uint32, bufs []*pkt.Buf)
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
	LinkUp
	LinkDown
)
