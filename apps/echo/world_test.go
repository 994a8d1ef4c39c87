package echo

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

const millisecond = int64(1e6)

// lab is two hosts on a wire, on virtual time: a server on the second.
type lab struct {
	t        *testing.T
	w        *simtest.World
	cln, srv *simtest.Host
	wire     *sim.Wire
	server   *Server
	tests    *Client
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return newLabWith(t, simtest.Options{})
}

// newLabWith is newLab with a client that differs.
func newLabWith(t *testing.T, o simtest.Options) *lab {
	t.Helper()
	l := &lab{t: t, w: simtest.NewWorld(1)}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	l.cln, err = l.w.NewHost("client", o)
	must(err)
	l.srv, err = l.w.NewHost("server", simtest.Options{})
	must(err)
	link := sim.Link{Delay: millisecond / 10}
	l.wire, err = l.w.Connect(l.cln, l.srv, [2]sim.Link{link, link}, simtest.WireOptions{})
	must(err)
	l.server = NewServer(l.srv.Sessions)
	t.Cleanup(func() {
		_ = l.server.stop()
		if err := l.w.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// serve starts the server.
func (l *lab) serve(line string) *serverRun {
	l.t.Helper()
	o, err := parseServer(cli.NewInput(line))
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := l.server.start(o)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func serverAddr(port uint16) transport.Endpoint {
	return transport.Endpoint{Addr: netip.AddrPortFrom(simtest.Addr4(1, 2), port)}
}

// sayer is a client that sends messages as soon as it is connected.
type sayer struct {
	session.NopApp
	say []Config
}

func (c *sayer) Connected(w *session.Worker, s *session.Session, _ uint64, err error) {
	for i := range c.say {
		var b [configSize]byte
		c.say[i].marshal(b[:])
		w.Tx(s).Write(b[:])
	}
	w.Send(s)
}

// TestClientDies: a control session that ends without a STOP ends the test that it has
// begun, and no other.
func TestClientDies(t *testing.T) {
	l := newLab(t)
	r := l.serve("uri tcp://0.0.0.0/1234")
	open := func(say ...Config) *session.AppHandle {
		a, err := l.cln.Attach("client", &sayer{say: say})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Connect(transport.TCP, serverAddr(1234), 0); err != nil {
			t.Fatal(err)
		}
		l.w.RunFor(10*millisecond, nil)
		return a
	}
	start := []Config{{Cmd: cmdSync, Test: testBi}, {Cmd: cmdStart, Test: testBi}}
	first, idle := open(start...), open()
	if st := r.test.state(); !st.running || st.serial != 1 {
		t.Fatalf("the test does not run: %+v", st)
	}
	end := func(a *session.AppHandle) testState {
		if err := a.Detach(); err != nil {
			t.Fatal(err)
		}
		l.w.RunFor(10*millisecond, nil)
		return r.test.state()
	}
	if st := end(idle); !st.running {
		t.Fatal("another session's end ended the test")
	}
	if st := end(first); st.running || st.ended <= st.started {
		t.Fatalf("the test goes on without its client: %+v", st)
	}
	old, now := open(start...), open(start...)
	if st := end(old); !st.running || st.serial != 3 {
		t.Fatalf("the client of an earlier test ended this one: %+v", st)
	}
	end(now)
}

// TestServerIsDetached: the session layer has detached the server, which is then as good
// as stopped.
func TestServerIsDetached(t *testing.T) {
	l := newLab(t)
	first := l.serve("uri tcp://0.0.0.0/1234 report-interval")
	if _, err := l.server.start(first.opts); !errors.Is(err, errRunning) {
		t.Fatalf("a second server: %v", err)
	}
	if err := l.srv.Sessions.Disable(); err != nil {
		t.Fatal(err)
	}
	if err := l.server.stop(); !errors.Is(err, errNotRunning) {
		t.Fatalf("stop: %v", err)
	}
	second := l.serve("uri tcp://0.0.0.0/1234")
	// Who watched the first one is sent home, and does not take the second one along.
	first.opts.interval = time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	first.watch(ctx, func(cli.Result) error { return nil })
	if ctx.Err() != nil {
		t.Fatal("the report goes on")
	}
	if err := l.server.stopRun(first); err != nil || !second.app.Attached() {
		t.Fatalf("the end of a report has stopped another server: %v", err)
	}
	if err := l.server.stopRun(second); err != nil || second.app.Attached() {
		t.Fatalf("not stopped: %v", err)
	}
}

// tester is the client of the first host.
func (l *lab) tester() *Client {
	if l.tests == nil {
		l.tests = NewClient(l.cln.Sessions)
	}
	return l.tests
}

// client makes a run whose phases the test drives by hand; change may change it before it
// begins.
func (l *lab) client(line string, change ...func(*clientRun)) *clientRun {
	l.t.Helper()
	o, err := parseClient(cli.NewInput(line))
	if err != nil {
		l.t.Fatal(err)
	}
	o.raw = true
	r := newClientRun(l.tester(), o)
	for _, f := range change {
		f(r)
	}
	if r.app, err = l.cln.Attach("client", r); err != nil {
		l.t.Fatal(err)
	}
	if err := r.addWorkers(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(r.removeWorkers)
	r.phase.Store(uint32(phaseConnecting))
	if !l.w.RunFor(100*millisecond, func() bool { return r.sum().connected == uint64(o.clients) }) {
		l.t.Fatal("not connected")
	}
	r.phase.Store(uint32(phaseRunning))
	return r
}

// TestRoundTripOfRows: the summary's round-trip time is that of all rows, not of the last
// moment only.
func TestRoundTripOfRows(t *testing.T) {
	l := newLab(t)
	l.serve("raw uri tcp://0.0.0.0/7")
	r := l.client("raw uri tcp://10.0.1.2/7 echo-bytes test-bytes run-time 3")
	rep := newReporter(r, func(cli.Result) error { return nil })
	rep.start()
	for range 3 {
		l.w.RunFor(5*millisecond, nil)
		rep.now()
	}
	r.stopSending.Store(true)
	if !l.w.RunFor(1000*millisecond, func() bool { return r.sum().finished == 1 }) {
		t.Fatal("not finished")
	}
	rep.now() // when all are done there is nothing new to measure
	s := rep.final()
	if s.RTT == nil || s.RTT.Samples != 4 || s.RTT.Min < .2 || s.RTT.Min > s.RTT.Avg || s.RTT.Avg > s.RTT.Max {
		t.Fatalf("%+v", s.RTT)
	}
	if s.Bad != 0 || s.Rx == 0 || s.Rx != s.Tx {
		t.Fatalf("%+v", s)
	}
}

// TestWrongBytesAtTheServer: a client that only sends learns that its bytes were wrong.
func TestWrongBytesAtTheServer(t *testing.T) {
	for _, right := range []bool{true, false} {
		l := newLab(t)
		srv := l.serve("raw no-echo test-bytes uri tcp://0.0.0.0/7")
		r := l.client("raw uri tcp://10.0.1.2/7 bytes 100k nclients 2 test-bytes", func(r *clientRun) { r.pattern = right })
		l.w.RunFor(1000*millisecond, func() bool { return r.sum().finished == 2 || r.failure.Load() != nil && r.sum().resets == 2 })
		if bad := srv.totals().bad; (bad == 0) != right {
			t.Errorf("pattern %v: the server found %d bad sessions", right, bad)
		}
		if (r.sum().finished == 2) != right || (r.failure.Load() == nil) != right {
			t.Errorf("pattern %v: %+v, %v", right, r.sum(), r.failure.Load())
		}
	}
}

// TestSeveralURIs: one server listens in several places, and nowhere when one is taken.
func TestSeveralURIs(t *testing.T) {
	l := newLab(t)
	r := l.serve("uri tcp://0.0.0.0/1234 uri tcp://[::]/1234 uri tcp://0.0.0.0/7")
	if n := len(r.ctrl); n != 3 {
		t.Fatalf("%d control ports", n)
	}
	if err := l.server.stop(); err != nil {
		t.Fatal(err)
	}
	o, err := parseServer(cli.NewInput("uri tcp://0.0.0.0/8 uri tcp://0.0.0.0/9"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.server.start(o); !errors.Is(err, transport.ErrInUse) {
		t.Fatalf("8's data port is 9's control port: %v", err)
	}
	l.serve("uri tcp://0.0.0.0/8 uri tcp://0.0.0.0/10")
}

// TestHold: some sessions are used, all stay open, and all close when the time is up; the
// server keeps nothing of them.
func TestHold(t *testing.T) {
	const clients, active = 1500, 7 // more than may close at a time
	l := newLab(t)
	srv := l.serve("raw uri tcp://0.0.0.0/7")
	r := l.client("raw uri tcp://10.0.1.2/7 nclients 1500 active 7 bytes 64 echo-bytes test-bytes hold 5")
	if !l.w.RunFor(1000*millisecond, func() bool { return r.sum().finished == active }) {
		t.Fatalf("%+v", r.sum())
	}
	r.phase.Store(uint32(phaseHolding))
	l.w.RunFor(5000*millisecond, nil)
	served := func() int { return srv.workers[0].conns.Used() }
	if s := r.sum(); s.gone != 0 || s.rx != active*64 || served() != clients {
		t.Fatalf("held: %+v, the server has %d", s, served())
	}
	r.phase.Store(uint32(phaseClosing))
	if !l.w.RunFor(1000*millisecond, func() bool { return r.sum().gone == clients && served() == 0 }) {
		t.Fatalf("closed: %+v, the server has %d", r.sum(), served())
	}
	if s := r.sum(); s.lost != 0 || r.failure.Load() != nil {
		t.Fatalf("%+v, %v", s, r.failure.Load())
	}
}

// TestLostWhileHeld: a session that ends while it is held is a failure.
func TestLostWhileHeld(t *testing.T) {
	l := newLab(t)
	l.serve("raw uri tcp://0.0.0.0/7")
	r := l.client("raw uri tcp://10.0.1.2/7 nclients 3 active 1 bytes 64 echo-bytes hold 5")
	if !l.w.RunFor(1000*millisecond, func() bool { return r.sum().finished == 1 }) {
		t.Fatalf("%+v", r.sum())
	}
	r.phase.Store(uint32(phaseHolding))
	if err := l.server.stop(); err != nil {
		t.Fatal(err)
	}
	l.w.RunFor(100*millisecond, nil)
	if s := r.sum(); s.lost != 3 || r.failure.Load() == nil {
		t.Fatalf("%+v, %v", s, r.failure.Load())
	}
}

// TestRequests: a session has one request in flight, whose way there and back is what is
// measured.
func TestRequests(t *testing.T) {
	for line, last := range map[string]uint64{
		"request 64 run-time 3":             0,
		"request 5000 bytes 20k nclients 3": 20480 % 5000,
	} {
		l := newLab(t)
		srv := l.serve("raw uri tcp://0.0.0.0/7")
		r := l.client("raw uri tcp://10.0.1.2/7 test-bytes " + line)
		for range 50 {
			l.w.RunFor(millisecond/5, nil)
			if c := r.sum(); c.tx > c.rx+uint64(r.opts.request*r.opts.clients) {
				t.Fatalf("%s: more than one request in flight: %+v", line, c.totals)
			}
		}
		r.stopSending.Store(r.opts.runTime > 0)
		r.wakeWorkers()
		if !l.w.RunFor(1000*millisecond, func() bool { return int(r.sum().finished) == r.opts.clients }) {
			t.Fatalf("%s: not finished: %+v", line, r.sum())
		}
		q := r.requests(1)
		want := srv.totals().rx / uint64(r.opts.request)
		if last > 0 { // the last request of a session is what is left of its bytes
			want = uint64(r.opts.clients) * (r.opts.bytes/uint64(r.opts.request) + 1)
		}
		if q.Answered != want || want < 10 || q.P50 < 200 || q.P50 > q.P99 || q.P99 > q.Max || q.Max > 20000 {
			t.Errorf("%s: %+v, want %d answers", line, q, want)
		}
	}
}
