package simtest

import (
	"errors"
	"fmt"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/transport"
)

// Every way to end a session, while little or much is on its way, on a wire that loses:
// both sides are told, and nothing is left (World.Close looks).
func TestCloseEveryWay(t *testing.T) {
	finishes := []Finish{CloseAfterPeer, CloseAtOnce, HalfCloseFirst}
	names := []string{"after peer", "at once", "half"}
	for i, mine := range finishes {
		for j, other := range finishes {
			if mine == CloseAfterPeer && other == CloseAfterPeer {
				continue // both wait for ever
			}
			t.Run(names[i]+"/"+names[j], func(t *testing.T) {
				for k, size := range []uint64{0, 1, 3000, 100000} {
					l := sim.Link{Delay: 5 * ms, Loss: 0.1, Reorder: 0.1, ReorderBy: 2 * ms}
					p := newPair(t, setup{seed: uint64(k), links: both(l), v6: k&1 != 0})
					p.server.Serve = func() Plan { return Plan{Send: size, Finish: other} }
					const n = 10
					p.open(n, func(int) Plan { return Plan{Send: size, Finish: mine} })
					p.finish(n, 600*sec)
				}
			})
		}
	}
}

// A reset at every stage of a transfer: the other side is told, if the reset gets through
// or something it sends is answered by one.
func TestResetEverywhere(t *testing.T) {
	for _, loss := range []float64{0, 0.1} {
		for _, at := range []uint64{1, 1000, 50000, 400000} {
			p := newPair(t, setup{seed: at, links: both(sim.Link{Delay: 5 * ms, Loss: loss, Rate: 100e6})})
			p.server.Serve = func() Plan { return Plan{Send: 500000, Finish: StayOpen} }
			const n = 5
			p.open(n, func(i int) Plan {
				if i&1 == 0 {
					return Plan{Send: 500000, ResetAt: at, Finish: StayOpen}
				}
				return Plan{ResetAt: at, Finish: StayOpen}
			})
			p.finish(n, 600*sec)
			for i, e := range p.server.Ends {
				if !errors.Is(e.Why, transport.ErrReset) {
					t.Errorf("loss %v at %d, session %d: the server was told %v", loss, at, i, e.Why)
				}
			}
		}
	}
}

// The application goes away in the middle of everything.
func TestDetach(t *testing.T) {
	for _, side := range []string{"client", "server"} {
		t.Run(side, func(t *testing.T) {
			p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: 5 * ms, Rate: 100e6, Loss: 0.01})})
			p.server.Serve = func() Plan { return Plan{Send: 1 << 20, Finish: StayOpen} }
			const n = 20
			p.open(n, func(i int) Plan { return Plan{Send: 1 << 20, Finish: StayOpen} })
			p.w.RunFor(60*ms, nil)
			handle, app := p.ca, p.client
			if side == "server" {
				handle, app = p.sa, p.server
			}
			if err := handle.Detach(); err != nil {
				t.Fatal(err)
			}
			if app.Live != 0 {
				t.Errorf("%d sessions are live after Detach", app.Live)
			}
			if !p.w.RunFor(600*sec, func() bool { return p.client.Live+p.server.Live == 0 }) {
				t.Fatalf("the other side was not told: %s", p.progress())
			}
			p.verify()
		})
	}
}

// The peer disappears: every packet is lost from some moment on. Whoever has something to
// send is told of a timeout, and nothing is left.
func TestPeerVanishes(t *testing.T) {
	for _, phase := range []struct {
		name string
		when func(p *pair) bool
	}{
		{"before", func(p *pair) bool { return true }},
		{"syn sent", func(p *pair) bool { return p.wire.Stats(0).Sent >= 5 }},
		{"syn received", func(p *pair) bool { return p.wire.Stats(1).Sent >= 5 }},
		{"accepted", func(p *pair) bool { return len(p.server.Ends) == 5 }},
		{"transfer", func(p *pair) bool { return len(p.server.Ends) == 5 && p.server.Ends[4].Received > 200e3 }},
		{"peer closed", func(p *pair) bool { return len(p.server.Ends) > 0 && p.server.Ends[0].PeerClosed }},
	} {
		for _, mine := range []Finish{HalfCloseFirst, CloseAtOnce} {
			t.Run(fmt.Sprint(phase.name, " ", mine), func(t *testing.T) {
				p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: 10 * ms, Rate: 100e6})})
				p.server.Serve = func() Plan {
					if mine == CloseAtOnce {
						return Plan{}
					}
					return Plan{Send: 1 << 20, Finish: HalfCloseFirst}
				}
				const n = 5
				p.open(n, func(i int) Plan { return Plan{Send: uint64(1+i*4) << 17, Finish: mine} })
				if !p.w.RunFor(10*sec, func() bool { return phase.when(p) }) {
					t.Fatal("the moment does not come")
				}
				p.wire.SetUp(false)
				p.w.RunFor(3600*sec, p.allGone(n))
				for _, h := range []*Host{p.a, p.b} {
					for _, state := range h.states(map[*Host]*App{p.a: p.client, p.b: p.server}[h]) {
						// Nothing to send, waiting for the peer: silence is no news.
						if state != "FIN_WAIT_2" && state != "ESTABLISHED" {
							t.Errorf("%s: never told in %s", h.Name, state)
						}
					}
				}
				told := len(p.client.Failed)
				for _, err := range p.client.Failed {
					if !errors.Is(err, transport.ErrTimeout) && !errors.Is(err, transport.ErrNoRoute) {
						t.Errorf("an open failed with %v", err)
					}
				}
				p.client.Failed = nil
				for _, app := range []*App{p.client, p.server} {
					for _, e := range app.Ends {
						if e.Why == nil {
							continue
						}
						told++
						if !errors.Is(e.Why, transport.ErrTimeout) && !errors.Is(e.Why, transport.ErrNoRoute) {
							t.Errorf("told %v", e.Why)
						}
					}
				}
				if told == 0 {
					t.Error("nobody was told")
				}
				p.verify()
			})
		}
	}
}

