package cc

import (
	"encoding/binary"
	"testing"
)

const (
	mss = 1448
	iw  = 10 * mss
	rtt = int64(20e6)
)

// each runs a test for every controller: this is the contract they all keep.
func each(t *testing.T, f func(t *testing.T, c Controller)) {
	for id := ID(0); id < NumIDs; id++ {
		t.Run(id.String(), func(t *testing.T) { f(t, ByID(id)) })
	}
}

// ack acknowledges n bytes of a full window.
func ack(c Controller, s *State, now int64, n uint32) {
	c.OnAck(s, &Ack{Now: now, Acked: n, Delivered: n, FlightBefore: s.Cwnd, MSS: mss,
		SRTT: rtt, MinRTT: rtt, RTT: rtt, CwndLimited: true})
}

// window acknowledges a whole window in pieces of n segments, spread over one round
// trip, and returns the time after it.
func window(c Controller, s *State, now int64, n uint32) int64 {
	w := s.Cwnd
	for done := uint32(0); done < w; {
		piece := min(n*mss, w-done)
		done += piece
		ack(c, s, now+rtt*int64(done)/int64(w), piece)
	}
	return now + rtt
}

func lose(c Controller, s *State, now int64, k Kind) {
	c.OnCongestion(s, &Loss{Kind: k, Now: now, Flight: s.Cwnd, MSS: mss})
}

func TestNames(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		id, err := ByName(c.Name())
		if err != nil || ByID(id) != c {
			t.Errorf("ByName(%q) = %v, %v", c.Name(), id, err)
		}
	})
	if _, err := ByName("vegas"); err == nil {
		t.Error("ByName finds vegas")
	}
	if ByID(NumIDs) != ByID(Cubic) {
		t.Error("an id out of range is not the default")
	}
}

func TestInitForgets(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		var used, fresh State
		c.Init(&used, 0, mss, iw)
		now := window(c, &used, 0, 1)
		lose(c, &used, now, FastRecovery)
		c.OnRecovered(&used, now, mss)
		now = window(c, &used, now, 1)
		c.Init(&used, now, mss, iw)
		c.Init(&fresh, now, mss, iw)
		if used != fresh {
			t.Errorf("after Init %+v, fresh is %+v", used, fresh)
		}
		if fresh.Cwnd != iw || !fresh.SlowStart() {
			t.Errorf("starts with %d bytes, slow start %v", fresh.Cwnd, fresh.SlowStart())
		}
	})
}

func TestSlowStartDoubles(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		for _, run := range []uint32{1, 2, 10, 1000} {
			var s State
			c.Init(&s, 0, mss, iw)
			window(c, &s, 0, run)
			if s.Cwnd != 2*iw {
				t.Errorf("%d segments an ACK: %d bytes after a round trip, want %d", run, s.Cwnd, 2*iw)
			}
		}
	})
}

func TestSlowStartStopsAtThreshold(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		var s State
		c.Init(&s, 0, mss, 100*mss)
		lose(c, &s, 0, Timeout)
		thresh := s.Ssthresh
		// One stretch ACK for far more than is missing must not carry it beyond the
		// threshold by more than a segment of congestion avoidance.
		ack(c, &s, rtt, 90*mss)
		if s.Cwnd < thresh || s.Cwnd > thresh+mss+mss {
			t.Errorf("window %d after a stretch ACK in slow start, ssthresh %d", s.Cwnd, thresh)
		}
	})
}

func TestGrowsInAvoidance(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		var s State
		c.Init(&s, 0, mss, 100*mss)
		lose(c, &s, 0, FastRecovery)
		c.OnRecovered(&s, 0, mss)
		if s.SlowStart() {
			t.Fatal("still in slow start")
		}
		before, now := s.Cwnd, int64(0)
		for range 20 {
			last := s.Cwnd
			now = window(c, &s, now, 1)
			if s.Cwnd < last {
				t.Fatalf("window shrank from %d to %d without congestion", last, s.Cwnd)
			}
		}
		if s.Cwnd < before+5*mss {
			t.Errorf("grew from %d to %d only in 20 round trips", before, s.Cwnd)
		}
	})
}

