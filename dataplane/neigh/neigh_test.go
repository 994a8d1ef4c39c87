package neigh

import (
	"net/netip"
	"slices"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
)

var (
	ownMAC  = hdr.MAC{2, 0xfe, 0, 0, 0, 1}
	peerMAC = hdr.MAC{2, 0xfe, 0, 0, 0, 2}
	newMAC  = hdr.MAC{2, 0xfe, 0, 0, 0, 3}
)

func ad(s string) hdr.Addr { return hdr.AddrOf(netip.MustParseAddr(s)) }

// rig is a table whose worker the test steps, and the Host of that table.
type rig struct {
	t       testing.TB
	pool    *pkt.MapPool
	w       *worker.Worker
	tab     *Table
	addrs   []netip.Prefix
	sent    [][]byte // frames
	dead    int      // packets reported as unreachable
	now     int64
	deadFor func()
}

func (r *rig) MAC(uint32) hdr.MAC { return ownMAC }
func (r *rig) Owns(_ uint32, a hdr.Addr) bool {
	return slices.ContainsFunc(r.addrs, func(p netip.Prefix) bool { return p.Addr() == a.Netip() })
}
func (r *rig) OnLink(_ uint32, a hdr.Addr) bool {
	return slices.ContainsFunc(r.addrs, func(p netip.Prefix) bool { return p.Contains(a.Netip()) })
}
func (r *rig) Source(_ uint32, a hdr.Addr) hdr.Addr {
	for _, p := range r.addrs {
		if p.Addr().Is4() == a.Is4() {
			return hdr.AddrOf(p.Addr())
		}
	}
	return hdr.Addr{}
}
func (r *rig) Tx(_ uint32, bufs []*pkt.Buf) {
	for _, b := range bufs {
		r.sent = append(r.sent, slices.Clone(b.Data()))
	}
	r.w.Bufs.PutN(bufs)
}
func (r *rig) Unreachable(_ uint32, bufs []*pkt.Buf) {
	r.dead += len(bufs)
	r.w.Bufs.PutN(bufs)
	if r.deadFor != nil {
		r.deadFor()
	}
}

func newRigs(t testing.TB, n int) (rigs []*rig, all *Tables) {
	t.Helper()
	g := NewGroups(&stats.Set{}, n)
	var tables []*Table
	for k := range n {
		r := &rig{t: t, now: 1e9}
		for _, p := range []string{"10.0.0.1/24", "2001:db8::1/64", "fe80::1/64"} {
			r.addrs = append(r.addrs, netip.MustParsePrefix(p))
		}
		var err error
		if r.pool, err = pkt.NewMapPool("t", 4096, 512); err != nil {
			t.Fatal(err)
		}
		if r.w, err = worker.New(worker.Config{Index: k, CPU: -1, Pool: r.pool, Seed: 3}); err != nil {
			t.Fatal(err)
		}
		if r.tab, err = New(r.w, r, g); err != nil {
			t.Fatal(err)
		}
		r.at(0)
		rigs, tables = append(rigs, r), append(tables, r.tab)
	}
	t.Cleanup(func() {
		for _, r := range rigs {
			r.tab.Flush(1, true)
			r.tab.Flush(2, true)
			r.w.Bufs.Flush()
			if total, avail := r.pool.Usage(); total != avail {
				t.Errorf("%d buffers leaked", total-avail)
			}
			r.w.Stop()
			r.pool.Close()
		}
	})
	return rigs, Join(tables)
}

func newRig(t testing.TB) *rig {
	r, _ := newRigs(t, 1)
	return r[0]
}

// at moves on by ns and makes a Step.
func (r *rig) at(ns int64) {
	r.now += ns
	r.w.Step(r.now)
}

// packet is an IP packet of n bytes that begins with the version.
func (r *rig) packet(a hdr.Addr, n int) *pkt.Buf {
	b := r.w.Bufs.Get()
	d := b.Append(n)
	clear(d)
	d[0] = 0x45
	if !a.Is4() {
		d[0] = 0x60
	}
	return b
}

