package tcp

import (
	"errors"
	"fmt"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/hoststack/tcp/cc"
	"vpphost/hoststack/transport"
)

// ack is a pure ACK with SACK blocks, given as pairs.
func ack(n uint32, blocks ...uint32) seg {
	return seg{flags: hdr.ACK, seq: 1, ack: n, wnd: 60000, blocks: blocks}
}

// open10 accepts a connection, whose segments hold 1000 bytes, and has it send ten.
func (p *peer) open10(opts []byte) *sess {
	p.t.Helper()
	s := p.accept(opts)
	s.write(10000)
	p.step(0)
	if len(p.sent) != 10 || s.c().flight() != 10000 {
		p.t.Fatalf("%d segments were sent", len(p.sent))
	}
	p.sent = nil
	return s
}

func (p *peer) rxts() (out []uint32) {
	for _, s := range p.sent {
		out = append(out, s.seq)
	}
	p.sent = nil
	return out
}

func (p *peer) seqs(want ...uint32) {
	p.t.Helper()
	if got := p.rxts(); fmt.Sprint(got) != fmt.Sprint(want) {
		p.t.Fatalf("sent %v, want %v", got, want)
	}
}

// TestSackSingleLoss: the first segment is lost. Three duplicate ACKs with SACK bring
// it back. As there is no new data, one rescue retransmission follows (RFC 6675, rule
// 4 of NextSeg); nothing else is sent again.
func TestSackSingleLoss(t *testing.T) {
	p := newPeer(t)
	s := p.open10(modern())
	p.send(ack(1, 1001, 2001))
	p.send(ack(1, 1001, 3001))
	p.seqs() // nothing to send: the application has no more
	p.send(ack(1, 1001, 4001))
	p.seqs(1)
	c := s.c()
	if k := p.h.tcp.shards[0].cold(c); k == nil || k.mode != fast || c.cong.Cwnd != 7000 {
		t.Fatalf("not in recovery, cwnd %d", c.cong.Cwnd)
	}
	for n := uint32(5001); n <= 10001; n += 1000 {
		p.send(ack(1, 1001, n))
	}
	p.seqs(9001)
	p.send(ack(10001))
	if c.cold != 0 || c.flight() != 0 || c.stats.fastRec != 1 || c.stats.rxtSegs != 2 || c.stats.timeouts != 0 {
		t.Errorf("cold %d flight %d stats %+v", c.cold, c.flight(), c.stats)
	}
}

// TestSackRun: the same when the ACKs come in one burst.
func TestSackRun(t *testing.T) {
	p := newPeer(t)
	p.open10(modern())
	p.send(ack(1, 1001, 2001), ack(1, 1001, 3001), ack(1, 1001, 4001), ack(1, 1001, 10001))
	p.seqs(1)
	p.send(ack(10001))
	p.pass(1e9)
	p.seqs()
}

// TestSackLossByBytes: one ACK that SACKs three segments is enough (RFC 6675, IsLost),
// as after a stretch ACK.
func TestSackLossByBytes(t *testing.T) {
	p := newPeer(t)
	p.open10(modern())
	p.send(ack(1, 1001, 4001))
	p.seqs(1)
}

// TestSackSeveralLosses: segments 1, 4 and 5 of ten are lost; each goes out once.
func TestSackSeveralLosses(t *testing.T) {
	p := newPeer(t)
	s := p.open10(modern())
	p.send(ack(1, 1001, 3001))
	p.send(ack(1, 5001, 6001, 1001, 3001))
	p.send(ack(1, 5001, 7001, 1001, 3001))
	p.send(ack(1, 5001, 8001, 1001, 3001))
	p.send(ack(1, 5001, 9001, 1001, 3001))
	p.send(ack(1, 5001, 10001, 1001, 3001))
	got := p.rxts()
	if fmt.Sprint(got) != "[1 3001 4001 9001]" { // the last is the rescue
		t.Fatalf("sent again %v", got)
	}
	p.send(ack(3001, 5001, 10001))
	p.send(ack(10001))
	p.pass(1e9)
	p.seqs()
	c := s.c()
	if c.stats.fastRec != 1 || c.stats.rxtSegs != 4 || c.cold != 0 {
		t.Errorf("%+v", c.stats)
	}
}

