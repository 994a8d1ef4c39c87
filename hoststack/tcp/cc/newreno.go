package cc

import "unsafe"

// newReno is the standard algorithm: RFC 5681 with RFC 6582's recovery and RFC
// 3465's byte counting, and HyStart++ (RFC 9406) to leave the first slow start.
type newReno struct{}

// renoState overlays State.words.
type renoState struct {
	hystart // count: bytes acknowledged since congestion avoidance last grew the window
}

const _ = uint(unsafe.Sizeof(State{}.words) - unsafe.Sizeof(renoState{}))

func (s *State) reno() *renoState { return (*renoState)(unsafe.Pointer(&s.words)) }

func (newReno) Name() string { return "newreno" }

func (newReno) Init(s *State, now int64, mss, iw uint32) { s.reset(iw, mss) }

func (newReno) OnAck(s *State, a *Ack) {
	r := s.reno()
	if a.InRecovery {
		return
	}
	div := r.onAck(s, a)
	if !a.CwndLimited {
		return
	}
	acked := a.credit()
	if s.SlowStart() {
		if acked = s.slowStart(acked, div); acked == 0 {
			return
		}
	}
	r.avoid(s, acked, a.MSS)
}

// avoid is congestion avoidance by byte counting: one segment more for each window
// that was acknowledged (RFC 3465 section 2.1).
func (r *renoState) avoid(s *State, acked, mss uint32) {
	total := uint64(r.count) + uint64(acked)
	for total >= uint64(s.Cwnd) && s.Cwnd < MaxCwnd {
		total -= uint64(s.Cwnd)
		s.grow(max(mss, 1))
	}
	r.count = uint32(min(total, uint64(s.Cwnd)))
}

func (newReno) OnCongestion(s *State, l *Loss) {
	s.reno().stop()
	s.reduce(l, l.Flight/2) // RFC 5681 equation 4
}

func (newReno) OnRecovered(s *State, now int64, mss uint32) {
	// The window is deflated to ssthresh already (RFC 6582 section 3.2 step 3).
}

func (newReno) Undo(s *State, now int64) { s.restore() }

func (newReno) OnIdle(s *State, i *Idle) { s.decay(i) }

func (newReno) PacingRate(s *State, srtt int64) uint64 { return s.pace(srtt) }
