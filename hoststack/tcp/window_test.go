package tcp

import (
	"errors"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/hoststack/transport"
)

func data(from, n int) seg {
	return seg{flags: hdr.ACK, seq: uint32(from + 1), ack: 1, wnd: 500, text: bytesOf(from, n)}
}

// TestDelayedACK: a lone segment waits for 40 ms, two do not.
func TestDelayedACK(t *testing.T) {
	p := newPeer(t)
	p.accept(modern())
	p.send(data(0, 1000))
	p.expect()
	p.pass(30e6)
	p.expect()
	p.pass(11e6)
	p.expect("ACK 1:1 ack 1001")
	p.send(data(1000, 1000))
	p.send(data(2000, 1000)) // the second one since the last ACK
	p.expect("ACK 1:1 ack 3001")
	p.send(data(3000, 1000), data(4000, 1000), data(5000, 1000)) // one burst, one ACK
	p.expect("ACK 1:1 ack 6001")
	p.pass(100e6)
	p.expect()
}

// TestPiggyback: data in the same Step carries the acknowledgment.
func TestPiggyback(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	s.write(10)
	p.send(data(0, 1000), data(1000, 1000))
	p.expect("PSH ACK 1:11 ack 2001")
	p.pass(100e6)
}

func TestOutOfOrder(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.send(data(1000, 1000))
	p.expect("ACK 1:1 ack 1 sack 1001:2001")
	p.send(data(3000, 1000))
	p.expect("ACK 1:1 ack 1 sack 3001:4001 sack 1001:2001") // latest first
	p.send(data(5000, 1000))
	p.expect("ACK 1:1 ack 1 sack 5001:6001 sack 3001:4001 sack 1001:2001")
	p.send(data(2000, 1000))
	p.expect("ACK 1:1 ack 1 sack 1001:4001 sack 5001:6001")
	p.send(data(1500, 1000)) // all known
	p.expect("ACK 1:1 ack 1 sack 1001:4001 sack 5001:6001")
	p.send(data(0, 1500)) // overlaps what is held
	p.expect("ACK 1:1 ack 4001 sack 5001:6001")
	s.checkGot(4000)
	p.send(data(4000, 1000))
	p.expect("ACK 1:1 ack 6001")
	s.checkGot(6000)
	if n := p.h.tcp.shards[0].colds.Used(); n != 0 {
		t.Errorf("%d recovery records", n)
	}
}

// TestOutOfOrderNoSACK: every segment out of order is acknowledged on its own (RFC 5681
// section 4.2), for senders that count.
func TestOutOfOrderNoSACK(t *testing.T) {
	p := newPeer(t)
	s := p.accept(putMSS(nil, 1000))
	p.send(data(1000, 1000), data(2000, 1000), data(3000, 1000))
	p.expect("ACK 1:1 ack 1", "ACK 1:1 ack 1", "ACK 1:1 ack 1")
	p.send(data(0, 1000))
	p.expect("ACK 1:1 ack 4001")
	s.checkGot(4000)
}

// TestBadChecksumInRun: a damaged segment in the middle of a run is as if it had not
// come; its bytes must not be delivered, nor the place be lost.
func TestBadChecksumInRun(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	bad := data(1000, 1000)
	bad.bad = true
	p.send(data(0, 1000), bad, data(2000, 1000), data(3000, 1000))
	p.expect("ACK 1:1 ack 1001 sack 2001:4001")
	s.checkGot(1000)
	p.send(data(1000, 1000))
	p.expect("ACK 1:1 ack 4001")
	s.checkGot(4000)
	if n := p.h.counter("input", inChecksum); n != 1 {
		t.Errorf("%d bad checksums", n)
	}
}

// TestDuplicateOverHeldData: a damaged segment that overlaps held data must not spoil
// it.
func TestDuplicateOverHeldData(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.send(data(1000, 1000))
	evil := seg{flags: hdr.ACK, seq: 501, ack: 1, wnd: 500, text: make([]byte, 1500)}
	evil.bad = true
	p.send(evil)
	// Different bytes for what is held, checksum right: the first copy counts.
	evil.bad = false
	evil.text = append(bytesOf(500, 500), make([]byte, 1000)...)
	p.send(evil, data(0, 500))
	p.step(0)
	s.checkGot(2000)
}

