package tcp

import "vpphost/dataplane/hdr"

// What an acceptable acknowledgment does: RFC 9293 section 3.10.7.4, fifth step.

// ackNew takes an ACK that moves sndUna: sndUna < ack <= sndNxt. sacked is the
// scoreboard's total before the segment's own blocks, fresh what those added.
func (m *machine) ackNew(c *Conn, ack hdr.Seq, fresh, sacked int, now int64) {
	flight := c.flight()
	n := ack.Sub(c.sndUna)
	data := n
	if c.has(fFinSent) && ack == c.sndNxt {
		data--
	}
	c.sndUna = ack
	m.tx.Drop(data)
	m.out.acked += data

	rtt := m.sample(c, ack, now)
	c.tries = 0
	if c.sndNxt == ack {
		// RFC 6298 section 5.2: all is acknowledged.
		c.rtxAt = 0
		c.endPersist()
	} else {
		c.rtxAt = tickAfter(now, c.rtoNs()) // section 5.3
	}
	m.progress(c, now)
	if c.cold != 0 {
		m.onLossAck(c, n, fresh, sacked, false, flight, rtt, now)
	} else {
		c.dupAcks = 0 // duplicates count in a row
		m.ccAck(c, n, n, flight, rtt, now, false)
	}
	m.wakeTx(c)
}

// wakeTx asks for a turn to send when there is something that waits.
func (m *machine) wakeTx(c *Conn) {
	if m.tx.Len() > c.dataFlight() || c.finNext() {
		m.out.events |= evTx
	}
}

// takeWindow is the window update of an acceptable ACK: RFC 9293 section 3.10.7.4,
// "if SND.WL1 < SEG.SEQ …". An ACK that moves SND.UNA brings its window in any case,
// also on a segment that was sent again: the old window, counted from the new SND.UNA,
// may reach beyond what the peer ever offered. It tells whether the window has grown.
func (m *machine) takeWindow(c *Conn, seq, ack hdr.Seq, field uint32) (grown bool) {
	if !ack.After(c.sndUna) && !c.sndWl1.Before(seq) && !(c.sndWl1 == seq && c.sndWl2.AtOrBefore(ack)) {
		return false
	}
	wnd := field << c.sndScale
	grown = wnd > c.sndWnd
	c.sndWnd, c.sndWl1, c.sndWl2 = wnd, seq, ack
	if wnd > c.stats.maxWnd {
		c.stats.maxWnd = wnd
	}
	return grown
}

// onAck is the fifth step for a segment off the fast path: check the ACK field. It
// returns false when the segment is to be dropped.
func (m *machine) onAck(c *Conn, s *segment, now int64) bool {
	m.takeProbe(c, s.ack, now)
	if s.ack.After(c.sndNxt) {
		// "If the ACK acks something not yet sent, then send an ACK, drop the
		// segment, and return."
		m.count(inAckFuture)
		bump(&c.stats.aboveAck)
		m.challenge(c, now)
		return false
	}
	// RFC 5961 section 5: an ACK older than the largest window is an attack or
	// ancient.
	if s.ack.Before(c.sndUna.Add(-int(max(c.stats.maxWnd, 65535)))) {
		m.count(inAckInvalid)
		bump(&c.stats.belowAck)
		m.challenge(c, now)
		return false
	}
	if s.ack.Before(c.sndUna) {
		m.count(inAckOld)
		return true // "it can be ignored"; text may be good
	}
	fresh, sacked := 0, 0
	if k := m.cold(c); k != nil {
		sacked = int(k.board.total)
	}
	if s.opt.nsack > 0 && c.has(fSACK) {
		fresh = m.takeSACK(c, &s.opt, s.ack)
	}
	wnd := c.sndWnd
	grown := m.takeWindow(c, s.seq, s.ack, s.wnd)
	if c.has(fPersist) {
		m.leavePersist(c, now)
	} else if c.sndWnd == 0 && c.tries > 1 {
		// The window was shut while data was in flight: what the timer sends again are
		// window probes, and they are answered (RFC 9293 section 3.8.6.1).
		c.tries = 1
		m.progress(c, now)
	}
	if s.ack.After(c.sndUna) {
		m.ackNew(c, s.ack, fresh, sacked, now)
		return true
	}
	// RFC 6675 section 2: with SACK, a duplicate ACK is one that SACKs something
	// new. RFC 5681 section 2: without, it is one that carries no data and no other
	// window while data is outstanding.
	dup := fresh > 0
	if !c.has(fSACK) {
		dup = s.length() == 0 && c.sndWnd == wnd && c.flight() > 0
	}
	if dup {
		m.count(inAckDup)
		m.onLossAck(c, 0, fresh, sacked, true, c.flight(), 0, now)
	}
	if grown {
		m.wakeTx(c)
	}
	return true
}

// bump counts in a small counter that stays at its limit.
func bump(n *uint16) {
	if *n != 1<<16-1 {
		*n++
	}
}
