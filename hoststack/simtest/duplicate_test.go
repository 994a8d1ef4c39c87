package simtest

import (
	"net/netip"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/transport"
)

// Frames of long ago come again in place of others, SYNs and FINs of earlier connections
// on the same ports among them. Nothing of them gets into a stream.
func TestOldDuplicates(t *testing.T) {
	p := newPair(t, setup{seed: 5, links: both(sim.Link{Delay: 2 * ms, Rate: 50e6}),
		client: Options{MinPort: 5000, MaxPort: 5019}})
	p.check = &Checker{} // it would see the replays as sent by the stacks
	for side := range 2 {
		r := rng(uint64(side))
		past := map[int][][]byte{} // by length
		p.wire.Hook(side, func(_ uint64, frame []byte) bool {
			old := past[len(frame)]
			now := append([]byte(nil), frame...)
			if len(old) > 0 && r.IntN(30) == 0 {
				copy(frame, old[r.IntN(len(old))])
			}
			if len(old) < 500 {
				past[len(frame)] = append(old, now)
			} else {
				old[r.IntN(len(old))] = now
			}
			return false
		})
	}
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	p.server.Serve = func() Plan { return Plan{Echo: true} }
	const n = 10
	for round := range rounds {
		p.open(n, func(i int) Plan {
			return Plan{Send: 20000, Finish: HalfCloseFirst}
		})
		if !p.w.RunFor(300*sec, p.allGone((round+1)*n)) {
			t.Fatal(p.progress())
		}
		// The ports come again as soon as TIME-WAIT lets them.
		p.w.RunFor(15*sec, nil)
	}
	for i, e := range p.client.Ends {
		if e.Why == nil && e.Received != 20000 {
			t.Errorf("session %d got %d bytes back and ended well", i, e.Received)
		}
	}
	p.client.Failed = nil // an old reset may well hit a SYN
	p.verify()
}

// Both sides open to each other at once, on fixed ports (RFC 9293 section 3.5): one
// connection comes of it.
func TestSimultaneousOpen(t *testing.T) {
	for _, loss := range []float64{0, 0.2} {
		p := newPair(t, setup{seed: 3, links: both(sim.Link{Delay: 10 * ms, Loss: loss})})
		ends := [2]netip.AddrPort{netip.AddrPortFrom(Addr4(1, 1), 5000), netip.AddrPortFrom(Addr4(1, 2), 5000)}
		plan := Plan{Send: 5000, Finish: HalfCloseFirst}
		p.client.plans, p.server.plans = []Plan{plan}, []Plan{plan}
		if err := p.a.Sessions.Workers()[0].Connect(p.ca, transport.TCP, transport.Endpoint{Addr: ends[1], Local: ends[0]}, 0); err != nil {
			t.Fatal(err)
		}
		if err := p.b.Sessions.Workers()[0].Connect(p.sa, transport.TCP, transport.Endpoint{Addr: ends[0], Local: ends[1]}, 0); err != nil {
			t.Fatal(err)
		}
		p.finish(1, 60*sec)
		if len(p.client.Ends) != 1 || len(p.server.Ends) != 1 {
			t.Fatalf("%d and %d sessions", len(p.client.Ends), len(p.server.Ends))
		}
		p.received(p.client, 5000)
		p.received(p.server, 5000)
	}
}
