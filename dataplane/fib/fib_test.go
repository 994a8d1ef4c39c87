package fib

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
)

func ad(s string) hdr.Addr { return hdr.AddrOf(netip.MustParseAddr(s)) }

func pfx(s ...string) (out []netip.Prefix) {
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func link(addrs ...string) LinkState {
	return LinkState{Exists: true, Up: true, MAC: hdr.MAC{2, 0xfe, 0, 0, 0, 1}, Addrs: pfx(addrs...)}
}

// TestTrieAgainstModel compares the trie with a list of prefixes, through random
// insertions and removals, and checks that old snapshots keep their content.
func TestTrieAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, v4 := range []bool{true, false} {
		var root *node
		model := map[netip.Prefix]*Entry{}
		random := func() netip.Addr {
			a := hdr.Addr{}
			if v4 {
				a = hdr.Addr4([]byte{10, byte(r.IntN(3)), byte(r.IntN(256)), byte(r.IntN(4) * 85)})
			} else {
				a = hdr.Addr{0x20, 1, byte(r.IntN(2)), 7: byte(r.IntN(256)), 8: byte(r.IntN(3)), 15: byte(r.IntN(4))}
			}
			return a.Netip()
		}
		longest := func(a netip.Addr) (best *Entry) {
			for p, e := range model {
				if p.Contains(a) && (best == nil || p.Bits() > best.Prefix.Bits()) {
					best = e
				}
			}
			return best
		}
		for step := range 4000 {
			a := random()
			p := netip.PrefixFrom(a, r.IntN(a.BitLen()+1)).Masked()
			k, n := prefixKey(p)
			if r.IntN(3) > 0 {
				e := &Entry{Prefix: p}
				root, model[p] = root.insert(k, n, e), e
			} else {
				root = root.remove(k, n)
				delete(model, p)
			}
			if root.exact(k, n) != model[p] {
				t.Fatalf("step %d: exact %s is wrong", step, p)
			}
			if step%16 == 0 {
				for range 50 {
					a := random()
					x := hdr.AddrOf(a)
					if got, want := root.longest(keyOf(&x)), longest(a); got != want {
						t.Fatalf("step %d: %s finds %v, want %v", step, a, got, want)
					}
				}
			}
			if step%500 == 0 {
				n, last := 0, netip.Prefix{}
				root.walk(func(e *Entry) {
					if n > 0 && (e.Prefix.Addr().Less(last.Addr()) || e.Prefix.Addr() == last.Addr() && e.Prefix.Bits() <= last.Bits()) {
						t.Fatalf("walk: %s after %s", e.Prefix, last)
					}
					n, last = n+1, e.Prefix
				})
				if n != len(model) {
					t.Fatalf("walk visits %d entries of %d", n, len(model))
				}
			}
		}
		old := root
		before := 0
		old.walk(func(*Entry) { before++ })
		for p := range model {
			k, n := prefixKey(p)
			root = root.remove(k, n)
		}
		if root != nil {
			t.Fatal("trie is not empty")
		}
		after := 0
		old.walk(func(*Entry) { after++ })
		if before != after {
			t.Fatal("an old snapshot changed")
		}
	}
}

func TestConnected(t *testing.T) {
	tab := New()
	e0 := tab.Load().Epoch
	tab.SetLink(1, link("10.0.0.1/24", "2001:db8::1/64"))
	tab.SetLink(2, link("192.0.2.0/31", "198.51.100.9/32"))
	s := tab.Load()
	if s.Epoch == e0 {
		t.Fatal("the epoch did not move")
	}
	for _, c := range []struct {
		a     string
		kind  Kind
		iface uint32
	}{
		{"10.0.0.1", Receive, 1},
		{"10.0.0.7", Attached, 1},
		{"10.0.0.255", Broadcast, 1},
		{"10.0.0.0", Drop, 0},
		{"10.0.1.1", Drop, 0},
		{"192.0.2.0", Receive, 2},
		{"192.0.2.1", Attached, 2},
		{"198.51.100.9", Receive, 2},
		{"2001:db8::1", Receive, 1},
		{"2001:db8::2", Attached, 1},
		{"2001:db9::2", Drop, 0},
		{"fe80::fe:ff:fe00:1", Receive, 1}, // EUI-64 of the interface with IPv6
		{"fe80::5", Attached, 1},           // the only link with IPv6
		{"127.0.0.1", Drop, 0},
		{"240.1.1.1", Drop, 0},
	} {
		a := ad(c.a)
		if n := s.Resolve(&a, 0); n.Kind != c.kind || n.Kind != Drop && n.Iface != c.iface {
			t.Errorf("%s: %s on %d, want %s on %d", c.a, n.Kind, n.Iface, c.kind, c.iface)
		}
		if got := s.Owns(&a, 0); got != (c.kind == Receive) {
			t.Errorf("%s: owned %v", c.a, got)
		}
	}
	down := link("10.0.0.1/24", "2001:db8::1/64")
	down.Up = false
	tab.SetLink(1, down)
	for _, x := range []string{"10.0.0.1", "10.0.0.7", "2001:db8::1", "fe80::5", "10.0.0.255"} {
		a := ad(x)
		if n := tab.Load().Resolve(&a, 0); n.Kind != Drop {
			t.Errorf("%s: %s although the interface is down", x, n.Kind)
		}
	}
	if a := ad("10.0.0.7"); s.Resolve(&a, 0).Kind != Attached {
		t.Error("the old snapshot changed")
	}
}

