package tcp

import (
	"vpphost/dataplane/hdr"
	"vpphost/hoststack/tcp/cc"
	"vpphost/hoststack/transport"
)

// xmit is a stretch of sequence numbers to be cut into segments.
type xmit struct {
	seq hdr.Seq
	n   int32 // bytes of payload
	fin bool  // the last segment carries the FIN
	rxt bool  // sent before
}

// maxPlan bounds the stretches of one plan: holes that one Send fills.
const maxPlan = 64

// planner is what one Send may still do.
type planner struct {
	segs int   // segments
	room int   // bytes that the congestion window allows
	sent int   // segments planned
	rate int64 // of the pacer, bytes per second; 0 for none
}

// send decides what c sends now, into m.plan, and changes c as if it were sent: at
// most max segments of the avail bytes in the transmit FIFO, lost data first. All
// of the plan must be sent.
func (m *machine) send(c *Conn, avail, max int, now int64) transport.Sent {
	m.plans = 0
	if !c.state.in(sending) || max <= 0 {
		return transport.Sent{}
	}
	p := planner{segs: max}
	if c.flight() == 0 {
		m.afterIdle(c, now)
	}
	if c.has(fProbe) {
		if m.probe(c, avail, &p); p.sent > 0 {
			c.stats.sentTick = tickAfter(now, 0) // see sample
		}
	}
	verdict, until := transport.Idle, int64(0)
	if wait := m.pace(c, now, &p); wait != 0 {
		if m.waiting(c, avail) {
			verdict, until = transport.Paced, wait
		}
	} else {
		k := m.cold(c)
		p.room = m.cwndRoom(c, k)
		before := p.sent
		if k != nil && k.mode != open {
			m.sendLost(c, k, 1, &p)
		}
		m.sendNew(c, avail, now, &p)
		if k != nil && k.mode == fast && p.room > 0 && p.segs > 0 && c.has(fSACK) {
			m.sendLost(c, k, 3, &p)
			m.sendRescue(c, k, &p)
		}
		if p.sent > before {
			m.sentAt(c, now)
		}
		if p.segs == 0 && m.waiting(c, avail) && p.room > 0 {
			verdict = transport.Again
		}
	}
	m.charge(c, &p)
	return transport.Sent{Segments: p.sent, Verdict: verdict, Until: until}
}

// waiting tells whether c has something to send that it has not sent, or that it
// has to send again.
func (m *machine) waiting(c *Conn, avail int) bool {
	if avail > c.dataFlight() || c.finNext() {
		return true
	}
	k := m.cold(c)
	return k != nil && k.mode != open && (k.relost.nlost > 0 || m.nextLost(c, k, 1).len() > 0)
}

// afterIdle lets the congestion controller forget a window that was not used (RFC
// 5681 section 4.1).
func (m *machine) afterIdle(c *Conn, now int64) {
	if c.stats.sentTick == 0 {
		return
	}
	idle, rto := c.stats.sentTick.since(now), int64(c.rto)*1000
	if idle < rto {
		return
	}
	m.idle = cc.Idle{Now: now, For: idle, RTO: rto, MSS: uint32(c.mss), IW: m.cfg.initialWindow(uint32(c.mss))}
	cc.ByID(c.ccID).OnIdle(&c.cong, &m.idle)
	c.stats.sentTick = 0
}

// cwndRoom is how many bytes the congestion window lets out now.
func (m *machine) cwndRoom(c *Conn, k *cold) int {
	cwnd := int(c.cong.Cwnd)
	switch {
	case k == nil:
		// Limited transmit without SACK: each of the first two duplicate ACKs lets a
		// segment out (RFC 3042).
		return cwnd - c.flight() + min(int(c.dupAcks), dupThresh-1)*int(c.mss)
	case k.mode == fast:
		return int(k.quota)
	default:
		return cwnd - m.pipe(c, k)
	}
}

// add plans a stretch; the caller has seen to it that it fits.
func (m *machine) add(x xmit, mss int, p *planner) {
	m.plan[m.plans] = x
	m.plans++
	n := max(1, (int(x.n)+mss-1)/mss)
	p.segs -= n
	p.sent += n
	p.room -= int(x.n)
}

// sendLost sends again what rule 1 or 3 of NextSeg names (RFC 6675 section 4).
func (m *machine) sendLost(c *Conn, k *cold, rule int, p *planner) {
	mss := int(c.mss)
	for p.segs > 0 && p.room > 0 && m.plans < maxPlan-2 {
		g := k.relost.next(&k.board, c.sndUna)
		relost := g.len() > 0
		if !relost {
			g = m.nextLost(c, k, rule)
		}
		if g.len() <= 0 {
			return
		}
		// Whole segments, as many as there is room for, and one at least.
		n := min(g.len(), p.segs*mss, max(p.room/mss, 1)*mss)
		g.to = g.from.Add(n)
		if relost {
			k.relost.took(g.to)
		} else {
			k.highRxt = g.to
		}
		k.relost.note(g, c.sndNxt, mss)
		m.again(c, k, g, p)
	}
}

// sendRescue is rule 4.
func (m *machine) sendRescue(c *Conn, k *cold, p *planner) {
	if p.segs <= 0 || p.room <= 0 || m.nextLost(c, k, 3).len() > 0 {
		return
	}
	if g := m.rescue(c, k); g.len() > 0 {
		k.rescued = true
		m.again(c, k, g, p)
	}
}

