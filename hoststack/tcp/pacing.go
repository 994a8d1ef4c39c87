package tcp

import (
	"time"

	"vpphost/hoststack/tcp/cc"
)

// Pacing spreads a window over the round trip, so that a stretch ACK does not become
// a burst of the same size. It is a bucket of time: paceAt moves on by the time that
// what is sent takes at the pacing rate, and may be ahead of now by one burst.
const (
	// burstSegs is what may go at once however slow the pace: VPP's 43.
	burstSegs = 43
	// burstTime is how much may go at once at the pace. A path with a shorter
	// round-trip time is not paced at all: its whole window would be one burst.
	burstTime = int64(time.Millisecond)

	maxRate = 1 << 40 // bytes per second, so that products below fit
)

// rate is c's pacing rate, bytes per second; 0 when it is not paced.
func (m *machine) rate(c *Conn) int64 {
	// The first sample, of the handshake, may be long for reasons that do not last
	// (a peer that was asleep), so the least one counts, too.
	srtt := min(c.srttNs(), 2*int64(c.minRTT))
	if m.cfg.NoPacing || srtt < burstTime {
		return 0
	}
	return int64(min(cc.ByID(c.ccID).PacingRate(&c.cong, srtt), maxRate))
}

// pace bounds p to what may be sent at once. When that is nothing, it returns the
// time to wait for.
func (m *machine) pace(c *Conn, now int64, p *planner) (until int64) {
	p.rate = m.rate(c)
	if p.rate == 0 {
		return 0
	}
	burst := max(burstSegs*int64(c.mss), p.rate/int64(time.Second/time.Millisecond))
	full := burst * 1e9 / p.rate
	c.paceAt = min(max(c.paceAt, now), now+full+maxRTO)
	free, need := now+full-c.paceAt, int64(c.mss)*1e9/p.rate
	if free < need {
		return now + need - free
	}
	p.segs = min(p.segs, int(free*p.rate/1e9/int64(c.mss)))
	p.segs = max(p.segs, 1)
	return 0
}

// charge takes what was planned out of the bucket.
func (m *machine) charge(c *Conn, p *planner) {
	if p.rate == 0 {
		return
	}
	n := int64(0)
	for _, x := range m.plan[:m.plans] {
		n += int64(x.n)
	}
	c.paceAt += n * 1e9 / p.rate
}
