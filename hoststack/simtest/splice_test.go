package simtest

import (
	"fmt"
	"net/netip"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// relay is the least proxy: it opens a session to the server for each that it accepts,
// and splices the two.
type relay struct {
	session.NopApp
	t        testing.TB
	up       *session.AppHandle // opens
	ep       transport.Endpoint
	accepted []session.Handle // by opaque
	live     int
	failed   int
}

// outward is the relay as the application of the sessions that it opened.
type outward struct {
	session.NopApp
	r *relay
}

func (r *relay) Accept(w *session.Worker, s *session.Session) error {
	r.accepted = append(r.accepted, w.Handle(s))
	if err := w.Connect(r.up, transport.TCP, r.ep, uint64(len(r.accepted)-1)); err != nil {
		r.failed++
		return err
	}
	r.live++
	return nil
}

func (r *relay) Readable(w *session.Worker, s *session.Session) {
	if w.Spliced(s) != nil {
		r.t.Error("Readable of a spliced session")
	}
}
func (r *relay) Writable(*session.Worker, *session.Session) { r.t.Error("Writable") }

func (r *relay) Gone(*session.Worker, *session.Session, error) { r.live-- }

func (o outward) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	r := o.r
	a := w.Get(r.accepted[opaque])
	if err != nil {
		r.failed++
		if a != nil {
			w.Reset(a)
		}
		return
	}
	r.live++
	if a == nil {
		w.Reset(s)
	} else if err := w.Splice(a, s); err != nil {
		w.Reset(a) // it has ended meanwhile, which it is still to be told
		w.Reset(s)
	}
}

func (o outward) Readable(w *session.Worker, s *session.Session)        { o.r.Readable(w, s) }
func (o outward) Gone(w *session.Worker, s *session.Session, why error) { o.r.Gone(w, s, why) }

// trio is a pair with a relay between: the client's wire is the first.
type trio struct {
	*pair
	relay *relay
	m     *Host
	wires [2]*sim.Wire
}

func newTrio(t testing.TB, seed uint64, links [2][2]sim.Link, client, middle, server Options, o session.Options) *trio {
	t.Helper()
	x := &trio{pair: &pair{t: t, w: NewWorld(seed), client: &App{}, server: &App{}, check: &Checker{}}, relay: &relay{t: t}}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	x.a, err = x.w.NewHost("client", client)
	must(err)
	x.m, err = x.w.NewHost("relay", middle)
	must(err)
	x.b, err = x.w.NewHost("server", server)
	must(err)
	x.wires[0], err = x.w.Connect(x.a, x.m, links[0], WireOptions{})
	must(err)
	x.wires[1], err = x.w.Connect(x.m, x.b, links[1], WireOptions{})
	must(err)
	x.check.Watch(x.w.Net, x.wires[0])
	x.ca, err = x.a.Attach("client", x.client)
	must(err)
	x.sa, err = x.b.Attach("server", x.server)
	must(err)
	must(x.sa.Listen(transport.TCP, endpoint(x.behind())))
	in, err := x.m.Sessions.Attach("relay", x.relay, o)
	must(err)
	x.relay.up, err = x.m.Sessions.Attach("relay out", outward{r: x.relay}, o)
	must(err)
	x.m.apps = append(x.m.apps, in, x.relay.up)
	x.relay.ep = endpoint(x.behind())
	must(in.Listen(transport.TCP, endpoint(x.addr(2))))
	return x
}

// behind is where the server listens.
func (x *trio) behind() netip.AddrPort { return netip.AddrPortFrom(Addr4(2, 2), 80) }

// TestSpliceTransfer: bytes arrive complete and in order through a relay, whatever the two
// wires do, in both directions at once, and each end closes in its own way.
func TestSpliceTransfer(t *testing.T) {
	for _, imp := range impairments {
		t.Run(imp.name, func(t *testing.T) {
			l := imp.link
			l.Delay, l.Rate, l.Queue = 2*ms, 200e6, 256
			far := l
			far.Delay, far.Rate = 5*ms, 50e6
			size := uint64(1 << 20)
			if testing.Short() {
				size = 200e3
			}
			// Of seed 7 an ARP reply is damaged, and ARP has no checksum.
			x := newTrio(t, 8, [2][2]sim.Link{both(l), both(far)}, Options{}, Options{}, Options{}, session.Options{RxFIFO: 64 << 10, MaxFIFO: 1 << 20})
			x.server.Serve = func() Plan { return Plan{Salt: 77, Send: size / 2, Finish: HalfCloseFirst} }
			x.open(3, func(int) Plan { return Plan{PeerSalt: 77, Send: size, Finish: HalfCloseFirst} })
			x.finish(3, 600*sec)
			x.received(x.client, size/2)
			x.received(x.server, size)
			if x.relay.live != 0 {
				t.Errorf("%d sessions are left in between", x.relay.live)
			}
		})
	}
}