// again plans to send g again.
func (m *machine) again(c *Conn, k *cold, g span, p *planner) {
	x := xmit{seq: g.from, n: int32(g.len()), rxt: true}
	if c.has(fFinSent) && g.to == c.sndNxt {
		x.n--
		x.fin = true
	}
	before := p.sent
	m.add(x, int(c.mss), p)
	segs := p.sent - before
	c.clear(fTiming)
	c.stats.rxtSegs += uint32(segs)
	c.stats.rxtBytes += uint64(x.n)
	m.stats.RxtSegs += uint64(segs)
	m.prrSent(k, int(x.n))
}

// prrSent counts bytes sent during recovery (RFC 6937: prr_out).
func (m *machine) prrSent(k *cold, n int) {
	if k != nil && k.mode == fast {
		k.prrOut += int32(n)
		k.quota = max(0, k.quota-int32(n))
	}
}

// sendNew sends what has not been sent before: as much as data, both windows and the
// budget allow, in full segments, except for the last piece of the data.
func (m *machine) sendNew(c *Conn, avail int, now int64, p *planner) {
	mss := int(c.mss)
	left := avail - c.dataFlight()
	if c.has(fFinSent) {
		return
	}
	if left <= 0 && !c.finNext() {
		return
	}
	wnd := c.wndRoom()
	n := min(left, wnd, p.room, p.segs*mss)
	// SWS avoidance, RFC 9293 section 3.8.6.2.1: a full segment, or the last of the
	// data, or at least half of the largest window ever seen. The Nagle algorithm is
	// off: the last of the data never waits.
	if n < left {
		rest := n % mss
		if n < 0 {
			n, rest = 0, 0
		}
		if !(n == wnd && n < mss && n >= int(c.stats.maxWnd)/2) {
			n -= rest
		}
	}
	fin := c.finNext() && n == left && wnd > n && (n > 0 || p.segs > 0 && p.room > 0)
	limited := p.room < min(left, wnd)
	if n <= 0 && !fin {
		switch {
		case limited:
			c.set(fCwndLimited)
		case p.segs > 0 && c.flight() == 0:
			m.enterPersist(c, now)
		}
		return
	}
	first := c.sndNxt
	m.add(xmit{seq: first, n: int32(n), fin: fin}, mss, p)
	c.sndNxt = first.Add(n)
	c.stats.bytesOut += uint64(n)
	k := m.cold(c)
	m.prrSent(k, n)
	if !c.has(fTiming) && n > 0 && (k == nil || k.mode == open) {
		c.startTiming(first.Add(min(n, mss)), now)
	}
	if fin {
		m.finSent(c, now)
	}
	m.noteLimit(c)
}

// noteLimit notes whether the congestion window is what bounds the flight, rather than
// the application, the peer's window, or what the worker and the device can do. One
// that is not used must not grow (RFC 7661); in slow start, where it doubles in a round
// trip, half used is used.
func (m *machine) noteLimit(c *Conn) {
	used := c.flight() + int(c.mss)
	if c.cong.SlowStart() {
		used = 2 * c.flight()
	}
	c.clear(fCwndLimited)
	if used >= int(c.cong.Cwnd) {
		c.set(fCwndLimited)
	}
}

// sentAt notes that something was sent that occupies sequence space.
func (m *machine) sentAt(c *Conn, now int64) {
	c.stats.sentTick = tickAfter(now, 0)
	if c.rtxAt == 0 || c.has(fPersist) {
		// RFC 6298 section 5.1.
		c.endPersist()
		c.rtxAt = tickAfter(now, c.rtoNs())
	}
}

// endPersist makes rtxAt the retransmission timer, if it was the persist timer, whose
// back-off tells nothing of the path.
func (c *Conn) endPersist() {
	if c.has(fPersist) {
		c.clear(fPersist)
		c.backoff = 0
	}
}

// enterPersist starts the persist timer: there is data, nothing in flight, and the
// window does not let enough of it out (RFC 9293 section 3.8.6.1).
func (m *machine) enterPersist(c *Conn, now int64) {
	if c.has(fPersist) && c.rtxAt != 0 {
		return
	}
	c.set(fPersist)
	c.tries, c.backoff = 0, 0
	c.rtxAt = tickAfter(now, c.rtoNs())
}

// leavePersist looks at the window that an ACK has brought.
func (m *machine) leavePersist(c *Conn, now int64) {
	c.tries = 0
	m.progress(c, now)
	if c.wndRoom() > 0 {
		m.out.events |= evTx // send starts the timer again if it is still too little
	}
}

// probe plans a window probe: the next byte, or the FIN when there is none (RFC 9293
// section 3.8.6.1: "at least one octet of new data"). It is not counted as sent:
// whether the peer takes it only its ACK tells (takeProbe). When the window lets a
// part of a segment out, that goes instead.
func (m *machine) probe(c *Conn, avail int, p *planner) {
	c.clear(fProbe)
	if !c.has(fPersist) || c.flight() > 0 {
		return
	}
	x := xmit{seq: c.sndNxt, rxt: true}
	switch left := avail - c.dataFlight(); {
	case left > 0:
		x.n = int32(max(1, min(c.wndRoom(), left, int(c.mss))))
	case c.finNext():
		x.fin = true
	default:
		return
	}
	m.add(x, int(c.mss), p)
}

// takeProbe counts as sent what the peer has acknowledged of a window probe.
func (m *machine) takeProbe(c *Conn, ack hdr.Seq, now int64) {
	if !c.has(fPersist) || c.flight() != 0 {
		return
	}
	n := ack.Sub(c.sndNxt)
	left := m.tx.Len()
	switch {
	case n > 0 && n <= left && n <= int(c.mss):
		c.sndNxt = ack
		c.stats.bytesOut += uint64(n)
	case n == 1 && left == 0 && c.finNext():
		m.finSent(c, now)
	}
}