func TestSameNetworkOnTwoInterfaces(t *testing.T) {
	tab := New()
	tab.SetLink(2, link("10.0.0.2/24"))
	tab.SetLink(1, link("10.0.0.1/24"))
	a := ad("10.0.0.9")
	if n := tab.Load().Resolve(&a, 0); n.Iface != 1 {
		t.Fatalf("interface %d, want the lower index", n.Iface)
	}
	if n := tab.Load().Resolve(&a, 2); n.Kind != Drop && n.Iface != 2 {
		t.Fatalf("asked for interface 2, got %+v", n)
	}
	tab.SetLink(1, LinkState{})
	if n := tab.Load().Resolve(&a, 0); n.Iface != 2 || n.Kind != Attached {
		t.Fatalf("after interface 1 has gone: %+v", n)
	}
	for _, x := range []string{"10.0.0.1", "10.0.0.2"} {
		a := ad(x)
		if got := tab.Load().Owns(&a, 0); got != (x == "10.0.0.2") {
			t.Errorf("%s owned: %v", x, got)
		}
	}
}

func TestRoutes(t *testing.T) {
	tab := New()
	tab.SetLink(1, link("10.0.0.1/24", "2001:db8::1/64"))
	tab.SetLink(2, link("10.1.0.1/24"))
	via := func(p string, hops ...Hop) {
		t.Helper()
		if err := tab.AddRoute(Route{Prefix: netip.MustParsePrefix(p), Kind: Via, Hops: hops}); err != nil {
			t.Fatal(err)
		}
	}
	via("0.0.0.0/0", Hop{Gateway: ad("10.0.0.254")})
	via("172.16.0.0/12", Hop{Gateway: ad("172.16.0.1")})                 // names itself
	via("172.20.0.0/16", Hop{Gateway: ad("10.1.0.254"), Iface: 2})       //
	via("172.21.0.0/16", Hop{Gateway: ad("172.20.0.9")})                 // recursive
	via("172.22.9.9/16", Hop{Iface: 2})                                  // attached, host bits ignored
	via("2001:db8:1::/48", Hop{Gateway: ad("fe80::1"), Iface: 1})        //
	via("10.0.0.0/24", Hop{Gateway: ad("10.1.0.254")})                   // interface wins
	_ = tab.AddRoute(Route{Prefix: pfx("172.23.0.0/16")[0], Kind: Drop}) //
	via("172.24.0.0/16", Hop{Gateway: ad("10.0.0.255")})                 // a broadcast address
	_ = tab.AddRoute(Route{Prefix: pfx("203.0.113.7/32")[0], Kind: Receive})
	s := tab.Load()
	for _, c := range []struct {
		a, next string
		kind    Kind
		iface   uint32
	}{
		{"8.8.8.8", "10.0.0.254", Attached, 1},
		{"172.16.5.5", "", Drop, 0},
		{"172.20.5.5", "10.1.0.254", Attached, 2},
		{"172.21.5.5", "10.1.0.254", Attached, 2},
		{"172.22.5.5", "172.22.5.5", Attached, 2},
		{"172.23.5.5", "", Drop, 0},
		{"172.24.5.5", "", Drop, 0},
		{"203.0.113.7", "", Receive, 0},
		{"2001:db8:1::5", "fe80::1", Attached, 1},
		{"10.0.0.77", "10.0.0.77", Attached, 1},
	} {
		a := ad(c.a)
		n := s.Resolve(&a, 0)
		if n.Kind != c.kind || n.Iface != c.iface || c.next != "" && n.Addr != ad(c.next) {
			t.Errorf("%s: %+v, want %+v", c.a, n, c)
		}
	}
	// Bound to an interface: the most specific route that goes through it.
	if a := ad("172.20.5.5"); s.Resolve(&a, 1).Addr != ad("10.0.0.254") {
		t.Errorf("bound to 1: %+v", s.Resolve(&a, 1))
	}
	if a := ad("8.8.8.8"); s.Resolve(&a, 2).Kind != Drop {
		t.Errorf("bound to 2: %+v", s.Resolve(&a, 2))
	}
	// An interface that goes away takes the routes that name it along.
	tab.SetLink(2, LinkState{})
	if a := ad("172.20.5.5"); tab.Load().Resolve(&a, 0).Kind != Drop || tab.Load().Exact(pfx("172.20.0.0/16")[0]) != nil {
		t.Error("a route through a removed interface is still there")
	}
	if tab.Load().Exact(pfx("172.21.0.0/16")[0]) == nil {
		t.Error("a route that does not name the interface has gone")
	}
	if err := tab.DelRoute(Route{Prefix: pfx("0.0.0.0/0")[0]}); err != nil {
		t.Fatal(err)
	}
	if a := ad("8.8.8.8"); tab.Load().Resolve(&a, 0).Kind != Drop {
		t.Error("deleted default route still used")
	}
	before := tab.Load()
	for _, err := range []error{
		tab.DelRoute(Route{Prefix: pfx("0.0.0.0/0")[0]}),
		tab.DelRoute(Route{Prefix: pfx("2001:db8:1::/48")[0], Hops: []Hop{{Gateway: ad("fe80::2"), Iface: 1}}}),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("error %v", err)
		}
	}
	if err := tab.AddRoute(Route{Prefix: pfx("9.0.0.0/8")[0], Kind: Via, Hops: []Hop{{Gateway: ad("fe80::1"), Iface: 1}}}); !errors.Is(err, ErrBadGateway) {
		t.Errorf("error %v", err)
	}
	if err := tab.AddRoute(Route{Prefix: pfx("2001::/16")[0], Kind: Via, Hops: []Hop{{Gateway: ad("fe80::1")}}}); !errors.Is(err, ErrLinkLocal) {
		t.Errorf("error %v", err)
	}
	if tab.Load() != before {
		t.Error("a refused change changed something")
	}
}