func TestOldDataIsAcknowledged(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.send(data(0, 1000), data(1000, 1000))
	p.sent = nil
	p.send(data(0, 1000))
	p.expect("ACK 1:1 ack 2001")
	p.send(data(500, 2000)) // the front is old, the rest is news
	p.expect("ACK 1:1 ack 2501")
	s.checkGot(2500)
}

// TestWindowLimits: what lies beyond the window is cut off, and the window never
// shrinks.
func TestWindowLimits(t *testing.T) {
	p := newPeer(t, func(o *setup) { o.size = 4096 })
	p.h.slow = true
	s := p.accept(modern())
	c := s.c()
	p.send(data(0, 1000), data(1000, 1000), data(2000, 1000))
	edge := c.rcvAdv
	p.expect("ACK 1:1 ack 3001 win 1") // 1096 bytes, by units of 1024
	p.send(data(3000, 1000), data(4000, 1000))
	if n := c.rcvNxt.Sub(c.stats.irs) - 1; n != 4096 {
		t.Fatalf("%d bytes were taken", n)
	}
	if c.rcvAdv.Before(edge) {
		t.Error("the window has shrunk")
	}
	if w := p.last().wnd; w != 0 {
		t.Errorf("window %d", w)
	}
	p.sent = nil
	// A probe is answered.
	p.send(data(4096, 1))
	p.expect("ACK 1:1 ack 4097 win 0")
	// The application reads a little: silly to tell.
	s.read(100)
	p.step(0)
	p.expect()
	// It reads more: the window opens.
	s.read(2000)
	p.step(0)
	p.expect("ACK 1:1 ack 4097 win 2")
	s.checkGot(2100)
}

// TestZeroWindow: no data beyond the window; probes of one byte at growing intervals;
// it goes on when the window opens (RFC 9293 section 3.8.6.1).
func TestZeroWindow(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	shut := ack(1)
	shut.wnd = 0
	p.send(shut)
	s.write(3000)
	start := p.now
	p.pass(1600e6)
	var at []int64
	for _, x := range p.sent {
		if x.seq != 1 || len(x.text) != 1 {
			t.Fatalf("probe %v", x)
		}
		at = append(at, (x.at-start+50e6)/100e6)
		p.send(shut) // the probe is not taken
	}
	if len(at) != 3 || at[0] != 2 || at[1] != 6 || at[2] != 14 {
		t.Errorf("probes at %v", at)
	}
	p.pass(300e9) // as long as they are answered it goes on
	for range 20 {
		p.sent = nil
		p.pass(61e9)
		if len(p.sent) == 0 {
			t.Fatal("probes have stopped")
		}
		p.send(shut)
	}
	p.sent = nil
	p.send(ack(1))
	p.expect("ACK 1:1001 ack 1", "ACK 1001:2001 ack 1", "PSH ACK 2001:3001 ack 1")
	p.send(ack(3001))
	if c := s.c(); c.flight() != 0 || c.backoff != 0 || c.has(fPersist) {
		t.Errorf("flight %d backoff %d", c.flight(), c.backoff)
	}
}

// TestProbeTaken: the peer takes the byte of a probe but keeps the window shut.
func TestProbeTaken(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	shut := ack(1)
	shut.wnd = 0
	p.send(shut)
	s.write(3)
	p.pass(250e6)
	p.expect("ACK 1:2 ack 1")
	shut.ack = 2
	p.send(shut)
	p.pass(450e6)
	if last := p.last(); last.seq != 2 {
		t.Fatalf("probe %v", last)
	}
	p.sent = nil
	shut.ack = 3
	p.send(shut)
	p.close(s)
	p.pass(60e9)
	if last := p.last(); last.seq != 3 || string(last.text) != string(bytesOf(2, 1)) {
		t.Fatalf("probe %v", last)
	}
	shut.ack = 4
	p.send(shut) // all data taken; the FIN is what is left to probe with
	p.sent = nil
	p.pass(30e9)
	if last := p.last(); last.flags != hdr.FIN|hdr.ACK || last.seq != 4 {
		t.Fatalf("probe %v", last)
	}
	shut.ack = 5
	p.send(shut)
	p.state(s, FinWait2)
}

