package cc

// HyStart++ constants, RFC 9406 section 4.3. L is infinite because we pace.
const (
	hyMinRTTThresh  = 4e6 // ns
	hyMaxRTTThresh  = 16e6
	hyMinRTTDivisor = 8
	hyRTTSamples    = 8
	hyCSSDivisor    = 4
	hyCSSRounds     = 5
)

// hystart is RFC 9406: it leaves slow start when the round-trip time begins to
// grow, by way of a few rounds of conservative slow start (CSS) in which that may
// turn out to be a mistake. It works in the first slow start only, as RFC 9406
// section 4.3 recommends, and is over once ssthresh is known.
type hystart struct {
	roundMin uint32 // least RTT of this round, ns (4 s at most); 0 for no sample
	lastMin  uint32 // of the round before
	cssBase  uint32 // roundMin on entry to CSS; 0 when not in CSS
	// count is the bytes to be acknowledged before the round ends; once slow
	// start is over, the controller's own fraction of growth.
	count   uint32
	samples uint8 // of the RTT, this round
	rounds  uint8 // of CSS so far
	epoch   bool  // CUBIC: plateau and wEst are those of this epoch
}

// onAck looks at the RTT sample of an ACK and returns by how much slow start's
// growth is to be divided. It may end slow start by setting ssthresh.
func (h *hystart) onAck(s *State, a *Ack) (div uint32) {
	if s.Ssthresh != InfiniteSsthresh {
		return 1
	}
	if a.RTT > 0 {
		rtt := uint32(min(a.RTT, 1<<32-1))
		if h.roundMin == 0 || rtt < h.roundMin {
			h.roundMin = rtt
		}
		h.samples = min(h.samples, 254) + 1
	}
	if h.samples >= hyRTTSamples && h.roundMin != 0 {
		switch {
		case h.cssBase != 0:
			if h.roundMin < h.cssBase { // the exit was premature: back to slow start
				h.cssBase, h.rounds = 0, 0
			}
		case h.lastMin != 0:
			eta := min(max(h.lastMin/hyMinRTTDivisor, hyMinRTTThresh), hyMaxRTTThresh)
			if h.roundMin >= h.lastMin+min(eta, 1<<32-1-h.lastMin) {
				h.cssBase = h.roundMin
			}
		}
	}
	div = 1
	if h.cssBase != 0 {
		div = hyCSSDivisor
	}
	if a.Acked < h.count {
		h.count -= a.Acked
		return div
	}
	// The round that began when count bytes were in flight is over; the next ends
	// when what is in flight now has been acknowledged.
	h.count = a.FlightBefore - min(a.Acked, a.FlightBefore)
	h.lastMin, h.roundMin, h.samples = h.roundMin, 0, 0
	if h.cssBase != 0 {
		if h.rounds++; h.rounds >= hyCSSRounds {
			s.Ssthresh = s.Cwnd
			h.stop()
		}
	}
	return div
}

// stop forgets the round: the first slow start is over.
func (h *hystart) stop() { *h = hystart{epoch: h.epoch} }
