package tcp

import (
	"time"

	"vpphost/dataplane/hdr"
)

// noteFin notes that the peer's FIN stands at number at, which may be ahead of what
// has been received: it is remembered, so that it need not be sent again.
func (m *machine) noteFin(c *Conn, at hdr.Seq) {
	if c.has(fFinRcvd) {
		return
	}
	c.set(fAckNow) // one ACK, also where its text has been owed one already
	if c.has(fFinNoted) {
		return // the first one counts
	}
	c.set(fFinNoted)
	m.needCold(c).finSeq = at
}

// takeFin is the eighth step of RFC 9293 section 3.10.7.4, once everything before
// the FIN has been received.
func (m *machine) takeFin(c *Conn, now int64) {
	k := m.cold(c)
	if k.finSeq != c.rcvNxt {
		return
	}
	c.clear(fFinNoted)
	k.held.reset() // what a peer sends beyond its FIN is nothing
	m.rx.Discard()
	m.dropCold(c, k)
	m.count(inFin)
	c.set(fFinRcvd)
	c.rcvNxt = c.rcvNxt.Add(1)
	c.rcvAdv = c.rcvAdv.Max(c.rcvNxt)
	c.rcvEdge = c.rcvEdge.Max(c.rcvNxt)
	c.set(fAckNow)
	m.out.events |= evPeerFin
	switch c.state {
	case Established:
		c.state = CloseWait
		m.limitState(c, now)
	case FinWait1:
		// Our FIN is not acknowledged, or this would be FIN_WAIT_2.
		c.state = Closing
		m.limitState(c, now)
	case FinWait2:
		m.timeWait(c)
	}
}

// finAcked is the part of the fifth step for an ACK of our FIN. False: the
// connection is no more.
func (m *machine) finAcked(c *Conn, now int64) bool {
	switch c.state {
	case FinWait1:
		c.state = FinWait2
		m.limitState(c, now)
	case Closing:
		m.timeWait(c)
		return false
	case LastAck:
		m.gone(c, causeNone)
		return false
	}
	return true
}

// finSent moves on to the state that follows when our FIN is sent.
func (m *machine) finSent(c *Conn, now int64) {
	c.set(fFinSent)
	c.sndNxt = c.sndNxt.Add(1)
	if c.state == CloseWait {
		c.state = LastAck
	} else {
		c.state = FinWait1
	}
	m.limitState(c, now)
}

// timeWait ends c except for what TIME_WAIT must remember.
func (m *machine) timeWait(c *Conn) {
	c.state = TimeWait
	m.out.events |= evTimeWait
}

// limitState sets how long c may stay in its state.
func (m *machine) limitState(c *Conn, now int64) {
	var d time.Duration
	switch c.state {
	case SynSent:
		d = time.Duration(synTimeout)
	case SynRcvd:
		d = m.cfg.SynRcvd
	case Established, FinWait1, CloseWait:
		// After a half-close the application can give up itself, and a peer that does
		// not read but answers may take as long as it wants (RFC 9293 section 3.8.6.1,
		// MUST-37). What is sent in vain has a limit of its own (maxTries).
		if c.has(fClosed) && c.state == CloseWait {
			d = m.cfg.CloseWait
		} else if c.has(fClosed) {
			d = m.cfg.FinWait1
		}
	case LastAck:
		d = m.cfg.LastAck
	case Closing:
		d = m.cfg.Closing
	case FinWait2:
		// A peer of which only our direction is closed may go on sending.
		if c.has(fClosed) {
			d = m.cfg.FinWait2
		}
	}
	c.stateAt = 0
	if d > 0 {
		c.stateAt = tickAfter(now, int64(d))
	}
}

// halfClose is the CLOSE call of RFC 9293 section 3.10.4: we send no more after
// what is in the transmit FIFO.
func (m *machine) halfClose(c *Conn, now int64) {
	switch c.state {
	case SynSent, SynRcvd:
		m.gone(c, causeAborted)
	case Established, CloseWait:
		if !c.has(fFinPending) {
			c.set(fFinPending)
			m.limitState(c, now)
			m.out.events |= evTx
		}
	}
}

// closeBoth is halfClose, and the application will not read either. unread tells
// that it has left data unread: then the peer is told with a reset that data was lost
// (RFC 9293 section 3.6.1, SHLD-3; RFC 2525 section 2.17).
func (m *machine) closeBoth(c *Conn, unread bool, now int64) {
	if c.has(fClosed) {
		return
	}
	if unread && c.state.in(synchronized) {
		m.stats.RstUnread++
		m.abort(c, causeAborted)
		return
	}
	c.set(fClosed | fDeaf)
	if c.has(fFinPending) {
		m.limitState(c, now) // half-closed before, and free to last until now
		return
	}
	m.halfClose(c, now)
}

// abort is the ABORT call of section 3.10.5.
func (m *machine) abort(c *Conn, why cause) {
	if c.state == SynRcvd || c.state.in(synchronized) {
		m.out.events |= evReset
		m.out.reset = c.abort()
	}
	m.gone(c, why)
}