// The peer comes back after a pause: the transfer goes on, also where both applications
// have closed already.
func TestPeerPauses(t *testing.T) {
	const size = 2 << 20
	for _, mine := range []Finish{HalfCloseFirst, CloseAtOnce} {
		p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: 10 * ms, Rate: 100e6})})
		p.server.Serve = func() Plan { return Plan{} }
		p.w.At(p.w.Now()+100*ms, func() { p.wire.SetUp(false) })
		p.w.At(p.w.Now()+5*sec, func() { p.wire.SetUp(true) })
		p.open(3, func(int) Plan { return Plan{Send: size, Finish: mine} })
		p.finish(3, 120*sec)
		p.received(p.server, size)
	}
	// The client has closed; the server answers with a lot, and closes.
	p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: 10 * ms, Rate: 100e6})})
	p.server.Serve = func() Plan { return Plan{Ask: 100, Reply: size} }
	p.w.At(p.w.Now()+100*ms, func() { p.wire.SetUp(false) })
	p.w.At(p.w.Now()+15*sec, func() { p.wire.SetUp(true) })
	p.open(3, func(int) Plan { return Plan{Send: 100, Finish: HalfCloseFirst} })
	p.finish(3, 120*sec)
	p.received(p.client, size)
}

// Connections one after the other and many at once.
func TestManyConnections(t *testing.T) {
	n := 10000
	if testing.Short() {
		n = 1000
	}
	p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: ms, Rate: 10e9})})
	p.server.Serve = func() Plan { return Plan{Ask: 100, Reply: 1000} }
	open := 0
	const batch = 500
	for open < n {
		p.open(batch, func(int) Plan { return Plan{Asks: 2, Ask: 100, Reply: 1000, Finish: CloseAtOnce} })
		open += batch
		p.w.RunFor(3*ms, nil)
	}
	p.finish(n, 600*sec)
	p.received(p.client, 2000)
	p.received(p.server, 200)
	if len(p.server.Ends) != n {
		t.Errorf("%d sessions accepted, %d opened", len(p.server.Ends), n)
	}
}

// A storm of connections that are opened and closed, or reset, at once, on a lossy wire.
func TestConnectStorm(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 200
	}
	p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: ms, Loss: 0.05, Duplicate: 0.05, Reorder: 0.1, ReorderBy: ms})})
	p.server.Serve = func() Plan { return Plan{Echo: true} }
	p.open(n, func(i int) Plan {
		switch i % 3 {
		case 0:
			return Plan{Finish: CloseAtOnce}
		case 1:
			return Plan{Send: 10, ResetAt: 1, Finish: StayOpen}
		}
		return Plan{Send: 2000, Finish: HalfCloseFirst}
	})
	p.finish(n, 600*sec)
}

// Nobody listens, or the server refuses: every open fails, quickly.
func TestRefused(t *testing.T) {
	for _, listening := range []bool{false, true} {
		t.Run(fmt.Sprint("listening ", listening), func(t *testing.T) {
			p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: ms})})
			if !listening {
				if err := p.sa.Unlisten(transport.TCP, endpoint(p.addr(2))); err != nil {
					t.Fatal(err)
				}
			}
			const n = 10
			p.open(n, func(int) Plan { return Plan{Finish: CloseAfterPeer} })
			if !p.w.RunFor(sec, p.allGone(n)) {
				t.Fatal(p.progress())
			}
			if !listening && len(p.client.Failed) != n {
				t.Errorf("%d of %d opens failed", len(p.client.Failed), n)
			}
			for _, err := range p.client.Failed {
				if !errors.Is(err, transport.ErrRefused) {
					t.Errorf("an open failed with %v", err)
				}
			}
			p.client.Failed = nil
			p.verify()
		})
	}
}

// Several workers a host: a wire has one queue, so that packets arrive at the wrong worker
// as well.
func TestSeveralWorkers(t *testing.T) {
	for _, workers := range [][2]int{{2, 1}, {1, 3}, {3, 2}} {
		l := sim.Link{Delay: ms, Rate: 1e9, Loss: 0.01, Reorder: 0.05, ReorderBy: 300e3}
		p := newPair(t, setup{seed: 1, links: both(l), client: Options{Workers: workers[0]}, server: Options{Workers: workers[1]}})
		p.server.Serve = func() Plan { return Plan{Echo: true} }
		const n = 60
		p.open(n, func(int) Plan { return Plan{Send: 20000, Finish: HalfCloseFirst} })
		p.finish(n, 600*sec)
		p.received(p.client, 20000)
		used := map[uint8]int{}
		for _, e := range p.client.Ends {
			used[e.Handle.Worker]++
		}
		if len(used) != workers[0] {
			t.Errorf("%d workers, sessions on %v", workers[0], used)
		}
	}
}
