package simtest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

const (
	ms  = int64(1e6)
	sec = int64(1e9)
)

// pair is two hosts on one wire: a client on end 0, a server on end 1.
type pair struct {
	t      testing.TB
	w      *World
	wire   *sim.Wire
	a, b   *Host
	client *App
	server *App
	ca     *session.AppHandle
	sa     *session.AppHandle
	check  *Checker
	v6     bool
}

// setup is what differs between pairs.
type setup struct {
	seed   uint64
	links  [2]sim.Link
	wire   WireOptions
	client Options
	server Options
	v6     bool
	decode bool // have gopacket look at every frame
}

// both makes a link the same in both directions.
func both(l sim.Link) [2]sim.Link { return [2]sim.Link{l, l} }

func endpoint(a netip.AddrPort) transport.Endpoint { return transport.Endpoint{Addr: a} }

func newPair(t testing.TB, s setup) *pair {
	t.Helper()
	p := &pair{t: t, w: NewWorld(s.seed), v6: s.v6, client: &App{}, server: &App{}, check: &Checker{}}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	p.a, err = p.w.NewHost("client", s.client)
	must(err)
	p.b, err = p.w.NewHost("server", s.server)
	must(err)
	p.wire, err = p.w.Connect(p.a, p.b, s.links, s.wire)
	must(err)
	if s.decode {
		p.check.Decode = gopacketDecode
	}
	p.check.Watch(p.w.Net, p.wire)
	p.ca, err = p.a.Attach("client", p.client)
	must(err)
	p.sa, err = p.b.Attach("server", p.server)
	must(err)
	must(p.sa.Listen(transport.TCP, endpoint(p.addr(2))))
	return p
}

func (p *pair) addr(side int) netip.AddrPort {
	a := Addr4(1, side)
	if p.v6 {
		a = Addr6(1, side)
	}
	return netip.AddrPortFrom(a, 80)
}

// open starts n active opens with a plan each.
func (p *pair) open(n int, plan func(i int) Plan) {
	p.t.Helper()
	for i := range n {
		if err := p.client.Connect(p.ca, p.addr(2), plan(i)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// allGone tells that every session that was opened has ended on both sides.
func (p *pair) allGone(n int) func() bool {
	return func() bool {
		return len(p.client.Ends)+len(p.client.Failed) >= n && p.client.Live == 0 && p.server.Live == 0
	}
}

// finish runs until all sessions have ended, and verifies what is always true.
func (p *pair) finish(n int, limit int64) {
	p.t.Helper()
	if !p.w.RunFor(limit, p.allGone(n)) {
		p.t.Fatalf("not finished in %d s: %s", limit/sec, p.progress())
	}
	p.verify()
}

// progress describes what is not finished.
func (p *pair) progress() string {
	s := fmt.Sprintf("client: %d opened, %d failed, %d live; server: %d accepted, %d live",
		len(p.client.Ends), len(p.client.Failed), p.client.Live, len(p.server.Ends), p.server.Live)
	shown := 0
	for side, app := range []*App{p.client, p.server} {
		for i, e := range app.Ends {
			if !e.Gone && shown < 4 {
				shown++
				s += fmt.Sprintf("\n\t%s %d: sent %d, received %d, peer closed %v, closed %v",
					[]string{"client", "server"}[side], i, e.Sent, e.Received, e.PeerClosed, e.closed || e.half)
				s += []*Host{p.a, p.b}[side].describe(e)
			}
		}
	}
	return s
}

// verify is for after everything has ended.
func (p *pair) verify() {
	p.t.Helper()
	for _, err := range []error{p.client.Err(), p.server.Err(), p.check.Err()} {
		if err != nil {
			p.t.Error(err)
		}
	}
	if err := p.w.Close(); err != nil {
		p.t.Error(err)
	}
}

// received makes sure that every end got n bytes.
func (p *pair) received(app *App, n uint64) {
	p.t.Helper()
	for i, e := range app.Ends {
		if e.Received != n {
			p.t.Errorf("session %d received %d bytes, not %d; %v", i, e.Received, n, e.Why)
		}
		if e.Gone && e.Why != nil {
			p.t.Errorf("session %d ended with %v", i, e.Why)
		}
	}
}

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
