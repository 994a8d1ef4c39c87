package ip

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/iface"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/trace"
	"vpphost/dataplane/worker"
)

// Ethernet types as they read in memory order.
const (
	wireIP4  = 0x0008
	wireIP6  = 0xdd86
	wireARP  = 0x0608
	wireVLAN = 0x0081
	wireQinQ = 0xa888

	macMask = 1<<48 - 1
)

// macWord is an Ethernet address as the low 48 bits of a little-endian word.
func macWord(m [6]byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(m[:])) | uint64(binary.LittleEndian.Uint16(m[4:]))<<32
}

// Input takes received Ethernet frames (iface.Input): the nodes from ethernet-input to
// the transports, for one burst. It owns the buffers.
func (s *Stack) Input(w *worker.Worker, i *iface.Interface, bufs []*pkt.Buf) {
	st := s.states[w.Index]
	st.begin(i, i.Dev == nil)
	st.own = macWord(i.MAC())
	for _, b := range bufs {
		st.ethernet(b)
	}
	st.end()
}

// begin starts a burst from one interface.
func (st *state) begin(i *iface.Interface, inside bool) {
	st.refresh()
	st.i, st.inside, st.dropped = i, inside, 0
	if c := st.caches; c.iface != i.Index || c.inside != inside {
		c.reset(i.Index, inside)
	}
}

// end hands over what was collected.
func (st *state) end() {
	if n := st.arp.n; n > 0 {
		st.arp.n = 0
		st.neigh.InputARP(st.i.Index, st.arp.bufs[:n])
	}
	st.deliver()
	st.flushForward()
	if st.dropped > 0 {
		st.s.ifs.Dropped(st.w, st.i.Index, st.dropped)
	}
}

// ethernet is ethernet-input for one frame.
func (st *state) ethernet(b *pkt.Buf) {
	d := b.Data()
	if len(d) < hdr.EtherLen+hdr.IP4Len {
		st.drop(b, &st.count.eth, ethTooShort)
		return
	}
	if b.Trace != 0 {
		st.w.Trace(b, &trace.EthernetInput, 0)
	}
	b.Flags &= pkt.L4Good
	if dst := binary.LittleEndian.Uint64(d) & macMask; dst != st.own {
		switch {
		case dst == macMask:
			b.Flags |= pkt.Broadcast
		case dst&1 != 0:
			b.Flags |= pkt.Multicast
		default:
			st.drop(b, &st.count.eth, ethMACMismatch)
			return
		}
	}
	switch binary.LittleEndian.Uint16(d[12:]) {
	case wireIP4:
		st.ip4(b, hdr.EtherLen)
	case wireIP6:
		st.ip6(b, hdr.EtherLen)
	case wireARP:
		if b.Trace != 0 {
			st.w.Trace(b, &trace.ARPInput, hdr.EtherLen)
		}
		if st.arp.n == len(st.arp.bufs) {
			st.neigh.InputARP(st.i.Index, st.arp.bufs)
			st.arp.n = 0
		}
		st.arp.bufs[st.arp.n] = b
		st.arp.n++
	case wireVLAN, wireQinQ:
		st.drop(b, &st.count.eth, ethUnknownVLAN)
	default:
		st.drop(b, &st.count.eth, ethUnknownType)
	}
}
