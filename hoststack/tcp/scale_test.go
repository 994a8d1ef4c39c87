package tcp

import (
	"errors"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/hoststack/transport"
)

// testWait puts a connection into TIME_WAIT that was open between x's ends.
func (s *shard) testWait(t *testing.T, x *tuple, now int64) {
	t.Helper()
	j, w := s.waits.pool.Alloc()
	if w == nil {
		t.Fatal("no room")
	}
	*w = waiter{local: x.local, remote: x.remote, lport: x.lport, rport: x.rport, tsRecent: 1, sndNxt: hdr.SeqOf(5)}
	if err := s.flows.Insert(s.t.hasher.Hash(&x.local, &x.remote, x.lport, x.rport), j|waitBit); err != nil {
		t.Fatal(err)
	}
	s.ports.Take(s.t.hasher.Hash(&x.local, &x.remote, 0, x.rport), x.lport)
	s.startWait(j, w, now)
}

// TestSourcesFromTimeWait: when all ports of all source addresses are in TIME_WAIT, opens
// take the oldest of any address (RFC 6191), and nothing is lost count of.
func TestSourcesFromTimeWait(t *testing.T) {
	p := newPeer(t, func(o *setup) { o.cfg.MinPort, o.cfg.MaxPort = 2000, 2003 })
	p.h.more = map[netip.Addr]bool{}
	names := []string{"10.0.0.20", "10.0.0.21", "10.0.0.22"}
	for _, a := range names {
		p.h.more[netip.MustParseAddr(a)] = true
	}
	if _, err := p.h.exec(t, "tcp src-address 10.0.0.20 - 10.0.0.22"); err != nil {
		t.Fatal(err)
	}
	s := p.h.tcp.shards[0]
	for port := uint16(2000); port <= 2003; port++ {
		for _, a := range names {
			s.testWait(t, &tuple{local: hdr.AddrOf(netip.MustParseAddr(a)), remote: hdr.AddrOf(p.addr), lport: port, rport: p.port}, p.now)
		}
	}
	connect := func() error {
		_, err := p.h.tcp.Connect(p.h.w, transport.Endpoint{Addr: netip.AddrPortFrom(p.addr, p.port)}, 0)
		return err
	}
	if err := connect(); !errors.Is(err, transport.ErrNoPort) {
		t.Fatalf("a port that was closed just now: %v", err)
	}
	p.pass(recycleAge + 1e6)
	seen := map[netip.AddrPort]bool{}
	for k := range 12 {
		c := p.dial()
		local := netip.AddrPortFrom(c.c().local.Netip(), c.c().lport)
		if seen[local] || !p.h.more[local.Addr()] {
			t.Fatalf("open %d from %v", k, local)
		}
		seen[local] = true
	}
	if s.ports.InUse != 12 || s.waits.pool.Used() != 0 {
		t.Fatalf("%d ports, %d waiters", s.ports.InUse, s.waits.pool.Used())
	}
	if err := connect(); !errors.Is(err, transport.ErrNoPort) {
		t.Fatalf("a thirteenth: %v", err)
	}
}