// TestSackLostRetransmission: the retransmission is lost, too. Only the timer finds it.
func TestSackLostRetransmission(t *testing.T) {
	p := newPeer(t)
	s := p.open10(modern())
	p.send(ack(1, 1001, 10001))
	p.seqs(1)
	p.pass(150e6)
	p.seqs()
	p.pass(1e9)
	got := p.rxts()
	if len(got) == 0 || got[0] != 1 {
		t.Fatalf("sent %v", got)
	}
	c := s.c()
	if c.stats.timeouts == 0 || c.cong.Cwnd != 1000 {
		t.Errorf("timeouts %d cwnd %d", c.stats.timeouts, c.cong.Cwnd)
	}
	// What was SACKed is not sent again.
	p.send(ack(10001))
	p.pass(2e9)
	p.seqs()
}

// TestTailLoss: nothing follows the lost segments, so no ACK tells.
func TestTailLoss(t *testing.T) {
	p := newPeer(t)
	s := p.open10(modern())
	p.send(ack(8001))
	p.pass(1500e6)
	got := p.rxts()
	if len(got) < 2 || got[0] != 8001 || got[1] != 8001 {
		t.Fatalf("sent %v", got) // with back-off, one segment at a time
	}
	p.send(ack(9001)) // slow start: two may be in flight
	p.seqs(9001)
	p.send(ack(10001))
	p.pass(1e9)
	p.seqs()
	if c := s.c(); c.cold != 0 || c.flight() != 0 {
		t.Error("still recovering")
	}
}

// TestReneging: RFC 2018 section 8. The receiver gives up SACKed data; after the
// timeout everything is sent again.
func TestReneging(t *testing.T) {
	p := newPeer(t)
	s := p.open10(modern())
	p.send(ack(1, 1001, 10001))
	p.seqs(1)
	p.send(ack(1001)) // it has 1 to 1000, and the rest no more
	k := p.h.tcp.shards[0].cold(s.c())
	if k == nil || k.board.total != 9000 {
		t.Fatal("no scoreboard")
	}
	p.pass(400e6)
	got := p.rxts()
	if len(got) == 0 || got[0] != 1001 {
		t.Fatalf("sent %v", got)
	}
	for n := uint32(2001); n <= 10001; n += 1000 {
		p.send(ack(n))
	}
	if c := s.c(); c.flight() != 0 {
		t.Errorf("%d in flight", c.flight())
	}
}

// TestSackNonsense: blocks that cannot be are ignored.
func TestSackNonsense(t *testing.T) {
	p := newPeer(t)
	s := p.open10(modern())
	for _, b := range [][2]uint32{{20001, 21001}, {5001, 5001}, {5001, 4001}, {0xfffff000, 0xfffff800}, {9001, 11001}, {0, 2001}} {
		p.send(ack(1, b[0], b[1]))
	}
	p.send(ack(2001, 1, 1001)) // a report of a duplicate
	if c := s.c(); c.cold != 0 || c.dupAcks != 0 {
		t.Errorf("cold %d, %d duplicate ACKs", c.cold, c.dupAcks)
	}
	p.seqs()
}

// TestNewReno: without SACK. Two segments of ten are lost; the partial ACK brings the
// second (RFC 6582 section 3.2).
func TestNewReno(t *testing.T) {
	p := newPeer(t)
	s := p.open10(putWScale(putMSS(nil, 1000), 7))
	for range 2 {
		p.send(ack(1))
	}
	p.seqs()
	p.send(ack(1))
	p.seqs(1)
	for range 5 {
		p.send(ack(1))
	}
	p.seqs()
	p.send(ack(4001)) // partial: 4001 is the next hole
	p.seqs(4001)
	p.send(ack(10001))
	p.pass(1e9)
	p.seqs()
	c := s.c()
	if c.stats.fastRec != 1 || c.stats.timeouts != 0 || c.cold != 0 || c.cong.Cwnd < 2000 {
		t.Errorf("cwnd %d, %+v", c.cong.Cwnd, c.stats)
	}
}

// TestNewRenoManyHoles: a burst is lost, and with it what would have made duplicate ACKs.
// Each partial ACK brings the next hole, whatever PRR says.
func TestNewRenoManyHoles(t *testing.T) {
	p := newPeer(t, func(o *setup) { o.cfg.InitialCwnd = 100 })
	s := p.accept(putWScale(putMSS(nil, 1000), 7))
	s.write(100000)
	p.step(0)
	p.sent = nil
	p.send(ack(1), ack(1), ack(1))
	p.seqs(1)
	for n := uint32(1001); n <= 40001; n += 1000 {
		p.send(ack(n))
		p.seqs(n)
	}
}

