package tcp

import "time"

// delayedAck is how long a lone segment may wait for its acknowledgment. RFC 9293
// section 3.8.6.3 (MUST-58) allows 500 ms.
const delayedAck = int64(40 * time.Millisecond)

// owe decides when what was received is acknowledged: at the end of this Step, one
// ACK for all segments that came in it, or a little later for a lone one, which an
// answer of the application may well carry.
//
// RFC 5681 section 4.2 wants an ACK for every second full-sized segment (a SHOULD).
// As a receiver behind GRO does, we send fewer when segments come in bursts: our
// senders count bytes and pace, so that they neither slow down nor burst.
func (m *machine) owe(c *Conn, now int64) {
	if c.owed >= 2 {
		c.set(fAckNow)
		return
	}
	if c.ackAt == 0 {
		c.ackAt = tickAfter(now, delayedAck)
	}
}

// ackAtOnce owes an ACK at the end of this Step, whatever else is sent. Without SACK
// each one counts for the peer (RFC 5681 section 4.2), so they are numbered.
func (m *machine) ackAtOnce(c *Conn) {
	if c.has(fAckNow) && !c.has(fSACK) && c.stats.extraAcks < 255 {
		c.stats.extraAcks++
	}
	c.set(fAckNow)
}

// text is the seventh step of RFC 9293 section 3.10.7.4: the segment's text, which
// lies in the window, goes to its place in the receive FIFO. False ends the
// processing of the segment.
func (m *machine) text(c *Conn, s *segment, now int64) bool {
	if !c.state.in(receiving) {
		// CLOSE_WAIT and later: "This should not occur since a FIN has been received
		// from the remote side. Ignore the segment text."
		s.payload = nil
		return true
	}
	if c.has(fDeaf) {
		// The application will never read it: "its TCP implementation SHOULD send a
		// RST to show that data was lost" (RFC 9293 section 3.6.1, SHLD-3).
		m.stats.RstUnread++
		m.out.events |= evReset
		m.out.reset = c.abort()
		m.gone(c, causeAborted)
		return false
	}
	n := len(s.payload)
	off := s.seq.Sub(c.rcvNxt)
	if m.rx == nil {
		m.count(inNoMemory)
		m.ackAtOnce(c)
		return false
	}
	k := m.cold(c)
	if off > 0 || k != nil && k.held.n > 0 {
		return m.hold(c, s, off, now)
	}
	if _, ok := m.copyIn(0, s.payload, 0); !ok {
		m.count(inFIFOFull)
		m.ackAtOnce(c)
		return false
	}
	c.stats.dataSegsIn++
	m.count(inEnqueued)
	m.commit(c, n)
	c.owed = min(c.owed+1, 254)
	m.owe(c, now)
	return true
}

// commit moves rcvNxt over n bytes that stand in the receive FIFO.
func (m *machine) commit(c *Conn, n int) {
	m.rx.Commit(n)
	c.rcvNxt = c.rcvNxt.Add(n)
	c.rcvEdge = c.rcvNxt.Add(m.rx.Free())
	m.out.delivered += n
	c.stats.bytesIn += uint64(n)
	c.set(fRxUsed)
}
