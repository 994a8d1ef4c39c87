package neigh

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
)

// State is what is known of a neighbour. Those from Delay on are sent to at once.
type State uint8

const (
	free       State = iota
	Idle             // named by a path, never sent to
	Incomplete       // asked for
	Stale            // known, not confirmed for a while, not in use
	Delay            // as Stale, and in use since less than delayTime
	Probe            // as Delay, and asked for again
	Reachable        // confirmed
	Static           // entered by hand
	Group            // a multicast or broadcast address: known by arithmetic
)

func (s State) String() string {
	return [...]string{"free", "idle", "incomplete", "stale", "delay", "probe", "reachable", "static", "group"}[s]
}

// Entry is one neighbour, or one group, on one interface: the adjacency that packets
// leave by. It holds no Go pointer.
type Entry struct {
	Rewrite [hdr.EtherLen]byte // Ethernet header to put in front; valid from Stale on
	State   State
	probes  uint8 // requests sent without an answer
	Iface   uint32
	Addr    hdr.Addr
	Updated int64 // when the link-layer address was last heard, ns
	timer   worker.Timer
	next    uint32 // next entry of the same hash bucket
	waiting uint32 // packets that wait for the answer, 0 for none
}

// Ready tells that packets may be sent with Rewrite without asking the table.
func (e *Entry) Ready() bool { return e.State >= Delay }

// Known tells that Rewrite is valid.
func (e *Entry) Known() bool { return e.State >= Stale }

// MAC is the neighbour's link-layer address; it needs Known.
func (e *Entry) MAC() hdr.MAC { return hdr.Ether(e.Rewrite[:]).Dst() }

// etherType is the type of packets to e.
func (e *Entry) etherType() hdr.EtherType {
	if e.Addr.Is4() {
		return hdr.EtherIP4
	}
	return hdr.EtherIP6
}
