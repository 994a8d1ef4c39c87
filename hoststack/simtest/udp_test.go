package simtest

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
	"vpphost/hoststack/udp"
)

// dpair is a client and a server of datagrams on one wire.
type dpair struct {
	t              testing.TB
	w              *World
	wire           *sim.Wire
	a, b           *Host
	client, server *Datagrams
	ca, sa         *session.AppHandle
	v6             bool
}

func (p *dpair) addr(side int, port uint16) netip.AddrPort {
	if p.v6 {
		return netip.AddrPortFrom(Addr6(1, side), port)
	}
	return netip.AddrPortFrom(Addr4(1, side), port)
}

func newDgramPair(t testing.TB, s setup, opts datagram.Options) *dpair {
	return dgramPairIn(t, NewWorld(s.seed), s, opts)
}

func dgramPairIn(t testing.TB, w *World, s setup, opts datagram.Options) *dpair {
	t.Helper()
	p := &dpair{t: t, w: w, v6: s.v6, client: &Datagrams{}, server: &Datagrams{}}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	p.a, err = p.w.NewHost("client", s.client)
	must(err)
	p.b, err = p.w.NewHost("server", s.server)
	must(err)
	p.wire, err = p.w.Connect(p.a, p.b, s.links, s.wire)
	must(err)
	p.ca, err = p.a.Attach("client", p.client)
	must(err)
	p.sa, err = p.b.Attach("server", p.server)
	must(err)
	must(p.sa.Listen(transport.UDP, transport.Endpoint{Addr: p.addr(2, 7), Ext: opts}))
	return p
}

// open opens n sessions.
func (p *dpair) open(n int) {
	p.t.Helper()
	for i := range n {
		if err := p.ca.Connect(transport.UDP, transport.Endpoint{Addr: p.addr(2, 7)}, uint64(i+1)); err != nil {
			p.t.Fatal(err)
		}
	}
	if !p.w.RunFor(sec, func() bool { return len(p.client.Peers) == n }) {
		p.t.Fatalf("%d of %d sessions are open: %v", len(p.client.Peers), n, p.client.Bad)
	}
}

// start has flow f of host h send.
func (p *dpair) start(h *Host, a *Datagrams, f *Flow, until int, sizes ...int) {
	p.t.Helper()
	w := h.Sessions.Workers()[f.Handle.Worker]
	if err := w.Do(func(*worker.Worker) { a.Start(w, f, until, sizes...) }); err != nil {
		p.t.Fatal(err)
	}
}

// end ends everything and looks whether it was right and nothing is left.
func (p *dpair) end() {
	p.t.Helper()
	for _, err := range []error{p.client.Bad, p.server.Bad, p.w.Close()} {
		if err != nil {
			p.t.Error(err)
		}
	}
}

func (p *dpair) errors() string { return strings.Join(append(p.a.Errors(), p.b.Errors()...), "\n") }

var dgramSizes = []int{12, 13, 1200, 1451, 1452, 1453, 1471, 1472, 1473, 5000, 12, 30000, 65507}

// TestUDPEcho: datagrams of all sizes go there and back, and the accepted session ends when
// it has been idle.
func TestUDPEcho(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, offload := range []bool{false, true} {
			p := newDgramPair(t, setup{seed: 1, v6: v6, links: both(sim.Link{Delay: ms, Rate: 1e9}), wire: WireOptions{Offload: offload}}, datagram.Options{Idle: 5 * time.Second})
			p.server.Echo = true
			p.open(1)
			const n = 500
			p.start(p.a, p.client, p.client.Peers[0], n, dgramSizes...)
			if !p.w.RunFor(20*sec, func() bool { return p.client.Unique() == n }) {
				t.Errorf("v6 %v, offload %v: %d of %d came back\n%s", v6, offload, p.client.Unique(), n, p.errors())
			}
			if len(p.server.Peers) != 1 || p.server.Peers[0].Got != n {
				t.Errorf("%d sessions", len(p.server.Peers))
			}
			for key, times := range p.client.Came {
				if times != 1 {
					t.Errorf("datagram %x came %d times", key, times)
				}
			}
			p.w.RunFor(6*sec, nil)
			if f := p.server.Peers[0]; !f.Gone || !errors.Is(f.Why, transport.ErrTimeout) || p.client.Peers[0].Gone {
				t.Errorf("gone %v with %v", f.Gone, f.Why)
			}
			p.end()
		}
	}
}

