package ip

import (
	"encoding/binary"

	"vpphost/dataplane/fib"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/iface"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/neigh"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// loopLen is how many packets to ourselves may be under way.
const loopLen = 1024

// vector is packets that are collected to be handed on together.
type vector struct {
	bufs []*pkt.Buf
	n    int
}

func newVector(n int) (vector, error) {
	b, err := mem.Slice[*pkt.Buf](n)
	return vector{bufs: b}, err
}

// state is one worker's part of the stack. Only that worker touches it.
type state struct {
	s     *Stack
	w     *worker.Worker
	neigh *neigh.Table
	count nodes

	// What look-ups rest on; see refresh.
	snap  *fib.Snapshot
	freed uint32
	epoch uint32

	// The burst that is being received.
	i       *iface.Interface
	own     uint64 // its interface's Ethernet address, as ethernet.go compares it
	inside  bool   // it did not come over a wire: sources of ours are fine
	dropped int
	lanes   [2][maxHandlers + 1]vector // by IP version and handler
	arp     vector
	caches  *caches

	// Packets to ourselves, in and out of turn.
	looped, looping vector

	// Forwarding and sending.
	fwd     vector // packets that leave by fwdPath
	fwdPath Path
	fwdDst  hdr.Addr
	pieces  vector // fragments of one packet
	one     vector // burst of one
	id      uint32 // of IPv4 packets that may be fragmented, and of fragments

	errs  neigh.Limit // of ICMP errors
	error Error       // the one that is being reported
	reass *reassembler
	reply struct { // way back to who was answered last
		path Path
		to   hdr.Addr
	}
}

func newState(s *Stack, w *worker.Worker, n nodes) (*state, error) {
	st := &state{s: s, w: w, count: n, epoch: 1, id: uint32(w.Rand())}
	for _, v := range []struct {
		v *vector
		n int
	}{{&st.arp, pkt.MaxBurst}, {&st.fwd, pkt.MaxBurst}, {&st.pieces, maxPieces}, {&st.one, 1}, {&st.looped, loopLen}, {&st.looping, loopLen}} {
		var err error
		if *v.v, err = newVector(v.n); err != nil {
			return nil, err
		}
	}
	for v := range st.lanes {
		for i := range st.lanes[v] {
			var err error
			if st.lanes[v][i], err = newVector(pkt.MaxBurst); err != nil {
				return nil, err
			}
		}
	}
	c, err := mem.Slice[caches](1)
	if err != nil {
		return nil, err
	}
	st.caches = &c[0]
	st.reass, err = newReassembler(st)
	return st, err
}

// refresh takes over changes of the tables. The epoch moves on when anything that a Path
// rests on may be different: routes, interfaces, or the index of a neighbour.
func (st *state) refresh() {
	if snap := st.s.fib.Load(); snap != st.snap || st.neigh.Freed() != st.freed {
		st.snap, st.freed = snap, st.neigh.Freed()
		st.epoch++
		st.caches.reset(st.caches.iface, st.caches.inside)
	}
}

// verdict is what becomes of packets to one address.
type verdict uint8

const (
	unknown verdict = iota
	toUs
	toAll      // a broadcast address, or a group that we listen to
	notMember  // a group that we do not listen to
	elsewhere  // to be forwarded
	nowhere    // never a destination
	cacheSlots = 64
)

// caches remember what was found out about addresses, until the tables change or packets
// come from another interface. They are direct-mapped: a collision costs a look-up.
type caches struct {
	iface  uint32
	inside bool
	src4   [cacheSlots]uint32 // sources that are fine
	dst4   [cacheSlots]struct {
		addr uint32
		v    verdict
	}
	src6 [cacheSlots]hdr.Addr
	dst6 [cacheSlots]struct {
		addr hdr.Addr
		v    verdict
	}
}

// reset forgets everything. The slots of the zero addresses get what can never be
// found there, because an empty slot looks like them.
func (c *caches) reset(iface uint32, inside bool) {
	*c = caches{iface: iface, inside: inside}
	c.src4[slot4(0)] = ^uint32(0)
	zero := hdr.Addr{}
	c.src6[slot6(&zero)] = hdr.AllNodes
}

// slot4 spreads IPv4 addresses, in memory order, over the caches.
func slot4(a uint32) uint32 { return a * 0x9e3779b1 >> (32 - 6) }

// slot6 does so for IPv6; most addresses of one link differ at the end.
func slot6(a *hdr.Addr) uint32 {
	lo := binary.LittleEndian.Uint64(a[8:])
	return slot4(uint32(lo) ^ uint32(lo>>32) ^ binary.LittleEndian.Uint32(a[4:]))
}

// The rest makes a state the neigh.Host of its worker's table.

func (st *state) MAC(index uint32) hdr.MAC {
	if i := st.s.ifs.ByIndex(index); i != nil {
		return i.MAC()
	}
	return hdr.MAC{}
}

func (st *state) Owns(index uint32, a hdr.Addr) bool {
	l := st.s.fib.Load().Link(index)
	return l != nil && l.Owns(&a)
}

func (st *state) OnLink(index uint32, a hdr.Addr) bool {
	l := st.s.fib.Load().Link(index)
	if l == nil {
		return false
	}
	_, ok := l.OnLink(&a)
	return ok
}

func (st *state) Source(index uint32, a hdr.Addr) hdr.Addr {
	return st.s.fib.Load().Source(index, &a, &a)
}

func (st *state) Tx(index uint32, bufs []*pkt.Buf) { st.s.ifs.Tx(st.w, index, bufs) }

// Unreachable reports packets whose neighbour did not answer, to whoever sent them.
func (st *state) Unreachable(index uint32, bufs []*pkt.Buf) {
	st.refresh()
	for _, b := range bufs {
		st.undeliverable(b, HostUnreachable)
	}
}
