package tcp

import (
	"errors"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/hoststack/transport"
)

func TestPassiveOpen(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.send(seg{flags: hdr.SYN, wnd: 1234, opts: modern()})
	s := p.last()
	if s.opt.has != optMSS|optWScale|optSACKPerm || s.opt.mss != 1460 || s.opt.wscale != 10 {
		t.Errorf("SYN-ACK has options %b, mss %d, wscale %d", s.opt.has, s.opt.mss, s.opt.wscale)
	}
	p.expect("SYN ACK 0:0 ack 1 win 4096")
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 100})
	// The window that the SYN-ACK offered is small: the real one follows.
	p.expect("ACK 1:1 ack 1 win 1024")
	c := p.h.sessions[0].c()
	if c.sndWnd != 100<<7 || c.mss != 1000 || !c.has(fSACK) || c.has(fTS) {
		t.Errorf("wnd %d mss %d flags %#x", c.sndWnd, c.mss, c.flags)
	}
	// The next connection is offered as much as the first turned out to take.
	p.port++
	p.iss = 77
	p.send(seg{flags: hdr.SYN, wnd: 1234, opts: modern()})
	p.expect("SYN ACK 0:0 ack 1 win 65535")
}

func TestSYNWithoutOptions(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.send(seg{flags: hdr.SYN, wnd: 500})
	if s := p.last(); s.opt.has != optMSS {
		t.Errorf("SYN-ACK has options %b", s.opt.has)
	}
	p.sent = nil
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 500})
	c := p.h.sessions[0].c()
	if c.mss != 536 || c.sndWnd != 500 || c.rcvScale != 0 {
		t.Errorf("mss %d, wnd %d, scale %d", c.mss, c.sndWnd, c.rcvScale)
	}
	if w := p.last().wnd; w != 65535 {
		t.Errorf("window %d: without scaling it must saturate", w)
	}
}

func TestDataOnSYNIsNotLost(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern(), text: bytesOf(0, 10)})
	p.expect("SYN ACK 0:0 ack 1")
	p.send(seg{flags: hdr.ACK | hdr.PSH, seq: 1, ack: 1, wnd: 500, text: bytesOf(0, 20)})
	s := p.h.sessions[0]
	p.step(0)
	s.checkGot(20) // data on the ACK that completes the handshake is taken
}

