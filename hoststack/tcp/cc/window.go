package cc

import "math/bits"

// What the loss-based controllers share.

func (s *State) reset(iw, mss uint32) {
	*s = State{Cwnd: min(max(iw, mss, 1), MaxCwnd), Ssthresh: InfiniteSsthresh}
}

// grow adds n bytes to the window and clamps it.
func (s *State) grow(n uint32) {
	s.Cwnd = uint32(min(uint64(s.Cwnd)+uint64(n), MaxCwnd))
}

// slowStart grows the window by the acknowledged bytes, divided by div, but not
// beyond ssthresh, and returns how many of the bytes were left over when it got
// there: they count for congestion avoidance.
func (s *State) slowStart(acked, div uint32) (left uint32) {
	room := s.Ssthresh - s.Cwnd
	if acked/div < room {
		s.grow(acked / div)
		return 0
	}
	s.grow(room)
	return acked - min(acked, satMul(room, div))
}

// reduce sets ssthresh and the window for a congestion event and remembers what
// they were. target is the algorithm's ssthresh before the floor of two segments.
func (s *State) reduce(l *Loss, target uint32) {
	s.priorCwnd, s.priorSsthresh = s.Cwnd, s.Ssthresh
	mss := max(l.MSS, 1)
	s.Ssthresh = min(max(target, satMul(minSegments, mss)), MaxCwnd)
	if l.Kind == Timeout {
		s.Cwnd = min(mss, MaxCwnd) // the loss window, RFC 5681 section 3.1
		return
	}
	// The floor must not raise a window that was smaller already.
	s.Cwnd = min(s.Cwnd, s.Ssthresh)
}

// restore undoes reduce; false when there is nothing to undo.
func (s *State) restore() bool {
	if s.priorCwnd == 0 {
		return false
	}
	s.Cwnd = max(s.Cwnd, s.priorCwnd)
	s.Ssthresh = max(s.Ssthresh, s.priorSsthresh)
	s.priorCwnd = 0
	return true
}

// decay halves the window for every retransmission timeout that passed idle, down
// to the initial window, and lets ssthresh remember three quarters of what it was
// (RFC 2861 section 3). It tells whether the window had been idle that long.
func (s *State) decay(i *Idle) bool {
	if i.RTO <= 0 || i.For < i.RTO {
		return false
	}
	s.Ssthresh = max(s.Ssthresh, s.Cwnd/4*3)
	floor := min(max(i.IW, i.MSS, 1), s.Cwnd)
	halvings := min(i.For/i.RTO, 31)
	s.Cwnd = max(s.Cwnd>>halvings, floor)
	return true
}

// pace spreads a window over a round trip with some headroom, so that the window
// and not the pacer is the limit: twice in slow start, where the window doubles
// within the round trip, a fifth more after it.
func (s *State) pace(srtt int64) uint64 {
	if srtt <= 0 {
		return 0
	}
	percent := uint64(120)
	if s.Cwnd < s.Ssthresh/2 {
		percent = 200
	}
	hi, lo := bits.Mul64(uint64(s.Cwnd)*percent, 1e7) // bytes × ns/s ÷ 100
	rate, _ := bits.Div64(hi, lo, uint64(srtt))
	return max(rate, 1)
}

func satMul(a, b uint32) uint32 {
	return uint32(min(uint64(a)*uint64(b), 1<<32-1))
}
