package simtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/transport"
)

// crowds are how many workers the client and the server have.
var crowds = [][2]int{{1, 4}, {4, 1}, {2, 2}, {4, 2}}

// shuffle has the receive queues of both hosts change workers, every so often.
func (p *pair) shuffle(seed uint64, every, until int64) {
	r := rng(seed ^ 0x5eed)
	var turn func()
	turn = func() {
		for _, h := range []*Host{p.a, p.b} {
			for _, i := range h.ifs {
				if err := h.Ifaces.Place(i, 0, r.IntN(len(h.Workers))); err != nil {
					p.t.Error(err)
				}
			}
		}
		if p.w.Now() < until {
			p.w.At(p.w.Now()+every, turn)
		}
	}
	p.w.At(p.w.Now()+every, turn)
}

// mustNot are counters of which nothing may be found after a test in which no worker
// stands still.
var mustNot = []string{"other worker is too slow", "no free tx slots"}

func (p *pair) noLosses() {
	p.t.Helper()
	for _, line := range append(p.a.Errors(), p.b.Errors()...) {
		if slices.ContainsFunc(mustNot, func(s string) bool { return strings.Contains(line, s) }) {
			p.t.Error(line)
		}
	}
}

// TestSweepWorkers: what is sent comes back, whatever the wire does and whichever worker
// the packets arrive at; the queues change workers under way.
func TestSweepWorkers(t *testing.T) {
	for _, n := range crowds {
		t.Run(fmt.Sprintf("%d-%d", n[0], n[1]), func(t *testing.T) {
			sweep(t, 6, func(seed uint64) {
				p := randomCrowd(t, seed, n)
				p.server.Serve = func() Plan { return Plan{Echo: true} }
				p.shuffle(seed, 20*ms, p.w.Now()+20*sec)
				const conns = 12
				p.open(conns, func(i int) Plan { return Plan{Send: uint64(1+i*i) * 2000, Finish: HalfCloseFirst} })
				if !p.w.RunFor(3000*sec, p.allGone(conns)) {
					t.Fatalf("seed %d: %s", seed, p.progress())
				}
				for i, e := range p.client.Ends {
					if e.Received != e.Send || e.Why != nil {
						t.Errorf("session %d ended with %d of %d bytes, %v", i, e.Received, e.Send, e.Why)
					}
				}
				if len(p.client.Ends) != conns {
					t.Errorf("%d of %d sessions were opened", len(p.client.Ends), conns)
				}
				p.noLosses()
				p.verify()
			})
		})
	}
}

func randomCrowd(t *testing.T, seed uint64, workers [2]int) *pair {
	return randomPairOf(t, seed, Options{Workers: workers[0]}, Options{Workers: workers[1]})
}

