package tcp

import (
	"time"

	"vpphost/dataplane/hdr"
)

// pawsIdle is how long TS.Recent stays valid (RFC 7323 section 5.5).
const pawsIdle = int64(24 * 24 * time.Hour)

// tsStampAt is a time in units of 67 ms, which reach nine years back: ticks do not
// reach 24 days.
func tsStampAt(now int64) uint32 { return uint32(now >> tsStampShift) }

const tsStampShift = 26

// tsAge is how long ago TS.Recent was set, in ns.
func (c *Conn) tsAge(now int64) int64 { return int64(tsStampAt(now)-c.tsStamp) << tsStampShift }

// sync takes a segment, off the fast path, of a connection in SYN_RCVD or a later
// state but TIME_WAIT: RFC 9293 section 3.10.7.4, whose steps are numbered here.
// The segment is m.seg, its checksum is verified and its flags have passed dispatch.
func (m *machine) sync(c *Conn, now int64) {
	s := &m.seg
	c.stats.segsIn++
	m.ecr = 0
	if s.opt.has&optTS != 0 && s.flags&hdr.ACK != 0 {
		m.ecr = s.opt.tsEcr
	}
	if c.state == SynRcvd && s.flags&hdr.SYN != 0 && s.seq == c.stats.irs {
		if s.flags&hdr.ACK == 0 {
			// The peer has not seen our SYN-ACK: once more.
			c.set(fSynOwed)
			return
		}
		// Simultaneous open (figure 8): the SYN is known, the ACK is news.
		s.skipSYN()
		s.wnd >>= c.sndScale // never scaled on a SYN (RFC 7323 section 2.2)
	}
	// First, check sequence number.
	if !m.checkTS(c, s, now) || !m.checkSeq(c, s, now) {
		return
	}
	// RFC 7323 section 4.3, step R3. A SYN may have come here unacceptable, only to be
	// answered below.
	if c.has(fTS) && s.opt.has&optTS != 0 && s.flags&hdr.SYN == 0 && s.seq.AtOrBefore(c.lastAck) {
		c.tsRecent, c.tsStamp = s.opt.tsVal, tsStampAt(now)
	}
	// Second, check the RST bit, as RFC 5961 section 3 has it.
	if s.flags&hdr.RST != 0 {
		m.count(inRst)
		if s.seq != c.rcvNxt {
			m.challenge(c, now)
			return
		}
		m.onReset(c)
		return
	}
	// Third, check security: there is none. Fourth, check the SYN bit, as RFC 5961
	// section 4 has it: whatever its number.
	if s.flags&hdr.SYN != 0 {
		m.count(inSyn)
		m.challenge(c, now)
		return
	}
	// Fifth, check the ACK field. Dispatch has dropped what has none.
	if c.state == SynRcvd {
		m.synAcked(c, s, now)
		return
	}
	m.established(c, now)
}

// established goes on with the fifth step in ESTABLISHED and later states.
func (m *machine) established(c *Conn, now int64) {
	s := &m.seg
	if !m.onAck(c, s, now) {
		return
	}
	if c.has(fFinSent) && c.sndUna == c.sndNxt && !m.finAcked(c, now) {
		return
	}
	// Sixth, check the URG bit: the pointer is ignored, urgent data is data (RFC
	// 6093 section 3.1 has no more use for it).
	// Seventh, process the segment text.
	if len(s.payload) > 0 && !m.text(c, s, now) {
		return
	}
	// Eighth, check the FIN bit.
	if s.flags&hdr.FIN != 0 {
		m.noteFin(c, s.seq.Add(len(s.payload)))
	}
	if c.has(fFinNoted) {
		m.takeFin(c, now)
	}
	if len(s.payload) == 0 && s.flags&hdr.FIN == 0 {
		m.count(inAck)
	}
}

