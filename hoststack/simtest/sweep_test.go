package simtest

import (
	"flag"
	"testing"

	"vpphost/dataplane/device/sim"
)

// To look for what the usual seeds do not find:
//
//	go test -run Sweep -seeds 1000 -from 5000
var (
	seeds = flag.Uint64("seeds", 0, "how many seeds the sweeps try; 0: a few")
	from  = flag.Uint64("from", 0, "first seed of the sweeps")
)

// sweep runs a test for each seed, and stops at the first that fails.
func sweep(t *testing.T, few uint64, f func(seed uint64)) {
	n := *seeds
	if n == 0 {
		if n = few; testing.Short() {
			n = 3
		}
	}
	for seed := *from; seed < *from+n; seed++ {
		f(seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// randomPair is a pair on a wire that does everything wrong, in proportions of its own.
func randomPair(t *testing.T, seed uint64, o Options) *pair { return randomPairOf(t, seed, o, o) }

func randomPairOf(t *testing.T, seed uint64, client, server Options) *pair {
	r := rng(seed)
	l := sim.Link{
		Delay: int64(r.IntN(20)) * ms, Jitter: int64(r.IntN(1000)) * 1000,
		Rate: 1e6 * uint64(1+r.IntN(1000)), Queue: 16 + r.IntN(500),
		Loss: r.Float64() * 0.08, LossBurst: r.Float64() * 0.3,
		Reorder: r.Float64() * 0.15, ReorderBy: int64(r.IntN(20)) * ms / 2,
		Duplicate: r.Float64() * 0.1, Corrupt: r.Float64() * 0.02,
	}
	client.RxFIFO, client.TxFIFO = uint32(1<<(12+r.IntN(10))), uint32(1<<(12+r.IntN(10)))
	server.RxFIFO, server.TxFIFO = client.RxFIFO, client.TxFIFO
	return newPair(t, setup{seed: seed, links: both(l), v6: seed&1 != 0, client: client, server: server,
		wire: WireOptions{Ring: r.IntN(2) * 64}})
}

// TestSweepTransfers: what is sent comes back.
func TestSweepTransfers(t *testing.T) {
	sweep(t, 20, func(seed uint64) {
		p := randomPair(t, seed, Options{})
		p.server.Serve = func() Plan { return Plan{Echo: true} }
		const n = 6
		p.open(n, func(i int) Plan { return Plan{Send: uint64(1+i*i*i) * 2000, Finish: HalfCloseFirst} })
		if !p.w.RunFor(3000*sec, p.allGone(n)) {
			t.Fatalf("seed %d: %s", seed, p.progress())
		}
		for i, e := range p.client.Ends {
			// No wire of these is so bad for so long that TCP has to give up.
			if e.Received != e.Send || e.Why != nil {
				t.Errorf("session %d ended with %d of %d bytes, %v", i, e.Received, e.Send, e.Why)
			}
		}
		if len(p.client.Ends) != n {
			t.Errorf("%d of %d sessions were opened", len(p.client.Ends), n)
		}
		p.verify()
	})
}

// TestSweepLives: sessions of every kind, on few ports, so that they meet what is left of
// those before them. They end in every way; nothing is left.
func TestSweepLives(t *testing.T) {
	sweep(t, 20, func(seed uint64) {
		r := rng(seed + 1<<32)
		p := randomPair(t, seed, Options{MinPort: 6000, MaxPort: 6040 + uint16(r.IntN(60))})
		plan := func() Plan {
			q := Plan{Send: uint64(r.IntN(5) * r.IntN(20000)), Finish: []Finish{CloseAtOnce, HalfCloseFirst}[r.IntN(2)]}
			if r.IntN(4) == 0 {
				q.ResetAt = uint64(1 + r.IntN(30000))
			}
			return q
		}
		p.server.Serve = plan
		total := 0
		for range 6 {
			for range 1 + r.IntN(15) {
				// It fails when all ports are taken.
				if p.client.Connect(p.ca, p.addr(2), plan()) == nil {
					total++
				}
			}
			p.w.RunFor(int64(r.IntN(5000))*ms, nil)
		}
		if !p.w.RunFor(1000*sec, p.allGone(total)) {
			// Whoever has nothing to send does not notice that a reset got lost.
			for _, s := range append(p.a.states(p.client), p.b.states(p.server)...) {
				if s != "ESTABLISHED" && s != "FIN_WAIT_2" {
					t.Fatalf("seed %d: %s", seed, p.progress())
				}
			}
		}
		p.client.Failed = nil
		p.verify()
	})
}
