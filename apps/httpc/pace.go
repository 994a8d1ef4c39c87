package httpc

import "math"

// pace deals out the requests of one worker: each call of take is one. In a closed loop
// one may be had at any time; in an open loop the k-th is due k/rate after the beginning.
type pace struct {
	rate  float64 // requests per second, 0: closed loop
	begin int64   // when the first is due, ns
	end   int64   // none is due at or after, ns; 0 for no end
	left  uint64  // how many may still be had
	taken uint64
}

// due is when the next request is due, in an open loop; ns.
func (p *pace) due() int64 {
	return p.begin + int64(float64(p.taken)*1e9/p.rate)
}

// take takes a request that is due at now and tells since when it was.
func (p *pace) take(now int64) (since int64, ok bool) {
	if p.over(now) {
		return 0, false
	}
	since = now
	if p.rate > 0 {
		if since = p.due(); since > now {
			return 0, false
		}
	}
	p.left--
	p.taken++
	return since, true
}

// over tells whether there are no requests to be had any more. In an open loop those that
// were due before the end and found no session may not be sent after it.
func (p *pace) over(now int64) bool { return p.left == 0 || p.end > 0 && now >= p.end }

// stop ends it at now.
func (p *pace) stop(now int64) {
	if p.end == 0 || p.end > now {
		p.end = max(now, 1)
	}
}

// missed is how many requests had been due at now, or before the end, and were not taken.
func (p *pace) missed(now int64) uint64 {
	if p.rate == 0 {
		return 0
	}
	if p.end > 0 {
		now = min(now, p.end-1)
	}
	if now < p.begin {
		return 0
	}
	n := uint64(math.Floor(float64(now-p.begin)*p.rate/1e9)) + 1
	return min(max(n, p.taken)-p.taken, p.left)
}