// TestRecycleBehindOthers: many old connections that are of no use stand before those that
// are; a few opens are refused until the search has passed them, and no more.
func TestRecycleBehindOthers(t *testing.T) {
	const others, ours = 2000, 4 * 3
	p := newPeer(t, func(o *setup) { o.cfg.MinPort, o.cfg.MaxPort, o.cfg.MaxConns = 2000, 2003, 1<<12 })
	p.h.more = map[netip.Addr]bool{}
	names := []string{"10.0.0.20", "10.0.0.21", "10.0.0.22"}
	for _, a := range names {
		p.h.more[netip.MustParseAddr(a)] = true
	}
	if _, err := p.h.exec(t, "tcp src-address 10.0.0.20 - 10.0.0.22"); err != nil {
		t.Fatal(err)
	}
	s := p.h.tcp.shards[0]
	for k := range others {
		s.testWait(t, &tuple{local: hdr.AddrOf(p.h.addr), remote: hdr.AddrOf(p.addr), lport: uint16(10000 + k), rport: p.port}, p.now)
	}
	for port := uint16(2000); port <= 2003; port++ {
		for _, a := range names {
			s.testWait(t, &tuple{local: hdr.AddrOf(netip.MustParseAddr(a)), remote: hdr.AddrOf(p.addr), lport: port, rport: p.port}, p.now)
		}
	}
	p.pass(recycleAge + 1e6)
	open, refused := 0, 0
	for open < ours && refused < 100 {
		_, err := p.h.tcp.Connect(p.h.w, transport.Endpoint{Addr: netip.AddrPortFrom(p.addr, p.port)}, 0)
		switch {
		case err == nil:
			open++
		case errors.Is(err, transport.ErrNoPort):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if open != ours || refused > others/recycleTries+1 || s.waits.pool.Used() != others {
		t.Fatalf("%d open after %d refused, %d waiters", open, refused, s.waits.pool.Used())
	}
	// The others are found too, whoever wants them, although they stand before where the
	// search has ended.
	x := tuple{local: hdr.AddrOf(p.h.addr), remote: hdr.AddrOf(p.addr), rport: p.port}
	for k := range others {
		if hash, _ := s.recycle(&x, false, p.now); hash == 0 {
			t.Fatalf("no waiter after %d", k)
		}
	}
	if hash, _ := s.recycle(&x, false, p.now); hash != 0 || s.waits.pool.Used() != 0 || s.waits.scan != 0 {
		t.Fatalf("%d waiters, the search is at %d", s.waits.pool.Used(), s.waits.scan)
	}
}

// TestManyWaitersEnd: waiters that are due together end some at a time.
func TestManyWaitersEnd(t *testing.T) {
	const many = 10 * reapStep
	p := newPeer(t, func(o *setup) { o.cfg.MaxConns = many })
	s := p.h.tcp.shards[0]
	x := tuple{local: hdr.AddrOf(p.h.addr), remote: hdr.AddrOf(p.addr), rport: p.port}
	for k := range many {
		x.lport = uint16(1024 + k)
		s.testWait(t, &x, p.now)
	}
	most := 0
	for end := p.now + int64(s.cfg.TimeWait) + 100e6; p.now < end && s.waits.pool.Used() > 0; {
		before := s.waits.pool.Used()
		p.step(1e6)
		most = max(most, before-s.waits.pool.Used())
	}
	// A millisecond has 15 ticks of the wheel.
	if s.waits.pool.Used() != 0 || s.ports.InUse != 0 || s.flows.Len() != 0 {
		t.Fatalf("%d waiters, %d ports, %d flows are left", s.waits.pool.Used(), s.ports.InUse, s.flows.Len())
	}
	if most > 16*reapStep || most == 0 {
		t.Fatalf("%d ended at once", most)
	}
}

// TestBlockedDevice: while the device takes nothing few connections are asked whether
// they have something to send; when it does, none was forgotten.
func TestBlockedDevice(t *testing.T) {
	const many = 1000
	p := newPeer(t)
	p.h.room = 0
	ep := transport.Endpoint{Addr: netip.AddrPortFrom(p.addr, p.port)}
	for range many {
		if _, err := p.h.tcp.Connect(p.h.w, ep, 0); err != nil {
			t.Fatal(err)
		}
	}
	s := p.h.tcp.shards[0]
	for range 3 {
		if n := s.flush(p.now); n != 0 || s.pending.Len() != many {
			t.Fatalf("%d sent, %d wait", n, s.pending.Len())
		}
	}
	if wait := p.h.w.Wheel.Next() - p.now; wait > 2*retryOwed {
		t.Fatalf("the worker may sleep for %d us", wait/1000)
	}
	p.h.room = 1 << 10
	if n := s.flush(p.now); n != many || s.pending.Len() != 0 {
		t.Fatalf("%d sent, %d wait", n, s.pending.Len())
	}
}