// send sends n packets to a by its adjacency.
func (r *rig) send(a string, n int) uint32 {
	r.t.Helper()
	to := ad(a)
	i := r.tab.Adjacency(1, &to)
	if i == 0 {
		r.t.Fatal("no adjacency")
	}
	var bufs []*pkt.Buf
	for k := range n {
		bufs = append(bufs, r.packet(to, 40+k))
	}
	r.tab.Send(i, bufs)
	return i
}

// take returns the frames that were sent since the last call.
func (r *rig) take() [][]byte {
	s := r.sent
	r.sent = nil
	return s
}

func (r *rig) arp(op uint16, mac, etherSrc hdr.MAC, src, target string) {
	b := r.w.Bufs.Get()
	d := b.Append(hdr.EtherLen + hdr.ARPLen + 18) // padded
	hdr.Ether(d).Put(ownMAC, etherSrc, hdr.EtherARP)
	s, t := ad(src), ad(target)
	hdr.ARP(d[hdr.EtherLen:]).Put(op, mac, &s, hdr.MAC{}, &t)
	r.tab.InputARP(1, []*pkt.Buf{b})
}

func (r *rig) nd(typ uint8, flags uint32, src, dst, target string, opt uint8, mac hdr.MAC) {
	n := hdr.NDLen
	if opt != 0 {
		n += hdr.NDOptLen
	}
	ip := make(hdr.IP6, hdr.IP6Len+n)
	s, d, t := ad(src), ad(dst), ad(target)
	ip.Put(&hdr.IP6Fields{PayloadLen: n, Next: hdr.ProtoICMPv6, HopLimit: 255, Src: s, Dst: d})
	hdr.ND(ip[hdr.IP6Len:]).Put(typ, flags, &t, opt, mac)
	r.tab.InputND(1, ip, hdr.IP6Len)
}

func (r *rig) state(a string) State {
	x := ad(a)
	if i := r.tab.Find(1, &x); i != 0 {
		return r.tab.At(i).State
	}
	return free
}

func isARP(f []byte, op uint16, to hdr.MAC) bool {
	e := hdr.Ether(f)
	return e.Type() == hdr.EtherARP && e.Dst() == to && hdr.ARP(e.Payload()).Op() == op
}

func TestResolveARP(t *testing.T) {
	r := newRig(t)
	i := r.send("10.0.0.2", 3)
	out := r.take()
	if len(out) != 1 || !isARP(out[0], hdr.ARPRequest, hdr.BroadcastMAC) {
		t.Fatalf("sent %x, want one ARP request", out)
	}
	a := hdr.ARP(out[0][hdr.EtherLen:])
	if a.SenderIP() != ad("10.0.0.1") || a.SenderMAC() != ownMAC || a.TargetIP() != ad("10.0.0.2") {
		t.Fatalf("request %x", []byte(a))
	}
	r.send("10.0.0.2", 1)
	if out := r.take(); len(out) != 0 {
		t.Fatalf("a second packet sent %x", out)
	}
	r.arp(hdr.ARPReply, peerMAC, peerMAC, "10.0.0.2", "10.0.0.1")
	out = r.take()
	if len(out) != 4 {
		t.Fatalf("%d packets went out after the reply, want 4", len(out))
	}
	for k, want := range []int{40, 41, 42, 40} {
		e := hdr.Ether(out[k])
		if len(out[k]) != hdr.EtherLen+want || e.Dst() != peerMAC || e.Src() != ownMAC || e.Type() != hdr.EtherIP4 {
			t.Errorf("packet %d: %x", k, out[k])
		}
	}
	if e := r.tab.At(i); e.State != Reachable || !e.Ready() || e.MAC() != peerMAC {
		t.Errorf("state %s", e.State)
	}
}