// TestUDPSweep: whatever the wire does, what is delivered was sent, whole, and no more often
// than the wire says; what it does not lose arrives.
func TestUDPSweep(t *testing.T) {
	sweep(t, 20, func(seed uint64) {
		r := rng(seed + 7<<32)
		l := sim.Link{Delay: int64(r.IntN(int(20 * ms))), Jitter: int64(r.IntN(int(ms))), Rate: 1e7 * uint64(1+r.IntN(200))}
		if r.IntN(4) > 0 {
			l.Loss, l.Duplicate = r.Float64()*0.1, r.Float64()*0.1
			if r.IntN(2) == 0 {
				l.Corrupt = r.Float64() * 0.1
			}
			l.Reorder, l.ReorderBy = r.Float64()*0.2, int64(r.IntN(int(5*ms)))
		}
		s := setup{seed: seed, v6: r.IntN(2) == 0, links: both(l), wire: WireOptions{MTU: 1280 + r.IntN(700), Pad: r.IntN(2) == 0}}
		s.client.Workers, s.server.Workers = 1+r.IntN(3), 1+r.IntN(3)
		opts := datagram.Options{Connectionless: r.IntN(3) == 0}
		p := newDgramPair(t, s, opts)
		p.server.Echo = true
		p.client.Cut = r.IntN(5)
		flows := 1 + r.IntN(5)
		p.open(flows)
		sizes, large := make([]int, 1+r.IntN(6)), false
		for i := range sizes {
			sizes[i] = dgramHead + r.IntN(2000)
			if p.client.Cut == 0 && r.IntN(3) == 0 {
				sizes[i], large = dgramHead+r.IntN(20000), true
			}
		}
		if l.Corrupt > 0 {
			// The checksum finds one bit that has flipped, but not always two, and of each
			// fragment one may have.
			large = false
			for i := range sizes {
				sizes[i] = min(sizes[i], s.wire.MTU-48)
			}
		}
		const n = 100
		for _, f := range p.client.Peers {
			p.start(p.a, p.client, f, n, sizes...)
		}
		p.w.RunFor(100*sec, func() bool { return l.Loss == 0 && p.client.Unique() == n*flows })
		if got := p.client.Unique(); l.Loss == 0 && got != n*flows || got == 0 && !large && l.Corrupt < 0.05 {
			t.Errorf("seed %d: %d of %d came back\n%s", seed, got, n*flows, p.errors())
		}
		for key, times := range p.client.Came {
			if l.Duplicate == 0 && times > 1 {
				t.Errorf("seed %d: datagram %x came %d times", seed, key, times)
			}
			if sender, no := key>>32, uint32(key); sender == 0 || sender > uint64(flows) || no >= n {
				t.Errorf("seed %d: datagram %x was never sent", seed, key)
			}
		}
		p.end()
	})
}

// TestUDPConnectionless: both ends without connection; one answers two.
func TestUDPConnectionless(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		p := newDgramPair(t, setup{seed: 2, v6: v6, links: both(sim.Link{Delay: ms}), client: Options{Workers: 2}, server: Options{Workers: 2}},
			datagram.Options{Connectionless: true})
		p.server.Echo = true
		any := netip.IPv4Unspecified()
		if v6 {
			any = netip.IPv6Unspecified()
		}
		ep, err := p.ca.Bind(transport.UDP, transport.Endpoint{Addr: netip.AddrPortFrom(any, 0), Ext: datagram.Options{Connectionless: true}})
		if err != nil || ep.Addr.Port() == 0 {
			t.Fatal(ep, err)
		}
		p.w.RunFor(ms, nil)
		if len(p.client.Peers) != 2 || len(p.server.Peers) != 2 {
			t.Fatalf("%d and %d sessions: not one for each worker", len(p.client.Peers), len(p.server.Peers))
		}
		const n = 50
		for i, f := range p.client.Peers {
			f.Sender, f.Header.Remote = uint32(i+1), p.addr(2, 7)
			p.start(p.a, p.client, f, 1, 100)
		}
		// No more than 64 packets wait for a neighbour who is not known.
		p.w.RunFor(sec, func() bool { return p.client.Unique() == 2 })
		for _, f := range p.client.Peers {
			p.start(p.a, p.client, f, n, 100, 3000, 12)
		}
		if !p.w.RunFor(sec, func() bool { return p.client.Unique() == 2*n }) {
			t.Errorf("%d of %d came back\n%s", p.client.Unique(), 2*n, p.errors())
		}
		if err := p.ca.Unlisten(transport.UDP, ep); err != nil {
			t.Error(err)
		}
		p.w.RunFor(ms, nil)
		for _, f := range p.client.Peers {
			if !f.Gone || f.Why != nil {
				t.Errorf("gone %v with %v", f.Gone, f.Why)
			}
		}
		p.end()
	}
}

