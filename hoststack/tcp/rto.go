package tcp

import (
	"math"
	"time"

	"vpphost/dataplane/hdr"
	"vpphost/hoststack/tcp/cc"
)

const (
	initRTO = uint32(time.Second / time.Microsecond)            // RFC 6298 section 2.1, us
	minRTO  = uint32(200 * time.Millisecond / time.Microsecond) // section 2.4 says 1 s; everybody, VPP included, 200 ms
	maxRTO  = int64(60 * time.Second)                           // section 2.5
	synRTO  = 3 * initRTO                                       // section 5.7

	// maxTries is how often data is sent again without an answer before the
	// connection is given up: R2 of RFC 9293 section 3.8.3, 102 s with the least
	// RTO.
	maxTries = 8
	// synTimeout is how long an active open may take, as in VPP.
	synTimeout = int64(60 * time.Second)
)

// startTiming times the segment that ends at end. Only one at a time is timed, and
// none that is sent again (Karn's algorithm, RFC 6298 section 3).
func (c *Conn) startTiming(end hdr.Seq, now int64) {
	c.rttSeq, c.rttTime = end, now
	c.set(fTiming)
}

// sample takes a round-trip time from an ACK, if it ends a timing. In its absence a
// timestamp echo, of 1 ms resolution, still ends a back-off (RFC 7323 section 4.1)
// and serves the congestion controller. It returns the time in ns, 0 for none.
func (m *machine) sample(c *Conn, ack hdr.Seq, now int64) int64 {
	if c.has(fTiming) && ack.AtOrAfter(c.rttSeq) {
		c.clear(fTiming)
		rtt := max(now-c.rttTime, 1)
		m.measured(c, rtt)
		return rtt
	}
	if m.ecr == 0 || !c.has(fTS) {
		return 0
	}
	ms := int32(c.tsNow(now) - m.ecr)
	if ms < 0 || int64(ms) > maxRTO/1e6 {
		return 0
	}
	if c.backoff > 0 {
		// The echo of what was sent last is surely that of the retransmission. An
		// older one may be of a first transmission whose ACK was lost: it says
		// nothing of the path, and taking it would make the timeout feed itself.
		if int64(ms)*1e6 <= c.stats.sentTick.since(now)+2e6 {
			m.measured(c, max(int64(ms), 1)*1e6)
		}
		return 0
	}
	if ms < 8 {
		return 0 // too coarse to be of use
	}
	return int64(ms) * 1e6
}

// measured puts a sample (ns) into the estimator, RFC 6298 section 2.
func (m *machine) measured(c *Conn, rtt int64) {
	if ns := uint32(min(rtt, math.MaxUint32)); c.minRTT == 0 || ns < c.minRTT {
		c.minRTT = ns
	}
	r := uint32(min((rtt+999)/1000, maxRTO/1000))
	if c.srtt == 0 {
		c.srtt = r * 8
		c.rttvar = r * 2 // R/2, times 4
	} else {
		// RTTVAR <- 3/4 RTTVAR + 1/4 |SRTT - R'|; SRTT <- 7/8 SRTT + 1/8 R'.
		d := int32(c.srtt/8) - int32(r)
		if d < 0 {
			d = -d
		}
		c.rttvar += uint32(d) - c.rttvar/4
		c.srtt += r - c.srtt/8
	}
	c.backoff = 0
	c.rto = min(max(c.srtt/8+c.rttvar, minRTO), uint32(maxRTO/1000))
}

// ccAck tells the congestion controller of n bytes acknowledged, delivered of them
// or SACKed, out of flight.
func (m *machine) ccAck(c *Conn, n, delivered, flight int, rtt, now int64, recovering bool) {
	m.ack = cc.Ack{
		Now: now, Acked: uint32(n), Delivered: uint32(max(delivered, 0)), FlightBefore: uint32(flight),
		MSS: uint32(c.mss), SRTT: c.srttNs(), MinRTT: int64(c.minRTT), RTT: rtt,
		CwndLimited: c.has(fCwndLimited), InRecovery: recovering,
	}
	cc.ByID(c.ccID).OnAck(&c.cong, &m.ack)
}
