package cc

import (
	"math"
	"testing"
)

// closed is W_cubic of RFC 9438 figure 1 in segments, t seconds after a congestion
// event at a window of wMax segments.
func closed(wMax, t float64) float64 {
	k := math.Cbrt(wMax * (1 - 0.7) / 0.4)
	return 0.4*math.Pow(t-k, 3) + wMax
}

// The window follows the closed formula where CUBIC is not Reno-friendly, at long
// and at very short round trips.
func TestCubicCurve(t *testing.T) {
	for _, test := range []struct {
		rtt   int64
		wMax  uint32 // segments
		until float64
		run   uint32 // segments an ACK
	}{
		{rtt: 100e6, wMax: 1000, until: 12, run: 1},
		{rtt: 100e6, wMax: 1000, until: 12, run: 32},
		{rtt: 20e6, wMax: 4000, until: 4, run: 2},
		{rtt: 50e6, wMax: 10000, until: 15, run: 64},
	} {
		var s State
		c := cubic{}
		c.Init(&s, 0, mss, test.wMax*mss)
		lose(c, &s, 0, FastRecovery)
		c.OnRecovered(&s, 0, mss)
		worst, next := 0.0, 1.0
		for now := int64(0); float64(now) < test.until*1e9; {
			w := s.Cwnd
			for done := uint32(0); done < w; {
				piece := min(test.run*mss, w-done)
				done += piece
				c.OnAck(&s, &Ack{Now: now + test.rtt*int64(done)/int64(w), Acked: piece, Delivered: piece, FlightBefore: w,
					MSS: mss, SRTT: test.rtt, RTT: test.rtt, CwndLimited: true})
			}
			now += test.rtt
			sec := float64(now) * 1e-9
			got, want := float64(s.Cwnd)/mss, closed(float64(test.wMax), sec)
			worst = max(worst, math.Abs(got/want-1))
			if sec >= next {
				t.Logf("rtt %d ms, %4.1f s: %8.1f segments, formula %8.1f", test.rtt/1e6, sec, got, want)
				next *= 2
			}
		}
		// The window trails the curve by up to a round trip.
		if worst > 0.03 {
			t.Errorf("rtt %v wMax %d run %d: off by %.1f %%", test.rtt, test.wMax, test.run, worst*100)
		}
	}
}

// RFC 9438 section 4.3: at short round trips the window is at least Reno's, which
// means alpha segments per window.
func TestCubicRenoFriendly(t *testing.T) {
	for _, rtt := range []int64{20e3, 200e3, 1e6} { // 20 us, 200 us, 1 ms
		var s State
		c := cubic{}
		c.Init(&s, 0, mss, 100*mss)
		lose(c, &s, 0, FastRecovery)
		start := s.Cwnd
		now, n := int64(0), 50
		for range n {
			w := s.Cwnd
			for done := uint32(0); done < w; done += mss {
				now += rtt * mss / int64(w)
				c.OnAck(&s, &Ack{Now: now, Acked: mss, Delivered: mss, FlightBefore: w, MSS: mss, SRTT: rtt, RTT: rtt, CwndLimited: true})
			}
		}
		want := float64(start)/mss + float64(n)*3*0.3/1.7
		if got := float64(s.Cwnd) / mss; math.Abs(got-want) > 1.5 {
			t.Errorf("rtt %d ns: %.1f segments after %d round trips, Reno-friendly is %.1f", rtt, got, n, want)
		}
	}
}

// Beyond the window of the last congestion event the Reno-friendly window grows as
// fast as Reno's: one segment a round trip.
func TestCubicRenoFriendlyBeyondPrior(t *testing.T) {
	var s State
	c := cubic{}
	c.Init(&s, 0, mss, 20*mss)
	lose(c, &s, 0, FastRecovery)
	now, rtt := int64(0), int64(20e3)
	step := func() {
		w := s.Cwnd
		for done := uint32(0); done < w; done += mss {
			now += rtt * mss / int64(w)
			c.OnAck(&s, &Ack{Now: now, Acked: mss, Delivered: mss, FlightBefore: w, MSS: mss, SRTT: rtt, RTT: rtt, CwndLimited: true})
		}
	}
	for s.Cwnd < 21*mss {
		step()
	}
	before := s.Cwnd
	for range 20 {
		step()
	}
	if got := float64(s.Cwnd-before) / mss; math.Abs(got-20) > 2 {
		t.Errorf("grew by %.1f segments in 20 round trips", got)
	}
}

