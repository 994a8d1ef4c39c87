package echo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"vpphost/apps/latency"
	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/tcp"
	"vpphost/hoststack/transport"
)

// cps begins a run whose phases the test drives by hand.
func (l *lab) cps(line string) *cpsRun {
	l.t.Helper()
	o, err := parseClient(cli.NewInput("cps " + line))
	if err != nil {
		l.t.Fatal(err)
	}
	r := newCPSRun(l.tester(), o)
	if r.app, err = l.cln.Attach("client", r); err != nil {
		l.t.Fatal(err)
	}
	if err := r.addWorkers(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(r.removeWorkers)
	r.began.Store(l.w.Now())
	r.phase.Store(uint32(phaseRunning))
	return r
}

// stop ends a run and waits for what is under way.
func (l *lab) stop(r *cpsRun) cpsCounts {
	l.t.Helper()
	r.stopSending.Store(true)
	if !l.w.RunFor(2000*millisecond, func() bool { return r.sum().inFlight() == 0 }) {
		l.t.Fatalf("connections are left: %+v", r.sum())
	}
	return r.sum()
}

// TestCPS: connections come and go at the concurrency that was asked for, every byte
// arrives, the times are those of the wire, and nothing is left at the server.
func TestCPS(t *testing.T) {
	for _, c := range []struct {
		line           string
		bytes          uint64
		echo, gentle   bool
		legs, transfer float64 // ms: opening takes two ways over the wire of .1 ms; a transfer
	}{
		{"nclients 20", 64, false, false, .2, .2},
		{"nclients 20", 64, false, true, .2, .4}, // a way there and back more
		{"nclients 20 echo-bytes test-bytes", 64, true, false, .2, .2},
		{"nclients 7 bytes 0", 0, false, false, .2, .2},
		{"nclients 3 bytes 100k echo-bytes test-bytes", 102400, true, false, .2, .3},
	} {
		l := newLab(t)
		srv := l.serve("raw uri tcp://0.0.0.0/7")
		if !c.echo {
			srv.mode.Store(0)
		}
		r := l.cps("raw uri tcp://10.0.1.2/7 " + c.line)
		r.gentle = c.gentle
		for range 50 {
			l.w.RunFor(millisecond, nil)
			if n := r.sum().inFlight(); n > uint64(r.opts.clients) {
				t.Fatalf("%s: %d in flight", c.line, n)
			}
		}
		s := l.stop(r)
		least := uint64(r.opts.clients) * 50 / 2 // a connection takes less than 2 ms
		if s.done < least || s.failed() != 0 || s.done != s.started || s.opened != s.done {
			t.Errorf("%s: %+v, want %d at least", c.line, s, least)
		}
		if s.tx != s.done*c.bytes || srv.totals().rx != s.tx || c.echo && s.rx != s.tx {
			t.Errorf("%s: %+v, the server received %d", c.line, s.totals, srv.totals().rx)
		}
		connect, transfer := r.times()
		if connect.Count != s.done || connect.P50 < c.legs*1000 || connect.P50 > 1000*(c.legs+.1) ||
			transfer.Count != s.done || transfer.P50 < c.transfer*1000 || transfer.P50 > 5000 {
			t.Errorf("%s: connect %v, transfer %v", c.line, connect, transfer)
		}
		if !l.w.RunFor(1000*millisecond, func() bool { return srv.workers[0].conns.Used() == 0 }) {
			t.Errorf("%s: the server keeps %d", c.line, srv.workers[0].conns.Used())
		}
	}
}

// TestCPSCount: so many connections and not one more.
func TestCPSCount(t *testing.T) {
	l := newLab(t)
	l.serve("raw uri tcp://0.0.0.0/7")
	r := l.cps("raw uri tcp://10.0.1.2/7 nclients 16 connections 1000 echo-bytes")
	if !l.w.RunFor(1000*millisecond, func() bool { return r.sum().done == 1000 }) {
		t.Fatalf("%+v", r.sum())
	}
	l.w.RunFor(100*millisecond, nil)
	if s := r.sum(); s.started != 1000 || s.inFlight() != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestCPSRate: an open loop begins as many as are due, and when it cannot, the wait counts.
func TestCPSRate(t *testing.T) {
	l := newLab(t)
	l.serve("raw uri tcp://0.0.0.0/7")
	r := l.cps("raw uri tcp://10.0.1.2/7 rate 2000 echo-bytes")
	l.w.RunFor(1000*millisecond, nil)
	s := l.stop(r)
	connect, _ := r.times()
	if s.done < 1999 || s.done > 2001 || connect.Max > 300 {
		t.Errorf("%d connections in a second, connect %v", s.done, connect)
	}
	// One at a time takes .4 ms and more, so that 10000 a second are too many.
	r = l.cps("raw uri tcp://10.0.1.2/7 rate 10000 nclients 1 echo-bytes")
	l.w.RunFor(1000*millisecond, nil)
	s = l.stop(r)
	connect, _ = r.times()
	if s.done > 3000 || connect.Max < 500e3 {
		t.Errorf("%d connections in a second, connect %v", s.done, connect)
	}
}

// TestCPSNoPort: a run that has used all ports goes on as they become free, and says so.
func TestCPSNoPort(t *testing.T) {
	l := newLabWith(t, simtest.Options{MinPort: 40000, MaxPort: 40099})
	l.serve("raw uri tcp://0.0.0.0/7")
	r := l.cps("raw uri tcp://10.0.1.2/7 nclients 10 echo-bytes")
	l.w.RunFor(4500*millisecond, nil)
	s := l.stop(r)
	// TIME_WAIT takes 10 s, and is cut short after one.
	if s.done < 400 || s.done > 600 || s.failed() != 0 || s.noPort < 100 || s.noPort > 4500 {
		t.Errorf("%+v", s)
	}
	rep := newCPSReporter(r, nil)
	sum := rep.summary()
	var b strings.Builder
	_ = sum.Text(&b, cli.Layout{})
	if want := fmt.Sprintf("no port, %d times: add source addresses with tcp src-address\n", s.noPort); !strings.Contains(b.String(), want) {
		t.Errorf("%s", b.String())
	}
}

// TestCPSFailures: every way to fail is counted under its own name, and the run goes on.
func TestCPSFailures(t *testing.T) {
	for _, c := range []struct {
		name string
		line string
		app  session.App // the server; nil for none
		down bool        // nobody answers
		want reason
		most uint64 // in a second: what fails at once is held off
	}{
		{"refused", "nclients 10", nil, false, whyRefused, 10 * 1000},
		{"nobody", "nclients 10 syn-timeout .2", nil, true, whyTimedOut, 60},
		{"too late", "nclients 10 syn-timeout .2", &rude{far: true}, false, whyTimedOut, 60},
		{"closes at once", "nclients 10 echo-bytes", &rude{close: true}, false, whyClosed, 10 * 1000},
		{"resets", "nclients 10 echo-bytes", &rude{reset: true}, false, whyReset, 10 * 1000},
		{"says nothing", "nclients 10 echo-bytes syn-timeout .2", &rude{}, false, whyTimedOut, 60},
		{"says something else", "nclients 10 echo-bytes test-bytes", &rude{say: true}, false, whyBytes, 10 * 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			if c.app != nil {
				a, err := l.srv.Attach("rude", c.app)
				if err == nil {
					err = a.Listen(transport.TCP, serverAddr(7))
				}
				if err != nil {
					t.Fatal(err)
				}
				if c.app.(*rude).far {
					l.ping()
					l.wire.SetLink(0, sim.Link{Delay: 300 * millisecond})
				}
			}
			if c.down {
				l.w.RunFor(millisecond, nil)
				l.ping() // the neighbour is known
				l.wire.SetLink(0, sim.Link{Loss: 1})
			}
			r := l.cps("raw uri tcp://10.0.1.2/7 " + c.line)
			l.w.RunFor(1000*millisecond, nil)
			r.stopSending.Store(true)
			s := r.sum()
			if c.name == "too late" && s.opened != 0 {
				t.Errorf("%d that were given up have opened", s.opened)
			}
			if s.why[c.want] < 10 || s.why[c.want] != s.failed() || s.done != 0 || s.failed() > c.most {
				t.Errorf("%+v", s)
			}
			if sum := newCPSReporter(r, nil).summary(); sum.Failures[reasonTexts[c.want]] != s.why[c.want] || !strings.Contains(sum.why(), reasonTexts[c.want]) {
				t.Errorf("%+v", sum.Failures)
			}
		})
	}
}

// rude is a server that does not do what it should.
type rude struct {
	session.NopApp
	close, reset, say bool
	far               bool // it answers after the time-out
}

func (a *rude) Accept(w *session.Worker, s *session.Session) error {
	switch {
	case a.close:
		w.HalfClose(s) // Close would answer what comes by a reset
	case a.reset:
		w.Reset(s)
	case a.say:
		w.Tx(s).Write(bytes.Repeat([]byte("no"), 32))
		w.Send(s)
	}
	return nil
}

func (a *rude) Closed(w *session.Worker, s *session.Session) { w.Close(s) }

// ping makes the hosts know each other.
func (l *lab) ping() {
	l.t.Helper()
	a, err := l.cln.Attach("ping", session.NopApp{})
	if err == nil {
		err = a.Connect(transport.TCP, serverAddr(9), 0)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.w.RunFor(10*millisecond, nil)
	_ = a.Detach()
}

// TestCPSAllocatesNothing: over a wire, once everything has its size.
func TestCPSAllocatesNothing(t *testing.T) {
	for _, line := range []string{"raw uri tcp://10.0.1.2/7 echo-bytes test-bytes", "raw uri tcp://10.0.1.2/7 bytes 0"} {
		l := newLab(t)
		l.serve("raw uri tcp://0.0.0.0/7")
		r := l.cps(line + " nclients 20")
		l.w.RunFor(500*millisecond, nil)
		before := r.sum().done
		var a, b runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&a)
		l.w.RunFor(200*millisecond, nil)
		runtime.ReadMemStats(&b)
		n := r.sum().done - before
		if n < 1000 || (b.Mallocs-a.Mallocs) > n/100 {
			t.Errorf("%s: %d allocations for %d connections", line, b.Mallocs-a.Mallocs, n)
		}
		l.stop(r)
	}
}

// live is two hosts whose workers are threads, with a server on the second: for whole
// commands.
type live struct {
	t        *testing.T
	w        *simtest.World
	cln, srv *simtest.Host
	wire     *sim.Wire
	server   *Server
	client   *Client
}

func newLive(t *testing.T) *live {
	t.Helper()
	l := &live{t: t, w: simtest.NewThreads(7)}
	var err error
	must := func(e error) {
		if e != nil {
			t.Helper()
			t.Fatal(e)
		}
	}
	o := simtest.Options{Buffers: 8192, Trust: true, TCP: func(c *tcp.Config) { c.TimeWait = 100 * time.Millisecond }}
	l.cln, err = l.w.NewHost("client", o)
	must(err)
	l.srv, err = l.w.NewHost("server", o)
	must(err)
	l.wire, err = l.w.Connect(l.cln, l.srv, [2]sim.Link{}, simtest.WireOptions{})
	must(err)
	l.server, l.client = NewServer(l.srv.Sessions), NewClient(l.cln.Sessions)
	must(l.w.Start())
	t.Cleanup(func() {
		_ = l.server.stop()
		if err := l.w.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *live) serve(line string) {
	l.t.Helper()
	o, err := parseServer(cli.NewInput(line))
	if err == nil {
		_, err = l.server.start(o)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// run types a line of the client and returns what it prints, as text and as JSON lines.
func (l *live) run(ctx context.Context, line string) (text string, objs []string, err error) {
	l.t.Helper()
	o, err := parseClient(cli.NewInput(line))
	if err != nil {
		l.t.Fatal(err)
	}
	var b strings.Builder
	emit := func(r cli.Result) error {
		j, err := json.Marshal(r)
		if err != nil {
			l.t.Errorf("%T: %v", r, err)
		}
		objs = append(objs, string(j))
		return r.Text(&b, cli.Layout{})
	}
	res, err := l.client.run(ctx, o, emit)
	if res != nil {
		_ = emit(res)
	}
	return b.String(), objs, err
}

// TestCPSCommand is the whole command against a server of ours, with its control session.
func TestCPSCommand(t *testing.T) {
	l := newLive(t)
	l.serve("uri tcp://0.0.0.0/1234")
	text, objs, err := l.run(context.Background(), fmt.Sprintf("cps uri tcp://%s/1234 nclients 10 run-time 1.2 echo-bytes test-bytes plot", simtest.Addr4(1, 2)))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	lines := strings.Split(text, "\n")
	if lines[0] != rule || !strings.HasPrefix(lines[1], "Interval (s)  Connections   Rate        Failed     No port   In flight") ||
		!strings.HasPrefix(lines[2], "0.0-") {
		t.Errorf("%s", text)
	}
	for _, want := range []string{"┤", "connections, ", "/s, over ", " p50/p90/p99/p99.9/max connect\n", " p50/p90/p99/p99.9/max transfer\n", "\nno connection failed\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	var s ConnSummary
	if err := json.Unmarshal([]byte(objs[len(objs)-1]), &s); err != nil {
		t.Fatal(err)
	}
	if s.Connections < 100 || s.PeerBytes == nil || *s.PeerBytes != s.Tx || s.Tx != 64*s.Connections || s.Rx != s.Tx || s.Failed != 0 ||
		s.Connect.Count != s.Connections || s.Seconds < 1.1 {
		t.Errorf("%+v", s)
	}
}

// TestCPSInterrupted: Ctrl-C in mid-run prints what there is, and so does a server that
// goes away.
func TestCPSInterrupted(t *testing.T) {
	l := newLive(t)
	l.serve("uri tcp://0.0.0.0/1234")
	line := fmt.Sprintf("cps uri tcp://%s/1234 nclients 10 run-time 60", simtest.Addr4(1, 2))
	for _, want := range []error{errAborted, errControlLost} {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(300*time.Millisecond, func() {
			if want == errAborted {
				cancel()
			} else {
				_ = l.server.stop()
			}
		})
		begin := time.Now()
		text, _, err := l.run(ctx, line)
		cancel()
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if time.Since(begin) > 10*time.Second || !strings.Contains(text, "connections opened, used and closed in ") || !strings.HasSuffix(text, "test failed\n") {
			t.Errorf("%v after %v:\n%s", want, time.Since(begin), text)
		}
	}
	text, _, err := l.run(context.Background(), fmt.Sprintf("cps raw uri tcp://%s/9 run-time .3", simtest.Addr4(1, 2)))
	if err == nil || !strings.HasPrefix(err.Error(), "failed: no connection succeeded: ") || !strings.HasSuffix(err.Error(), " refused") ||
		!strings.Contains(text, "connections failed: ") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestConnReportLayout is the text of a run, letter by letter.
func TestConnReportLayout(t *testing.T) {
	peer := uint64(20000)
	p := latency.Percentiles{Count: 5, P50: 9.4, P90: 11, P99: 20.25, P999: 300, Max: 1234.5}
	s := &ConnSummary{Connections: 326412, Seconds: 5, PerSec: 65282.4, Bytes: 64, Echo: true, Tx: 20890368, Rx: 20890368,
		Connect: p, Transfer: p, PeerBytes: &peer, ruled: true}
	bad := &ConnSummary{Connections: 10, Seconds: .25, PerSec: 40, Failed: 7, Unfinished: 2, NoPort: 12, Due: 1000, started: 19, Connect: p, Transfer: p}
	bad.reasons[whyRefused], bad.reasons[whyTimedOut] = 4, 3
	var b strings.Builder
	for _, r := range []cli.Result{
		ConnRow{Start: 0, End: 1, Connections: 65282, PerSec: 65282.4, InFlight: 128, header: true},
		ConnRow{Start: 1, End: 2.04, Connections: 999, PerSec: 960.5, Failed: 12, NoPort: 1001, InFlight: 3},
		ConnRow{End: 3, Connections: 5, PerSec: 1.5, Total: true},
		s, bad,
	} {
		if err := r.Text(&b, cli.Layout{}); err != nil {
			t.Fatal(err)
		}
	}
	want := `-------------------------------------------------------------
Interval (s)  Connections   Rate        Failed     No port   In flight
0.0-1.0       65.28K        65.28K/s    0          0               128
1.0-2.0       999           960.50/s    12         1.00K             3
3.0           5             1.50/s      0          0                 0
-------------------------------------------------------------
326412 connections opened, used and closed in 5.00 seconds 65282.40/s
9.40us/11.00us/20.25us/300.00us/1234.50us p50/p90/p99/p99.9/max connect
9.40us/11.00us/20.25us/300.00us/1234.50us p50/p90/p99/p99.9/max transfer
20890368 bytes sent, 20890368 bytes received
no connection failed
warning: the server counted 20000 bytes of 20890368 sent
10 connections opened, used and closed in .25 seconds 40.00/s
9.40us/11.00us/20.25us/300.00us/1234.50us p50/p90/p99/p99.9/max connect
9.40us/11.00us/20.25us/300.00us/1234.50us p50/p90/p99/p99.9/max close
0 bytes sent, 0 bytes received
7 connections failed: 4 refused, 3 timed out
2 connections not finished at the end
no port, 12 times: add source addresses with tcp src-address
too slow for the rate: 1000 connections were due, 19 were begun
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestCPSSources: from several addresses there are several times as many ports.
func TestCPSSources(t *testing.T) {
	l := newLabWith(t, simtest.Options{MinPort: 40000, MaxPort: 40099})
	l.serve("raw uri tcp://0.0.0.0/7")
	first := netip.MustParseAddr("10.0.1.20")
	if err := l.cln.TCP.AddSources(first, netip.MustParseAddr("10.0.1.29")); err != nil {
		t.Fatal(err)
	}
	r := l.cps("raw uri tcp://10.0.1.2/7 nclients 10 echo-bytes")
	l.w.RunFor(900*millisecond, nil)
	if s := l.stop(r); s.done < 800 || s.failed() != 0 {
		t.Errorf("%+v", s)
	}
}