// TestLossAfterZeroWindow: the back-off of window probes is not that of retransmissions:
// what is lost after the window has opened is sent again soon.
func TestLossAfterZeroWindow(t *testing.T) {
	for _, opened := range []uint32{1, 2} { // by a window update, by the ACK of a probe
		p := newPeer(t)
		s := p.accept(modern())
		shut := ack(1)
		shut.wnd = 0
		p.send(shut)
		s.write(3000)
		for range 10 {
			p.pass(30e9)
			p.send(shut)
		}
		p.sent = nil
		p.send(ack(opened))
		if len(p.sent) != 3 {
			t.Fatalf("sent %v", p.sent)
		}
		p.sent = nil
		p.pass(1500e6)
		if len(p.sent) == 0 || p.sent[0].seq != opened {
			t.Errorf("opened by ACK %d: sent again %v", opened, p.sent)
		}
	}
}

// TestWindowShutInFlight: the peer takes back the window that data in flight was sent
// into, as Linux does when it is out of memory. As long as it answers, it is alive.
func TestWindowShutInFlight(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	s.write(3000)
	p.step(0)
	shut := ack(1)
	shut.wnd = 0
	for range 20 {
		p.send(shut)
		p.sent = nil
		p.pass(61e9)
		if len(p.sent) == 0 || s.gone {
			t.Fatalf("sent %v, gone %v: %v", p.sent, s.gone, s.why)
		}
	}
	p.sent = nil
	p.pass(1000e9) // nor is it given up at once when it falls silent: only after a while
	if !s.gone || !errors.Is(s.why, transport.ErrTimeout) || len(p.sent) < 4 {
		t.Errorf("gone %v, %v, %d sent", s.gone, s.why, len(p.sent))
	}
}

// TestProbesUnanswered: a peer that does not answer is given up.
func TestProbesUnanswered(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	shut := ack(1)
	shut.wnd = 0
	p.send(shut)
	s.write(3000)
	p.pass(1000e9)
	if !s.gone || !errors.Is(s.why, transport.ErrTimeout) {
		t.Errorf("gone %v, %v", s.gone, s.why)
	}
}

// TestSWSSender: no small segment while the window is small, except the last.
func TestSWSSender(t *testing.T) {
	p := newPeer(t)
	s := p.accept(putMSS(nil, 1000)) // no scaling
	small := func(n uint32, wnd uint16) seg { x := ack(n); x.wnd = wnd; return x }
	p.send(small(1, 1500))
	s.write(5000)
	p.step(0)
	p.expect("ACK 1:1001 ack 1") // not the 500 that are left of the window
	p.send(small(1001, 300))
	p.expect()
	p.send(small(1001, 1000))
	p.expect("ACK 1001:2001 ack 1")
	p.send(small(2001, 100))
	p.pass(300e6) // nothing in flight: the persist timer lets out what fits
	p.expect("ACK 2001:2101 ack 1")
	p.send(small(2101, 60000))
	p.expect("ACK 2101:3101 ack 1", "ACK 3101:4101 ack 1", "PSH ACK 4101:5001 ack 1")
}

// TestSmallPeerBuffer: a peer whose whole buffer is smaller than a segment is served,
// half a buffer at least (RFC 9293 section 3.8.6.2.1).
func TestSmallPeerBuffer(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.send(seg{flags: hdr.SYN, wnd: 400, opts: putMSS(nil, 1000)})
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 400})
	p.sent = nil
	s := p.h.sessions[0].write(1000)
	p.step(0)
	p.expect("ACK 1:401 ack 1")
	_ = s
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 401, wnd: 400})
	p.expect("ACK 401:801 ack 1")
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 801, wnd: 400})
	p.expect("PSH ACK 801:1001 ack 1")
}

// TestWindowUpdateWakes: an ACK that only opens the window lets data out.
func TestWindowUpdateWakes(t *testing.T) {
	p := newPeer(t)
	s := p.accept(putMSS(nil, 1000))
	x := ack(1)
	x.wnd = 2000
	p.send(x)
	s.write(4000)
	p.step(0)
	p.seqs(1, 1001)
	x.wnd = 4000
	p.send(x)
	p.seqs(2001, 3001)
}