func TestUnansweredRequestsFail(t *testing.T) {
	r := newRig(t)
	for _, a := range []string{"10.0.0.2", "2001:db8::2"} {
		r.dead = 0
		freed := r.tab.Freed()
		r.send(a, 5)
		requests := len(r.take())
		for range 25 {
			r.at(1e8)
		}
		requests += len(r.take())
		if requests != 3 || r.state(a) != Incomplete || r.dead != 0 {
			t.Fatalf("%s: after 2.5 s: %d requests, %s, %d dead", a, requests, r.state(a), r.dead)
		}
		for range 10 {
			r.at(1e8)
		}
		if r.state(a) != free || r.dead != 5 || len(r.take()) != 0 || r.tab.Freed() == freed {
			t.Fatalf("%s: after 3.5 s: %s, %d dead", a, r.state(a), r.dead)
		}
	}
	// Whoever is told may send again at once.
	r.deadFor = func() { r.deadFor = nil; r.send("10.0.0.9", 64) }
	r.send("10.0.0.9", 2)
	r.dead = 0
	for range 35 {
		r.at(1e8)
	}
	if r.state("10.0.0.9") != Incomplete || r.dead != 2 {
		t.Fatalf("%s, %d dead", r.state("10.0.0.9"), r.dead)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	r := newRig(t)
	i := r.send("10.0.0.2", 1)
	if n := r.tab.Room(i); n != MaxWaiting-1 {
		t.Errorf("room %d", n)
	}
	r.send("10.0.0.2", MaxWaiting+10)
	if n := r.tab.Room(i); n != 0 {
		t.Errorf("room %d", n)
	}
	r.take()
	r.arp(hdr.ARPReply, peerMAC, peerMAC, "10.0.0.2", "10.0.0.1")
	out := r.take()
	if len(out) != MaxWaiting || len(out[MaxWaiting-1]) != hdr.EtherLen+40+MaxWaiting+9 {
		t.Fatalf("%d packets, want the last %d", len(out), MaxWaiting)
	}
	if n := r.tab.c.ask4[waitDropped]; n != 11 {
		t.Errorf("%d drops counted", n)
	}
	if n := r.tab.Room(i); n != pkt.MaxBurst {
		t.Errorf("room %d when reachable", n)
	}
	// All neighbours together.
	for k := range 40 {
		r.send(netip.AddrFrom4([4]byte{10, 0, 0, byte(10 + k)}).String(), MaxWaiting)
	}
	if r.tab.held != maxWaitingAll {
		t.Errorf("%d packets wait in all", r.tab.held)
	}
}

// TestLife follows one neighbour: reachable, stale, delay, probe in unicast, gone.
func TestLife(t *testing.T) {
	for _, v := range []struct {
		addr   string
		answer func(r *rig)
	}{
		{"10.0.0.2", func(r *rig) { r.arp(hdr.ARPReply, peerMAC, peerMAC, "10.0.0.2", "10.0.0.1") }},
		{"2001:db8::2", func(r *rig) {
			r.nd(hdr.ICMP6NeighAdvert, hdr.NDSolicited|hdr.NDOverride, "2001:db8::2", "2001:db8::1", "2001:db8::2", hdr.NDTargetLL, peerMAC)
		}},
	} {
		r := newRig(t)
		r.send(v.addr, 1)
		v.answer(r)
		r.take()
		if r.state(v.addr) != Reachable {
			t.Fatalf("%s after the answer", r.state(v.addr))
		}
		r.at(14e9)
		if r.state(v.addr) != Reachable {
			t.Fatalf("%s after 14 s", r.state(v.addr))
		}
		r.at(32e9)
		if r.state(v.addr) != Stale {
			t.Fatalf("%s after 46 s", r.state(v.addr))
		}
		i := r.send(v.addr, 1)
		if out := r.take(); len(out) != 1 || hdr.Ether(out[0]).Dst() != peerMAC || r.state(v.addr) != Delay {
			t.Fatalf("a stale neighbour is not used: %x, %s", out, r.state(v.addr))
		}
		r.at(51e8)
		out := r.take()
		if len(out) != 1 || hdr.Ether(out[0]).Dst() != peerMAC || hdr.Ether(out[0]).Type() == hdr.EtherIP4 || r.state(v.addr) != Probe {
			t.Fatalf("no unicast probe: %x, %s", out, r.state(v.addr))
		}
		v.answer(r)
		if r.state(v.addr) != Reachable {
			t.Fatalf("%s after the probe was answered", r.state(v.addr))
		}
		// Again, but TCP hears from the neighbour.
		r.at(46e9)
		r.send(v.addr, 1)
		r.tab.Confirm(i)
		r.take()
		r.at(10e9)
		if out := r.take(); r.state(v.addr) != Reachable || len(out) != 0 {
			t.Fatalf("%s, sent %x although confirmed", r.state(v.addr), out)
		}
		// And now nobody answers.
		r.at(46e9)
		r.send(v.addr, 1)
		for range 90 {
			r.at(1e8)
		}
		if r.state(v.addr) != free {
			t.Fatalf("%s although no probe was answered", r.state(v.addr))
		}
		if out := r.take(); len(out) != 4 {
			t.Errorf("%d frames, want one packet and three probes", len(out))
		}
		// Unused neighbours are forgotten in the end.
		r.send(v.addr, 1)
		v.answer(r)
		r.at(46e9)
		r.at(21 * 60e9)
		if r.state(v.addr) != free {
			t.Errorf("%s after 20 minutes without use", r.state(v.addr))
		}
	}
}

func TestAnswerARP(t *testing.T) {
	r := newRig(t)
	r.arp(hdr.ARPRequest, peerMAC, peerMAC, "10.0.0.2", "10.0.0.1")
	out := r.take()
	if len(out) != 1 || len(out[0]) != 42 || !isARP(out[0], hdr.ARPReply, peerMAC) {
		t.Fatalf("sent %x", out)
	}
	a := hdr.ARP(out[0][hdr.EtherLen:])
	if a.SenderMAC() != ownMAC || a.SenderIP() != ad("10.0.0.1") || a.TargetMAC() != peerMAC || a.TargetIP() != ad("10.0.0.2") {
		t.Fatalf("reply %x", []byte(a))
	}
	if r.state("10.0.0.2") != Stale {
		t.Errorf("who asked is %s, want stale", r.state("10.0.0.2"))
	}
	// RFC 5227 probe: answered, not learned.
	r.arp(hdr.ARPRequest, newMAC, newMAC, "0.0.0.0", "10.0.0.1")
	if out := r.take(); len(out) != 1 || !isARP(out[0], hdr.ARPReply, newMAC) || r.tab.Len() != 1 {
		t.Errorf("probe: %x, %d entries", out, r.tab.Len())
	}
	for _, c := range []struct {
		name        string
		op          uint16
		mac, ether  hdr.MAC
		src, target string
		reason      int
	}{
		{"not for us", hdr.ARPRequest, newMAC, newMAC, "10.0.0.3", "10.0.0.4", arpTargetNotOurs},
		{"from another network", hdr.ARPRequest, newMAC, newMAC, "10.0.1.3", "10.0.0.1", arpSourceNotLocal},
		{"hardware address differs", hdr.ARPRequest, newMAC, peerMAC, "10.0.0.3", "10.0.0.1", arpMACMismatch},
		{"broadcast sender", hdr.ARPRequest, hdr.BroadcastMAC, hdr.BroadcastMAC, "10.0.0.3", "10.0.0.1", arpMACMismatch},
		{"our own address", hdr.ARPRequest, newMAC, newMAC, "10.0.0.1", "10.0.0.1", arpSourceIsOurs},
		{"reverse ARP", 3, newMAC, newMAC, "10.0.0.3", "10.0.0.1", arpBadOp},
		{"gratuitous of a stranger", hdr.ARPRequest, newMAC, newMAC, "10.0.0.7", "10.0.0.7", arpGratuitous},
	} {
		before := r.tab.c.arp[c.reason]
		r.arp(c.op, c.mac, c.ether, c.src, c.target)
		if out := r.take(); len(out) != 0 || r.tab.Len() != 1 || r.tab.c.arp[c.reason] != before+1 {
			t.Errorf("%s: sent %x, %d entries, counter %d", c.name, out, r.tab.Len(), r.tab.c.arp[c.reason]-before)
		}
	}
	// A gratuitous ARP moves a known neighbour.
	r.arp(hdr.ARPRequest, newMAC, newMAC, "10.0.0.2", "10.0.0.2")
	x := ad("10.0.0.2")
	if e := r.tab.At(r.tab.Find(1, &x)); e.MAC() != newMAC || e.State != Stale {
		t.Errorf("after a move: %s %s", e.MAC(), e.State)
	}
	r.take()
	r.tab.Announce(1, &x)
	out = r.take()
	if len(out) != 1 || !isARP(out[0], hdr.ARPRequest, hdr.BroadcastMAC) || hdr.ARP(out[0][14:]).SenderIP() != x || hdr.ARP(out[0][14:]).TargetIP() != x {
		t.Errorf("announcement %x", out)
	}
}

// TestLearnedWhileAsking: who is asked for asks us first. Its packets go out, and it must
// still confirm that it hears us.
func TestLearnedWhileAsking(t *testing.T) {
	r := newRig(t)
	r.send("10.0.0.2", 2)
	r.take()
	r.arp(hdr.ARPRequest, peerMAC, peerMAC, "10.0.0.2", "10.0.0.1")
	out := r.take()
	if len(out) != 3 || r.state("10.0.0.2") != Delay {
		t.Fatalf("%d frames, state %s; want two packets, one reply, and delay", len(out), r.state("10.0.0.2"))
	}
	r.at(51e8)
	if out := r.take(); len(out) != 1 || !isARP(out[0], hdr.ARPRequest, peerMAC) {
		t.Errorf("after 5 s: % x, want a probe", out)
	}
}

// TestNDFromAfar: what a router has forwarded is not believed (RFC 4861 section 7.1).
func TestNDFromAfar(t *testing.T) {
	r := newRig(t)
	ip := make(hdr.IP6, hdr.IP6Len+hdr.NDLen+hdr.NDOptLen)
	src, target := ad("2001:db8::2"), ad("2001:db8::1")
	ip.Put(&hdr.IP6Fields{PayloadLen: hdr.NDLen + hdr.NDOptLen, Next: hdr.ProtoICMPv6, HopLimit: 254, Src: src, Dst: target})
	hdr.ND(ip[hdr.IP6Len:]).Put(hdr.ICMP6NeighSolicit, 0, &target, hdr.NDSourceLL, peerMAC)
	r.tab.InputND(1, ip, hdr.IP6Len)
	if r.tab.Len() != 0 || len(r.take()) != 0 || r.tab.c.nd[ndBadHopLimit] != 1 {
		t.Error("believed")
	}
	ip[7] = 255
	ip[hdr.IP6Len+1] = 1 // code
	r.tab.InputND(1, ip, hdr.IP6Len)
	if r.tab.Len() != 0 || r.tab.c.nd[ndBadMessage] != 1 {
		t.Error("a message with a strange code was believed")
	}
	ip[hdr.IP6Len+1] = 0
	r.tab.InputND(1, ip, hdr.IP6Len)
	if r.tab.Len() != 1 {
		t.Error("the good message was not believed: the test tests nothing")
	}
}

func TestAnswerND(t *testing.T) {
	r := newRig(t)
	group := "ff02::1:ff00:1"
	r.nd(hdr.ICMP6NeighSolicit, 0, "2001:db8::2", group, "2001:db8::1", hdr.NDSourceLL, peerMAC)
	out := r.take()
	if len(out) != 1 {
		t.Fatalf("sent %x", out)
	}
	check := func(f []byte, dst string, to hdr.MAC, flags uint32) {
		t.Helper()
		e, ip := hdr.Ether(f), hdr.IP6(f[hdr.EtherLen:])
		m := hdr.ND(ip.Payload())
		src, d := ip.Src(), ip.Dst()
		mac, _ := m.LinkAddr(hdr.NDTargetLL)
		if e.Dst() != to || e.Src() != ownMAC || e.Type() != hdr.EtherIP6 || ip.HopLimit() != 255 || d != ad(dst) ||
			src != ad("2001:db8::1") || !m.Valid() || m.Target() != ad("2001:db8::1") || m.Flags() != flags || mac != ownMAC ||
			!hdr.Checksum(m, hdr.Pseudo(&src, &d, hdr.ProtoICMPv6).Long(uint32(len(m)))).Good() {
			t.Errorf("advertisement %x", f)
		}
	}
	check(out[0], "2001:db8::2", peerMAC, hdr.NDSolicited|hdr.NDOverride)
	if r.state("2001:db8::2") != Stale {
		t.Errorf("who asked is %s, want stale", r.state("2001:db8::2"))
	}
	// Somebody's duplicate address detection: answered to all.
	r.nd(hdr.ICMP6NeighSolicit, 0, "::", group, "2001:db8::1", 0, hdr.MAC{})
	if out = r.take(); len(out) != 1 {
		t.Fatalf("sent %x", out)
	}
	check(out[0], "ff02::1", hdr.GroupMAC(&hdr.AllNodes), hdr.NDOverride)
	// Without a source address option the asker must be found first.
	r.nd(hdr.ICMP6NeighSolicit, 0, "2001:db8::3", "2001:db8::1", "2001:db8::1", 0, hdr.MAC{})
	if out = r.take(); len(out) != 1 || hdr.ICMP(out[0][54:]).Type() != hdr.ICMP6NeighSolicit {
		t.Fatalf("sent %x, want a solicitation", out)
	}
	r.nd(hdr.ICMP6NeighAdvert, hdr.NDSolicited|hdr.NDOverride, "2001:db8::3", "2001:db8::1", "2001:db8::3", hdr.NDTargetLL, newMAC)
	if out = r.take(); len(out) != 1 {
		t.Fatalf("sent %x", out)
	}
	check(out[0], "2001:db8::3", newMAC, hdr.NDSolicited|hdr.NDOverride)

	n := r.tab.Len()
	for _, c := range []struct {
		name             string
		typ              uint8
		flags            uint32
		src, dst, target string
		opt              uint8
		mac              hdr.MAC
		reason           int
	}{
		{"not our address", hdr.ICMP6NeighSolicit, 0, "2001:db8::9", group, "2001:db8::77", hdr.NDSourceLL, newMAC, ndUnknownTarget},
		{"group as target", hdr.ICMP6NeighSolicit, 0, "2001:db8::9", group, "ff02::1", hdr.NDSourceLL, newMAC, ndBadMessage},
		{"probe with an option", hdr.ICMP6NeighSolicit, 0, "::", group, "2001:db8::1", hdr.NDSourceLL, newMAC, ndBadMessage},
		{"group as link address", hdr.ICMP6NeighSolicit, 0, "2001:db8::9", group, "2001:db8::1", hdr.NDSourceLL, hdr.BroadcastMAC, ndBadMessage},
		{"from off link", hdr.ICMP6NeighSolicit, 0, "2001:db9::9", group, "2001:db8::1", hdr.NDSourceLL, newMAC, ndSourceNotOnLink},
		{"from ourselves", hdr.ICMP6NeighSolicit, 0, "2001:db8::1", group, "2001:db8::1", hdr.NDSourceLL, newMAC, ndSourceIsOurs},
		{"solicited to a group", hdr.ICMP6NeighAdvert, hdr.NDSolicited, "2001:db8::2", "ff02::1", "2001:db8::2", hdr.NDTargetLL, newMAC, ndBadMessage},
		{"our own target", hdr.ICMP6NeighAdvert, 0, "2001:db8::2", "ff02::1", "2001:db8::1", hdr.NDTargetLL, newMAC, ndSourceIsOurs},
		{"nobody asked", hdr.ICMP6NeighAdvert, hdr.NDSolicited, "2001:db8::8", "2001:db8::1", "2001:db8::8", hdr.NDTargetLL, newMAC, ndAdvertReceived},
	} {
		before := r.tab.c.nd[c.reason]
		r.nd(c.typ, c.flags, c.src, c.dst, c.target, c.opt, c.mac)
		if out := r.take(); len(out) != 0 || r.tab.Len() != n || r.tab.c.nd[c.reason] != before+1 {
			t.Errorf("%s: sent %x, %d entries more, counter %d", c.name, out, r.tab.Len()-n, r.tab.c.nd[c.reason]-before)
		}
	}
	// RFC 4861 section 7.2.5: without the override flag a different address only
	// makes the entry doubtful.
	r.nd(hdr.ICMP6NeighAdvert, 0, "2001:db8::3", "ff02::1", "2001:db8::3", hdr.NDTargetLL, peerMAC)
	x := ad("2001:db8::3")
	if e := r.tab.At(r.tab.Find(1, &x)); e.MAC() != newMAC || e.State != Stale {
		t.Errorf("without override: %s %s", e.MAC(), e.State)
	}
	r.nd(hdr.ICMP6NeighAdvert, hdr.NDOverride, "2001:db8::3", "ff02::1", "2001:db8::3", hdr.NDTargetLL, peerMAC)
	if e := r.tab.At(r.tab.Find(1, &x)); e.MAC() != peerMAC || e.State != Stale {
		t.Errorf("with override: %s %s", e.MAC(), e.State)
	}
}
