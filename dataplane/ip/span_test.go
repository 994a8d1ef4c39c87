package ip

import (
	"errors"
	"net/netip"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/hdr"
)

// TestSpan: addresses of a span answer ARP, neighbour discovery and ping, at both ends
// and in the middle, until it is removed; the interface going down and up does not matter.
func TestSpan(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 1)
	w := wire(t, a, b, sim.Config{})
	a.up("sim0", w.End(0), "10.0.0.1/16", "2001:db8::1/64")
	ib := b.up("sim0", w.End(1), "10.0.0.2/16", "2001:db8::2/64")
	settle(t, a, b)
	span := func(first, last string) hdr.Span {
		x, err := hdr.MakeSpan(netip.MustParseAddr(first), netip.MustParseAddr(last), 10240)
		a.ok(err)
		return x
	}
	four, six := span("10.0.4.7", "10.0.44.6"), span("2001:db8::aa:fffe", "2001:db8::ab:10")
	a.ok(b.s.AddSpan(four))
	a.ok(b.s.AddSpan(six))
	if err := b.s.AddSpan(span("10.1.0.0", "10.1.0.9")); !errors.Is(err, ErrNoSource) {
		t.Errorf("a span of no interface: %v", err)
	}
	if err := b.s.AddSpan(span("10.0.255.250", "10.1.0.9")); !errors.Is(err, ErrNoSource) {
		t.Errorf("a span that leaves the network: %v", err)
	}
	check := func(what string, answers bool, addrs ...string) {
		t.Helper()
		for _, to := range addrs {
			if got := a.ping(to, 60, b); (len(got) == 1 && !got[0].failed) != answers {
				t.Errorf("%s: ping %s: %+v", what, to, got)
			}
		}
	}
	in := []string{"10.0.4.7", "10.0.20.255", "10.0.44.6", "2001:db8::aa:fffe", "2001:db8::ab:0", "2001:db8::ab:10"}
	check("added", true, in...)
	check("outside", false, "10.0.4.6", "10.0.44.7", "2001:db8::aa:fffd", "2001:db8::ab:11")
	b.ok(b.ifs.SetUp(ib, false))
	b.ok(b.ifs.SetUp(ib, true))
	settle(t, a, b)
	check("down and up", true, in...)
	b.s.RemoveSpan(four)
	b.s.RemoveSpan(six)
	for _, to := range in {
		if x := ad(to); b.s.IsLocal(b.workers[0], &x) {
			t.Errorf("%s is still ours", to)
		}
	}
	check("the interface's own", true, "10.0.0.2", "2001:db8::2")
}
