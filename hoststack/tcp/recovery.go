package tcp

import (
	"vpphost/dataplane/hdr"
	"vpphost/hoststack/tcp/cc"
)

// cold is what a connection needs only while segments are missing, in either
// direction. mem.Pool hands it out zeroed; it goes back when nothing is missing.
type cold struct {
	// Loss recovery of what we send (RFC 6675, RFC 6582, RFC 6937).
	mode    mode
	rescued bool    // RescueRxt was used in this episode
	eifel   bool    // the first ACK after a timeout has not come yet; see spurious
	nlate   uint8   // entries of late in use
	highRxt hdr.Seq // HighRxt: what lies before it and was lost has been sent again
	dupSegs int32   // segments that duplicate ACKs tell to have left, without SACK
	quota   int32   // bytes that this ACK allows to send (PRR)
	rxtTS   uint32  // TSval of the first segment that the timer sent again

	prrDelivered int32
	prrOut       int32
	prrFlight    int32 // RecoverFS

	finSeq hdr.Seq
	late   [4]hdr.Seq // islands that changed last, latest first (RFC 2018 section 4)

	relost relost // retransmissions that were lost
	board  ranges // what the peer has SACKed of ours
	held   ranges // what we have of the peer's beyond rcvNxt
}

// mode is what kind of loss recovery goes on.
type mode uint8

const (
	open    mode = iota // none
	fast                // RFC 6675, RFC 6582
	timeout             // after a retransmission timeout, RFC 5681 section 3.1
)

// VPP's words for "show session verbose 2".
var modeNames = [...]string{open: "none", fast: "fastrecovery", timeout: "recovery"}

const dupThresh = 3 // RFC 6675 section 2

// onLossAck handles an ACK of a connection that has a recovery record, or a
// duplicate ACK of one that has not. It moved sndUna by n bytes; fresh were newly
// SACKed and sacked was the scoreboard's total before; dup tells that it counts as a
// duplicate; flight is what was in flight before.
func (m *machine) onLossAck(c *Conn, n, fresh, sacked int, dup bool, flight int, rtt, now int64) {
	if n == 0 && dup && c.dupAcks < 255 {
		c.dupAcks++
		c.stats.dupAcksIn++
	}
	k := m.cold(c)
	if k == nil {
		// Without SACK the first two duplicates leave no trace but the count, which
		// allows limited transmit (RFC 3042).
		if c.dupAcks < dupThresh {
			m.out.events |= evTx
			return
		}
		k = m.needCold(c)
	}
	k.board.trim(c.sndUna)
	if k.highRxt.Before(c.sndUna) {
		k.highRxt = c.sndUna
	}
	// RFC 6937 section 3: DeliveredData.
	delivered := n + int(k.board.total) - sacked
	if !c.has(fSACK) {
		delivered = m.guessDelivered(c, k, n, dup)
	}
	if n > 0 {
		c.dupAcks = 0 // RFC 6675 section 5
	}
	if k.relost.nsent > 0 && n+fresh > 0 {
		k.relost.find(&k.board, c.sndUna, int(c.mss))
	}

	switch k.mode {
	case fast:
		if c.sndUna.AtOrAfter(c.stats.recover) && n > 0 {
			m.endRecovery(c, k, now)
			break
		}
		partial := !c.has(fSACK) && n > 0
		if partial {
			k.highRxt = c.sndUna // RFC 6582 section 3.2 step 3: the next hole
		}
		m.prr(c, k, delivered)
		if partial {
			k.quota = max(k.quota, int32(c.mss)) // else only the timer might send it
		}
	case timeout:
		if n > 0 && (m.spurious(c, k, now) || c.sndUna.AtOrAfter(c.stats.recover)) {
			k.mode = open
			k.dupSegs = 0
			k.highRxt = c.sndUna
			k.relost.reset()
		}
	}
	if n > 0 || fresh > 0 {
		m.ccAck(c, n, delivered, flight, rtt, now, k.mode == fast)
	}
	if k.mode == open && m.lossFound(c, k) {
		m.startRecovery(c, k, now)
		// What this ACK has delivered counts: it may stand for many, and there may be
		// several holes. The first goes out in any case (RFC 6675 section 5 step 4.3).
		m.prr(c, k, delivered)
		k.quota = max(k.quota, int32(c.mss))
	}
	m.out.events |= evTx
	m.dropCold(c, k)
}

// guessDelivered is DeliveredData without SACK: each duplicate ACK stands for a
// segment (RFC 6937 section 3), which the cumulative ACK later takes back.
func (m *machine) guessDelivered(c *Conn, k *cold, n int, dup bool) int {
	mss := int(c.mss)
	if n == 0 {
		if !dup || k.mode == timeout {
			return 0
		}
		k.dupSegs = min(k.dupSegs+1, int32(c.flight()/mss))
		return mss
	}
	// The first segment was the hole; the others had been counted.
	counted := min(int(k.dupSegs), max(0, (n-1)/mss))
	k.dupSegs -= int32(counted)
	return n - counted*mss
}