func TestSeveralPaths(t *testing.T) {
	tab := New()
	tab.SetLink(1, link("10.0.0.1/24"))
	tab.SetLink(2, link("10.1.0.1/24"))
	r := Route{Prefix: pfx("20.0.0.0/8")[0], Kind: Via, Hops: []Hop{{Gateway: ad("10.0.0.2")}}}
	r2 := Route{Prefix: r.Prefix, Kind: Via, Hops: []Hop{{Gateway: ad("10.1.0.2")}}}
	for range 2 { // the same path again changes nothing
		_ = tab.AddRoute(r)
		_ = tab.AddRoute(r2)
	}
	if e := tab.Load().Exact(r.Prefix); len(e.Hops) != 2 {
		t.Fatalf("%d paths, want 2", len(e.Hops))
	}
	count := map[uint32]int{}
	for i := range 1000 {
		a := hdr.Addr4([]byte{20, 0, byte(i >> 8), byte(i)})
		first := tab.Load().Resolve(&a, 0)
		count[first.Iface]++
		if again := tab.Load().Resolve(&a, 0); again != first {
			t.Fatal("one destination has two paths")
		}
	}
	if count[1] < 300 || count[2] < 300 {
		t.Errorf("spread %v", count)
	}
	down := link("10.1.0.1/24")
	down.Up = false
	tab.SetLink(2, down)
	for i := range 100 {
		a := hdr.Addr4([]byte{20, 0, 0, byte(i)})
		if n := tab.Load().Resolve(&a, 0); n.Iface != 1 {
			t.Fatalf("%+v although interface 2 is down", n)
		}
	}
	if err := tab.DelRoute(r); err != nil {
		t.Fatal(err)
	}
	if e := tab.Load().Exact(r.Prefix); len(e.Hops) != 1 || e.Hops[0] != r2.Hops[0] {
		t.Errorf("after deleting one path: %+v", e)
	}
}

