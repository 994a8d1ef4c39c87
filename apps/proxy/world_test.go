package proxy

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

const (
	ms  = int64(1e6)
	sec = int64(1e9)
)

// lab is a client, a proxy and a server, joined by two wires, on virtual time. The proxy is
// 10.0.1.2 and 10.0.2.1, the server 10.0.2.2.
type lab struct {
	t              testing.TB
	w              *simtest.World
	cln, mid, srv  *simtest.Host
	wires          [2]*sim.Wire
	client, server *simtest.App
	ca, sa         *session.AppHandle
	p              *Proxy
}

// wish is what differs between labs.
type wish struct {
	seed      uint64
	near, far sim.Link
	workers   int // of the proxy
	ports     [2]uint16
	conf      []Options
	trust     bool // do not look for misuse of packet buffers: faster
	wire      simtest.WireOptions
}

func both(l sim.Link) [2]sim.Link { return [2]sim.Link{l, l} }

func newLab(t testing.TB, o wish) *lab {
	t.Helper()
	l := &lab{t: t, w: simtest.NewWorld(o.seed + 1), client: &simtest.App{}, server: &simtest.App{}}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	for _, link := range []*sim.Link{&o.near, &o.far} {
		if link.Delay == 0 {
			link.Delay = ms
		}
	}
	var err error
	l.cln, err = l.w.NewHost("client", simtest.Options{Trust: o.trust})
	must(err)
	l.mid, err = l.w.NewHost("proxy", simtest.Options{Workers: o.workers, MinPort: o.ports[0], MaxPort: o.ports[1], Buffers: 8192, Trust: o.trust})
	must(err)
	l.srv, err = l.w.NewHost("server", simtest.Options{Trust: o.trust})
	must(err)
	l.wires[0], err = l.w.Connect(l.cln, l.mid, both(o.near), o.wire)
	must(err)
	l.wires[1], err = l.w.Connect(l.mid, l.srv, both(o.far), o.wire)
	must(err)
	l.ca, err = l.cln.Attach("client", l.client)
	must(err)
	l.sa, err = l.srv.Attach("server", l.server)
	must(err)
	l.p = New(l.mid.Sessions, func(w *worker.Worker, a netip.Addr) bool {
		h := hdr.AddrOf(a)
		return l.mid.IP.IsLocal(w, &h)
	}, o.conf)
	t.Cleanup(func() {
		if err := l.p.Stop(""); err != nil && !errors.Is(err, errNotRunning) {
			t.Error(err)
		}
		for i, sh := range l.p.shards {
			if n := sh.flows.Used(); n != 0 {
				t.Errorf("worker %d: %d flows are left", i, n)
			}
		}
		for _, err := range []error{l.client.Err(), l.server.Err(), l.w.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return l
}

var (
	frontAddr = netip.AddrPortFrom(simtest.Addr4(1, 2), 80)
	backAddr  = netip.AddrPortFrom(simtest.Addr4(2, 2), 80)
)

// typed runs a command line of the proxy's.
func (l *lab) typed(text string) (string, error) {
	for _, c := range Commands(l.p) {
		if rest, ok := strings.CutPrefix(text, c.Path); ok {
			r, err := c.Run(&cli.Ctx{Context: context.Background()}, cli.NewInput(rest))
			var b strings.Builder
			if err == nil && r != nil {
				err = r.Text(&b, cli.Layout{})
			}
			return b.String(), err
		}
	}
	l.t.Fatalf("no such command: %s", text)
	return "", nil
}

func (l *lab) must(text string) string {
	l.t.Helper()
	out, err := l.typed(text)
	if err != nil {
		l.t.Fatalf("%s: %v", text, err)
	}
	return out
}

// serve starts the usual route, and the server behind it, which plays plan.
func (l *lab) serve(options string, plan func() simtest.Plan) {
	l.t.Helper()
	l.must("test proxy server server-uri tcp://0.0.0.0/80 client-uri tcp://10.0.2.2/80 " + options)
	l.listen(80)
	l.server.Serve = plan
}

func (l *lab) listen(port uint16) {
	l.t.Helper()
	ep := transport.Endpoint{Addr: netip.AddrPortFrom(backAddr.Addr(), port)}
	if err := l.sa.Listen(transport.TCP, ep); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) open(n int, plan func(i int) simtest.Plan) {
	l.t.Helper()
	for i := range n {
		if err := l.client.Connect(l.ca, frontAddr, plan(i)); err != nil {
			l.t.Fatal(err)
		}
	}
}

// run goes on until all of n sessions of the client have ended, with everything else.
func (l *lab) run(n int, limit int64) {
	l.t.Helper()
	done := func() bool {
		return len(l.client.Ends)+len(l.client.Failed) >= n && l.client.Live == 0 && l.server.Live == 0 && l.flows() == 0
	}
	if !l.w.RunFor(limit, done) {
		l.t.Fatalf("not finished: client %d opened %d live, server %d accepted %d live, %d flows\n%s", len(l.client.Ends), l.client.Live,
			len(l.server.Ends), l.server.Live, l.flows(), l.must("show test proxy"))
	}
}

// flows is how many there are.
func (l *lab) flows() (n int) {
	for _, sh := range l.p.shards {
		n += sh.flows.Used()
	}
	return n
}

// report is what "show test proxy" tells of the first route, with rates over virtual time.
func (l *lab) report(verbose bool) *RouteReport {
	l.t.Helper()
	rep := &Report{verbose: verbose}
	if err := l.p.report(context.Background(), rep, func(context.Context) { l.w.RunFor(100*ms, nil) }); err != nil {
		l.t.Fatal(err)
	}
	if len(rep.Routes) == 0 {
		l.t.Fatal("no route")
	}
	return &rep.Routes[0]
}

// received makes sure that every end got n bytes and ended well.
func (l *lab) received(app *simtest.App, n uint64) {
	l.t.Helper()
	for i, e := range app.Ends {
		if e.Received != n || e.Why != nil {
			l.t.Errorf("session %d received %d bytes, not %d; %v", i, e.Received, n, e.Why)
		}
	}
}