// TestSweepSplice: sessions of every kind through a relay with small FIFOs, on wires that do
// everything wrong; they end in every way. What an end received is a prefix of what the
// other sent, all of it when the end was orderly, and nothing is left.
func TestSweepSplice(t *testing.T) {
	sweep(t, 15, func(seed uint64) {
		r := rng(seed + 7<<32)
		var links [2][2]sim.Link
		for i := range links {
			links[i] = both(sim.Link{
				Delay: int64(r.IntN(10)) * ms, Jitter: int64(r.IntN(500)) * 1000,
				Rate: 1e6 * uint64(5+r.IntN(500)), Queue: 32 + r.IntN(500),
				Loss: r.Float64() * 0.04, LossBurst: r.Float64() * 0.2,
				Reorder: r.Float64() * 0.1, ReorderBy: int64(r.IntN(10)) * ms / 2,
				Duplicate: r.Float64() * 0.05, Corrupt: r.Float64() * 0.01,
			})
		}
		size := func() uint32 { return uint32(1 << (12 + r.IntN(8))) }
		o := session.Options{RxFIFO: size(), MaxFIFO: size(), GrowAt: uint8(10 + r.IntN(90))}
		ends := Options{RxFIFO: size(), TxFIFO: size()}
		x := newTrio(t, seed, links, ends, Options{Workers: 1 + r.IntN(3)}, ends, o)
		plan := func() Plan {
			q := Plan{Send: uint64(r.IntN(4) * r.IntN(40000)), Finish: []Finish{CloseAtOnce, HalfCloseFirst, HalfCloseFirst}[r.IntN(3)]}
			if r.IntN(4) == 0 {
				q.ResetAt = uint64(1 + r.IntN(40000))
			}
			return q
		}
		x.server.Serve = plan
		total := 0
		for range 5 {
			n := 1 + r.IntN(12)
			x.open(n, func(int) Plan { return plan() })
			total += n
			x.w.RunFor(int64(r.IntN(3000))*ms, nil)
		}
		done := func() bool { return x.allGone(total)() && x.relay.live == 0 }
		if !x.w.RunFor(2000*sec, done) {
			// Whoever has nothing to send does not notice that a reset got lost.
			for _, s := range append(x.a.states(x.client), x.b.states(x.server)...) {
				if s != "ESTABLISHED" && s != "FIN_WAIT_2" && s != "CLOSE_WAIT" {
					t.Fatalf("seed %d: %s; %d in between", seed, x.progress(), x.relay.live)
				}
			}
		}
		x.client.Failed = nil
		x.verify()
	})
}

// TestSpliceKeepsEverything: no end resets, so every byte arrives, on wires that lose.
func TestSpliceKeepsEverything(t *testing.T) {
	sweep(t, 6, func(seed uint64) {
		r := rng(seed + 8<<32)
		l := sim.Link{Delay: 3 * ms, Rate: 50e6, Queue: 64, Loss: 0.02, Reorder: 0.05, ReorderBy: 2 * ms}
		near := sim.Link{Delay: int64(r.IntN(5)) * ms, Rate: 1e9}
		links := [2][2]sim.Link{both(l), both(near)}
		if r.IntN(2) == 0 {
			links[0], links[1] = links[1], links[0]
		}
		x := newTrio(t, seed, links, Options{}, Options{Workers: 2}, Options{}, session.Options{RxFIFO: 16 << 10, MaxFIFO: 128 << 10})
		const n = 12
		x.server.Serve = func() Plan { return Plan{Echo: true} }
		x.open(n, func(i int) Plan { return Plan{Send: uint64(1+i*i) * 3000, Finish: HalfCloseFirst} })
		x.finish(n, 1000*sec)
		for i, e := range x.client.Ends {
			if e.Received != e.Send || e.Why != nil {
				t.Errorf("session %d: %d of %d bytes, %v", i, e.Received, e.Send, e.Why)
			}
		}
	})
}