func TestSYNRetransmitted(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.expect("SYN ACK 0:0 ack 1")
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.expect("SYN ACK 0:0 ack 1")
	if n := p.h.tcp.shards[0].conns.Used(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestSYNACKBackoff: RFC 6298 for the SYN-ACK, and the end after syn-rcvd-time.
func TestSYNACKBackoff(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.pass(70e9)
	var at []int64
	for _, s := range p.sent {
		if s.flags == hdr.SYN|hdr.ACK {
			at = append(at, (s.at-p.sent[0].at+50e6)/100e6)
		}
	}
	want := []int64{0, 10, 30, 70, 150, 310}
	if len(at) != len(want) {
		t.Fatalf("SYN-ACKs at %v, want %v (100 ms)", at, want)
	}
	for i := range want {
		if at[i] != want[i] {
			t.Fatalf("SYN-ACKs at %v, want %v (100 ms)", at, want)
		}
	}
	if n := p.h.tcp.shards[0].conns.Used(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
	if p.h.tcp.shards[0].backlog[0] != 0 {
		t.Error("the backlog still counts it")
	}
}

func TestActiveOpen(t *testing.T) {
	p := newPeer(t)
	s := p.dial()
	syn := p.last()
	if syn.opt.has != optMSS|optWScale|optSACKPerm|optTS {
		t.Errorf("SYN has options %b", syn.opt.has)
	}
	p.expect("SYN 0:0 ack 0 win 4096")
	p.send(seg{flags: hdr.SYN | hdr.ACK, ack: 1, wnd: 500, opts: modern()})
	p.expect("ACK 1:1 ack 1 win 1024")
	p.state(s, Established)
	if c := s.c(); c.has(fTS) || !c.has(fSACK|fWScale) {
		t.Errorf("flags %#x", c.flags)
	}
}

func TestActiveOpenTimesOut(t *testing.T) {
	p := newPeer(t)
	s := p.dial()
	p.pass(61e9)
	if !errors.Is(s.err, transport.ErrTimeout) {
		t.Fatalf("ended with %v", s.err)
	}
	if len(p.sent) != 6 {
		t.Errorf("%d SYNs, want 6", len(p.sent))
	}
}

func TestActiveOpenRefused(t *testing.T) {
	p := newPeer(t)
	s := p.dial()
	p.sent = nil
	p.send(seg{flags: hdr.RST, wnd: 0})                 // no ACK: not acceptable
	p.send(seg{flags: hdr.RST | hdr.ACK, ack: 77})      // not our SYN
	p.send(seg{flags: hdr.RST | hdr.ACK, ack: 1 << 31}) // nor this
	p.state(s, SynSent)
	p.expect()
	p.send(seg{flags: hdr.RST | hdr.ACK, ack: 1})
	if !errors.Is(s.err, transport.ErrRefused) {
		t.Fatalf("ended with %v", s.err)
	}
	p.expect()
}

func TestSynSentBadACK(t *testing.T) {
	p := newPeer(t)
	s := p.dial()
	p.sent = nil
	p.send(seg{flags: hdr.ACK, ack: 5, wnd: 10})
	p.expect("RST 5:5 ack 0")
	p.send(seg{flags: hdr.SYN | hdr.ACK, ack: 5, wnd: 10})
	p.expect("RST 5:5 ack 0")
	p.state(s, SynSent)
	p.send(seg{flags: hdr.ACK | hdr.FIN, ack: 1, wnd: 10}) // acceptable, but no SYN
	p.expect()
	p.state(s, SynSent)
}

// TestSimultaneousOpen is figure 8 of RFC 9293.
func TestSimultaneousOpen(t *testing.T) {
	p := newPeer(t)
	s := p.dial()
	p.sent = nil
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.state(s, SynRcvd)
	p.expect("SYN ACK 0:0 ack 1")
	p.send(seg{flags: hdr.SYN | hdr.ACK, seq: 0, ack: 1, wnd: 500, opts: modern()})
	p.state(s, Established)
	if w := s.c().sndWnd; w > 500 {
		t.Errorf("window %d: that of a SYN is not scaled", w) // RFC 7323 section 2.2
	}
	p.sent = nil
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 500, text: bytesOf(0, 100)})
	p.step(0)
	s.checkGot(100)
}

func TestSimultaneousOpenBothHosts(t *testing.T) {
	x := newWorld(t)
	// Both connect to the other's port before either SYN arrives. The ports are
	// chosen so that the four numbers agree.
	open := func(h, o *host, lport, rport uint16) *sess {
		s := &sess{h: h}
		h.sessions = append(h.sessions, s)
		ep := o.ep(rport)
		ep.Local = h.ep(lport).Addr
		c, err := h.tcp.Connect(h.w, ep, uint32(len(h.sessions)-1))
		if err != nil {
			t.Fatal(err)
		}
		s.conn = c
		return s
	}
	a, b := open(x.a, x.b, 1111, 2222), open(x.b, x.a, 2222, 1111)
	x.until(5e9, "handshake", func() bool { return a.open && b.open })
	a.write(5000)
	b.write(7000)
	x.until(5e9, "data", func() bool { return len(a.got) == 7000 && len(b.got) == 5000 })
}

// TestSimultaneousOpenReset: a reset in SYN_RCVD after an active open is a refusal.
func TestSimultaneousOpenReset(t *testing.T) {
	p := newPeer(t)
	s := p.dial()
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.send(seg{flags: hdr.RST, seq: 1})
	if !errors.Is(s.err, transport.ErrRefused) {
		t.Fatalf("ended with %v", s.err)
	}
}

// TestSynRcvdReset: after a passive open it goes back to LISTEN, and nobody hears.
func TestSynRcvdReset(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.sent = nil
	p.send(seg{flags: hdr.RST, seq: 1})
	p.expect()
	if n := p.h.tcp.shards[0].conns.Used(); n != 0 || len(p.h.sessions) != 0 {
		t.Errorf("%d connections, %d sessions", n, len(p.h.sessions))
	}
}

func TestSynRcvdBadACK(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.sent = nil
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 7, wnd: 500})
	p.expect("RST 7:7 ack 0")
	if len(p.h.sessions) != 0 {
		t.Error("accepted")
	}
}

// TestNoListener is RFC 9293 section 3.10.7.1.
func TestNoListener(t *testing.T) {
	p := newPeer(t)
	p.irs = 0
	p.send(seg{flags: hdr.SYN, wnd: 500, text: bytesOf(0, 5)})
	p.expect("RST ACK 0:0 ack 6")
	p.send(seg{flags: hdr.ACK, seq: 5, ack: 4242, wnd: 500})
	p.expect("RST 4242:4242 ack 0")
	p.send(seg{flags: hdr.RST, seq: 5})
	p.send(seg{flags: hdr.RST | hdr.ACK, seq: 5, ack: 9})
	p.expect()
	p.send(seg{flags: hdr.SYN, wnd: 500, bad: true, text: bytesOf(0, 5)})
	p.expect()
	if n := p.h.counter("input", inChecksum); n != 1 {
		t.Errorf("%d bad checksums counted", n)
	}
}

