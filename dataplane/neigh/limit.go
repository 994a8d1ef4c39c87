package neigh

// Limit holds something to a rate: a token bucket that refills with time. The zero value
// is full once time has passed.
type Limit struct {
	tokens int64 // thousandths
	last   int64 // ns
}

// Take tells whether it may happen once more at time now (ns), at perSecond times a second
// and burst times at once.
func (l *Limit) Take(now, perSecond, burst int64) bool {
	if since := now - l.last; since >= burst*1e9/perSecond {
		l.tokens, l.last = burst*1000, now
	} else if add := since * perSecond / 1e6; add > 0 {
		l.tokens = min(burst*1000, l.tokens+add)
		l.last += add * 1e6 / perSecond // what is left of the time counts next time
	}
	if l.tokens < 1000 {
		return false
	}
	l.tokens -= 1000
	return true
}
