package neigh

import (
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

func TestStatic(t *testing.T) {
	rigs, all := newRigs(t, 2)
	if err := all.Set(1, ad("10.0.0.5"), peerMAC, true); err != nil {
		t.Fatal(err)
	}
	if err := all.Set(1, ad("10.0.0.6"), peerMAC, false); err != nil {
		t.Fatal(err)
	}
	for _, r := range rigs {
		r.at(3600e9)
		if r.state("10.0.0.5") != Static || r.state("10.0.0.6") == Static {
			t.Errorf("%s and %s", r.state("10.0.0.5"), r.state("10.0.0.6"))
		}
		r.arp(hdr.ARPRequest, newMAC, newMAC, "10.0.0.5", "10.0.0.1")
		x := ad("10.0.0.5")
		if e := r.tab.At(r.tab.Find(1, &x)); e.MAC() != peerMAC {
			t.Error("a static neighbour was moved by a message")
		}
		r.tab.Flush(1, false)
		if r.state("10.0.0.5") != Static {
			t.Error("a static neighbour was flushed")
		}
	}
	if err := all.Delete(1, ad("10.0.0.5")); err != nil {
		t.Fatal(err)
	}
	if err := all.Delete(1, ad("10.0.0.5")); err == nil {
		t.Error("deleted twice without an error")
	}
}

// TestWorkersTellEachOther: the reply comes in on the wrong worker.
func TestWorkersTellEachOther(t *testing.T) {
	for _, v := range []struct {
		addr   string
		answer func(r *rig, m hdr.MAC)
	}{
		{"10.0.0.2", func(r *rig, m hdr.MAC) { r.arp(hdr.ARPReply, m, m, "10.0.0.2", "10.0.0.1") }},
		{"2001:db8::2", func(r *rig, m hdr.MAC) {
			r.nd(hdr.ICMP6NeighAdvert, hdr.NDSolicited|hdr.NDOverride, "2001:db8::2", "2001:db8::1", "2001:db8::2", hdr.NDTargetLL, m)
		}},
	} {
		rigs, all := newRigs(t, 3)
		rigs[2].send(v.addr, 2)
		rigs[2].take()
		v.answer(rigs[0], peerMAC)
		for _, r := range rigs {
			r.at(1000)
		}
		if rigs[2].state(v.addr) != Reachable || len(rigs[2].take()) != 2 {
			t.Fatalf("%s: the worker that asked has %s", v.addr, rigs[2].state(v.addr))
		}
		v.answer(rigs[1], newMAC)
		for _, r := range rigs {
			r.at(1000)
		}
		x := ad(v.addr)
		if e := rigs[2].tab.At(rigs[2].tab.Find(1, &x)); e.MAC() != newMAC {
			t.Errorf("%s: a move was not told", v.addr)
		}
		list, err := all.List()
		if err != nil || len(list) != 1 || list[0].MAC != newMAC || list[0].Addr != x {
			t.Errorf("%s: list %+v %v", v.addr, list, err)
		}
		// A flood is told at a limited rate only.
		for range 5000 {
			v.answer(rigs[0], newMAC)
		}
		if n := rigs[0].tab.c.neigh[postsLimited]; n < 4000 {
			t.Errorf("%s: only %d of 5000 posts were held back", v.addr, n)
		}
		for _, r := range rigs {
			r.at(1000)
		}
	}
}

func TestFullTable(t *testing.T) {
	r := newRig(t)
	var a hdr.Addr
	name := func(k int) *hdr.Addr {
		a = hdr.Addr{0x20, 1, 13: byte(k >> 16), 14: byte(k >> 8), 15: byte(k)}
		return &a
	}
	for k := range MaxEntries {
		if r.tab.Adjacency(1, name(k)) == 0 {
			t.Fatalf("full after %d", k)
		}
	}
	freed := r.tab.Freed()
	for k := range 1000 {
		if i := r.tab.Adjacency(1, name(MaxEntries+k)); i == 0 || r.tab.At(i).Addr != a {
			t.Fatal("an idle neighbour was not replaced")
		}
	}
	if r.tab.Len() != MaxEntries || r.tab.Freed() != freed+1000 || r.tab.c.neigh[recycled] != 1000 {
		t.Fatalf("%d entries, %d freed", r.tab.Len(), r.tab.Freed()-freed)
	}
	// A scan that nobody answers does not lock others out.
	r.tab.each(func(i uint32, e *Entry) { e.State = Incomplete })
	if r.tab.Adjacency(1, name(1<<20)) == 0 {
		t.Fatal("neighbours that do not answer fill the table")
	}
	r.tab.each(func(i uint32, e *Entry) { e.State = Static })
	if r.tab.Adjacency(1, name(1<<21)) != 0 || r.tab.c.neigh[tableFull] != 1 {
		t.Fatal("a neighbour in use was replaced")
	}
}

func TestRewritten(t *testing.T) {
	r := newRig(t)
	i := r.send("10.0.0.2", 1)
	r.arp(hdr.ARPReply, peerMAC, peerMAC, "10.0.0.2", "10.0.0.1")
	copy(r.tab.At(i).Rewrite[6:12], "junk--")
	r.tab.Rewritten(1)
	if got := hdr.Ether(r.tab.At(i).Rewrite[:]).Src(); got != ownMAC {
		t.Errorf("source %s", got)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(make([]byte, 42), true)
	f.Add(make([]byte, 86), false)
	r := newRig(f)
	r.send("10.0.0.2", 1)
	r.send("2001:db8::2", 1)
	f.Fuzz(func(t *testing.T, b []byte, arp bool) {
		if len(b) > 200 {
			return
		}
		if arp {
			x := r.w.Bufs.Get()
			copy(x.Append(len(b)), b)
			r.tab.InputARP(1, []*pkt.Buf{x})
		} else if len(b) >= 14 {
			ip := hdr.IP6(b[14:])
			if ip.Valid() && len(ip.Payload()) >= hdr.ICMPLen {
				r.tab.InputND(1, ip, hdr.IP6Len)
			}
		}
		r.at(1e6)
		r.take()
		if total, avail := r.pool.Usage(); total-avail > 2048 {
			t.Fatalf("%d of %d buffers are missing", total-avail, total)
		}
	})
}

func TestNothingIsAllocated(t *testing.T) {
	r := newRig(t)
	one := []*pkt.Buf{nil}
	x, s, own := ad("10.0.0.2"), ad("10.0.0.3"), ad("10.0.0.1")
	r.sent = make([][]byte, 0, 1)
	frame := make([]byte, 42)
	hdr.Ether(frame).Put(ownMAC, peerMAC, hdr.EtherARP)
	hdr.ARP(frame[14:]).Put(hdr.ARPReply, peerMAC, &s, ownMAC, &own)
	i := r.tab.Adjacency(1, &x)
	r.tab.apply(news{iface: 1, addr: x, mac: peerMAC, hasMAC: true, solicited: true})
	if n := testing.AllocsPerRun(100, func() {
		b := r.w.Bufs.Get()
		copy(b.Append(42), frame)
		one[0] = b
		r.tab.InputARP(1, one)
		r.tab.setStale(i, r.tab.At(i))
		r.tab.Confirm(i)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A flood of news about others, which uses up what may be told, does not keep an answer
// from the worker that has asked.
func TestAnswersInAFlood(t *testing.T) {
	for _, v := range []string{"10.0.0.9", "2001:db8::9"} {
		rigs, _ := newRigs(t, 3)
		flood := func() {
			for k := range 5000 {
				a := ad("10.0.0.77")
				rigs[0].tab.learn(news{iface: 1, addr: a, mac: hdr.MAC{2, 0, 0, 0, byte(k >> 8), byte(k)}, hasMAC: true,
					override: true, solicited: true, create: true})
			}
		}
		flood()
		rigs[2].send(v, 2)
		flood()
		a := ad(v)
		answer := news{iface: 1, addr: a, mac: peerMAC, hasMAC: true, override: true, solicited: true}
		for range 1000 {
			rigs[0].tab.learn(answer)
		}
		for _, r := range rigs {
			r.at(1000)
		}
		if i := rigs[2].tab.Find(1, &a); i == 0 || rigs[2].tab.At(i).State != Reachable {
			t.Errorf("%s: the worker that asked does not know the answer", v)
		}
		if n := rigs[0].tab.c.neigh[postsLimited]; n < 10000 {
			t.Errorf("%s: %d were held back: an answer is told once", v, n)
		}
	}
}

// News that were under way when their interface went make no entry for the next one with
// its index; those of other interfaces do.
func TestNewsOfADeletedInterface(t *testing.T) {
	rigs, all := newRigs(t, 2)
	for iface := range uint32(2) {
		rigs[0].tab.learn(news{iface: 1 + iface, addr: ad("10.0.0.9"), mac: peerMAC, hasMAC: true, create: true, announced: true})
	}
	// Workers that do not run take no letters before the flush.
	if err := all.Flush(1, true); err != nil {
		t.Fatal(err)
	}
	rigs[1].at(1000)
	a := ad("10.0.0.9")
	if rigs[1].tab.Find(1, &a) != 0 {
		t.Error("there is an entry for the next interface")
	}
	if rigs[1].tab.Find(2, &a) == 0 {
		t.Error("news about another interface are lost")
	}
	rigs[0].tab.learn(news{iface: 1, addr: a, mac: peerMAC, hasMAC: true, create: true, announced: true})
	rigs[1].at(1000)
	if rigs[1].tab.Find(1, &a) == 0 {
		t.Error("news about the next interface are lost")
	}
}
