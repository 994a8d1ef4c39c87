package cc

import (
	"math"
	"unsafe"
)

// CUBIC's constants, RFC 9438 section 4.
const (
	cubicC    = 0.4                                   // segments per second cubed
	cubicBeta = 0.7                                   // multiplicative decrease
	renoAlpha = 3 * (1 - cubicBeta) / (1 + cubicBeta) // Reno-friendly growth, section 4.3
	fastConv  = (1 + cubicBeta) / 2                   // fast convergence, section 4.7
)

// cubic is RFC 9438. Its window is a cubic function of the time since the last
// congestion event, so that growth does not depend on the round-trip time:
//
//	W_cubic(t) = C (t - K)³ + W_max
//
// Times are kept in ns and the curve is evaluated in float64, which resolves
// far below a byte even where a round trip is 20 us and the curve moves little.
type cubic struct{}

// cubicState overlays State.words.
type cubicState struct {
	hystart // count: fraction of a byte of growth, in 2^-32
	// lastAck is when the last ACK came, us modulo 2^32, to leave out the time in
	// which the window was not used.
	lastAck   uint32
	plateau   int64   // when the curve reaches wMax: epoch start + K, ns
	wEst      float64 // what Reno would have, bytes (W_est)
	wMax      uint32  // bytes
	priorWMax uint32  // for Undo
}

const _ = uint(unsafe.Sizeof(State{}.words) - unsafe.Sizeof(cubicState{}))

func (s *State) cubic() *cubicState { return (*cubicState)(unsafe.Pointer(&s.words)) }

func (cubic) Name() string { return "cubic" }

func (cubic) Init(s *State, now int64, mss, iw uint32) {
	s.reset(iw, mss)
	s.cubic().lastAck = micros(now)
}

func (cubic) OnAck(s *State, a *Ack) {
	c := s.cubic()
	pause := c.since(a.Now)
	if a.InRecovery {
		return
	}
	div := c.onAck(s, a)
	if !a.CwndLimited {
		// "t … SHOULD NOT include periods during which cwnd has not been updated
		// due to application-limited behavior", RFC 9438 section 4.2.
		c.plateau += pause
		return
	}
	acked := a.credit()
	if s.SlowStart() {
		if acked = s.slowStart(acked, div); acked == 0 {
			return
		}
	}
	if acked == 0 {
		return
	}
	mss := float64(max(a.MSS, 1))
	if !c.epoch {
		c.begin(s, a.Now, mss)
	}
	c.avoid(s, a, acked, mss)
}

// begin starts a stage of congestion avoidance, RFC 9438 section 4.2.
func (c *cubicState) begin(s *State, now int64, mss float64) {
	c.epoch, c.count = true, 0
	c.wEst = float64(s.Cwnd)
	k := int64(0)
	if c.wMax > s.Cwnd {
		k = int64(math.Cbrt(float64(c.wMax-s.Cwnd)/mss/cubicC) * 1e9) // figure 2
	} else {
		// Nothing to return to: after a timeout (section 4.8), or when slow start
		// has gone beyond the old maximum.
		c.wMax = s.Cwnd
	}
	c.plateau = now + k
}

// curve is W_cubic at a time, in bytes (figure 1).
func (c *cubicState) curve(at int64, mss float64) float64 {
	t := float64(at-c.plateau) * 1e-9
	return cubicC*mss*t*t*t + float64(c.wMax)
}

// avoid is congestion avoidance, RFC 9438 sections 4.2 to 4.5.
func (c *cubicState) avoid(s *State, a *Ack, acked uint32, mss float64) {
	cwnd := float64(s.Cwnd)
	// W_est grows by alpha segments per window, and as fast as Reno once it has
	// reached the window of the last congestion event (section 4.3), of which
	// ssthresh is the remembrance.
	alpha := float64(renoAlpha)
	if c.wEst*cubicBeta >= float64(s.Ssthresh) {
		alpha = 1
	}
	c.wEst = min(c.wEst+alpha*mss*float64(acked)/cwnd, MaxCwnd)

	var growth float64
	if c.curve(a.Now, mss) < c.wEst {
		growth = c.wEst - cwnd // the Reno-friendly region: at least W_est
	} else {
		// "target" of section 4.2, reached within a round trip.
		target := min(c.curve(a.Now+a.SRTT, mss), 1.5*cwnd)
		growth = (target - cwnd) * float64(acked) / cwnd
	}
	// A stretch ACK must not do more than the ACKs it stands for: half as much
	// again in a round trip, which is at most a window of acknowledged bytes.
	growth = min(growth, 0.5*float64(acked))
	if !(growth > 0) {
		return
	}
	growth += float64(c.count) / (1 << 32)
	whole := math.Floor(growth)
	c.count = uint32((growth - whole) * (1 << 32))
	s.grow(uint32(min(whole, MaxCwnd)))
}

func (cubic) OnCongestion(s *State, l *Loss) {
	c := s.cubic()
	c.since(l.Now)
	c.stop()
	if !c.epoch {
		c.plateau = 0 // Undo has no epoch to return to
	}
	c.epoch = false
	c.priorWMax = c.wMax
	switch {
	case l.Kind == Timeout:
		c.wMax = 0 // the next stage starts from its own window, section 4.8
	case s.Cwnd < c.wMax:
		c.wMax = uint32(float64(s.Cwnd) * fastConv) // section 4.7
	default:
		c.wMax = s.Cwnd
	}
	s.reduce(l, uint32(float64(min(l.Flight, s.Cwnd))*cubicBeta)) // section 4.6
}

func (cubic) OnRecovered(s *State, now int64, mss uint32) {}

// Undo returns to the curve of before, unless a new one has begun (section 4.9).
func (cubic) Undo(s *State, now int64) {
	if !s.restore() {
		return
	}
	c := s.cubic()
	c.wMax = c.priorWMax
	c.epoch = !c.epoch && c.plateau != 0
}

func (cubic) OnIdle(s *State, i *Idle) {
	c := s.cubic()
	c.plateau += c.since(i.Now)
	if s.decay(i) {
		c.epoch = false // a lower window is a new start of the curve
	}
}

func (cubic) PacingRate(s *State, srtt int64) uint64 { return s.pace(srtt) }

// since is the time since the last ACK, ns, and notes that there is one now.
func (c *cubicState) since(now int64) int64 {
	us := micros(now)
	d := int32(us - c.lastAck)
	c.lastAck = us
	return int64(max(d, 0)) * 1000
}

func micros(now int64) uint32 { return uint32(now / 1000) }
