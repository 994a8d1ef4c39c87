package tcp

import (
	"errors"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/hoststack/transport"
)

const fa = hdr.FIN | hdr.ACK

func (p *peer) close(s *sess)     { p.h.tcp.Close(p.h.w, s.conn); p.step(0) }
func (p *peer) halfClose(s *sess) { p.h.tcp.HalfClose(p.h.w, s.conn); p.step(0) }

// ended checks that s is over and nothing of it is left but waiters in TIME_WAIT.
func (p *peer) ended(s *sess, why error, waiters int) {
	p.t.Helper()
	sh := p.h.tcp.shards[0]
	if !s.gone || !errors.Is(s.why, why) {
		p.t.Fatalf("gone %v because of %v, want %v", s.gone, s.why, why)
	}
	if sh.conns.Used() != 0 || sh.waits.pool.Used() != waiters || sh.colds.Used() != 0 || sh.flows.Len() != waiters {
		p.t.Fatalf("left: %d connections, %d waiters, %d recovery records, %d flows", sh.conns.Used(),
			sh.waits.pool.Used(), sh.colds.Used(), sh.flows.Len())
	}
}

// TestActiveClose goes ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, TIME_WAIT (RFC 9293
// figure 12).
func TestActiveClose(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.close(s)
	p.state(s, FinWait1)
	p.expect("FIN ACK 1:1 ack 1")
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 2, wnd: 500})
	p.state(s, FinWait2)
	p.send(seg{flags: fa, seq: 1, ack: 2, wnd: 500})
	p.expect("ACK 2:2 ack 2")
	p.ended(s, nil, 1)
	p.pass(9e9)
	// The last ACK was lost: the FIN comes again, and starts 2 MSL anew.
	p.send(seg{flags: fa, seq: 1, ack: 2, wnd: 500})
	p.expect("ACK 2:2 ack 2")
	p.pass(9e9)
	p.ended(s, nil, 1)
	p.pass(2e9)
	p.ended(s, nil, 0)
}

func TestPassiveClose(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.send(seg{flags: fa, seq: 1, ack: 1, wnd: 500})
	p.expect("ACK 1:1 ack 2")
	p.state(s, CloseWait)
	if !s.peerClosed {
		t.Fatal("not told")
	}
	// The application may go on sending for as long as it likes.
	p.pass(20e9)
	s.write(100)
	p.step(0)
	p.expect("PSH ACK 1:101 ack 2")
	p.send(seg{flags: hdr.ACK, seq: 2, ack: 101, wnd: 500})
	p.close(s)
	p.expect("FIN ACK 101:101 ack 2")
	p.state(s, LastAck)
	p.send(seg{flags: hdr.ACK, seq: 2, ack: 102, wnd: 500})
	p.ended(s, nil, 0)
}

// TestSimultaneousClose is figure 13.
func TestSimultaneousClose(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.close(s)
	p.sent = nil
	p.send(seg{flags: fa, seq: 1, ack: 1, wnd: 500})
	p.state(s, Closing)
	p.expect("ACK 2:2 ack 2")
	p.send(seg{flags: hdr.ACK, seq: 2, ack: 2, wnd: 500})
	p.ended(s, nil, 1)
}

// TestFinAndAckAtOnce goes from FIN_WAIT_1 to TIME_WAIT with one segment.
func TestFinAndAckAtOnce(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.close(s)
	p.sent = nil
	p.send(seg{flags: fa, seq: 1, ack: 2, wnd: 500})
	p.expect("ACK 2:2 ack 2")
	p.ended(s, nil, 1)
}

func TestHalfCloseReceives(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.halfClose(s)
	p.expect("FIN ACK 1:1 ack 1")
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 2, wnd: 500})
	p.pass(120e9) // no limit: only half is closed
	p.state(s, FinWait2)
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 2, wnd: 500, text: bytesOf(0, 700)}, seg{flags: fa, seq: 701, ack: 2, wnd: 500})
	p.expect("ACK 2:2 ack 702")
	s.checkGot(700)
	if !s.peerClosed {
		t.Error("not told of the peer's FIN")
	}
	p.ended(s, nil, 1)
}

func TestFinWait2TimesOut(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.close(s)
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 2, wnd: 500})
	p.pass(31e9)
	p.ended(s, transport.ErrTimeout, 0)
	if p.h.tcp.shards[0].stats.FinWait2s != 1 {
		t.Error("not counted")
	}
}

func TestLastAckTimesOut(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.send(seg{flags: fa, seq: 1, ack: 1, wnd: 500})
	p.close(s)
	p.pass(31e9)
	p.ended(s, transport.ErrTimeout, 0)
	if p.h.tcp.shards[0].stats.LastAcks != 1 {
		t.Error("not counted")
	}
}

