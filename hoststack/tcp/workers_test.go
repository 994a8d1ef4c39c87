package tcp

import (
	"errors"
	"net/netip"
	"testing"

	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/flow"
	"vpphost/hoststack/transport"
)

// TestFlowsBelongToTheirWorker: an active open takes a source port with which the
// answers arrive at the worker that made it.
func TestFlowsBelongToTheirWorker(t *testing.T) {
	const n = 3
	p := newPeer(t) // lends its fakes
	pool, err := pkt.NewMapPool("w", 64, pkt.DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	var ws []*worker.Worker
	for i := range n {
		w, err := worker.New(worker.Config{Index: i, Pool: pool, CPU: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
		ws = append(ws, w)
	}
	cfg := Default()
	cfg.MaxConns = 1000
	var set stats.Set
	hasher := flow.NewHasher(3)
	x, err := New(cfg, swallow{p.h}, p.h, hasher, ws, &set)
	if err != nil {
		t.Fatal(err)
	}
	for k := range 300 {
		w := ws[k%n]
		c, err := x.Connect(w, transport.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.9:80")}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if int(c.Worker) != w.Index {
			t.Fatalf("made on worker %d, names %d", w.Index, c.Worker)
		}
		y := x.shards[w.Index].at(c.Index)
		if got := flow.Owner(hasher.Hash(&y.local, &y.remote, y.lport, y.rport), n); got != w.Index {
			t.Fatalf("a flow of worker %d would arrive at %d", w.Index, got)
		}
		if _, other := x.find(ws[(k+1)%n], c); other != nil {
			t.Fatal("another worker finds the connection")
		}
	}
}

// TestSources: opens take the addresses of the pool by turns, each with its own ports.
func TestSources(t *testing.T) {
	p := newPeer(t, func(o *setup) { o.cfg.MinPort, o.cfg.MaxPort = 2000, 2003 })
	p.h.more = map[netip.Addr]bool{}
	for _, a := range []string{"10.0.0.20", "10.0.0.21", "10.0.0.22"} {
		p.h.more[netip.MustParseAddr(a)] = true
	}
	if _, err := p.h.exec(t, "tcp src-address 10.0.0.20 - 10.0.0.25"); !errors.Is(err, transport.ErrNoSource) {
		t.Fatalf("foreign addresses: %v", err)
	}
	for _, line := range []string{"tcp src-address", "tcp src-address 10.0.0.21 - 10.0.0.20", "tcp src-address 10.0.0.20 - fd00::1", "tcp src-address bogus"} {
		if _, err := p.h.exec(t, line); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
	if _, err := p.h.exec(t, "tcp src-address 10.0.0.20 - 10.0.0.22"); err != nil {
		t.Fatal(err)
	}
	seen := map[netip.AddrPort]int{}
	for k := range 12 { // four ports on each of three addresses
		s := p.dial()
		var i transport.Info
		if !p.h.tcp.Info(p.h.w, s.conn, &i) {
			t.Fatal("no connection")
		}
		if seen[i.Local]++; seen[i.Local] > 1 || !p.h.more[i.Local.Addr()] {
			t.Errorf("open %d from %v", k, i.Local)
		}
	}
	if _, err := p.h.tcp.Connect(p.h.w, transport.Endpoint{Addr: netip.AddrPortFrom(p.addr, p.port)}, 0); !errors.Is(err, transport.ErrNoPort) {
		t.Errorf("when all are taken: %v", err)
	}
	if _, err := p.h.exec(t, "tcp src-address clear"); err != nil {
		t.Fatal(err)
	}
	s := p.dial()
	if a := s.c().local; a.Netip() != p.h.addr {
		t.Errorf("after clear from %v", a)
	}
}