func TestShrinks(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		for _, k := range []Kind{FastRecovery, Timeout, ECN} {
			var s State
			c.Init(&s, 0, mss, 100*mss)
			lose(c, &s, 0, k)
			if s.Ssthresh >= 100*mss || s.Ssthresh < 40*mss {
				t.Errorf("kind %d: ssthresh %d", k, s.Ssthresh)
			}
			want := s.Ssthresh
			if k == Timeout {
				want = mss
			}
			if s.Cwnd != want {
				t.Errorf("kind %d: window %d, want %d", k, s.Cwnd, want)
			}
			for range 50 {
				lose(c, &s, 0, FastRecovery)
				if s.Ssthresh < 2*mss {
					t.Fatalf("ssthresh %d below two segments", s.Ssthresh)
				}
			}
		}
	})
}

func TestFlightNotWindowCounts(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		var s State
		c.Init(&s, 0, mss, 100*mss)
		c.OnCongestion(&s, &Loss{Kind: FastRecovery, Flight: 20 * mss, MSS: mss})
		if s.Ssthresh > 14*mss {
			t.Errorf("ssthresh %d with 20 segments in flight", s.Ssthresh)
		}
	})
}

func TestUnusedWindowStays(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		for _, avoid := range []bool{false, true} {
			var s State
			c.Init(&s, 0, mss, iw)
			if avoid {
				lose(c, &s, 0, FastRecovery)
			}
			before := s.Cwnd
			for i := range int64(100) {
				c.OnAck(&s, &Ack{Now: i * rtt, Acked: mss, Delivered: mss, FlightBefore: mss, MSS: mss, SRTT: rtt, RTT: rtt})
			}
			if s.Cwnd != before {
				t.Errorf("avoidance %v: an unused window went from %d to %d", avoid, before, s.Cwnd)
			}
			// And it does not make up for the lost time at once.
			window(c, &s, 100*rtt, 1)
			if avoid && s.Cwnd > before+3*mss {
				t.Errorf("jumped from %d to %d in the first round trip of use", before, s.Cwnd)
			}
		}
	})
}

func TestRecoveryHoldsTheWindow(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		var s State
		c.Init(&s, 0, mss, 100*mss)
		lose(c, &s, 0, FastRecovery)
		before := s.Cwnd
		for i := range int64(50) {
			c.OnAck(&s, &Ack{Now: i * 1e6, Acked: mss, Delivered: mss, FlightBefore: before, MSS: mss,
				SRTT: rtt, RTT: rtt, CwndLimited: true, InRecovery: true})
		}
		if s.Cwnd != before {
			t.Errorf("window went from %d to %d in recovery", before, s.Cwnd)
		}
	})
}

func TestUndo(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		for _, k := range []Kind{FastRecovery, Timeout} {
			var s State
			c.Init(&s, 0, mss, 100*mss)
			lose(c, &s, 0, FastRecovery)
			now := int64(0)
			for range 10 {
				now = window(c, &s, now, 1)
			}
			cwnd, thresh := s.Cwnd, s.Ssthresh
			other := s
			lose(c, &s, now, k)
			c.Undo(&s, now+rtt/2)
			if s.Cwnd != cwnd || s.Ssthresh != thresh {
				t.Fatalf("kind %d: undone to %d/%d, want %d/%d", k, s.Cwnd, s.Ssthresh, cwnd, thresh)
			}
			// It goes on as if nothing had been.
			for range 10 {
				window(c, &other, now, 1)
				now = window(c, &s, now, 1)
			}
			if d := int(s.Cwnd) - int(other.Cwnd); d < -2*mss || d > 2*mss {
				t.Errorf("kind %d: %d bytes away from the undisturbed window %d", k, d, other.Cwnd)
			}
			// A second Undo, with nothing to undo, does nothing.
			before := s
			c.Undo(&s, now)
			if s != before {
				t.Error("a second Undo changed something")
			}
		}
	})
}