// TestSpliceResets: a reset of either end at every stage of a transfer reaches the other.
func TestSpliceResets(t *testing.T) {
	for _, at := range []uint64{1, 1000, 60000, 400000} {
		for _, who := range []string{"client", "server"} {
			t.Run(fmt.Sprintf("%s at %d", who, at), func(t *testing.T) {
				l := both(sim.Link{Delay: 5 * ms, Rate: 100e6})
				x := newTrio(t, at, [2][2]sim.Link{l, l}, Options{}, Options{}, Options{}, session.Options{RxFIFO: 64 << 10})
				stay := Plan{Send: 500000, Finish: StayOpen}
				quits := stay
				quits.ResetAt = at
				x.server.Serve = func() Plan {
					if who == "server" {
						return quits
					}
					return stay
				}
				const n = 3
				x.open(n, func(int) Plan {
					if who == "client" {
						return quits
					}
					return stay
				})
				x.finish(n, 60*sec)
				for i, e := range append(x.client.Ends, x.server.Ends...) {
					if e.Why == nil {
						t.Errorf("end %d: an orderly end", i)
					}
				}
			})
		}
	}
}

// TestSpliceGrowsWithThePath: a FIFO that is small for the path, on either side of the relay
// or on both, grows to what the path holds, and one that may not holds the stream up.
func TestSpliceGrowsWithThePath(t *testing.T) {
	run := func(near, far int64, o session.Options) int64 {
		link := func(delay int64) [2]sim.Link { return both(sim.Link{Delay: delay, Rate: 1e9, Queue: 4096}) }
		x := newTrio(t, 1, [2][2]sim.Link{link(near), link(far)}, Options{}, Options{Buffers: 8192}, Options{}, o)
		x.server.Serve = func() Plan { return Plan{} }
		begin := x.w.Now()
		x.open(1, func(int) Plan { return Plan{Send: 20 << 20, Finish: CloseAtOnce} })
		x.finish(1, 600*sec)
		x.received(x.server, 20<<20)
		return x.server.Ends[0].DoneAt - begin
	}
	for _, delays := range [][2]int64{{10 * ms, ms / 10}, {ms / 10, 10 * ms}, {5 * ms, 5 * ms}} {
		fixed := run(delays[0], delays[1], session.Options{RxFIFO: 64 << 10})
		grown := run(delays[0], delays[1], session.Options{RxFIFO: 64 << 10, MaxFIFO: 4 << 20})
		if grown*5 > fixed {
			t.Errorf("delays %v: %d ms with a FIFO that grows, %d ms with one that does not", delays, grown/ms, fixed/ms)
		}
	}
}

// TestSpliceClose: when the relay closes, what it holds for either end still arrives, and
// then the end.
func TestSpliceClose(t *testing.T) {
	slow := both(sim.Link{Delay: ms, Rate: 2e6, Queue: 20})
	x := newTrio(t, 1, [2][2]sim.Link{slow, slow}, Options{}, Options{}, Options{}, session.Options{RxFIFO: 512 << 10})
	x.wires[0].SetLink(0, sim.Link{Delay: ms, Rate: 1e9}) // towards the relay
	x.wires[1].SetLink(1, sim.Link{Delay: ms, Rate: 1e9})
	x.server.Serve = func() Plan { return Plan{Send: 200e3, Finish: CloseAfterPeer} }
	x.open(1, func(int) Plan { return Plan{Send: 200e3, Finish: CloseAfterPeer} })
	x.w.At(x.w.Now()+500*ms, func() {
		w := x.m.Sessions.Workers()[0]
		a := w.Get(x.relay.accepted[0])
		b := w.Spliced(a)
		n, _ := w.Moved(a)
		k, _ := w.Moved(b)
		if n != 200e3 || k != 200e3 || w.Unacked(a) < 50e3 || w.Unacked(b) < 50e3 {
			t.Errorf("%d and %d bytes came, %d and %d wait", n, k, w.Unacked(a), w.Unacked(b))
		}
		w.Close(a)
	})
	x.finish(1, 60*sec)
	x.received(x.client, 200e3)
	x.received(x.server, 200e3)
}