// TestFutureACK: RFC 9293 section 3.10.7.4: answered and dropped, text included.
func TestFutureACK(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	x := data(0, 100)
	x.ack = 500
	p.send(x)
	p.expect("ACK 1:1 ack 1")
	p.step(0)
	s.checkGot(0)
	if p.h.counter("input", inAckFuture) != 1 {
		t.Error("not counted")
	}
}

// TestAncientACK: RFC 5961 section 5.
func TestAncientACK(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	x := data(0, 100)
	x.ack = 1 << 31
	p.send(x)
	p.step(0)
	s.checkGot(0)
	x.ack = 0xf0000000
	p.send(x)
	p.step(0)
	s.checkGot(0)
}

// TestPAWS: RFC 7323 section 5.
func TestPAWS(t *testing.T) {
	p := newPeer(t)
	p.ts, p.tsv = true, 1000000
	s := p.accept(modern())
	if c := s.c(); !c.has(fTS) || c.mss != 988 {
		t.Fatalf("flags %#x mss %d", c.flags, c.mss)
	}
	p.send(data(0, 500), data(500, 500))
	p.expect("ACK 1:1 ack 1001")
	old := data(1000, 500)
	old.tsv = 999000
	p.send(old) // in order, but its clock went back: answered, not taken
	p.expect("ACK 1:1 ack 1001")
	p.step(0)
	s.checkGot(1000)
	bare := data(1000, 500)
	bare.noTS = true
	p.send(bare) // section 3.2: dropped
	p.expect()
	p.send(seg{flags: hdr.RST, seq: 1001, noTS: true}) // a reset needs none
	if !s.gone {
		t.Error("a reset without timestamp was ignored")
	}
	if p.h.counter("input", inPAWS) != 2 {
		t.Errorf("%d counted", p.h.counter("input", inPAWS))
	}
}

// TestTSEcho: RFC 7323 section 4.3: the echo is that of the segment that the last ACK
// lies in, not of one out of order.
func TestTSEcho(t *testing.T) {
	p := newPeer(t)
	p.ts, p.tsv = true, 1000
	p.accept(modern())
	a, b, c := data(0, 500), data(500, 500), data(1500, 500)
	a.tsv, b.tsv, c.tsv = 3000, 3001, 3002
	p.send(a, b)
	if e := p.last().opt.tsEcr; e != 3000 {
		t.Errorf("echo %d, want that of the first of two", e)
	}
	p.send(c)
	if e := p.last().opt.tsEcr; e != 3000 {
		t.Errorf("echo %d of a segment out of order", e)
	}
	d := data(1000, 500)
	d.tsv = 3005
	p.send(d)
	if e := p.last().opt.tsEcr; e != 3005 {
		t.Errorf("echo %d, want that of the one that filled the gap", e)
	}
}

// TestUrgentIgnored: urgent data is data.
func TestUrgentIgnored(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	x := data(0, 100)
	x.flags |= hdr.URG
	p.send(x)
	p.step(0)
	s.checkGot(100)
}

// TestPMTU: RFC 1191: segments get smaller, what was too large goes again at once, the
// congestion window stays.
func TestPMTU(t *testing.T) {
	p := newPeer(t)
	s := p.open10(putSACKPerm(putWScale(putMSS(nil, 1000), 7)))
	c := s.c()
	cwnd := c.cong.Cwnd
	p.tooBig(c, 700, c.sndUna.Add(-1)) // about nothing in flight: forged
	if c.mss != 1000 {
		t.Fatal("a forged error was believed")
	}
	p.tooBig(c, 700, c.sndUna)
	p.step(0)
	if c.mss != 660 || len(p.sent) == 0 || p.sent[0].seq != 1 || len(p.sent[0].text) != 660 {
		t.Fatalf("mss %d, sent %v", c.mss, p.sent)
	}
	if c.cong.Cwnd != cwnd {
		t.Errorf("cwnd %d", c.cong.Cwnd)
	}
	p.tooBig(c, 68, c.sndUna) // absurdly small
	if c.mss < 500 {
		t.Errorf("mss %d", c.mss)
	}
	p.tooBig(c, 9000, c.sndUna) // never up
	if c.mss > 660 {
		t.Errorf("mss %d", c.mss)
	}
	p.send(ack(10001))
	if c.flight() != 0 {
		t.Errorf("%d in flight", c.flight())
	}
}
