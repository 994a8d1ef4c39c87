package udp

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

// input takes one burst.
//
//  1. packets of one flow that follow each other are taken as one run
//  2. the run's connection is looked up, once
//  3. its datagrams are copied into the session's FIFO (receive)
//  4. the session layer is told, once
func (s *shard) input(bufs []*pkt.Buf) {
	for rest := bufs; len(rest) > 0; {
		n := s.flowRun(rest)
		rest = rest[n:]
	}
	if s.gave {
		bufs = s.keptOf(bufs)
	}
	s.w.Bufs.PutN(bufs)
}

// keptOf are the packets of a burst that are still ours.
func (s *shard) keptOf(bufs []*pkt.Buf) []*pkt.Buf {
	s.gave = false
	n := 0
	for _, b := range bufs {
		if b != nil {
			bufs[n] = b
			n++
		}
	}
	return bufs[:n]
}

// complete tells whether the packet holds the UDP header that its lengths promise, and, when
// it is one buffer, all that follows.
func complete(b *pkt.Buf) bool {
	n := int(b.L4Len)
	if b.NbSegs != 1 {
		n = hdr.UDPLen
	}
	return b.L4Len >= hdr.UDPLen && int(b.L4)+n <= int(b.DataLen)
}

// flowRun takes the packets at the front of bufs that belong to one flow and returns how
// many.
func (s *shard) flowRun(bufs []*pkt.Buf) (n int) {
	b := bufs[0]
	v := int(b.Flags & pkt.V6)
	s.version(v)
	if !complete(b) {
		s.drop(inLength, 1)
		return 1
	}
	t := &s.tuple
	h3, h4 := b.At(b.L3), b.At(b.L4)
	ports := binary.LittleEndian.Uint32(h4)
	t.iface = 0
	if v == 0 {
		ends := binary.LittleEndian.Uint64(h3[12:20])
		for n = 1; n < len(bufs); n++ {
			x := bufs[n]
			if !complete(x) || binary.LittleEndian.Uint64(x.At(x.L3)[12:20]) != ends ||
				binary.LittleEndian.Uint32(x.At(x.L4)) != ports {
				break
			}
		}
		t.remote, t.local = hdr.Addr4(h3[12:16]), hdr.Addr4(h3[16:20])
	} else {
		ends := *(*[32]byte)(h3[8:40])
		for n = 1; n < len(bufs); n++ {
			x := bufs[n]
			if !complete(x) || *(*[32]byte)(x.At(x.L3)[8:40]) != ends ||
				binary.LittleEndian.Uint32(x.At(x.L4)) != ports {
				break
			}
		}
		t.remote, t.local = hdr.Addr6(h3[8:24]), hdr.Addr6(h3[24:40])
		if t.remote.IsLinkLocal() {
			t.iface = b.Iface
		}
	}
	t.rport, t.lport = binary.BigEndian.Uint16(h4[0:]), binary.BigEndian.Uint16(h4[2:])
	hash := s.u.hasher.Hash(&t.local, &t.remote, t.lport, t.rport)
	run := bufs[:n]
	if i := s.lookup(hash, t); i != 0 {
		s.receive(i, s.conns.At(i), run)
	} else if s.peers == nil || !s.elsewhere(run, hash) {
		s.orphan(run, hash)
	}
	return n
}

// orphan takes a run that belongs to no connection: for a listener, or for nobody.
func (s *shard) orphan(run []*pkt.Buf, hash uint32) {
	t := &s.tuple
	n, ok := s.u.listeners.Lookup(&t.local, t.lport)
	switch {
	case !ok:
		s.unreachable(run)
	case s.peers != nil && s.owners(run, hash):
	case t.remote.IsZero() || isGroup(&t.remote):
		s.drop(inInvalid, len(run)) // nobody's address
	case s.u.slots[n].opts.Connectionless:
		i, err := s.openListener(n)
		if err != nil {
			s.drop(inNoSession, len(run))
			return
		}
		s.receive(i, s.conns.At(i), run)
	default:
		s.accept(run, hash, n)
	}
}

// unreachable answers datagrams for a port where nobody listens (RFC 1122 section 4.1.3.1,
// RFC 4443 section 3.1: SHOULD). Who that must not be told, and how often, is the network
// layer's to know.
func (s *shard) unreachable(run []*pkt.Buf) {
	s.in[inNoListener] += uint64(len(run))
	s.stats.NoPorts += uint64(len(run))
	if s.cfg.NoUnreachable {
		return
	}
	for k, b := range run {
		s.u.net.PortUnreachable(s.w, b)
		run[k] = nil
	}
	s.gave = true
}

// isGroup tells whether a is a multicast or broadcast address.
func isGroup(a *hdr.Addr) bool {
	if a.Is4() {
		return a[12] >= 224 // and the reserved ones, 255.255.255.255 among them
	}
	return a[0] == 0xff
}

// accept makes a connection of the first datagram in run that is good, for the listener in
// slot n, and takes the run.
func (s *shard) accept(run []*pkt.Buf, hash, n uint32) {
	t := &s.tuple
	if run[0].Flags&(pkt.Broadcast|pkt.Multicast) != 0 || isGroup(&t.local) || t.rport == 0 ||
		t.local == t.remote && t.lport == t.rport {
		s.drop(inInvalid, len(run)) // it could not be answered
		return
	}
	l := &s.u.slots[n]
	if int(s.slots[n].accepted) >= l.opts.MaxSessions {
		s.drop(inLimit, len(run))
		return
	}
	pseudo := hdr.Pseudo(&t.local, &t.remote, hdr.ProtoUDP)
	for len(run) > 0 {
		why := check(run[0], pseudo)
		if why < 0 {
			break
		}
		s.drop(why, 1)
		run = run[1:]
	}
	if len(run) == 0 {
		return
	}
	i, c := s.alloc(accepted, t, hash)
	if c == nil {
		s.drop(inNoSession, len(run))
		return
	}
	s.adopt(c, n)
	s.slots[n].accepted++
	if s.u.net.FindPath(s.w, &c.remote, t.iface, &c.path) != nil {
		s.free(i, c)
		s.drop(inNoSession, len(run))
		return
	}
	at, err := s.u.upper.Accepted(s.w, s.name(i, c), l.id)
	if err != nil {
		s.free(i, c)
		s.drop(inNoSession, len(run))
		return
	}
	c.session = at.Session
	c.set(fAttached)
	s.in[inAccepted]++
	s.watch(i, c, c.last+c.idle)
	s.receive(i, c, run)
}