// TestUDPRefused: a port where nobody listens is told by ICMP, both ways.
func TestUDPRefused(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		p := newDgramPair(t, setup{seed: 3, v6: v6, links: both(sim.Link{Delay: ms})}, datagram.Options{})
		p.open(1)
		if err := p.sa.Unlisten(transport.UDP, transport.Endpoint{Addr: p.addr(2, 7)}); err != nil {
			t.Fatal(err)
		}
		f := p.client.Peers[0]
		p.start(p.a, p.client, f, 1, 12)
		if !p.w.RunFor(sec, func() bool { return f.Gone }) || !errors.Is(f.Why, transport.ErrRefused) {
			t.Errorf("gone %v with %v\n%s", f.Gone, f.Why, p.errors())
		}
		p.end()
	}
}

// TestUDPClose: what was written before Close arrives.
func TestUDPClose(t *testing.T) {
	p := newDgramPair(t, setup{seed: 4, links: both(sim.Link{Delay: ms, Rate: 1e8})}, datagram.Options{})
	p.open(1)
	f := p.client.Peers[0]
	p.start(p.a, p.client, f, 300, 1000)
	w := p.a.Sessions.Workers()[f.Handle.Worker]
	_ = w.Do(func(*worker.Worker) { w.Close(w.Get(f.Handle)) })
	p.w.RunFor(sec, nil)
	if !f.Gone || f.Why != nil || p.server.Unique() != 300 {
		t.Errorf("gone %v with %v; %d of 300 arrived\n%s", f.Gone, f.Why, p.server.Unique(), p.errors())
	}
	p.end()
}

// TestUDPWorkers: on a wire that loses nothing every datagram comes back, whichever worker
// it arrives at, though the queues change workers under way; each flow makes one session.
func TestUDPWorkers(t *testing.T) {
	for _, n := range crowds {
		for _, cl := range []bool{false, true} {
			p := newDgramPair(t, setup{seed: 5, links: both(sim.Link{Delay: ms, Rate: 1e9}),
				client: Options{Workers: n[0]}, server: Options{Workers: n[1]}}, datagram.Options{Connectionless: cl})
			p.server.Echo = true
			q := &pair{t: t, w: p.w, a: p.a, b: p.b}
			q.shuffle(5, 3*ms, p.w.Now()+sec)
			const flows, each = 20, 200
			p.open(flows)
			for _, f := range p.client.Peers {
				p.start(p.a, p.client, f, each, 100, 1472, 12) // no fragments: they would part
			}
			if !p.w.RunFor(20*sec, func() bool { return p.client.Unique() == flows*each }) {
				t.Errorf("%v workers, connectionless %v: %d of %d came back\n%s", n, cl, p.client.Unique(), flows*each, p.errors())
			}
			if !cl && len(p.server.Peers) != flows {
				t.Errorf("%v workers: %d sessions were accepted", n, len(p.server.Peers))
			}
			q.noLosses()
			p.end()
		}
	}
}

