package ip

import (
	"bytes"
	"net/netip"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/fib"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// three is a client and a server with a router between them.
type three struct {
	client, router, server *host
	left, right            *sim.Wire
}

func newThree(t testing.TB) *three {
	x := &three{client: newHost(t, 1), router: newHost(t, 1), server: newHost(t, 1)}
	x.left, x.right = wire(t, x.client, x.router, sim.Config{}), wire(t, x.router, x.server, sim.Config{})
	x.client.up("sim0", x.left.End(0), "10.0.1.1/24", "2001:db8:1::1/64")
	x.router.up("sim0", x.left.End(1), "10.0.1.254/24", "2001:db8:1::fe/64")
	x.router.up("sim1", x.right.End(0), "10.0.2.254/24", "2001:db8:2::fe/64")
	x.server.up("sim0", x.right.End(1), "10.0.2.1/24", "2001:db8:2::1/64")
	route := func(h *host, p, via string) {
		h.ok(h.s.FIB().AddRoute(fib.Route{Prefix: netip.MustParsePrefix(p), Kind: fib.Via, Hops: []fib.Hop{{Gateway: ad(via)}}}))
	}
	route(x.client, "0.0.0.0/0", "10.0.1.254")
	route(x.client, "::/0", "2001:db8:1::fe")
	route(x.server, "0.0.0.0/0", "10.0.2.254")
	route(x.server, "2001:db8:1::/48", "2001:db8:2::fe")
	for _, w := range []*sim.Wire{x.left, x.right} {
		w.Tap(0, func(f sim.Frame) { judge(t, f.Data) })
		w.Tap(1, func(f sim.Frame) { judge(t, f.Data) })
	}
	x.settle(t)
	return x
}

func (x *three) settle(t testing.TB) { settle(t, x.client, x.router, x.server) }

func TestGateway(t *testing.T) {
	x := newThree(t)
	for _, to := range []string{"10.0.2.1", "2001:db8:2::1", "10.0.2.254", "2001:db8:2::fe"} {
		for _, size := range []int{60, 5000} {
			got := x.client.ping(to, size, x.router, x.server)
			ttl := uint8(63)
			if to == "10.0.2.254" || to == "2001:db8:2::fe" {
				ttl = 64
			}
			if len(got) != 1 || got[0].failed || got[0].ttl != ttl {
				t.Fatalf("ping %s: %+v\nrouter %v", to, got, x.router.counters())
			}
		}
	}
	if n := x.router.errors("ip4-lookup", "ip4 packets forwarded"); n < 4 {
		t.Errorf("%d forwarded", n)
	}
}

// TestFirstARPLost: the request is repeated a second later and the packet still arrives.
func TestFirstARPLost(t *testing.T) {
	for _, to := range []string{"10.0.0.2", "2001:db8::2"} {
		a, b := newHost(t, 1), newHost(t, 1)
		w := wire(t, a, b, sim.Config{})
		a.up("sim0", w.End(0), "10.0.0.1/24", "2001:db8::1/64")
		b.up("sim0", w.End(1), "10.0.0.2/24", "2001:db8::2/64")
		settle(t, a, b)
		w.DropNth(0, w.Stats(0).Sent+1)
		if got := a.ping(to, 10, b); len(got) != 0 {
			t.Fatalf("%s: answered although the request was lost: %+v", to, got)
		}
		p, err := a.s.newPing(ad(to))
		a.ok(err)
		_, _, err = a.s.sendPing(p, &pingRequest{seq: 2, burst: 1})
		a.ok(err)
		later(t, 1.2e9, a, b)
		if got := a.replies(p); len(got) != 1 || got[0].failed {
			t.Errorf("%s: %+v", to, got)
		}
		a.s.endPing(p)
	}
}

// TestUnreachableHost: nobody answers on the link. Our own ping is told, and so is a
// client behind us.
func TestUnreachableHost(t *testing.T) {
	x := newThree(t)
	for _, c := range []struct{ own, behind string }{{"10.0.1.99", "10.0.2.99"}, {"2001:db8:1::99", "2001:db8:2::99"}} {
		for _, to := range []string{c.own, c.behind} {
			p, err := x.client.s.newPing(ad(to))
			x.client.ok(err)
			_, _, err = x.client.s.sendPing(p, &pingRequest{seq: 7, size: 40, burst: 1})
			x.client.ok(err)
			later(t, 2e9, x.client, x.router, x.server)
			if got := x.client.replies(p); len(got) != 0 {
				t.Errorf("%s: told too early: %+v", to, got)
			}
			later(t, 2e9, x.client, x.router, x.server)
			got := x.client.replies(p)
			if len(got) != 1 || !got[0].failed || got[0].kind != HostUnreachable || got[0].seq != 7 {
				t.Errorf("%s: %+v\nclient %v\nrouter %v", to, got, x.client.counters(), x.router.counters())
			}
			x.client.s.endPing(p)
		}
	}
}

func TestForwardingErrors(t *testing.T) {
	x := newThree(t)
	rec := &recorder{}
	x.client.s.Handle(hdr.ProtoTCP, rec)
	right := x.router.ifs.ByName("sim1")
	x.router.ok(x.router.ifs.SetMTU(right, 1300))
	w := x.client.workers[0]
	send := func(ip []byte, dst string) []Error {
		t.Helper()
		rec.errors = nil
		b := w.Bufs.Get()
		copy(b.Append(len(ip)), ip)
		d := ad(dst)
		x.client.s.Output(w, &Path{}, &d, []*pkt.Buf{b})
		x.settle(t)
		return rec.errors
	}
	payload := pattern(1400)
	copy(payload, segment(7))
	ttl := func(n uint8) func(*hdr.IP4Fields) { return func(f *hdr.IP4Fields) { f.TTL = n } }
	df := func(f *hdr.IP4Fields) { f.FlagsFrag = hdr.IP4DontFragment }
	hop := func(p hdr.IP6, n uint8) hdr.IP6 { p[7] = n; return p }
	for _, c := range []struct {
		name string
		ip   []byte
		dst  string
		kind ErrorKind
		mtu  uint32
	}{
		{"ttl", packet4("10.0.1.1", "10.0.2.1", 6, payload, ttl(1)), "10.0.2.1", TimeExceeded, 0},
		{"hop limit", hop(packet6("2001:db8:1::1", "2001:db8:2::1", 6, payload), 1), "2001:db8:2::1", TimeExceeded, 0},
		{"fragmentation needed", packet4("10.0.1.1", "10.0.2.1", 6, payload, df), "10.0.2.1", TooBig, 1300},
		{"packet too big", packet6("2001:db8:1::1", "2001:db8:2::1", 6, payload), "2001:db8:2::1", TooBig, 1300},
		{"no route", packet4("10.0.1.1", "192.0.2.1", 6, payload), "192.0.2.1", HostUnreachable, 0},
		{"no route", packet6("2001:db8:1::1", "2001:db8:77::1", 6, payload), "2001:db8:77::1", HostUnreachable, 0},
		{"no such protocol", packet4("10.0.1.1", "10.0.2.1", 6, payload[:64]), "10.0.2.1", ProtoUnreachable, 0},
		{"no such protocol", packet6("2001:db8:1::1", "2001:db8:2::1", 6, payload[:64]), "2001:db8:2::1", ProtoUnreachable, 0},
	} {
		got := send(c.ip, c.dst)
		if len(got) != 1 {
			t.Errorf("%s %s: %d errors\nrouter %v", c.name, c.dst, len(got), x.router.counters())
			continue
		}
		e := got[0]
		local := "10.0.1.1"
		if c.dst[0] == '2' {
			local = "2001:db8:1::1"
		}
		if e.Kind != c.kind || e.MTU != c.mtu || e.Local != ad(local) || e.Remote != ad(c.dst) || !bytes.Equal(e.Quoted[:8], payload[:8]) {
			t.Errorf("%s %s: %+v", c.name, c.dst, e)
		}
	}
	// Without the don't-fragment bit the router cuts the packet, options and all.
	srec := &recorder{}
	x.server.s.Handle(hdr.ProtoTCP, srec)
	if e := send(packet4("10.0.1.1", "10.0.2.1", 6, payload), "10.0.2.1"); len(e) != 0 || len(srec.got) != 1 || !bytes.Equal(srec.got[0], payload) {
		t.Errorf("fragmented on the way: errors %+v, %d delivered", e, len(srec.got))
	}
	if x.router.errors("ip4-lookup", "ip4 packets fragmented") != 1 {
		t.Error("the router did not fragment")
	}
}

func TestPortUnreachable(t *testing.T) {
	x := newThree(t)
	rec := &recorder{}
	x.client.s.Handle(hdr.ProtoUDP, rec)
	x.server.s.Handle(hdr.ProtoUDP, closed{x.server.s})
	w := x.client.workers[0]
	for _, v := range []struct{ src, dst string }{{"10.0.1.1", "10.0.2.1"}, {"2001:db8:1::1", "2001:db8:2::1"}} {
		rec.errors = nil
		u := make(hdr.UDP, 20)
		u.Put(1234, 5678, 20, 0)
		var ip []byte = packet4("10.0.1.1", "10.0.2.1", hdr.ProtoUDP, u)
		if v.src[0] == '2' {
			ip = packet6(v.src, v.dst, hdr.ProtoUDP, u)
		}
		b := w.Bufs.Get()
		copy(b.Append(len(ip)), ip)
		d := ad(v.dst)
		x.client.s.Output(w, &Path{}, &d, []*pkt.Buf{b})
		x.settle(t)
		if e := rec.errors; len(e) != 1 || e[0].Kind != PortUnreachable || hdr.UDP(e[0].Quoted).DstPort() != 5678 || e[0].Remote != d {
			t.Errorf("%s: %+v", v.dst, e)
		}
	}
}

// closed is a transport on which nobody listens.
type closed struct{ s *Stack }

func (c closed) Input(w *worker.Worker, bufs []*pkt.Buf) {
	for _, b := range bufs {
		c.s.PortUnreachable(w, b)
	}
}
func (closed) Error(*worker.Worker, *Error) {}

// TestNoErrorAbout: packets that must not be answered (RFC 1122 section 3.2.2, RFC 4443
// section 2.4).
func TestNoErrorAbout(t *testing.T) {
	h := newSolo(t)
	unreach := func(inner []byte) []byte {
		m := make(hdr.ICMP, 8+len(inner))
		m.Put(hdr.ICMPUnreachable, 1, 0)
		copy(m.Body(), inner)
		m.SetChecksum4()
		return m
	}
	unreach6 := func(src, dst string) []byte {
		m := make(hdr.ICMP, 60)
		m.Put(hdr.ICMP6TimeExceeded, 0, 0)
		s, d := ad(src), ad(dst)
		m.SetChecksum6(&s, &d)
		return m
	}
	low := func(ip hdr.IP4) hdr.IP4 { ip[8] = 1; ip.SetChecksum(); return ip }
	group := func(m hdr.MAC, f []byte) []byte { copy(f, m[:]); return f }
	for _, c := range []struct {
		name  string
		f     []byte
		quiet bool
	}{
		{"a stranger's packet", h.frame(hdr.EtherIP4, low(packet4("10.0.0.2", "8.8.8.8", 17, pattern(20)))), false},
		{"an echo request", h.frame(hdr.EtherIP4, low(echo4("10.0.0.2", "8.8.8.8", "x"))), false},
		{"an ICMP error", h.frame(hdr.EtherIP4, low(packet4("10.0.0.2", "8.8.8.8", 1, unreach(pattern(28))))), true},
		{"a later fragment", h.frame(hdr.EtherIP4, low(packet4("10.0.0.2", "8.8.8.8", 17, pattern(20), func(f *hdr.IP4Fields) { f.FlagsFrag = 5 }))), true},
		{"a broadcast", group(hdr.BroadcastMAC, h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.255", 200, pattern(20)))), true},
		{"an ICMPv6 error", h.frame(hdr.EtherIP6, func() hdr.IP6 {
			p := packet6("2001:db8::2", "2001:db8:9::1", 58, unreach6("2001:db8::2", "2001:db8:9::1"))
			p[7] = 1
			return p
		}()), true},
		{"a group", group(hdr.GroupMAC(&hdr.AllNodes), h.frame(hdr.EtherIP6, packet6("2001:db8::2", "ff02::1", 200, pattern(20)))), true},
	} {
		h.input(c.f)
		if out := h.take(); (len(out) == 0) != c.quiet {
			t.Errorf("%s: %d answers; %v", c.name, len(out), h.counters())
		}
	}
}

// TestErrorToLinkLocal: the answer leaves by the link that the question came from.
func TestErrorToLinkLocal(t *testing.T) {
	h := newSolo(t)
	other := newHost(t, 1)
	w := wire(t, h.host, other, sim.Config{})
	h.up("sim1", w.End(0), "2001:db8:1::1/64")
	h.ok(h.s.Neighbors().Set(h.i.Index, ad("fe80::2"), peerMAC, true))
	h.take()
	ll := hdr.LinkLocal(h.i.MAC())
	h.input(h.frame(hdr.EtherIP6, packet6("fe80::2", ll.String(), 200, pattern(20))), h.frame(hdr.EtherIP6, echo6("fe80::2", ll.String(), "x")))
	out := h.take()
	if len(out) != 2 {
		t.Fatalf("%d answers: %v", len(out), h.counters())
	}
	for _, f := range out {
		judge(t, f)
		if p := hdr.IP6(f[14:]); p.Dst() != ad("fe80::2") || p.Src() != ll || hdr.Ether(f).Dst() != peerMAC {
			t.Errorf("answer % x", f)
		}
	}
}

// TestForwardedOptions: only the options that say so are copied into later fragments.
func TestForwardedOptions(t *testing.T) {
	h := newSolo(t)
	out := newHost(t, 1)
	w := wire(t, h.host, out, sim.Config{})
	right := h.up("sim1", w.End(0), "10.9.0.1/24")
	h.ok(h.ifs.SetMTU(right, 576))
	h.ok(h.s.Neighbors().Set(right.Index, ad("10.9.0.2"), peerMAC, true))
	settle(t, h.host)
	var sent [][]byte
	w.Tap(0, func(f sim.Frame) { sent = append(sent, bytes.Clone(f.Data)) })
	b := make(hdr.IP4, 28+1000)
	b.Put(&hdr.IP4Fields{TotalLen: len(b), ID: 7, TTL: 9, Proto: hdr.ProtoUDP, Src: ad("10.0.0.2"), Dst: ad("10.9.0.2")})
	b[0] = 0x47
	copy(b[20:], []byte{7, 3, 4, 0x94, 4, 0, 0, 0}) // record route, router alert
	copy(b[28:], pattern(1000))
	b.SetChecksum()
	h.input(h.frame(hdr.EtherIP4, b))
	h.step()
	want := [][]byte{{7, 3, 4, 0x94, 4, 0, 0, 0}, {1, 1, 1, 0x94, 4, 0, 0, 0}}
	if len(sent) != 2 {
		t.Fatalf("%d fragments: %v", len(sent), h.counters())
	}
	var got []byte
	for k, f := range sent {
		p := hdr.IP4(f[14:])
		if !p.GoodChecksum() || !bytes.Equal(p.Options(), want[k]) || p.TTL() != 8 || p.ID() != 7 {
			t.Errorf("fragment %d: % x", k, []byte(p[:28]))
		}
		got = append(got, p.Payload()...)
	}
	if !bytes.Equal(got, pattern(1000)) {
		t.Error("payload differs")
	}
}

func TestErrorsAreLimited(t *testing.T) {
	h := newSolo(t)
	f := h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.1", 200, pattern(20)))
	n := 0
	for range 1000 {
		h.input(f)
		n += len(h.take()) // 20 us
	}
	if n < errorsBurst || n > errorsBurst+30 {
		t.Errorf("%d errors in 20 ms", n)
	}
	if h.errors("ip4-icmp-error", "error message dropped (rate limit)") == 0 {
		t.Error("nothing counted")
	}
	h.now += 1e9
	h.input(f)
	if len(h.take()) != 1 {
		t.Error("no error after a second of rest")
	}
}

// TestErrorsNotBelieved: errors that quote packets which we cannot have sent.
func TestErrorsNotBelieved(t *testing.T) {
	h := newSolo(t)
	quote := func(typ, code uint8, rest uint32, q []byte) []byte {
		m := make(hdr.ICMP, 8+len(q))
		m.Put(typ, code, rest)
		copy(m.Body(), q)
		m.SetChecksum4()
		return h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.1", 1, m))
	}
	ours := packet4("10.0.0.1", "9.9.9.9", 6, segment(3))
	edit := func(f func(b hdr.IP4)) []byte { b := bytes.Clone(ours); f(b); return b }
	for _, c := range []struct {
		name string
		f    []byte
		want *Error
	}{
		{"good", quote(3, 1, 0, ours), &Error{Kind: HostUnreachable}},
		{"quoted 8 bytes", quote(3, 3, 0, ours[:28]), &Error{Kind: PortUnreachable}},
		{"old router", quote(3, 4, 0, edit(func(b hdr.IP4) { b[2], b[3] = 5, 220 })), &Error{Kind: TooBig, MTU: 1492}},
		{"mtu told", quote(3, 4, 1400, ours), &Error{Kind: TooBig, MTU: 1400}},
		{"prohibited", quote(3, 13, 0, ours), &Error{Kind: Prohibited}},
		{"parameter", quote(12, 0, 0, ours), &Error{Kind: ParameterProblem}},
		{"quoted 7 bytes", quote(3, 1, 0, ours[:27]), nil},
		{"no quote", quote(3, 1, 0, nil), nil},
		{"not our address", quote(3, 1, 0, edit(func(b hdr.IP4) { b[15] = 77 })), nil},
		{"not IPv4", quote(3, 1, 0, edit(func(b hdr.IP4) { b[0] = 0x65 })), nil},
		{"short header", quote(3, 1, 0, edit(func(b hdr.IP4) { b[0] = 0x41 })), nil},
		{"long header", quote(3, 1, 0, edit(func(b hdr.IP4) { b[0] = 0x4f })), nil},
		{"later fragment", quote(3, 1, 0, edit(func(b hdr.IP4) { b[7] = 9 })), nil},
		{"strange protocol", quote(3, 1, 0, edit(func(b hdr.IP4) { b[9] = 99 })), nil},
	} {
		h.rec.errors = nil
		h.input(c.f)
		switch e := h.rec.errors; {
		case c.want == nil && len(e) != 0:
			t.Errorf("%s: believed: %+v", c.name, e)
		case c.want != nil && (len(e) != 1 || e[0].Kind != c.want.Kind || e[0].MTU != c.want.MTU || e[0].Local != ad("10.0.0.1") || e[0].Remote != ad("9.9.9.9")):
			t.Errorf("%s: %+v", c.name, e)
		}
	}
	if n := h.errors("ip4-icmp-input", "error quotes a packet that is not ours"); n != 8 {
		t.Errorf("counted %d", n)
	}
}

// TestSeveralWorkers: the device delivers to the first worker; the second one sends.
func TestSeveralWorkers(t *testing.T) {
	a, b := newHost(t, 3), newHost(t, 1)
	w := wire(t, a, b, sim.Config{})
	a.up("sim0", w.End(0), "10.0.0.1/24", "2001:db8::1/64")
	b.up("sim0", w.End(1), "10.0.0.2/24", "2001:db8::2/64")
	settle(t, a, b)
	for _, to := range []string{"10.0.0.2", "2001:db8::2"} {
		p, err := a.s.newPing(ad(to))
		a.ok(err)
		for k, x := range a.workers {
			if _, _, err := a.s.states[x.Index].sendPing(p, &pingRequest{seq: uint16(k), size: 10, burst: 1}); err != nil {
				t.Fatal(err)
			}
		}
		settle(t, a, b)
		if got := a.replies(p); len(got) != 3 {
			t.Errorf("%s: %d replies to pings of three workers: %+v", to, len(got), got)
		}
		a.s.endPing(p)
	}
	list, err := a.s.Neighbors().List()
	if err != nil || len(list) != 2 {
		t.Errorf("neighbors %+v %v", list, err)
	}
}

// TestPathsFollowTheTables: a connection keeps its Path while the world changes.
func TestPathsFollowTheTables(t *testing.T) {
	h := newSolo(t)
	w := h.workers[0]
	dst := ad("203.0.113.9")
	var p Path
	if err := h.s.FindPath(w, &dst, 0, &p); err != ErrNoRoute {
		t.Fatalf("without a route: %v", err)
	}
	via := func(gw string) fib.Route {
		return fib.Route{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Kind: fib.Via, Hops: []fib.Hop{{Gateway: ad(gw)}}}
	}
	h.ok(h.s.FIB().AddRoute(via("10.0.0.2")))
	h.ok(h.s.FindPath(w, &dst, 0, &p))
	send := func() []byte {
		b := w.Bufs.Get()
		ip := packet4("10.0.0.1", "203.0.113.9", 6, segment(0))
		copy(b.Append(len(ip)), ip)
		h.s.Output(w, &p, &dst, []*pkt.Buf{b})
		out := h.take()
		if len(out) != 1 {
			return nil
		}
		return out[0]
	}
	if f := send(); hdr.Ether(f).Dst() != peerMAC {
		t.Fatalf("sent % x", f)
	}
	other := hdr.MAC{2, 0xfe, 8, 8, 8, 8}
	h.ok(h.s.Neighbors().Set(h.i.Index, ad("10.0.0.3"), other, true))
	h.ok(h.s.FIB().DelRoute(via("10.0.0.2")))
	h.ok(h.s.FIB().AddRoute(via("10.0.0.3")))
	if f := send(); hdr.Ether(f).Dst() != other {
		t.Fatalf("after the route moved: % x", f)
	}
	h.ok(h.s.Neighbors().Delete(h.i.Index, ad("10.0.0.3")))
	if f := send(); hdr.Ether(f).Type() != hdr.EtherARP {
		t.Fatalf("after the neighbour was forgotten: % x, want a request", f)
	}
	h.ok(h.s.Neighbors().Set(h.i.Index, ad("10.0.0.3"), other, true))
	if out := h.take(); len(out) != 1 || hdr.Ether(out[0]).Dst() != other {
		t.Fatalf("what waited did not go out: % x", out)
	}
	h.ok(h.s.FIB().DelRoute(via("10.0.0.3")))
	if f := send(); f != nil || h.errors("ip4-lookup", "ip4 destination lookup miss") != 1 {
		t.Fatalf("after the route has gone: % x", f)
	}
}

// TestMTUOfEachVersion: "set interface mtu ip4" and "ip6" hold for paths, known ones included.
func TestMTUOfEachVersion(t *testing.T) {
	h := newSolo(t)
	w := h.workers[0]
	h.ok(h.ifs.SetIPMTU(h.i, false, 600))
	h.ok(h.ifs.SetIPMTU(h.i, true, 1400))
	for dst, want := range map[string]uint16{"10.0.0.2": 600, "2001:db8::2": 1400} {
		d, p := ad(dst), Path{}
		if h.ok(h.s.FindPath(w, &d, 0, &p)); p.MTU != want {
			t.Errorf("mtu %d to %s, want %d", p.MTU, dst, want)
		}
		h.ok(h.ifs.SetIPMTU(h.i, dst != "10.0.0.2", 0))
		b := w.Bufs.Get()
		ip := []byte(packet4("10.0.0.1", "10.0.0.2", 6, pattern(1480)))
		if dst != "10.0.0.2" {
			ip = packet6("2001:db8::1", "2001:db8::2", 6, pattern(1460))
		}
		copy(b.Append(len(ip)), ip)
		h.s.Output(w, &p, &d, []*pkt.Buf{b})
		if out := h.take(); len(out) != 1 || p.MTU != 1500 {
			t.Errorf("%d frames to %s with mtu %d after the limit was removed", len(out), dst, p.MTU)
		}
	}
}

func TestSourceAndRoom(t *testing.T) {
	h := newSolo(t)
	w := h.workers[0]
	for dst, want := range map[string]string{"10.0.0.2": "10.0.0.1", "2001:db8::2": "2001:db8::1", "10.0.0.1": "10.0.0.1", "2001:db8::1": "2001:db8::1"} {
		d, p := ad(dst), Path{}
		h.ok(h.s.FindPath(w, &d, 0, &p))
		if src, err := h.s.Source(w, &p, &d); err != nil || src != ad(want) {
			t.Errorf("source for %s: %s %v", dst, src, err)
		}
		if n := h.s.Room(w, &p); n < pkt.MaxBurst {
			t.Errorf("room for %s: %d", dst, n)
		}
		if local := p.Flags&PathLocal != 0; local != (dst == want) {
			t.Errorf("%s local: %v", dst, local)
		}
	}
	d, p := ad("10.0.0.77"), Path{}
	h.ok(h.s.FindPath(w, &d, 0, &p))
	if n := h.s.Room(w, &p); n != 64 {
		t.Errorf("room %d while the neighbour is not known", n)
	}
	h.wire.Refuse(0, true)
	d = ad("10.0.0.2")
	h.ok(h.s.FindPath(w, &d, 0, &p))
	b := w.Bufs.Get()
	ip := packet4("10.0.0.1", "10.0.0.2", 6, segment(0))
	copy(b.Append(len(ip)), ip)
	h.s.Output(w, &p, &d, []*pkt.Buf{b})
	h.step()
	if n := h.s.Room(w, &p); n != 0 {
		t.Errorf("room %d while the device pushes back", n)
	}
	h.wire.Refuse(0, false)
	// An interface without an address of the family.
	lo, err := h.ifs.AddLoopback(-1)
	h.ok(err)
	h.ok(h.ifs.SetUp(lo, true))
	h.ok(h.s.FIB().AddRoute(fib.Route{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Kind: fib.Via, Hops: []fib.Hop{{Iface: lo.Index}}}))
	d = ad("198.51.100.1")
	h.ok(h.s.FindPath(w, &d, 0, &p))
	if _, err := h.s.Source(w, &p, &d); err != ErrNoSource {
		t.Errorf("source without an address: %v", err)
	}
}
