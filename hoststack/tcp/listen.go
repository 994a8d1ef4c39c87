package tcp

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

// orphan takes a segment that belongs to no connection: for a listener, or for
// nobody.
func (s *shard) orphan(b *pkt.Buf, t *tuple, hash uint32) {
	// RFC 9293 section 3.9.2.3 (MUST-57) and RFC 1122 section 4.2.3.10: segments to or
	// from a group are discarded silently.
	if b.Flags&(pkt.Broadcast|pkt.Multicast) != 0 || isGroup(&t.local) || isGroup(&t.remote) || t.remote.IsZero() {
		s.count(inLookup)
		return
	}
	seg := &s.seg
	if why := seg.parse(b, hdr.Pseudo(&t.local, &t.remote, hdr.ProtoTCP)); why >= 0 {
		s.count(why)
		return
	}
	state := Closed
	slot, ok := s.t.listeners.Lookup(&t.local, t.lport)
	if ok {
		state = Listen
	}
	switch dispatch[state][seg.flags&flagMask] {
	case vOpen:
		s.count(inSyn)
		s.passive(t, hash, slot, 0)
	case vReset:
		if state == Closed {
			s.count(inNoListener)
		} else {
			s.count(inAckInvalid)
		}
		s.sendResetTo(t, resetFor(seg))
	case vIgnore:
		s.count(inRst)
	default:
		s.count(inDispatch)
	}
}

// isGroup tells whether a is a multicast or broadcast address.
func isGroup(a *hdr.Addr) bool {
	if a.Is4() {
		return a[12] >= 224 // and the reserved ones, 255.255.255.255 among them
	}
	return a[0] == 0xff
}

// passive is a SYN, in s.seg, for the listener in slot: RFC 9293 section 3.10.7.2.
// after is where the sequence numbers of an earlier connection between the same ends
// stopped; 0 when there was none.
func (s *shard) passive(t *tuple, hash, slot uint32, after uint32) {
	if t.local == t.remote && t.lport == t.rport {
		s.count(inInvalid) // it would talk to itself
		return
	}
	if s.backlog[slot] >= s.cfg.Backlog {
		s.count(inBacklog)
		return
	}
	i, c := s.alloc(t, hash)
	if c == nil {
		s.count(inNoSession)
		return
	}
	now, seg := s.w.Now(), &s.seg
	if s.t.net.FindPath(s.w, &c.remote, t.iface, &c.path) != nil {
		s.count(inLookup)
		s.unlink(i, c)
		s.free(i, c)
		return
	}
	c.state = SynRcvd
	c.set(fPassive | fBacklog)
	s.backlog[slot]++
	c.stats.slot = uint16(slot)
	c.session = s.t.slots[slot].id
	s.number(c, after, now)
	s.takeSYN(c, seg, now)
	wnd := s.window[slot]
	if wnd == 0 {
		wnd = s.cfg.MinRxFIFO
	}
	c.offer(wnd)
	s.limitState(c, now)
	c.set(fSynOwed)
	c.startTiming(c.sndNxt, now)
	c.rtxAt = tickAfter(now, c.rtoNs())
	s.queue(i, c)
	s.arm(i, c, now)
}

// leaveBacklog tells that c is no longer half open.
func (s *shard) leaveBacklog(c *Conn) {
	if c.has(fBacklog) {
		c.clear(fBacklog)
		s.backlog[c.stats.slot]--
	}
}