// lossFound tells whether what is known says that the segment at sndUna is lost.
func (m *machine) lossFound(c *Conn, k *cold) bool {
	if c.flight() == 0 {
		return false
	}
	if c.has(fSACK) {
		// RFC 6675 section 5, steps 1 and 2.
		return k.board.n > 0 && (c.dupAcks >= dupThresh || m.lostEdge(c, k).After(c.sndUna))
	}
	// RFC 6582 section 3.2 step 2: not again for what was in flight when the last
	// episode began. What lies beyond sndNxt is a number of 2 GB ago or more.
	last := c.stats.recover
	return c.dupAcks >= dupThresh && (last.Before(c.sndUna) || last.After(c.sndNxt))
}

func (m *machine) startRecovery(c *Conn, k *cold, now int64) {
	flight := c.flight()
	k.mode, k.rescued = fast, false
	k.highRxt = c.sndUna
	k.relost.reset()
	k.dupSegs = 0
	if !c.has(fSACK) {
		k.dupSegs = min(int32(c.dupAcks), int32(flight/int(c.mss)))
	}
	c.stats.recover = c.sndNxt
	c.stats.prevCwnd = c.cong.Cwnd
	c.stats.fastRec++
	c.clear(fTiming) // Karn: what is timed may be sent again
	m.loss = cc.Loss{Kind: cc.FastRecovery, Now: now, Flight: uint32(flight), MSS: uint32(c.mss)}
	cc.ByID(c.ccID).OnCongestion(&c.cong, &m.loss)
	k.prrDelivered, k.prrOut, k.prrFlight = 0, 0, int32(flight)
	// RFC 6298 section 5: a fast retransmission restarts the timer for the segment.
	c.rtxAt = tickAfter(now, c.rtoNs())
}

func (m *machine) endRecovery(c *Conn, k *cold, now int64) {
	k.mode, k.dupSegs, k.quota = open, 0, 0
	k.highRxt = c.sndUna
	k.relost.reset()
	cc.ByID(c.ccID).OnRecovered(&c.cong, now, uint32(c.mss))
}

// prr is proportional rate reduction, RFC 6937 section 3.1 with the slow start
// reduction bound: how much this ACK allows to send.
func (m *machine) prr(c *Conn, k *cold, delivered int) {
	k.prrDelivered += int32(delivered)
	pipe, ssthresh, mss := int64(m.pipe(c, k)), int64(c.cong.Ssthresh), int64(c.mss)
	var n int64
	if pipe > ssthresh {
		fs := int64(max(k.prrFlight, 1))
		n = (int64(k.prrDelivered)*ssthresh+fs-1)/fs - int64(k.prrOut)
	} else {
		n = max(int64(k.prrDelivered)-int64(k.prrOut), int64(delivered)) + mss
		n = min(n, ssthresh-pipe)
	}
	k.quota = int32(max(n, 0))
}

// onTimeout is the retransmission timer (RFC 6298 section 5, RFC 5681 section
// 3.1). Everything in flight that the peer has not SACKed counts as lost.
func (m *machine) onTimeout(c *Conn, now int64) {
	k := m.needCold(c)
	if k.board.n > 0 && k.board.r[0].from.AtOrBefore(c.sndUna) {
		k.board.reset() // RFC 2018 section 8: the receiver has reneged
	}
	if k.mode != timeout || c.tries == 1 {
		m.loss = cc.Loss{Kind: cc.Timeout, Now: now, Flight: uint32(c.flight()), MSS: uint32(c.mss)}
		c.stats.prevCwnd = c.cong.Cwnd
		cc.ByID(c.ccID).OnCongestion(&c.cong, &m.loss)
	}
	if k.mode != timeout && c.has(fTS) {
		k.eifel, k.rxtTS = true, c.tsNow(now)
	}
	k.mode, k.rescued, k.dupSegs = timeout, false, 0
	k.highRxt = c.sndUna
	k.relost.reset()
	c.dupAcks = 0
	c.set(fCwndLimited) // one segment is the limit now, whatever it was before
	c.stats.recover = c.sndNxt
	c.stats.timeouts++
	c.clear(fTiming)
	m.stats.TimerRetransmits++
	m.out.events |= evTx
}

// spurious is Eifel detection (RFC 3522), asked at the first ACK that moves on after a
// timeout: when its timestamp echoes a segment older than what the timer sent again,
// that segment had arrived before, and so had what followed it. The timeout came too
// soon, because the peer or the path had stopped for a moment: nothing was lost, the
// congestion window is as good as before (RFC 4015), and nothing more is sent again.
func (m *machine) spurious(c *Conn, k *cold, now int64) bool {
	if !k.eifel {
		return false
	}
	k.eifel = false
	if m.ecr == 0 || int32(m.ecr-k.rxtTS) >= 0 {
		return false
	}
	cc.ByID(c.ccID).Undo(&c.cong, now)
	c.backoff = 0
	m.stats.Spurious++
	return true
}

// resend has everything in flight sent again, not because it was lost to congestion
// but because it was too large for the path: the congestion window stays as it is.
func (m *machine) resend(c *Conn, now int64) {
	k := m.needCold(c)
	k.mode, k.rescued, k.dupSegs, k.eifel = timeout, false, 0, false
	k.highRxt = c.sndUna
	k.relost.reset()
	c.dupAcks = 0
	c.stats.recover = c.sndNxt
	c.clear(fTiming)
	c.rtxAt = tickAfter(now, c.rtoNs())
	m.out.events |= evTx
}