func TestGroups(t *testing.T) {
	tab := New()
	tab.SetLink(1, link("10.0.0.1/24"))
	mc, bc := ad("239.1.1.1"), ad("255.255.255.255")
	if n := tab.Load().Resolve(&mc, 0); n.Kind != Multicast || n.Iface != 1 {
		t.Errorf("only link: %+v", n)
	}
	if n := tab.Load().Resolve(&bc, 0); n.Kind != Broadcast || n.Iface != 1 {
		t.Errorf("only link: %+v", n)
	}
	tab.SetLink(2, link("10.1.0.1/24"))
	if n := tab.Load().Resolve(&mc, 0); n.Kind != Drop {
		t.Errorf("two links and no route: %+v", n)
	}
	if n := tab.Load().Resolve(&mc, 2); n.Kind != Multicast || n.Iface != 2 {
		t.Errorf("asked for 2: %+v", n)
	}
	_ = tab.AddRoute(Route{Prefix: pfx("224.0.0.0/4")[0], Kind: Via, Hops: []Hop{{Iface: 2}}})
	if n := tab.Load().Resolve(&mc, 0); n.Kind != Multicast || n.Iface != 2 {
		t.Errorf("by route: %+v", n)
	}
	l := makeLink(link("2001:db8::12:3456/64"))
	for g, want := range map[string]bool{"ff02::1": true, "ff01::1": true, "ff02::2": false, "ff02::1:ff12:3456": true,
		"ff02::1:ff00:1": true, "ff02::1:ff00:2": false, "224.0.0.1": true, "224.0.0.2": false} {
		if a := ad(g); l.Member(&a) != want {
			t.Errorf("member of %s: %v", g, !want)
		}
	}
	v4only := makeLink(link("10.0.0.1/8"))
	if v4only.Member(&hdr.AllNodes) || v4only.IP6 {
		t.Error("IPv6 is on without an address")
	}
}

func TestSource(t *testing.T) {
	tab := New()
	tab.SetLink(1, link("10.0.0.1/24", "10.9.0.1/16", "2001:db8::1/64", "2001:db8:5::1/64"))
	s := tab.Load()
	ll := hdr.LinkLocal(hdr.MAC{2, 0xfe, 0, 0, 0, 1})
	for _, c := range []struct{ via, dst, want string }{
		{"10.0.0.2", "10.0.0.2", "10.0.0.1"},
		{"10.9.3.3", "8.8.8.8", "10.9.0.1"},
		{"172.16.0.1", "8.8.8.8", "10.0.0.1"},
		{"2001:db8::2", "2001:db8::2", "2001:db8::1"},
		{"2001:db8:5::2", "2001:db8:5:1::2", "2001:db8:5::1"},
		{"fe80::2", "fe80::2", ll.String()},
		{"fe80::2", "2002::2", "2001:db8::1"},
		{"ff02::5", "ff02::5", ll.String()},
		{"ff0e::5", "ff0e::5", "2001:db8::1"},
		{"2001:db8:5::1", "2001:db8:5::1", "2001:db8:5::1"},
	} {
		via, dst := ad(c.via), ad(c.dst)
		if got := s.Source(1, &via, &dst); got != ad(c.want) {
			t.Errorf("source for %s via %s: %s, want %s", c.dst, c.via, got, c.want)
		}
	}
	a := ad("10.0.0.2")
	if got := s.Source(7, &a, &a); got != (hdr.Addr{}) {
		t.Errorf("source on no interface: %s", got)
	}
}

func BenchmarkLookup(b *testing.B) {
	tab := New()
	tab.SetLink(1, link("10.0.0.1/24", "2001:db8::1/64"))
	for i := range 2000 {
		_ = tab.AddRoute(Route{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 6), byte(i << 2), 0}), 22), Kind: Drop})
	}
	s := tab.Load()
	for name, a := range map[string]hdr.Addr{"own4": ad("10.0.0.1"), "deep4": ad("20.7.8.9"), "own6": ad("2001:db8::1")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Lookup(&a)
			}
		})
	}
}