// RFC 9438 section 4.7: a flow that shrinks again before it is back at its maximum
// lowers that maximum further.
func TestCubicFastConvergence(t *testing.T) {
	var s State
	c := cubic{}
	c.Init(&s, 0, mss, 100*mss)
	lose(c, &s, 0, FastRecovery)
	if got := s.cubic().wMax; got != 100*mss {
		t.Errorf("W_max %d, want %d", got, 100*mss)
	}
	lose(c, &s, 0, FastRecovery)
	if got, want := s.cubic().wMax, uint32(70*mss*85/100); got < want-1 || got > want {
		t.Errorf("W_max %d after a second reduction, want %d", got, want)
	}
}

// The beta of RFC 9438 section 4.6.
func TestCubicBeta(t *testing.T) {
	var s State
	c := cubic{}
	c.Init(&s, 0, mss, 100*mss)
	lose(c, &s, 0, FastRecovery)
	if got, want := s.Ssthresh, uint32(70*mss); got < want-1 || got > want {
		t.Errorf("ssthresh %d, want %d", got, want)
	}
}

// RFC 9406: slow start ends when the round-trip time grows, without a loss.
func TestHyStart(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		var s State
		c.Init(&s, 0, mss, iw)
		now := int64(0)
		for round := 0; s.SlowStart() && round < 40; round++ {
			// A queue builds once 64 segments are in flight.
			d := rtt
			if s.Cwnd > 64*mss {
				d += int64(s.Cwnd-64*mss) * 300
			}
			w := s.Cwnd
			for done := uint32(0); done < w; done += mss {
				c.OnAck(&s, &Ack{Now: now, Acked: mss, Delivered: mss, FlightBefore: w, MSS: mss, SRTT: d, RTT: d, CwndLimited: true})
			}
			now += d
		}
		if s.SlowStart() {
			t.Fatal("slow start never ended")
		}
		if segs := s.Cwnd / mss; segs < 64 || segs > 600 {
			t.Errorf("left slow start at %d segments", segs)
		}
	})
	t.Run("steady", func(t *testing.T) {
		var s State
		c := ByID(Cubic)
		c.Init(&s, 0, mss, iw)
		for range 8 {
			window(c, &s, 0, 1)
		}
		if s.Ssthresh != InfiniteSsthresh || s.Cwnd < 256*iw {
			t.Errorf("a steady round-trip time ended slow start at %d", s.Cwnd)
		}
	})
	t.Run("premature", func(t *testing.T) {
		var s State
		c := ByID(NewReno)
		c.Init(&s, 0, mss, iw)
		turn := func(d int64) {
			w := s.Cwnd
			for done := uint32(0); done < w; done += mss {
				c.OnAck(&s, &Ack{Acked: mss, Delivered: mss, FlightBefore: w, MSS: mss, SRTT: d, RTT: d, CwndLimited: true})
			}
		}
		turn(rtt)
		turn(rtt)
		turn(rtt + 10e6) // enters conservative slow start
		before := s.Cwnd
		turn(rtt + 10e6)
		if s.Cwnd > before*3/2 {
			t.Errorf("conservative slow start went from %d to %d in a round", before, s.Cwnd)
		}
		turn(rtt) // the delay was a passing one
		before = s.Cwnd
		turn(rtt)
		if s.Cwnd < 2*before || s.Ssthresh != InfiniteSsthresh {
			t.Errorf("did not return to slow start: %d to %d, ssthresh %d", before, s.Cwnd, s.Ssthresh)
		}
	})
}
