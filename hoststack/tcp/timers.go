package tcp

// tick is a deadline or a time stamp in units of the timer wheel's tick, 65.536 us,
// modulo 2^32 (78 hours), so that it fits in four bytes. Zero is off.
type tick uint32

const tickShift = 16

// tickAfter is the first tick that is not before now+d, both in ns.
func tickAfter(now, d int64) tick {
	t := tick((now + d + 1<<tickShift - 1) >> tickShift)
	if t == 0 {
		t = 1
	}
	return t
}

// due tells whether t, which must be on, has come.
func (t tick) due(now int64) bool { return int32(uint32(now>>tickShift)-uint32(t)) >= 0 }

// before compares two ticks that are on.
func (t tick) before(u tick) bool { return int32(t-u) < 0 }

// ns is t as a time, seen from now.
func (t tick) ns(now int64) int64 {
	n := now >> tickShift
	return (n + int64(int32(uint32(t)-uint32(n)))) << tickShift
}

// since is how long ago t was, in ns, up to 78 hours. As ticks are rounded up, a time
// stamp of just now may be ahead.
func (t tick) since(now int64) int64 {
	const ahead = 2
	return (int64(uint32(now>>tickShift)+ahead-uint32(t)) - ahead) << tickShift
}

// nextDeadline is the earliest of c's deadlines, 0 when it has none.
func (c *Conn) nextDeadline() tick {
	d := c.rtxAt
	if c.ackAt != 0 && (d == 0 || c.ackAt.before(d)) {
		d = c.ackAt
	}
	if c.stateAt != 0 && (d == 0 || c.stateAt.before(d)) {
		d = c.stateAt
	}
	return d
}

// expire handles the deadlines of c that have come.
func (m *machine) expire(c *Conn, now int64) {
	if c.stateAt != 0 && c.stateAt.due(now) {
		m.stats.TimerExpirations++
		c.stateAt = 0
		m.stateExpired(c)
		return
	}
	if c.ackAt != 0 && c.ackAt.due(now) {
		m.stats.TimerExpirations++
		c.ackAt = 0
		c.set(fAckNow)
	}
	if c.rtxAt != 0 && c.rtxAt.due(now) {
		m.stats.TimerExpirations++
		c.rtxAt = 0
		m.rtxExpired(c, now)
	}
}

// stateExpired ends a connection that has stayed in its state for too long.
func (m *machine) stateExpired(c *Conn) {
	st := &m.stats
	switch c.state {
	case SynSent:
		st.EstablishTimeouts++
		m.gone(c, c.stats.softErr.or(causeTimeout))
		return
	case SynRcvd:
		st.EstablishTimeouts++
		m.abort(c, causeTimeout)
		return
	case CloseWait:
		st.CloseWaitsData++
	case Established, FinWait1:
		st.FinWait1s++
	case FinWait2:
		st.FinWait2s++
		m.gone(c, causeTimeout)
		return
	case LastAck:
		st.LastAcks++
	case Closing:
		st.Closings++
	}
	m.abort(c, causeTimeout)
}

// rtxExpired is the retransmission timer, RFC 6298 section 5, or the persist timer.
func (m *machine) rtxExpired(c *Conn, now int64) {
	c.tries++
	switch {
	case c.state == SynSent || c.state == SynRcvd:
		// stateAt says when to give up.
		c.clear(fTiming)
		c.set(fSynOwed)
	case c.has(fPersist):
		// RFC 9293 section 3.8.6.1: probes go on for as long as they are answered.
		if c.tries > 2*maxTries {
			m.abort(c, causeTimeout)
			return
		}
		m.stats.Persists++
		c.set(fProbe)
		m.out.events |= evTx
	case c.flight() == 0:
		return
	default:
		if c.tries > maxTries {
			m.stats.RetransmitAborts++
			m.abort(c, c.stats.softErr.or(causeTimeout))
			return
		}
		m.onTimeout(c, now)
	}
	if c.backoff < 16 {
		c.backoff++ // section 5.5
	}
	c.rtxAt = tickAfter(now, c.rtoNs()) // section 5.6
}