// TestFinRetransmitted: the FIN is data to the retransmission timer.
func TestFinRetransmitted(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	s.write(500)
	p.close(s)
	p.expect("FIN PSH ACK 1:501 ack 1")
	p.pass(300e6)
	p.expect("FIN PSH ACK 1:501 ack 1")
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 501, wnd: 500}) // the data, not the FIN
	p.pass(1000e6)
	p.state(s, FinWait1)
	if len(p.sent) == 0 || p.sent[0].flags != fa || p.sent[0].seq != 501 {
		t.Fatalf("sent %v", p.sent)
	}
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 502, wnd: 500})
	p.state(s, FinWait2)
}

// TestCloseSendsWhatIsLeft: the FIN comes after all data, whatever the window.
func TestCloseSendsWhatIsLeft(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	s.write(50000)
	p.close(s)
	p.state(s, Established) // the FIN has not been sent yet
	for ack, i := uint32(1), 0; ack < 50002 && i < 100; i++ {
		last := p.last()
		ack = last.seq + uint32(len(last.text))
		if last.flags&hdr.FIN != 0 {
			ack++
		}
		p.sent = nil
		p.send(seg{flags: hdr.ACK, seq: 1, ack: ack, wnd: 500})
		if ack == 50002 {
			p.state(s, FinWait2)
			return
		}
	}
	t.Fatal("no FIN")
}

// TestUnreadDataResets: RFC 9293 section 3.6.1, RFC 2525 section 2.17.
func TestUnreadDataResets(t *testing.T) {
	p := newPeer(t)
	p.h.slow = true
	s := p.accept(modern())
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 500, text: bytesOf(0, 100)})
	p.sent = nil
	p.close(s)
	p.expect("RST ACK 1:1 ack 101")
	p.ended(s, transport.ErrAborted, 0)
	if p.h.tcp.shards[0].stats.RstUnread != 1 {
		t.Error("not counted")
	}
}

// TestDataAfterCloseResets: the application has closed and data comes that nobody will
// read.
func TestDataAfterCloseResets(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.close(s)
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 2, wnd: 500})
	p.sent = nil
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 2, wnd: 500, text: bytesOf(0, 10)})
	p.expect("RST ACK 2:2 ack 1")
	p.ended(s, transport.ErrAborted, 0)
}

func TestReset(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	s.write(100)
	p.step(0)
	p.sent = nil
	p.h.tcp.Reset(p.h.w, s.conn)
	if s.gone {
		t.Error("Gone within Reset")
	}
	p.step(0)
	p.expect("RST ACK 101:101 ack 1")
	p.ended(s, transport.ErrAborted, 0)
}

// TestFinOutOfOrder: the FIN is remembered and need not come again.
func TestFinOutOfOrder(t *testing.T) {
	for _, inOne := range []bool{false, true} {
		p := newPeer(t)
		s := p.accept(modern())
		fin := seg{flags: fa, seq: 1001, ack: 1, wnd: 500}
		if inOne {
			fin = seg{flags: fa, seq: 501, ack: 1, wnd: 500, text: bytesOf(500, 500)}
		}
		p.send(fin)
		p.state(s, Established)
		if inOne {
			p.expect("ACK 1:1 ack 1 sack 501:1001")
			p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 500, text: bytesOf(0, 500)})
		} else {
			p.expect("ACK 1:1 ack 1")
			p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 500, text: bytesOf(0, 1000)})
		}
		p.expect("ACK 1:1 ack 1002")
		p.state(s, CloseWait)
		s.checkGot(1000)
		if n := p.h.tcp.shards[0].colds.Used(); n != 0 {
			t.Errorf("%d recovery records", n)
		}
	}
}

// TestTimeWaitReuse: RFC 9293 section 3.6.1 and RFC 6191.
func TestTimeWaitReuse(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.close(s)
	p.send(seg{flags: fa, seq: 1, ack: 2, wnd: 500})
	p.ended(s, nil, 1)
	p.sent = nil
	irs := p.irs
	// An old SYN is answered, no more.
	p.send(seg{flags: hdr.SYN, seq: 0xffffff00, wnd: 500, opts: modern()})
	p.expect("ACK 2:2 ack 2")
	// A newer one opens a new connection, with numbers beyond the old ones.
	p.iss += 100000
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.expect("SYN ACK 0:0 ack 1")
	if d := int32(p.irs - irs); d < 65536 {
		t.Errorf("the initial sequence number has moved by %d only", d)
	}
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 500})
	p.state(p.h.sessions[1], Established)
}