func TestListenState(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.send(seg{flags: hdr.ACK, seq: 5, ack: 4242, wnd: 500})
	p.expect("RST 4242:4242 ack 0")
	p.send(seg{flags: hdr.RST, seq: 5}, seg{flags: hdr.FIN, seq: 5}, seg{flags: hdr.SYN | hdr.FIN, seq: 5}, seg{seq: 5})
	p.expect()
}

func TestBacklog(t *testing.T) {
	p := newPeer(t, func(o *setup) { o.cfg.Backlog = 3 })
	p.listen()
	for range 5 {
		p.port++
		p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	}
	if len(p.sent) != 3 || p.h.counter("input", inBacklog) != 2 {
		t.Fatalf("%d SYN-ACKs, %d dropped", len(p.sent), p.h.counter("input", inBacklog))
	}
	// The last of the three completes: there is room for another.
	p.port -= 2
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 500})
	if len(p.h.sessions) != 1 {
		t.Fatal("not accepted")
	}
	p.port += 10
	p.sent = nil
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.expect("SYN ACK 0:0 ack 1")
}

func TestApplicationRefuses(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.h.refuse = true
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.sent = nil
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 500, text: bytesOf(0, 10)})
	p.expect("RST ACK 1:1 ack 1")
	if n := p.h.tcp.shards[0].conns.Used(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

func TestConnectErrors(t *testing.T) {
	p := newPeer(t)
	h := p.h
	for _, c := range []struct {
		name string
		ep   transport.Endpoint
		prep func()
		want error
	}{
		{"no port", h.ep(0), nil, transport.ErrBadAddress},
		{"no route", h.ep(80), func() { h.noPath = true }, transport.ErrNoRoute},
	} {
		if c.prep != nil {
			c.prep()
		}
		if _, err := h.tcp.Connect(h.w, c.ep, 0); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		h.noPath = false
	}
	if err := h.tcp.StartListen(h.ep(80), 1); err != nil {
		t.Fatal(err)
	}
	if err := h.tcp.StartListen(h.ep(80), 2); !errors.Is(err, transport.ErrInUse) {
		t.Errorf("second listener: %v", err)
	}
	if err := h.tcp.StopListen(h.ep(80)); err != nil {
		t.Error(err)
	}
	if err := h.tcp.StopListen(h.ep(80)); !errors.Is(err, transport.ErrNoListener) {
		t.Errorf("second stop: %v", err)
	}
}

// TestSYNLostShrinksWindow: RFC 5681 section 3.1 and RFC 6298 section 5.7.
func TestSYNLostShrinksWindow(t *testing.T) {
	p := newPeer(t)
	s := p.dial()
	p.pass(1100e6)
	if len(p.sent) != 2 {
		t.Fatalf("%d SYNs", len(p.sent))
	}
	p.send(seg{flags: hdr.SYN | hdr.ACK, ack: 1, wnd: 50000, opts: modern()})
	if c := s.c(); c.cong.Cwnd != uint32(c.mss) || c.rto != 3e6 {
		t.Errorf("cwnd %d, rto %d us", c.cong.Cwnd, c.rto)
	}
}

func TestStaleConn(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	old := s.conn
	p.h.tcp.Reset(p.h.w, old)
	p.step(0)
	if !s.gone || !errors.Is(s.why, transport.ErrAborted) {
		t.Fatalf("gone %v, %v", s.gone, s.why)
	}
	// The slot is used again: the old name must not reach the new connection.
	p.port++
	p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 500})
	n := p.h.sessions[1]
	if n.conn.Index != old.Index {
		t.Fatalf("slot %d, not %d", n.conn.Index, old.Index)
	}
	p.h.tcp.Reset(p.h.w, old)
	p.h.tcp.Close(p.h.w, old)
	p.step(0)
	p.state(n, Established)
	if p.h.tcp.Info(p.h.w, old, &transport.Info{}) || !p.h.tcp.Info(p.h.w, n.conn, &transport.Info{}) {
		t.Error("Info follows a stale name")
	}
}

// TestLinkLocalPeer: answers to a link-local address leave by the interface of the SYN.
func TestLinkLocalPeer(t *testing.T) {
	x := newWorld(t, func(o *setup) { o.v6 = true })
	x.a.addr = netip.MustParseAddr("fe80::1")
	if err := x.b.tcp.StartListen(x.b.ep(80), 5); err != nil {
		t.Fatal(err)
	}
	x.b.iface = 7
	a := x.connect(80)
	x.until(5e9, "handshake", func() bool { return a.open && len(x.b.sessions) > 0 })
	if c := x.b.sessions[0].c(); c.path.Iface != 7 {
		t.Errorf("leaves by interface %d", c.path.Iface)
	}
}