// TestUDPThreads: workers on threads of their own, for the race detector.
func TestUDPThreads(t *testing.T) {
	for _, cl := range []bool{false, true} {
		w := NewThreads(6)
		p := dgramPairIn(t, w, setup{links: both(sim.Link{Delay: ms / 10, Rate: 1e9}), client: Options{Workers: 2}, server: Options{Workers: 2}},
			datagram.Options{Connectionless: cl})
		p.server.Echo = true
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		const flows, each = 6, 100
		for i := range flows {
			if err := p.ca.Connect(transport.UDP, transport.Endpoint{Addr: p.addr(2, 7)}, uint64(i+1)); err != nil {
				t.Fatal(err)
			}
		}
		wait := func(what string, f func() bool) {
			for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s: not in time, %d came back\n%s", what, p.client.Unique(), p.errors())
				}
			}
		}
		peers := func() []*Flow {
			p.client.mu.Lock()
			defer p.client.mu.Unlock()
			return append([]*Flow(nil), p.client.Peers...)
		}
		wait("open", func() bool { return len(peers()) == flows })
		// Neighbours that are not known yet keep few packets.
		for _, f := range peers() {
			p.start(p.a, p.client, f, 1, 12)
		}
		wait("first echo", func() bool { return p.client.Unique() == flows })
		for _, f := range peers() {
			p.start(p.a, p.client, f, each, 100, 1472, 3000)
		}
		wait("echo", func() bool { return p.client.Unique() == flows*each }) // the first again among them
		p.end()
	}
}