// TestTimeWaitReset: RFC 1337.
func TestTimeWaitReset(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.close(s)
	p.send(seg{flags: fa, seq: 1, ack: 2, wnd: 500})
	p.sent = nil
	p.send(seg{flags: hdr.RST, seq: 2})
	p.expect()
	p.ended(s, nil, 1)
	p.send(seg{flags: hdr.ACK, seq: 2, ack: 2, wnd: 500}) // acceptable, no news
	p.expect()
	p.send(seg{flags: hdr.ACK, seq: 2, ack: 2, wnd: 500, text: bytesOf(0, 5)})
	p.expect("ACK 2:2 ack 2")
}

// TestSynInEstablished: a challenge ACK, whatever the number (RFC 5961 section 4), at
// most two a second (section 7).
func TestSynInEstablished(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.send(seg{flags: hdr.SYN, seq: 1, wnd: 500})
	p.expect("ACK 1:1 ack 1")
	p.send(seg{flags: hdr.SYN, seq: 500, wnd: 500}, seg{flags: hdr.SYN, seq: 0xf0000000, wnd: 500})
	p.expect()
	p.pass(600e6)
	p.send(seg{flags: hdr.SYN, seq: 0xf0000000, wnd: 500})
	p.expect("ACK 1:1 ack 1")
	p.state(s, Established)
}

// TestSynLeavesTimestamp: a SYN that is not acceptable, which anybody may have sent, must
// not set TS.Recent: PAWS would drop all that the peer sends from then on.
func TestSynLeavesTimestamp(t *testing.T) {
	p := newPeer(t)
	p.ts, p.tsv = true, 1000
	s := p.accept(modern())
	p.send(seg{flags: hdr.SYN, seq: 0xf0000000, wnd: 500, tsv: 1 << 30})
	p.send(data(0, 500))
	p.step(0)
	s.checkGot(500)
}

// TestSynOfRebootedPeer: nor does PAWS keep a SYN from being answered. A peer that has lost
// its connection may have a clock that seems older, and waits for the challenge to reset ours.
func TestSynOfRebootedPeer(t *testing.T) {
	p := newPeer(t)
	p.ts, p.tsv = true, 1<<20
	s := p.accept(modern())
	p.send(seg{flags: hdr.SYN, seq: 0xf0000000, wnd: 500, tsv: 1000})
	p.expect("ACK 1:1 ack 1")
	p.send(seg{flags: hdr.RST, seq: 1, noTS: true})
	p.ended(s, transport.ErrReset, 0)
}

// TestRstChecks: RFC 5961 section 3.
func TestRstChecks(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.send(seg{flags: hdr.RST, seq: 2})
	p.expect("ACK 1:1 ack 1") // in the window, not exact: challenge
	p.send(seg{flags: hdr.RST, seq: 0}, seg{flags: hdr.RST, seq: 1 << 25})
	p.expect() // outside: dropped
	p.state(s, Established)
	p.send(seg{flags: hdr.RST, seq: 1})
	p.expect()
	p.ended(s, transport.ErrReset, 0)
}

// TestChallengeLimit: not even many connections together send more than so many.
func TestChallengeLimit(t *testing.T) {
	var l limiter
	for second := range int64(5) {
		n := 0
		for range 10000 {
			if l.allow(second * 1e9) {
				n++
			}
		}
		if n < challengesPerSecond/2 || n >= challengesPerSecond*3/2 {
			t.Errorf("%d in second %d", n, second)
		}
	}
}

func TestCloseWhileConnecting(t *testing.T) {
	p := newPeer(t)
	s := p.dial()
	p.close(s)
	if !errors.Is(s.err, transport.ErrAborted) {
		t.Fatalf("ended with %v", s.err)
	}
	if n := p.h.tcp.shards[0].conns.Used(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// TestResetWaitsForRoom: a reset that the device has no room for goes out later, or is
// given up when there never is any.
func TestResetWaitsForRoom(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.h.room = 0
	p.h.tcp.Reset(p.h.w, s.conn)
	p.pass(100e6)
	if s.gone {
		t.Fatal("ended before its reset was sent")
	}
	p.expect()
	if next := p.h.w.Wheel.Next(); next > p.now+2*retryOwed {
		t.Fatalf("the worker may sleep for %d ns", next-p.now)
	}
	p.h.room = 10
	p.step(0)
	p.expect("RST ACK 1:1 ack 1")
	p.ended(s, transport.ErrAborted, 0)

	p = newPeer(t)
	s = p.accept(modern())
	p.h.room = 0
	p.h.tcp.Reset(p.h.w, s.conn)
	p.pass(1e9)
	p.ended(s, transport.ErrAborted, 0)
}