// TestNewRenoLongAfter: a loss is found without SACK also when the last one was more than
// 2 GB ago, so that its number seems to lie ahead.
func TestNewRenoLongAfter(t *testing.T) {
	p := newPeer(t)
	s := p.open10(putWScale(putMSS(nil, 1000), 7))
	s.c().stats.recover = s.c().sndUna.Add(-1<<31 - 1e6)
	for range 3 {
		p.send(ack(1))
	}
	p.seqs(1)
}

// TestLimitedTransmit: RFC 3042.
func TestLimitedTransmit(t *testing.T) {
	for _, sack := range []bool{true, false} {
		opts := putWScale(putMSS(nil, 1000), 7)
		if sack {
			opts = modern()
		}
		p := newPeer(t)
		s := p.open10(opts)
		s.write(10000)
		p.step(0)
		p.seqs() // the window is full
		dup := func(n uint32) seg {
			if sack {
				return ack(1, 1001, 1001+1000*n)
			}
			return ack(1)
		}
		p.send(dup(1))
		p.seqs(10001)
		p.send(dup(2))
		p.seqs(11001)
		p.send(dup(3))
		if got := p.rxts(); len(got) == 0 || got[0] != 1 {
			t.Errorf("sack %v: sent %v", sack, got)
		}
	}
}

// TestRTOBackoff: RFC 6298 section 5, and the end after maxTries.
func TestRTOBackoff(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	s.write(500)
	p.step(0)
	start := p.now
	p.sent = nil
	p.pass(200e9)
	var at []int64
	for _, x := range p.sent {
		if len(x.text) > 0 {
			at = append(at, (x.at-start+50e6)/100e6)
		}
	}
	// 200 ms, doubled each time.
	want := []int64{2, 6, 14, 30, 62, 126, 254, 510}
	if fmt.Sprint(at) != fmt.Sprint(want) {
		t.Errorf("sent again at %v, want %v (100 ms)", at, want)
	}
	if last := p.last(); last.flags&hdr.RST == 0 {
		t.Errorf("last segment %v", last)
	}
	if !s.gone || !errors.Is(s.why, transport.ErrTimeout) {
		t.Errorf("gone %v, %v", s.gone, s.why)
	}
	if p.h.tcp.shards[0].stats.RetransmitAborts != 1 {
		t.Error("not counted")
	}
}

// TestRTTEstimate: RFC 6298 section 2, on a path of 50 ms.
func TestRTTEstimate(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	c := s.c()
	c.srtt, c.rttvar, c.minRTT = 0, 0, 0
	sent := 0
	for i := range 60 {
		s.write(500)
		p.step(0)
		sent += 500
		p.pass(50e6)
		p.send(ack(uint32(sent + 1)))
		if i == 0 && (c.srtt/8 < 49e3 || c.srtt/8 > 51e3 || c.rttvar != c.srtt/4) {
			t.Fatalf("first sample: srtt %d rttvar %d", c.srtt/8, c.rttvar/4)
		}
	}
	if c.srtt/8 < 49e3 || c.srtt/8 > 51e3 || c.rttvar/4 > 2e3 || c.rto != minRTO {
		t.Errorf("srtt %d us, rttvar %d us, rto %d us", c.srtt/8, c.rttvar/4, c.rto)
	}
	if c.minRTT < 49e6 || c.minRTT > 51e6 {
		t.Errorf("least %d ns", c.minRTT)
	}
}

// TestSpuriousTimeout: the peer stood still for longer than the timeout. Its ACK echoes
// a timestamp from before: nothing was lost, nothing more is sent again, and the
// congestion window is restored (RFC 3522, RFC 4015).
func TestSpuriousTimeout(t *testing.T) {
	for _, lost := range []bool{false, true} {
		p := newPeer(t)
		p.ts, p.tsv = true, 77000
		s := p.accept(modern())
		s.write(9880) // ten segments of 988
		p.step(0)
		first := p.ecr
		p.sent = nil
		p.pass(300e6)
		p.seqs(1)
		c := s.c()
		if c.cong.Cwnd != 988 {
			t.Fatalf("cwnd %d", c.cong.Cwnd)
		}
		if !lost {
			p.ecr = first // the ACK of the first transmission
		}
		p.send(ack(989))
		st := p.h.tcp.shards[0].stats
		if lost {
			if st.Spurious != 0 || len(p.sent) == 0 || p.sent[0].seq != 989 {
				t.Errorf("after a loss: %d spurious, sent %v", st.Spurious, p.sent)
			}
			continue
		}
		if st.Spurious != 1 || c.cong.Cwnd < 9880 || c.backoff != 0 || c.cold != 0 {
			t.Errorf("%d spurious, cwnd %d, back-off %d, cold %d", st.Spurious, c.cong.Cwnd, c.backoff, c.cold)
		}
		p.seqs()
		p.send(ack(9881))
		p.pass(1e9)
		p.seqs()
	}
}