// TestUDPCutThrough: two applications of one instance exchange datagrams without packets.
func TestUDPCutThrough(t *testing.T) {
	p := newDgramPair(t, setup{seed: 8}, datagram.Options{})
	p.server.Echo = true
	local := &Datagrams{Cut: 3}
	la, err := p.b.Sessions.Attach("local", local, session.Options{Scope: session.AllScope, RxFIFO: 1 << 20, TxFIFO: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	p.b.apps = append(p.b.apps, la)
	if err := la.Connect(transport.UDP, transport.Endpoint{Addr: p.addr(2, 7)}, 1); err != nil {
		t.Fatal(err)
	}
	p.w.RunFor(ms, nil)
	if len(local.Peers) != 1 || len(p.server.Peers) != 1 {
		t.Fatalf("%d, %d sessions", len(local.Peers), len(p.server.Peers))
	}
	w := p.b.Sessions.Workers()[0]
	var info transport.Info
	if s := w.Get(local.Peers[0].Handle); !w.Info(s, &info) || info.Letter != "CT:U" || w.Service(s) != transport.Datagram {
		t.Errorf("letter %q, service %v", info.Letter, w.Service(s))
	}
	p.start(p.b, local, local.Peers[0], 300, 12, 1000, 20000)
	if !p.w.RunFor(sec, func() bool { return local.Unique() == 300 }) {
		t.Errorf("%d of 300 came back", local.Unique())
	}
	if local.Bad != nil {
		t.Error(local.Bad)
	}
	_ = w.Do(func(*worker.Worker) { w.Close(w.Get(local.Peers[0].Handle)) })
	p.w.RunFor(sec, nil)
	if !local.Peers[0].Gone || !p.server.Peers[0].Gone {
		t.Error("not gone")
	}
	p.end()
}

// TestUDPToSelf: without local scope an instance talks to itself through the network layer.
func TestUDPToSelf(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		p := newDgramPair(t, setup{seed: 9, v6: v6}, datagram.Options{})
		p.server.Echo = true
		self := &Datagrams{}
		a, err := p.b.Attach("self", self)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Connect(transport.UDP, transport.Endpoint{Addr: p.addr(2, 7)}, 1); err != nil {
			t.Fatal(err)
		}
		p.w.RunFor(ms, nil)
		p.start(p.b, self, self.Peers[0], 100, 12, 1472, 9000)
		if !p.w.RunFor(sec, func() bool { return self.Unique() == 100 }) {
			t.Errorf("%d of 100 came back\n%s", self.Unique(), p.errors())
		}
		if self.Bad != nil {
			t.Error(self.Bad)
		}
		p.end()
	}
}

// TestUDPMany: thousands of remotes, more than the listener takes.
func TestUDPMany(t *testing.T) {
	p := newDgramPair(t, setup{seed: 10, links: both(sim.Link{Delay: ms}), client: Options{Buffers: 8192}, server: Options{Buffers: 8192}},
		datagram.Options{MaxSessions: 2000, Idle: 30 * time.Second})
	p.server.Echo = true
	p.open(3000)
	for i, f := range p.client.Peers {
		p.start(p.a, p.client, f, 1, 50)
		if i%100 == 0 {
			p.w.RunFor(ms, nil)
		}
	}
	p.w.RunFor(sec, nil)
	if len(p.server.Peers) != 2000 || p.client.Unique() != 2000 {
		t.Errorf("%d sessions, %d answers\n%s", len(p.server.Peers), p.client.Unique(), p.errors())
	}
	p.w.RunFor(40*sec, nil)
	for i, f := range p.server.Peers {
		if !f.Gone {
			t.Fatalf("session %d lives", i)
		}
	}
	p.end()
}

// TestUDPListing: sessions are listed as VPP lists them.
func TestUDPListing(t *testing.T) {
	p := newDgramPair(t, setup{seed: 11, links: both(sim.Link{Delay: ms})}, datagram.Options{Connectionless: true})
	p.open(1)
	p.start(p.a, p.client, p.client.Peers[0], 3, 100)
	p.w.RunFor(sec, nil)
	for _, c := range []struct {
		h    *Host
		line string
		want []string
	}{
		{p.a, "verbose", []string{"[0:0][U] 10.0.1.1:", "->" + p.addr(2, 7).String(), "OPENED"}},
		{p.a, "verbose 2", []string{"[U]", " stats: in dgrams 0 bytes 0 err 0\n", "        out dgrams 3 bytes 300 err 0\n", "session: state: ready", "flags: CONNECTED, OWNS_PORT"}},
		{p.b, "verbose", []string{"[0:0][U] " + p.addr(2, 7).String() + "->0.0.0.0:0", "LISTEN", "OPENED"}},
		{p.b, "verbose 2", []string{"state: opened", "connectionless", "in dgrams 3 bytes 300"}},
	} {
		text := command(t, c.h, "show session "+c.line)
		for _, w := range c.want {
			if !strings.Contains(text, w) {
				t.Errorf("show session %s of %s has no %q:\n%s", c.line, c.h.Name, w, text)
			}
		}
	}
	p.end()
}

// commandsOf are the commands of a host.
func commandsOf(t testing.TB, h *Host) *cli.Registry {
	r := cli.NewRegistry()
	if err := errors.Join(r.Add(session.Commands(h.Sessions)...), r.Add(udp.Commands(h.UDP)...)); err != nil {
		t.Fatal(err)
	}
	return r
}

// command runs a line on a host.
func command(t testing.TB, h *Host, line string) string {
	t.Helper()
	var b strings.Builder
	if err := commandsOf(t, h).Exec(context.Background(), line, &b, cli.Options{}); err != nil {
		return err.Error()
	}
	return b.String()
}

// TestUDPCommands: what UDP's own commands say.
func TestUDPCommands(t *testing.T) {
	p := newDgramPair(t, setup{seed: 12, links: both(sim.Link{Delay: ms}), client: Options{MinPort: 2000, MaxPort: 2000}}, datagram.Options{})
	p.open(1)
	p.start(p.a, p.client, p.client.Peers[0], 3, 100, 5000)
	p.w.RunFor(sec, nil)
	for _, c := range []struct {
		h    *Host
		line string
		want string
	}{
		{p.a, "show udp", "Thread 0:\n 1 connections\n 3 datagrams sent\n 5200 bytes sent\n 1 datagrams sent in fragments\n"},
		{p.b, "show udp stats", " 3 datagrams received\n 5200 bytes received\n"},
		{p.b, "show udp ports", "port      proto  node            desc\n7         ip4    udp4-input      10.0.1.2, accepting\n"},
		{p.b, "show udp ports ip6", "port      proto  node            desc\n"},
		{p.a, "show udp ports all", "2000      ip4    udp4-input      1 sessions\n"},
		{p.a, "show udp ports", "port      proto  node            desc\n"},
		{p.b, "show udp transport ports", "port      proto  ref-cnt\n7         ip4    2\n"},
		{p.b, "show udp transport ports ip4 8", "port      proto  ref-cnt\n"},
		{p.b, "show udp ports bind x", "unknown input"},
		{p.b, "show udp ports x", "a port"},
		{p.b, "set udp csum-offload disable", "UDP checksum offload: disabled\n"},
		{p.b, "show udp config", "checksum offload: disabled\n"},
		{p.b, "set udp csum-offload maybe", "enable or disable"},
		{p.b, "show udp punt", "IPV4 UDP ports punt : none\n"},
		{p.b, "show session udp " + p.addr(2, 7).String() + "->" + p.addr(1, 2000).String(), "in dgrams 3 bytes 5200"},
		{p.b, "clear udp stats", ""},
		{p.b, "show udp", "Thread 0:\n 1 connections\n 1 connections of"},
	} {
		if text := command(t, c.h, c.line); !strings.Contains(text, c.want) {
			t.Errorf("%s: no %q in\n%s", c.line, c.want, text)
		}
	}
	p.end()
}

// TestUDPByHand: the session layer's own calls for datagrams.
func TestUDPByHand(t *testing.T) {
	p := newDgramPair(t, setup{seed: 13, links: both(sim.Link{Delay: ms})}, datagram.Options{Connectionless: true})
	p.server.Echo = true
	p.open(1)
	w, f := p.a.Sessions.Workers()[0], p.client.Peers[0]
	b := make([]byte, 100)
	fillDatagram(b, 1, 0)
	do := func(what string, fn func(s *session.Session)) {
		t.Helper()
		if err := w.Do(func(*worker.Worker) { fn(w.Get(f.Handle)) }); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	do("send", func(s *session.Session) {
		if w.Service(s) != transport.Datagram {
			t.Error("not a service of datagrams")
		}
		if whole, most := w.MaxDatagram(s); whole != 1472 || most != datagram.MaxLen {
			t.Error(whole, most)
		}
		room := w.RoomDatagrams(s, 1000)
		for range room {
			if !w.SendDatagram(s, make([]byte, 1000)) {
				t.Fatalf("no room for %d", room)
			}
		}
		if w.SendDatagram(s, make([]byte, 1000)) || w.SendDatagram(s, make([]byte, 70000)) {
			t.Error("there is room after all")
		}
	})
	p.w.RunFor(sec, nil)
	do("again", func(s *session.Session) {
		if w.Unacked(s) != 0 || !w.SendDatagram(s, b) || w.Unacked(s) == 0 {
			t.Error("not sent")
		}
	})
	p.client.Bad, p.server.Bad, p.client.Came = nil, nil, map[uint64]int{}
	p.w.RunFor(sec, nil)
	if p.client.Came[dgramKey(1, 0)] != 1 {
		t.Errorf("it did not come back: %v\n%s", p.client.Came, p.errors())
	}
	// A port that is taken is taken, whoever asks; any other is free.
	ep := transport.Endpoint{Addr: p.addr(2, 7)}
	if _, err := p.sa.Bind(transport.UDP, ep); !errors.Is(err, transport.ErrInUse) {
		t.Error(err)
	}
	for _, proto := range []transport.Proto{transport.UDP, transport.TCP} {
		ep, err := p.sa.Bind(proto, transport.Endpoint{Addr: p.addr(2, 0)})
		if err != nil || ep.Addr.Port() < 49152 {
			t.Error(ep, err)
		}
		if err := p.sa.Unlisten(proto, ep); err != nil {
			t.Error(err)
		}
	}
	for _, ext := range []any{7, datagram.Options{DSCP: 99}} {
		if err := p.sa.Listen(transport.UDP, transport.Endpoint{Addr: p.addr(2, 8), Ext: ext}); !errors.Is(err, datagram.ErrOptions) {
			t.Error(err)
		}
		if err := p.ca.Connect(transport.UDP, transport.Endpoint{Addr: p.addr(2, 8), Ext: ext}, 1); !errors.Is(err, datagram.ErrOptions) {
			t.Error(err)
		}
	}
	p.end()
}