// TestSweepWorkersLives: sessions of every kind on few ports, which meet what is left of
// those before them, on hosts whose queues change workers.
func TestSweepWorkersLives(t *testing.T) {
	for _, n := range crowds {
		t.Run(fmt.Sprintf("%d-%d", n[0], n[1]), func(t *testing.T) {
			sweep(t, 6, func(seed uint64) {
				r := rng(seed + 2<<32)
				// Each worker has its part of the ports.
				o := Options{MinPort: 6000, MaxPort: 6060 + uint16(r.IntN(60))}
				c, s := o, o
				c.Workers, s.Workers = n[0], n[1]
				p := randomPairOf(t, seed, c, s)
				plan := func() Plan {
					q := Plan{Send: uint64(r.IntN(5) * r.IntN(20000)), Finish: []Finish{CloseAtOnce, HalfCloseFirst}[r.IntN(2)]}
					if r.IntN(4) == 0 {
						q.ResetAt = uint64(1 + r.IntN(30000))
					}
					return q
				}
				p.server.Serve = plan
				p.shuffle(seed, 30*ms, p.w.Now()+40*sec)
				total := 0
				for range 6 {
					for range 1 + r.IntN(15) {
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
				p.noLosses()
				p.verify()
			})
		})
	}
}

// TestMovedFlowsAreNotReset: on a wire that loses nothing, nothing is lost either when
// queues change workers, and nobody is reset.
func TestMovedFlowsAreNotReset(t *testing.T) {
	for _, n := range crowds {
		p := newPair(t, setup{seed: 3, links: both(sim.Link{Delay: ms, Rate: 1e9}),
			client: Options{Workers: n[0]}, server: Options{Workers: n[1]}})
		p.server.Serve = func() Plan { return Plan{Echo: true} }
		p.shuffle(3, 3*ms, p.w.Now()+10*sec)
		const conns = 40
		p.open(conns, func(int) Plan { return Plan{Send: 300000, Finish: HalfCloseFirst} })
		p.finish(conns, 600*sec)
		p.received(p.client, 300000)
		for _, line := range append(p.a.Errors(), p.b.Errors()...) {
			if strings.Contains(line, "Resets") || strings.Contains(line, "no listener") {
				t.Errorf("%v workers: %s", n, line)
			}
		}
		p.noLosses()
	}
}

// rewire deletes the interfaces of both hosts and makes others some time later, on a new
// wire and with the same addresses.
func (p *pair) rewire(after int64) error {
	var errs []error
	for _, h := range []*Host{p.a, p.b} {
		errs = append(errs, h.Ifaces.Delete(h.ifs[0]))
		h.ifs = nil
	}
	p.w.RunFor(after, nil)
	p.w.wires = 0
	wire, err := p.w.Connect(p.a, p.b, both(sim.Link{Delay: ms, Rate: 1e8, Loss: 0.01}), WireOptions{})
	p.wire = wire
	return errors.Join(append(errs, err)...)
}

// TestComeAndGo: listeners and interfaces come and go while sessions are opened, transfer
// and close. Everything ends, and nothing is left.
func TestComeAndGo(t *testing.T) {
	for _, n := range crowds {
		t.Run(fmt.Sprintf("%d-%d", n[0], n[1]), func(t *testing.T) {
			sweep(t, 3, func(seed uint64) {
				r := rng(seed + 3<<32)
				p := randomCrowd(t, seed, n)
				p.server.Serve = func() Plan { return Plan{Echo: true} }
				p.shuffle(seed, 50*ms, p.w.Now()+60*sec)
				listening, total := true, 0
				for range 30 {
					p.w.RunFor(int64(1+r.IntN(1000))*ms, nil)
					for range r.IntN(6) {
						if p.client.Connect(p.ca, p.addr(2), Plan{Send: uint64(r.IntN(50000)), Finish: HalfCloseFirst}) == nil {
							total++
						}
					}
					h := []*Host{p.a, p.b}[r.IntN(2)]
					i := h.ifs[len(h.ifs)-1]
					var err error
					switch r.IntN(4) {
					case 0:
						if err = h.Ifaces.SetUp(i, false); err == nil {
							p.w.RunFor(int64(r.IntN(100))*ms, nil)
							err = h.Ifaces.SetUp(i, true)
						}
					case 1:
						err = p.rewire(int64(r.IntN(100)) * ms)
					case 2:
						if listening {
							err = p.sa.Unlisten(transport.TCP, endpoint(p.addr(2)))
						} else {
							err = p.sa.Listen(transport.TCP, endpoint(p.addr(2)))
						}
						listening = !listening
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				// A session whose peer was reset away may stand for ever: Close ends it.
				p.w.RunFor(1500*sec, p.allGone(total))
				for i, e := range p.client.Ends {
					if e.Gone && e.Why == nil && e.Received != e.Send {
						t.Errorf("session %d ended well with %d of %d bytes", i, e.Received, e.Send)
					}
				}
				p.client.Failed = nil
				p.verify()
			})
		})
	}
}