// One ACK of n segments does about what n ACKs of one segment do.
func TestStretchACKs(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		var windows []uint32
		for _, run := range []uint32{1, 2, 8, 64} {
			var s State
			c.Init(&s, 0, mss, 200*mss)
			lose(c, &s, 0, FastRecovery)
			c.OnRecovered(&s, 0, mss)
			now := int64(0)
			for range 100 {
				now = window(c, &s, now, run)
			}
			windows = append(windows, s.Cwnd)
		}
		for _, w := range windows[1:] {
			if d := float64(w)/float64(windows[0]) - 1; d > 0.03 || d < -0.03 {
				t.Errorf("windows by segments an ACK (1, 2, 8, 64): %v", windows)
			}
		}
	})
}

// The ACK that passes a filled hole covers what SACK had reported already: it does not
// count again.
func TestFilledHole(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		var s State
		c.Init(&s, 0, mss, 1000*mss)
		lose(c, &s, 0, Timeout)
		c.OnAck(&s, &Ack{Now: rtt, Acked: 900 * mss, Delivered: mss, FlightBefore: 1000 * mss, MSS: mss,
			SRTT: rtt, RTT: rtt, CwndLimited: true})
		if s.Cwnd != 2*mss {
			t.Errorf("window %d segments", s.Cwnd/mss)
		}
		// Nor does what a duplicate ACK reports.
		c.OnAck(&s, &Ack{Now: rtt, Delivered: mss, FlightBefore: 10 * mss, MSS: mss, SRTT: rtt, RTT: rtt, CwndLimited: true})
		if s.Cwnd != 2*mss {
			t.Errorf("window %d segments after a duplicate ACK", s.Cwnd/mss)
		}
	})
}

func TestIdle(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		var s State
		c.Init(&s, 0, mss, 160*mss)
		idle := Idle{Now: 1e9, For: 1e8, RTO: 2e8, MSS: mss, IW: iw}
		c.OnIdle(&s, &idle)
		if s.Cwnd != 160*mss {
			t.Errorf("less than a timeout of silence took the window to %d", s.Cwnd)
		}
		idle.For = 4e8
		idle.Now += idle.For
		c.OnIdle(&s, &idle)
		if s.Cwnd != 40*mss {
			t.Errorf("two timeouts of silence took the window to %d, want %d", s.Cwnd, 40*mss)
		}
		if s.Ssthresh < 120*mss {
			t.Errorf("ssthresh %d forgot the window", s.Ssthresh)
		}
		idle.For = 1 << 60
		c.OnIdle(&s, &idle)
		if s.Cwnd != iw {
			t.Errorf("long silence took the window to %d, want the initial %d", s.Cwnd, iw)
		}
		lose(c, &s, 2e9, Timeout)
		c.OnIdle(&s, &idle)
		if s.Cwnd != mss {
			t.Errorf("silence raised a window of one segment to %d", s.Cwnd)
		}
	})
}

func TestPacing(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		var s State
		c.Init(&s, 0, mss, iw)
		if r := c.PacingRate(&s, 0); r != 0 {
			t.Errorf("paces at %d without a round-trip time", r)
		}
		// Fast enough to send a window a round trip, and the next of slow start.
		want := uint64(iw) * 1e9 / uint64(rtt)
		if r := c.PacingRate(&s, rtt); r < 2*want || r > 3*want {
			t.Errorf("slow start paces at %d, a window a round trip is %d", r, want)
		}
		lose(c, &s, 0, FastRecovery)
		want = uint64(s.Cwnd) * 1e9 / uint64(rtt)
		if r := c.PacingRate(&s, rtt); r < want || r > 2*want {
			t.Errorf("avoidance paces at %d, a window a round trip is %d", r, want)
		}
		s.Cwnd = MaxCwnd
		if r := c.PacingRate(&s, 1); r < MaxCwnd*1e9 {
			t.Errorf("the largest window in 1 ns paces at %d", r)
		}
	})
}