// TestKarn: the ACK of a segment that was sent twice is no sample, without timestamps.
func TestKarn(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	c := s.c()
	srtt := c.srtt
	s.write(500)
	p.step(0)
	p.pass(450e6)
	if c.backoff == 0 {
		t.Fatal("no timeout")
	}
	b := c.backoff
	p.send(ack(501))
	if c.srtt != srtt || c.backoff != b {
		t.Errorf("srtt %d, was %d; back-off %d, was %d", c.srtt, srtt, c.backoff, b)
	}
	// New data ends the back-off.
	s.write(500)
	p.step(0)
	p.send(ack(1001))
	if c.backoff != 0 {
		t.Error("the back-off remains")
	}
}

// TestInitialWindow: ten segments (RFC 6928), or as configured.
func TestInitialWindow(t *testing.T) {
	for _, c := range []struct{ mult, mss, want uint32 }{{0, 1000, 10000}, {0, 4000, 14600}, {0, 9000, 18000}, {3, 1000, 3000}} {
		cfg := Default()
		cfg.InitialCwnd = c.mult
		if got := cfg.initialWindow(c.mss); got != c.want {
			t.Errorf("mss %d: %d, want %d", c.mss, got, c.want)
		}
	}
}

// TestCwndOnlyGrowsWhenUsed: an application that sends little must not get a large
// window (RFC 7661).
func TestCwndOnlyGrowsWhenUsed(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	c := s.c()
	for i := range 100 {
		s.write(500)
		p.step(0)
		p.send(ack(uint32(i+1)*500 + 1))
	}
	if c.cong.Cwnd != 10000 {
		t.Errorf("cwnd %d", c.cong.Cwnd)
	}
}

// TestCwndUnusedStaysSmall: nor must one that the worker or the device bounds.
func TestCwndUnusedStaysSmall(t *testing.T) {
	p := newPeer(t, func(o *setup) { o.cfg.InitialCwnd = 40 })
	s := p.accept(modern())
	c := s.c()
	s.write(1000000)
	una := uint32(1)
	for range 100 { // four segments at a time, by the device's will
		p.h.room = 4
		p.step(0)
		p.h.room = 0
		una += 4000
		p.send(ack(una))
	}
	if c.cong.Cwnd != 40000 {
		t.Errorf("cwnd %d", c.cong.Cwnd)
	}
}

// TestStretchACK: one ACK for the whole window counts for all of it.
func TestStretchACK(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	s.write(100000)
	p.step(0)
	if len(p.sent) != 10 {
		t.Fatalf("%d segments", len(p.sent))
	}
	p.sent = nil
	p.send(ack(10001))
	if c := s.c(); c.cong.Cwnd != 20000 || len(p.sent) != 20 {
		t.Errorf("cwnd %d, %d segments", c.cong.Cwnd, len(p.sent))
	}
}

// TestAlgorithms runs a lossy transfer with each controller, with and without SACK.
func TestAlgorithms(t *testing.T) {
	for id := range cc.NumIDs {
		for _, drop := range []int{20, 57} {
			t.Run(fmt.Sprintf("%v,%d", id, drop), func(t *testing.T) {
				x := newWorld(t, func(o *setup) { o.cfg.Algorithm = id })
				a, b := x.pair()
				x.a.out.filter = func(i int, data []byte) bool { return i%drop != 0 || i == 0 }
				const n = 2 << 20
				a.write(n)
				x.until(20e9, "transfer", func() bool { return len(b.got) == n })
				b.checkGot(n)
				if st := a.c().stats; st.timeouts > 3 || st.fastRec == 0 {
					t.Errorf("%d timeouts, %d fast recoveries", st.timeouts, st.fastRec)
				}
			})
		}
	}
}