// checkTS is PAWS, RFC 7323 section 5.3 step R1; false when the segment is to be
// dropped.
func (m *machine) checkTS(c *Conn, s *segment, now int64) bool {
	// A reset needs none (section 5.2). A SYN is answered whatever it carries, below: it may
	// be that of a peer whose clock has begun anew.
	if !c.has(fTS) || s.flags&(hdr.RST|hdr.SYN) != 0 {
		return true
	}
	if s.opt.has&optTS == 0 {
		// Section 3.2: once timestamps are in use, a segment without is dropped.
		m.count(inPAWS)
		return false
	}
	if int32(s.opt.tsVal-c.tsRecent) >= 0 {
		return true
	}
	if c.tsAge(now) > pawsIdle {
		return true // section 5.5: TS.Recent is too old to tell
	}
	m.count(inPAWS)
	m.duplicate(c, s, now)
	return false
}

// checkSeq is the acceptability test of RFC 9293 section 3.10.7.4 (table 6), against
// the largest window that was advertised. What lies outside of the window is cut off.
// False: the segment is to be dropped.
func (m *machine) checkSeq(c *Conn, s *segment, now int64) bool {
	n, wnd := s.length(), c.rcvWnd()
	start, end := s.seq.Sub(c.rcvNxt), s.end().Sub(c.rcvNxt)
	ok := false
	switch {
	case n == 0:
		// Table 6 has "start < wnd" for a window that is not zero. A peer that has filled
		// it acknowledges from the right edge; while one of its segments is missing, these
		// acknowledgments would not count, and our data would wait for its.
		ok = start >= 0 && start <= wnd
	case wnd > 0:
		ok = start < wnd && end > 0
	case start == 0:
		// "If the RCV.WND is zero, no segments will be acceptable, but special
		// allowance should be made to accept valid ACKs, URGs, and RSTs."
		m.count(inWindow)
		s.payload = nil
		s.flags &^= hdr.FIN
		m.ackAtOnce(c) // this is what a window probe looks like
		ok = true
	}
	if !ok {
		if end <= 0 {
			m.count(inOld)
			bump(&c.stats.belowWnd)
		} else {
			m.count(inWindow)
			bump(&c.stats.aboveWnd)
		}
		// "If an incoming segment is not acceptable, an acknowledgment should be sent
		// in reply (unless the RST bit is set)".
		if s.flags&hdr.RST == 0 {
			m.duplicate(c, s, now)
		}
		return s.flags&(hdr.SYN|hdr.RST) == hdr.SYN // step 4 answers, once
	}
	if n > 0 && s.flags&hdr.SYN == 0 {
		if start < 0 {
			s.trimFront(c.rcvNxt)
			m.ackAtOnce(c) // the peer sends again what we have: tell it
		}
		s.trimBack(c.rcvAdv)
	}
	return true
}

// duplicate answers a segment that is not taken. Those with text are always answered:
// the peer needs it to get on. For others the rate is limited, lest two ends that
// disagree answer each other for ever.
func (m *machine) duplicate(c *Conn, s *segment, now int64) {
	if len(s.payload) > 0 || s.flags&hdr.FIN != 0 {
		m.ackAtOnce(c)
		return
	}
	if s.flags&hdr.SYN == 0 {
		m.challenge(c, now)
	}
}

// onReset is an acceptable reset.
func (m *machine) onReset(c *Conn) {
	switch {
	case c.state != SynRcvd:
		m.gone(c, causeReset)
	case c.has(fPassive):
		m.gone(c, causeNone) // "return to LISTEN": nobody knows of it yet
	default:
		m.gone(c, causeRefused) // of a simultaneous open
	}
}

// synAcked is the fifth step in SYN_RCVD.
func (m *machine) synAcked(c *Conn, s *segment, now int64) {
	if s.ack != c.sndNxt { // one number is in flight, our SYN
		// "If the segment acknowledgment is not acceptable, form a reset segment".
		m.count(inAckInvalid)
		m.refuse(s)
		return
	}
	c.sndUna = s.ack
	m.establish(c, now)
	c.sndWl1, c.sndWl2, c.sndWnd = s.seq, s.ack, s.wnd<<c.sndScale
	c.stats.maxWnd = c.sndWnd
	if c.has(fTiming) {
		c.clear(fTiming)
		m.measured(c, max(now-c.rttTime, 1))
	}
	m.out.events |= evOpened
}

// refuse answers m's segment with the reset of RFC 9293 section 3.10.7.1.
func (m *machine) refuse(s *segment) {
	m.out.events |= evReset
	m.out.reset = resetFor(s)
}
