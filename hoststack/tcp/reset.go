package tcp

import (
	"vpphost/dataplane/hdr"
)

// reset is a RST segment to be sent.
type reset struct {
	seq, ack hdr.Seq
	flags    hdr.TCPFlags
}

// resetFor is the answer to a segment that belongs to no connection, or whose ACK is
// unacceptable before the connection is synchronized: RFC 9293 section 3.10.7.1. It
// must not be asked for about a reset.
func resetFor(s *segment) reset {
	if s.flags&hdr.ACK != 0 {
		return reset{seq: s.ack, flags: hdr.RST}
	}
	return reset{ack: s.end(), flags: hdr.RST | hdr.ACK}
}

// abort is the reset that ends a synchronized connection of ours: section 3.10.5.
func (c *Conn) abort() reset {
	return reset{seq: c.sndNxt, ack: c.rcvNxt, flags: hdr.RST | hdr.ACK}
}

// Challenge ACKs (RFC 5961) tell an honest peer where we are and an attacker nothing.
// Section 7 wants their number limited. The limit of all connections together is
// drawn anew every second, so that it cannot be used to count (CVE-2016-5696), and
// each connection has one of its own.
const (
	challengesPerSecond = 1000
	challengeGap        = int64(500e6) // ns between two of one connection
)

// limiter allows so many events in a second.
type limiter struct {
	second int64
	left   int
	rand   uint64
}

// allow takes one from what this second has left.
func (l *limiter) allow(now int64) bool {
	if s := now / 1e9; s != l.second || l.rand == 0 {
		l.second = s
		l.rand = l.rand*6364136223846793005 + 1442695040888963407
		l.left = challengesPerSecond/2 + int(l.rand>>33%challengesPerSecond)
	}
	if l.left == 0 {
		return false
	}
	l.left--
	return true
}

// challenge owes c an ACK as an answer to a segment that may be forged.
func (m *machine) challenge(c *Conn, now int64) {
	if c.stats.challengedAt != 0 && c.stats.challengedAt.since(now) < challengeGap || !m.limit.allow(now) {
		m.snt[outUnchallenged]++
		return
	}
	c.stats.challengedAt = tickAfter(now, 0)
	m.snt[outChallenge]++
	m.ackAtOnce(c)
}