func TestNoAllocs(t *testing.T) {
	each(t, func(t *testing.T, c Controller) {
		var s State
		a := Ack{Acked: mss, Delivered: mss, FlightBefore: 20 * mss, MSS: mss, SRTT: rtt, RTT: rtt, CwndLimited: true}
		l := Loss{Flight: 20 * mss, MSS: mss}
		i := Idle{For: 1e9, RTO: 2e8, MSS: mss, IW: iw}
		n := testing.AllocsPerRun(100, func() {
			c.Init(&s, a.Now, mss, iw)
			for range 20 {
				a.Now += 1e6
				c.OnAck(&s, &a)
			}
			l.Kind, l.Now = FastRecovery, a.Now
			c.OnCongestion(&s, &l)
			c.OnRecovered(&s, a.Now, mss)
			for range 20 {
				a.Now += 1e6
				c.OnAck(&s, &a)
			}
			l.Kind = Timeout
			c.OnCongestion(&s, &l)
			c.Undo(&s, a.Now)
			i.Now = a.Now
			c.OnIdle(&s, &i)
			_ = c.PacingRate(&s, rtt)
		})
		if n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// FuzzController plays any sequence of calls with any arguments: the window is
// never 0 and never beyond its bound, ssthresh never below two segments.
func FuzzController(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte("a longer one, so that several calls are made, each with its sixteen bytes"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for id := ID(0); id < NumIDs; id++ {
			c := ByID(id)
			var s State
			c.Init(&s, 0, mss, iw)
			now := int64(0)
			for b := in; len(b) >= 16; b = b[16:] {
				x, y := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
				m := binary.LittleEndian.Uint16(b[2:])
				d := int64(binary.LittleEndian.Uint32(b[12:])) * (1 + int64(b[1])<<8)
				now += d
				before := s.Cwnd
				switch op := b[0] % 8; op {
				case 0, 1, 2:
					c.OnAck(&s, &Ack{Now: now, Acked: x >> (b[1] & 31), Delivered: x >> (b[2] & 31), FlightBefore: y, MSS: uint32(m),
						SRTT: d, MinRTT: d, RTT: d, CwndLimited: op != 1, InRecovery: b[1]&0x80 != 0})
				case 3:
					c.OnCongestion(&s, &Loss{Kind: Kind(b[1] % 3), Now: now, Flight: y, MSS: uint32(m)})
					if s.Ssthresh < 2*uint32(m) {
						t.Fatalf("%v: ssthresh %d with segments of %d", id, s.Ssthresh, m)
					}
					if s.Cwnd > max(before, uint32(m)) {
						t.Fatalf("%v: congestion raised the window from %d to %d", id, before, s.Cwnd)
					}
				case 4:
					c.OnRecovered(&s, now, uint32(m))
				case 5:
					c.Undo(&s, now)
				case 6:
					c.OnIdle(&s, &Idle{Now: now, For: d, RTO: int64(x), MSS: uint32(m), IW: y})
					if s.Cwnd > before {
						t.Fatalf("%v: silence raised the window from %d to %d", id, before, s.Cwnd)
					}
				case 7:
					_ = c.PacingRate(&s, d)
				}
				if s.Cwnd == 0 || s.Cwnd > MaxCwnd {
					t.Fatalf("%v: window %d after call %d", id, s.Cwnd, b[0]%8)
				}
			}
		}
	})
}

func BenchmarkOnAck(b *testing.B) {
	for id := ID(0); id < NumIDs; id++ {
		b.Run(id.String(), func(b *testing.B) {
			c := ByID(id)
			var s State
			c.Init(&s, 0, mss, 1000*mss)
			lose(c, &s, 0, FastRecovery)
			a := Ack{Acked: 8 * mss, Delivered: 8 * mss, FlightBefore: 1000 * mss, MSS: mss, SRTT: rtt, RTT: rtt, CwndLimited: true}
			b.ReportAllocs()
			for b.Loop() {
				a.Now += 1e4
				c.OnAck(&s, &a)
				if s.Cwnd > 10000*mss {
					lose(c, &s, a.Now, FastRecovery)
				}
			}
		})
	}
}
