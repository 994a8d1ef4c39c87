package udp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/transport"
)

func at(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// each runs a test for both IP versions.
func each(t *testing.T, f func(t *testing.T, us, them netip.Addr)) {
	t.Run("ip4", func(t *testing.T) { f(t, us4, them4) })
	t.Run("ip6", func(t *testing.T) { f(t, us6, them6) })
}

// TestNobody: ICMP answers for ports where nobody listens, unless that is off.
func TestNobody(t *testing.T) {
	each(t, func(t *testing.T, us, them netip.Addr) {
		h := newHost(t)
		h.listen(us, 7, datagram.Options{})
		h.take(packet(at(them, 99), at(us, 8), nil), packet(at(them, 99), at(us, 7), nil), packet(at(them, 99), at(us, 8), nil))
		if h.refused != 2 || len(h.sessions) != 1 {
			t.Errorf("%d refused", h.refused)
		}
		h.count("input", inNoListener, 2)
		cfg := h.udp.Config()
		cfg.NoUnreachable = true
		if err := h.udp.SetConfig(cfg); err != nil {
			t.Fatal(err)
		}
		h.take(packet(at(them, 99), at(us, 8), nil))
		h.count("input", inNoListener, 3)
		if h.refused != 2 {
			t.Error("answered")
		}
	})
}

// TestErrors: hard ICMP errors end a session, soft ones do not; others' do nothing.
func TestErrors(t *testing.T) {
	each(t, func(t *testing.T, us, them netip.Addr) {
		h := newHost(t)
		icmp := func(s *sess, kind ip.ErrorKind, mtu uint32) {
			local, remote := h.udp.Addrs(h.w, s.conn)
			q := make([]byte, 8)
			binary.BigEndian.PutUint16(q, local.Port())
			binary.BigEndian.PutUint16(q[2:], remote.Port())
			h.udp.Error(h.w, &ip.Error{Local: hdr.AddrOf(local.Addr()), Remote: hdr.AddrOf(remote.Addr()), Kind: kind, MTU: mtu, Quoted: q})
		}
		a, b := h.connect(them, 53), h.connect(them, 53)
		icmp(a, ip.HostUnreachable, 0)
		icmp(a, ip.TimeExceeded, 0)
		icmp(a, ip.ParameterProblem, 0)
		if a.gone {
			t.Fatal("a soft error has ended it")
		}
		icmp(a, ip.PortUnreachable, 0)
		icmp(a, ip.PortUnreachable, 0)
		if !a.gone || !errors.Is(a.why, transport.ErrRefused) || b.gone {
			t.Errorf("gone %v with %v; the other %v", a.gone, a.why, b.gone)
		}
		icmp(b, ip.Prohibited, 0)
		if !errors.Is(b.why, transport.ErrNoRoute) {
			t.Error(b.why)
		}
		h.listen(us, 7, datagram.Options{})
		h.take(packet(at(them, 99), at(us, 7), nil))
		icmp(h.last(), ip.ProtoUnreachable, 0)
		if !errors.Is(h.last().why, transport.ErrRefused) {
			t.Error(h.last().why)
		}
		h.udp.Error(h.w, &ip.Error{Local: hdr.AddrOf(us), Remote: hdr.AddrOf(them), Quoted: []byte{1, 2}})
		h.count("input", inICMP, 3)
		h.count("input", inICMPSoft, 3)
		h.count("input", inICMPStray, 2)
		if n := h.udp.shards[0].conns.Used(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}

// TestTooBig: the path gets narrower where we are the ones who make fragments, or may not.
func TestTooBig(t *testing.T) {
	tooBig := func(h *host, s *sess, mtu uint32) {
		local, remote := h.udp.Addrs(h.w, s.conn)
		q := make([]byte, 8)
		binary.BigEndian.PutUint16(q, local.Port())
		binary.BigEndian.PutUint16(q[2:], remote.Port())
		h.udp.Error(h.w, &ip.Error{Local: hdr.AddrOf(local.Addr()), Remote: hdr.AddrOf(remote.Addr()), Kind: ip.TooBig, MTU: mtu, Quoted: q})
	}
	h := newHost(t)
	s := h.connect(them6, 53)
	if whole, most := h.udp.MaxDatagram(h.w, s.conn); whole != 1452 || most != datagram.MaxLen6 {
		t.Error(whole, most)
	}
	tooBig(h, s, 1300)
	tooBig(h, s, 1400) // never wider
	h.write(s, datagram.Header{}, pattern(1300))
	if h.send(s); len(h.out) != 2 || len(h.out[0]) > 1300 || len(h.sent()) != 1 {
		t.Error("the path is not narrower")
	}
	tooBig(h, s, 70)
	if whole, _ := h.udp.MaxDatagram(h.w, s.conn); whole != 1232 {
		t.Errorf("%d bytes: RFC 8200 section 5 has 1280 for the least", whole)
	}
	h.pass(601e9)
	if whole, _ := h.udp.MaxDatagram(h.w, s.conn); whole != 1452 {
		t.Errorf("%d bytes after ten minutes", whole)
	}
	s = h.connect(them4, 53)
	tooBig(h, s, 600)
	if whole, most := h.udp.MaxDatagram(h.w, s.conn); whole != 1472 || most != datagram.MaxLen {
		t.Error("without DF nobody complains", whole, most)
	}
	s = h.connect(them4, 53, datagram.Options{DontFragment: true})
	tooBig(h, s, 600)
	if whole, most := h.udp.MaxDatagram(h.w, s.conn); whole != 572 || most != 572 {
		t.Error(whole, most)
	}
	h.write(s, datagram.Header{}, pattern(572))
	h.write(s, datagram.Header{}, pattern(573))
	if h.send(s); len(h.out) != 1 || !hdr.IP4(h.out[0]).DontFragment() || len(h.sent()) != 1 {
		t.Error("DF is not obeyed")
	}
	h.count("output", outTooBig, 1)
}

// TestConnectionless: one session for everybody.
func TestConnectionless(t *testing.T) {
	each(t, func(t *testing.T, us, them netip.Addr) {
		h := newHost(t)
		any := netip.IPv4Unspecified()
		if us.Is6() {
			any = netip.IPv6Unspecified()
		}
		h.listen(any, 7, datagram.Options{Connectionless: true, DSCP: 40, TTL: 3})
		if len(h.sessions) != 1 {
			t.Fatal("no session at once")
		}
		s := h.last()
		h.take(packet(at(them, 99), at(us, 7), pattern(10)), packet(at(them, 99), at(us, 7), pattern(11)), packet(at(them, 100), at(us, 7), pattern(12)))
		got := s.read()
		if len(h.sessions) != 1 || len(got) != 3 {
			t.Fatalf("%d sessions, %d datagrams", len(h.sessions), len(got))
		}
		for i, m := range got {
			want := at(them, 99)
			if i == 2 {
				want = at(them, 100)
			}
			if m.Remote != want || m.Local != at(us, 7) || m.Iface != 1 || m.Len != 10+i {
				t.Errorf("%d: %+v", i, m.Header)
			}
			m.Iface = 9
			h.write(s, m.Header, m.text)
		}
		h.write(s, datagram.Header{}, pattern(1))                                         // to nobody
		h.write(s, datagram.Header{Remote: at(them, 0)}, pattern(1))                      // to no port
		h.write(s, datagram.Header{Remote: at(them, 5), Local: at(them, 1)}, pattern(13)) // from an address that is not ours
		h.write(s, datagram.Header{Remote: at(them, 5)}, pattern(9000))
		h.send(s)
		h.count("output", outNoRemote, 2)
		if h.via != 0 {
			t.Error("the route is not asked")
		}
		p := hdr.IP4(h.out[0])
		tos, ttl := uint8(0), uint8(0)
		if us.Is6() {
			tos, ttl = hdr.IP6(p).Class(), hdr.IP6(p).HopLimit()
		} else {
			tos, ttl = p.TOS(), p.TTL()
		}
		if tos != 40<<2 || ttl != 3 {
			t.Errorf("class %#x, ttl %d", tos, ttl)
		}
		for _, p := range h.out {
			if src, dst := ends(p); src != hdr.AddrOf(us) || dst != hdr.AddrOf(them) {
				t.Errorf("from %v to %v", src, dst)
			}
		}
		if got := h.sent(); len(got) != 5 || len(got[3]) != 13 || len(got[4]) != 9000 {
			t.Errorf("%d sent", len(got))
		}
		h.epoch++ // our address has changed
		h.source = netip.MustParseAddr("10.0.0.9")
		if us.Is6() {
			h.source = netip.MustParseAddr("fd00::9")
		}
		h.write(s, datagram.Header{Remote: at(them, 5)}, nil)
		h.send(s)
		if src, _ := ends(h.out[0]); src != hdr.AddrOf(h.source) {
			t.Errorf("from %v, which is no longer ours", src)
		}
		other := netip.MustParseAddr("fd00::5")
		if us.Is6() {
			other = netip.MustParseAddr("10.0.0.5")
		}
		h.write(s, datagram.Header{Remote: at(other, 5)}, nil)
		h.send(s)
		h.count("output", outNoRemote, 3)
		if err := h.udp.StopListen(transport.Endpoint{Addr: at(any, 7)}); err != nil || !s.gone || s.why != nil {
			t.Error(err, s.gone, s.why)
		}
		h.take(packet(at(them, 99), at(us, 7), nil))
		if h.refused != 1 || h.udp.shards[0].conns.Used() != 0 {
			t.Error("somebody still listens")
		}
	})
}

// TestSharing: a wildcard, an address, a connection of the same port: the closest takes it.
func TestSharing(t *testing.T) {
	h := newHost(t)
	h.listen(netip.IPv4Unspecified(), 7, datagram.Options{Connectionless: true})
	h.listen(us4, 7, datagram.Options{})
	any, p := h.last(), packet(at(them4, 99), at(us4, 7), nil)
	ep := transport.Endpoint{Addr: at(them4, 99), Local: at(us4, 7)}
	if _, err := h.udp.Connect(h.w, ep, 0); err != nil {
		t.Fatal(err)
	}
	c := h.last()
	if _, err := h.udp.Connect(h.w, ep, 0); !errors.Is(err, transport.ErrInUse) {
		t.Error(err)
	}
	h.take(p)
	if c.told != 1 {
		t.Error("not to the connection")
	}
	h.udp.Close(h.w, c.conn)
	h.take(p)
	if h.last() == c || h.last().told != 1 {
		t.Error("not to the listener on the address")
	}
	h.udp.Reset(h.w, h.last().conn)
	if err := h.udp.StopListen(transport.Endpoint{Addr: at(us4, 7)}); err != nil {
		t.Fatal(err)
	}
	h.take(p)
	if any.told != 1 {
		t.Error("not to the wildcard")
	}
	for _, ep := range []transport.Endpoint{{Addr: at(us4, 0)}, {Addr: at(us4, 9), Ext: 3}} {
		if h.udp.StartListen(ep, 1) == nil {
			t.Errorf("%+v is taken", ep)
		}
	}
	if err := h.udp.StartListen(transport.Endpoint{Addr: at(netip.IPv4Unspecified(), 7)}, 1); !errors.Is(err, transport.ErrInUse) {
		t.Error(err)
	}
}

// TestIdle: an accepted session ends when nothing has come or gone for a while.
func TestIdle(t *testing.T) {
	h := newHost(t)
	h.listen(us4, 7, datagram.Options{Idle: 10 * time.Second})
	h.listen(us4, 8, datagram.Options{Idle: -1})
	h.take(packet(at(them4, 99), at(us4, 7), nil))
	s := h.last()
	h.take(packet(at(them4, 99), at(us4, 8), nil))
	for range 10 {
		h.pass(6e9)
		h.take(packet(at(them4, 99), at(us4, 7), nil))
		h.pass(6e9)
		h.write(s, datagram.Header{}, nil)
		h.send(s)
	}
	if s.gone {
		t.Fatal("it was not idle")
	}
	h.pass(9e9)
	if s.gone {
		t.Fatal("too early")
	}
	h.pass(2e9)
	if !s.gone || !errors.Is(s.why, transport.ErrTimeout) {
		t.Errorf("gone %v, %v", s.gone, s.why)
	}
	h.pass(3600e9)
	if h.last().gone {
		t.Error("the other was to live for ever")
	}
}

// TestLimits: a listener's sessions are bounded, and count no more when they are gone.
func TestLimits(t *testing.T) {
	h := newHost(t)
	h.listen(us4, 7, datagram.Options{MaxSessions: 3})
	for k := range 5 {
		h.take(packet(at(them4, uint16(100+k)), at(us4, 7), nil))
	}
	h.count("input", inLimit, 2)
	h.udp.Reset(h.w, h.sessions[0].conn)
	h.take(packet(at(them4, 105), at(us4, 7), nil))
	if len(h.sessions) != 4 {
		t.Errorf("%d sessions", len(h.sessions))
	}
	// A new listener in the same slot begins at 0, whatever becomes of the old one's.
	if err := h.udp.StopListen(transport.Endpoint{Addr: at(us4, 7)}); err != nil {
		t.Fatal(err)
	}
	h.listen(us4, 9, datagram.Options{MaxSessions: 2})
	old := h.sessions[1:]
	for k := range 3 {
		h.take(packet(at(them4, uint16(100+k)), at(us4, 9), nil))
		if n := len(h.sessions) - 4; n != min(k+1, 2) {
			t.Errorf("%d sessions of the new listener", n)
		}
		for _, s := range old {
			h.udp.Reset(h.w, s.conn)
		}
	}
	h.count("input", inLimit, 3)
	if n := h.udp.shards[0].conns.Used(); n != 2 {
		t.Errorf("%d connections", n)
	}
	h.refuse = true
	h.listen(us4, 10, datagram.Options{})
	h.take(packet(at(them4, 1), at(us4, 10), nil))
	h.count("input", inNoSession, 1)
	if h.udp.StartListen(transport.Endpoint{Addr: at(us4, 11), Ext: datagram.Options{Connectionless: true}}, 1) == nil {
		t.Error("listening without a session")
	}
	h.refuse = false
	if err := h.udp.StartListen(transport.Endpoint{Addr: at(us4, 11)}, 1); err != nil {
		t.Errorf("the failure has left something: %v", err)
	}
}

// TestClose: what was written is sent before the end.
func TestClose(t *testing.T) {
	h := newHost(t)
	s := h.connect(them4, 53)
	for range 5 {
		h.write(s, datagram.Header{}, pattern(10))
	}
	h.udp.Close(h.w, s.conn)
	if s.gone || !s.wantTx {
		t.Fatal("gone at once")
	}
	h.udp.Send(h.w, s.conn, 3)
	local, _ := h.udp.Addrs(h.w, s.conn)
	h.take(packet(at(them4, 53), local, nil))
	h.count("input", inClosing, 1)
	h.udp.Send(h.w, s.conn, 3)
	if !s.gone || s.why != nil || len(h.sent()) != 5 {
		t.Error("not sent, or not gone")
	}
	for _, f := range []func(){
		func() { h.udp.Close(h.w, s.conn) }, func() { h.udp.Reset(h.w, s.conn) },
		func() { h.udp.Send(h.w, s.conn, 1) }, func() { h.udp.HalfClose(h.w, s.conn) },
	} {
		f() // of a connection that is no more: nothing
	}
	s = h.connect(them4, 53)
	h.room = 0
	h.write(s, datagram.Header{}, pattern(10))
	h.udp.Close(h.w, s.conn)
	h.send(s)
	h.pass(11e9)
	if !s.gone || !errors.Is(s.why, transport.ErrTimeout) {
		t.Error("it waits for ever")
	}
	h.count("output", outAbandoned, 1)
	if n := h.udp.shards[0].ports.InUse; n != 0 {
		t.Errorf("%d ports in use", n)
	}
}

// TestGroups: datagrams to a group reach a connectionless session, which answers from an
// address of its own; accepted sessions cannot be had that way.
func TestGroups(t *testing.T) {
	group := netip.MustParseAddr("224.0.0.251")
	h := newHost(t)
	h.listen(netip.IPv4Unspecified(), 5353, datagram.Options{Connectionless: true})
	h.listen(netip.IPv4Unspecified(), 7, datagram.Options{})
	s := h.last()
	for _, port := range []uint16{5353, 7} {
		b := h.load(packet(at(them4, 99), at(group, port), pattern(3)), 0)
		b.Flags |= pkt.Multicast
		h.udp.Input(h.w, []*pkt.Buf{b})
	}
	h.count("input", inInvalid, 1)
	got := s.read()
	if len(got) != 1 || got[0].Local != at(group, 5353) {
		t.Fatal(got)
	}
	h.write(s, got[0].Header, nil)
	h.write(s, datagram.Header{Remote: at(group, 5353), Iface: 5}, nil)
	h.send(s)
	if h.via != 5 {
		t.Errorf("to a group through interface %d", h.via)
	}
	for i, p := range h.out {
		if src, _ := ends(p); src != hdr.AddrOf(us4) || hdr.IP4(p).TTL() != []uint8{64, 1}[i] {
			t.Errorf("from %v, ttl %d", src, hdr.IP4(p).TTL())
		}
	}
}

// TestBadFIFO: a transmit FIFO that holds no records is thrown away.
func TestBadFIFO(t *testing.T) {
	h := newHost(t)
	s := h.connect(them4, 53)
	_, s.tx = h.store.New(h.size)
	s.tx.Write(bytes.Repeat([]byte{0xee}, 100))
	if h.send(s); s.tx.Len() != 0 || len(h.out) != 0 {
		t.Error("sent, or kept")
	}
	h.count("output", outBad, 1)
}

func TestConnectErrors(t *testing.T) {
	h := newHost(t, func(c *Config) { c.MinPort, c.MaxPort = 2000, 2003 })
	for _, ep := range []transport.Endpoint{{Addr: at(netip.IPv4Unspecified(), 1)}, {Addr: at(them4, 0)}, {Addr: netip.MustParseAddrPort("255.255.255.255:1")},
		{Addr: at(them4, 1), Local: at(us6, 1)}} {
		if _, err := h.udp.Connect(h.w, ep, 0); !errors.Is(err, transport.ErrBadAddress) {
			t.Errorf("%v: %v", ep.Addr, err)
		}
	}
	for range 4 {
		h.connect(them4, 9)
	}
	if _, err := h.udp.Connect(h.w, transport.Endpoint{Addr: at(them4, 9)}, 0); !errors.Is(err, transport.ErrNoPort) {
		t.Error(err)
	}
	h.connect(them4, 10) // other flows have the ports too
	h.refuse = true
	if _, err := h.udp.Connect(h.w, transport.Endpoint{Addr: at(them4, 11)}, 0); err == nil {
		t.Error("no error")
	}
	if n := h.udp.shards[0].ports.InUse; n != 5 {
		t.Errorf("%d ports in use", n)
	}
}

// TestNoAllocations: the packet path and the life of a session must not allocate on the Go
// heap.
func TestNoAllocations(t *testing.T) {
	h := newHost(t)
	h.swallow = true
	s := h.connect(them4, 53)
	local, _ := h.udp.Addrs(h.w, s.conn)
	h.listen(us4, 7, datagram.Options{Connectionless: true})
	cl := h.last()
	bufs := make([]*pkt.Buf, 32)
	check := func(name string, fn func()) {
		t.Helper()
		fn()
		if n := testing.AllocsPerRun(50, fn); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	receive := func(s *sess, packets [][]byte) func() {
		return func() {
			for i := range bufs {
				bufs[i] = h.load(packets[i%len(packets)], 0)
			}
			h.udp.Input(h.w, bufs)
			s.rx.Drop(s.rx.Len())
		}
	}
	check("receive", receive(s, [][]byte{packet(at(them4, 53), local, pattern(1472))}))
	check("receive from many", receive(cl, [][]byte{packet(at(them4, 53), at(us4, 7), pattern(100)), packet(at(them4, 54), at(us4, 7), nil)}))
	text := pattern(9000)
	check("send", func() {
		for range 20 {
			h.write(s, datagram.Header{Segment: 1000}, text)
		}
		h.send(s)
	})
	check("send fragments", func() { h.write(s, datagram.Header{}, text); h.send(s) })
	to := []netip.AddrPort{at(them4, 9), at(us4, 10), at(netip.MustParseAddr("10.0.0.77"), 1)}
	check("send to many", func() {
		for i := range 30 {
			h.write(cl, datagram.Header{Remote: to[i%3]}, text[:100])
		}
		h.send(cl)
	})
	stray := packet(at(them4, 53), at(us4, 9), nil)
	check("for nobody", func() { h.take1(bufs, stray) })
	e := &ip.Error{Local: hdr.AddrOf(us4), Remote: hdr.AddrOf(them4), Kind: ip.PortUnreachable, Quoted: make([]byte, 8)}
	check("ICMP", func() { h.udp.Error(h.w, e) })
	if n := h.counter("input", inEnqueued); n < 3000 {
		t.Errorf("%d datagrams were taken", n)
	}
}

// take1 gives one packet.
func (h *host) take1(bufs []*pkt.Buf, p []byte) {
	bufs[0] = h.load(p, 0)
	h.udp.Input(h.w, bufs[:1])
}

// FuzzInput: no packet does harm, and only good ones are delivered.
func FuzzInput(f *testing.F) {
	good := packet(at(them4, 99), at(us4, 7), pattern(30))
	f.Add(good, uint8(0))
	f.Add(packet(at(them6, 99), at(us6, 7), pattern(30)), uint8(1))
	f.Add(good[:28], uint8(20))
	h := newHost(f)
	h.listen(us4, 7, datagram.Options{})
	h.listen(us6, 7, datagram.Options{Connectionless: true})
	f.Fuzz(func(t *testing.T, p []byte, piece uint8) {
		if len(p) == 0 || p[0]>>4 != 4 && p[0]>>4 != 6 {
			return
		}
		hl := hdr.IP4Len
		if p[0]>>4 == 6 {
			hl = hdr.IP6Len
		}
		if len(p) < hl || len(p) > 1900 || len(p) > hl && len(p) < hl+hdr.UDPLen && piece > 0 {
			return
		}
		h.t = t
		b := h.load(p, max(int(piece), hl+hdr.UDPLen))
		h.udp.Input(h.w, []*pkt.Buf{b})
		for _, s := range h.sessions {
			if s.told == 0 {
				continue
			}
			s.told = 0
			for _, m := range s.read() {
				u := hdr.UDP(p[hl:])
				src, dst := ends(p)
				if !bytes.Equal(m.text, u[hdr.UDPLen:][:len(m.text)]) {
					t.Fatal("not what came")
				}
				if n := hdr.UDPLen + len(m.text); u.Checksum() != 0 && !hdr.Checksum(u[:n], hdr.Pseudo(&src, &dst, hdr.ProtoUDP).Long(uint32(n))).Good() {
					t.Fatal("a bad checksum")
				}
			}
		}
	})
}

// Only the call in question is timed: ns/datagram.
