package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

type plan = simtest.Plan

// TestTransfer: bytes pass both ways complete and in order, on wires that lose and reorder,
// with one worker and with several.
func TestTransfer(t *testing.T) {
	for _, workers := range []int{1, 3} {
		bad := sim.Link{Delay: 3 * ms, Rate: 100e6, Queue: 128, Loss: 0.02, Reorder: 0.05, ReorderBy: ms, Duplicate: 0.02}
		l := newLab(t, wish{seed: uint64(workers), near: bad, far: sim.Link{Delay: 8 * ms, Rate: 50e6, Queue: 128, Loss: 0.01}, workers: workers})
		l.serve("", func() plan { return plan{Salt: 9, Send: 300e3, Finish: simtest.HalfCloseFirst} })
		const n = 6
		l.open(n, func(int) plan { return plan{PeerSalt: 9, Send: 500e3, Finish: simtest.HalfCloseFirst} })
		l.run(n, 600*sec)
		l.received(l.client, 300e3)
		l.received(l.server, 500e3)
		r := l.report(false)
		if r.Accepted != n || r.Connected != n || r.Ended["closed"] != n || r.Open+r.Waiting+r.Closing != 0 ||
			r.Bytes != (Both{n * 500e3, n * 300e3}) || len(r.Failed) != 0 {
			t.Errorf("%+v", r)
		}
	}
}

// TestEndings: each end closes in its own way, with little or much under way.
func TestEndings(t *testing.T) {
	finishes := []simtest.Finish{simtest.CloseAfterPeer, simtest.CloseAtOnce, simtest.HalfCloseFirst}
	for i, mine := range finishes {
		for j, other := range finishes {
			if mine == simtest.CloseAfterPeer && other == simtest.CloseAfterPeer {
				continue // both wait for ever
			}
			t.Run(fmt.Sprint(i, j), func(t *testing.T) {
				for k, size := range []uint64{0, 1, 3000, 200e3} {
					l := newLab(t, wish{seed: uint64(k), near: sim.Link{Loss: 0.05}, far: sim.Link{Loss: 0.05, Delay: 4 * ms}})
					l.serve("", func() plan { return plan{Send: size, Finish: other} })
					const n = 5
					l.open(n, func(int) plan { return plan{Send: size, Finish: mine} })
					l.run(n, 600*sec)
					if mine != simtest.CloseAtOnce && other != simtest.CloseAtOnce {
						l.received(l.client, size)
						l.received(l.server, size)
					}
				}
			})
		}
	}
}

// TestResets: a reset of either end reaches the other.
func TestResets(t *testing.T) {
	for _, byClient := range []bool{true, false} {
		for _, at := range []uint64{1, 100e3, 400e3} {
			l := newLab(t, wish{seed: at, near: sim.Link{Rate: 100e6}, far: sim.Link{Rate: 100e6}})
			stay, quit := plan{Send: 500e3, Finish: simtest.StayOpen}, plan{Finish: simtest.StayOpen, ResetAt: at}
			if byClient {
				stay, quit = quit, stay
			}
			l.serve("", func() plan { return quit })
			l.open(3, func(int) plan { return stay })
			l.run(3, 60*sec)
			for i, e := range append(l.client.Ends, l.server.Ends...) {
				if e.Why == nil {
					t.Errorf("client %v at %d: end %d ended in order", byClient, at, i)
				}
			}
			r := l.report(false)
			want := "reset by server"
			if byClient {
				want = "reset by client"
			}
			if r.Ended[want] != 3 {
				t.Errorf("client %v at %d: %v", byClient, at, r.Ended)
			}
		}
	}
}

// TestEarlyData: what the client sends, and its end, before the upstream has answered wait.
func TestEarlyData(t *testing.T) {
	l := newLab(t, wish{far: sim.Link{Delay: 300 * ms}})
	l.serve("", func() plan { return plan{Send: 10, Finish: simtest.CloseAfterPeer} })
	l.open(2, func(int) plan { return plan{Send: 40e3, Finish: simtest.HalfCloseFirst} })
	l.w.RunFor(200*ms, nil)
	if r := l.report(true); r.Waiting != 2 || r.Flows[0].State != "connecting, client closed" || r.Flows[0].Upstream != "tcp://10.0.2.2:80" {
		t.Errorf("%+v", r)
	}
	l.run(2, 60*sec)
	l.received(l.server, 40e3)
	l.received(l.client, 10)
}

// TestRefused: an upstream that refuses costs a round trip, the next one is tried, and a
// client for which none is left is reset.
func TestRefused(t *testing.T) {
	l := newLab(t, wish{})
	l.must("test proxy server server-uri tcp://0.0.0.0/80 client-uri tcp://10.0.2.2/81 client-uri tcp://10.0.2.2/80 client-uri tcp://10.0.2.2/82")
	serve := func() plan { return plan{Finish: simtest.CloseAfterPeer} }
	l.server.Serve = serve
	ask := func(int) plan { return plan{Send: 5000, Finish: simtest.CloseAtOnce} }
	at := l.w.Now()
	l.open(4, ask)
	l.run(4, sec)
	if l.w.Now()-at > 50*ms {
		t.Errorf("it took %d ms", (l.w.Now()-at)/ms)
	}
	for _, e := range l.client.Ends {
		if !errors.Is(e.Why, transport.ErrReset) {
			t.Errorf("the client was told %v", e.Why)
		}
	}
	if r := l.report(false); r.Failed["refused"] != 12 || r.Ended["no upstream"] != 4 || r.Connected != 0 || r.Upstreams[1].Failed != 4 || !r.Upstreams[1].Shunned {
		t.Errorf("%+v", r)
	}
	// Two of three come to life: they take turns, and the third is asked no more for a while.
	l.listen(80)
	l.listen(82)
	l.w.RunFor(shun, nil)
	for range 5 {
		l.open(4, ask)
		l.w.RunFor(100*ms, nil)
	}
	l.run(24, 60*sec)
	r := l.report(false)
	if r.Connected != 20 || r.Upstreams[0].Failed > 6 || r.Upstreams[1].Connected < 8 || r.Upstreams[2].Connected < 8 {
		t.Errorf("%+v", r)
	}
	if out := l.must("show test proxy"); !strings.Contains(out, "upstream tcp://10.0.2.2:81: 0 connected") || !strings.Contains(out, "refused") {
		t.Error(out)
	}
	l.client.Failed = nil
}

// TestDeadUpstream: one that does not answer costs the connect timeout; then the next is
// tried, or the client reset.
func TestDeadUpstream(t *testing.T) {
	l := newLab(t, wish{})
	l.serve("connect-timeout 3", func() plan { return plan{Finish: simtest.CloseAfterPeer} })
	l.open(1, func(int) plan { return plan{Finish: simtest.CloseAtOnce} })
	l.run(1, sec) // the neighbour is known
	l.wires[1].SetUp(false)
	l.open(3, func(int) plan { return plan{Send: 1000, Finish: simtest.StayOpen} })
	at := l.w.Now()
	if !l.w.RunFor(10*sec, func() bool { return l.client.Live == 0 && len(l.client.Ends) == 4 }) {
		t.Fatal("the clients wait for ever")
	}
	if d := l.w.Now() - at; d < 3*sec || d > 4*sec {
		t.Errorf("it took %d ms", d/ms)
	}
	if r := l.report(false); r.Failed["timed out"] != 3 || r.Ended["no upstream"] != 3 {
		t.Errorf("%+v", r)
	}
	// A client that leaves before that is not waited for.
	l.open(1, func(int) plan { return plan{Send: 1000, Finish: simtest.StayOpen} })
	l.w.RunFor(sec, nil)
	cw := l.cln.Sessions.Workers()[0]
	cw.Reset(cw.Get(l.client.Ends[4].Handle))
	l.w.RunFor(sec, nil)
	if r := l.report(false); r.Ended["client left early"] != 1 || r.Waiting != 0 {
		t.Errorf("%+v", r)
	}
	// An attempt that succeeds too late is of no use to anybody.
	l.wires[1].SetUp(true)
	l.w.RunFor(100*sec, nil)
	if n := l.flows(); n != 0 || l.server.Live != 0 {
		t.Errorf("%d flows, %d sessions of the server are left", n, l.server.Live)
	}
}

// TestIdle: a flow that moves nothing is closed on both sides, one that does is not.
func TestIdle(t *testing.T) {
	l := newLab(t, wish{})
	l.serve("idle-timeout 5", func() plan { return plan{Ask: 10, Reply: 20} })
	l.open(2, func(int) plan { return plan{Asks: 1, Ask: 10, Reply: 20, Finish: simtest.CloseAfterPeer} })
	l.w.RunFor(4*sec, nil)
	if r := l.report(true); r.Open != 2 || r.Flows[0].Idle < 3.8 || r.Flows[0].Bytes != (Both{10, 20}) {
		t.Fatalf("%+v", r)
	}
	before := l.w.Rounds()
	l.w.RunFor(800*ms, nil)
	if n := l.w.Rounds() - before; n > 20 {
		t.Errorf("%d rounds of Steps though nothing happens", n)
	}
	l.run(2, 3*sec)
	for _, e := range append(l.client.Ends, l.server.Ends...) {
		if !e.PeerClosed || e.Why != nil {
			t.Errorf("%+v", e)
		}
	}
	if r := l.report(false); r.Ended["idle"] != 2 {
		t.Errorf("%+v", r)
	}
	// Bytes that are stuck: the reader holds on, so the flow is reset, once window probes
	// have filled its FIFO to the last byte.
	l.server.Serve = func() plan { return plan{Hold: true, Finish: simtest.StayOpen} }
	l.open(1, func(int) plan { return plan{Send: 30 << 20, Finish: simtest.StayOpen} })
	l.run(3, 600*sec)
	if r := l.report(false); r.Ended["idle"] != 3 || r.Bytes.Clients < 64<<10 {
		t.Errorf("%+v", r)
	}
	// A server that is slow in taking the rest after the client has left is not cut off.
	l.server.Serve = func() plan { return plan{Finish: simtest.HalfCloseFirst} }
	l.wires[1].SetLink(0, sim.Link{Delay: ms, Rate: 800e3})
	l.open(1, func(int) plan { return plan{Send: 2 << 20, Finish: simtest.CloseAtOnce} })
	l.w.RunFor(10*sec, nil)
	if r := l.report(true); r.Closing != 1 || len(r.Flows) != 1 || r.Flows[0].Client.IsValid() || r.Flows[0].Queued.Clients == 0 {
		t.Errorf("the client has not left, or all is sent: %+v", r)
	}
	l.run(4, 100*sec)
	if e := l.server.Ends[3]; e.Received != 2<<20 || e.Why != nil {
		t.Errorf("%d bytes, %v", e.Received, e.Why)
	}
}

// TestManyFlows: a thousand flows at once on a lossy wire, each of which finishes.
func TestManyFlows(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 200
	}
	l := newLab(t, wish{near: sim.Link{Loss: 0.01, Rate: 1e9}, far: sim.Link{Rate: 1e9, Loss: 0.01}, workers: 2})
	l.serve("", func() plan { return plan{Echo: true} })
	l.open(n, func(i int) plan { return plan{Send: 20000, Finish: simtest.HalfCloseFirst} })
	l.w.RunFor(50*ms, nil)
	if r := l.report(true); len(r.Flows) == 0 || r.Rate == nil {
		t.Errorf("%+v", r)
	}
	l.run(n, 600*sec)
	l.received(l.client, 20000)
	if r := l.report(false); r.Ended["closed"] != uint64(n) || r.Bytes != (Both{uint64(n) * 20000, uint64(n) * 20000}) {
		t.Errorf("%+v", r)
	}
}

// TestIdleFlows: flows in which nothing happens hold no FIFO and cause no Step.
func TestIdleFlows(t *testing.T) {
	n := 10000
	if testing.Short() {
		n = 1000
	}
	l := newLab(t, wish{near: sim.Link{Rate: 10e9}, far: sim.Link{Rate: 10e9}})
	l.serve("", func() plan { return plan{Ask: 10, Reply: 10} })
	for open := 0; open < n; open += 500 {
		l.open(500, func(int) plan { return plan{Asks: 1, Ask: 10, Reply: 10, Finish: simtest.StayOpen} })
		l.w.RunFor(30*ms, nil)
	}
	l.w.RunFor(2*sec, nil)
	before := l.w.Rounds()
	l.w.RunFor(100*sec, nil)
	if rounds := l.w.Rounds() - before; rounds > 2000 {
		t.Errorf("%d rounds in 100 s", rounds)
	}
	if r := l.report(true); r.Open != n || len(r.Flows) != n || r.Bytes != (Both{uint64(n) * 10, uint64(n) * 10}) {
		t.Errorf("%d open, %d listed, %+v", r.Open, len(r.Flows), r.Bytes)
	}
}

// TestStop: stopping in the middle of everything resets all flows, and it can be started
// again; one route of several can be stopped.
func TestStop(t *testing.T) {
	l := newLab(t, wish{workers: 2, near: sim.Link{Rate: 100e6}, far: sim.Link{Rate: 50e6, Delay: 20 * ms}})
	l.serve("", func() plan { return plan{Echo: true} })
	l.must("test proxy server server-uri tcp://0.0.0.0/81 client-uri tcp://10.0.2.2/80")
	for round := range 2 {
		l.open(20, func(int) plan { return plan{Send: 1 << 20, Finish: simtest.HalfCloseFirst} })
		l.w.RunFor(int64(10+100*round)*ms, nil) // in the handshakes, then in the transfer
		if out := l.must("test proxy server stop server-uri tcp://0.0.0.0:80"); out != "" {
			t.Error(out)
		}
		if l.flows() != 0 {
			t.Fatalf("%d flows after the stop", l.flows())
		}
		if out := l.must("show test proxy"); !strings.Contains(out, "[2] tcp://0.0.0.0:81") || strings.Contains(out, "[1]") {
			t.Error(out)
		}
		if !l.w.RunFor(60*sec, func() bool { return l.client.Live == 0 && l.server.Live == 0 }) {
			t.Fatal("ends are left")
		}
		if _, err := l.typed("test proxy server stop server-uri tcp://0.0.0.0:80"); !errors.Is(err, errNotRunning) {
			t.Error(err)
		}
		l.must("test proxy server server-uri tcp://0.0.0.0/80 client-uri tcp://10.0.2.2/80")
	}
	l.client.Failed = nil
	before := len(l.client.Ends)
	l.open(1, func(int) plan { return plan{Send: 1000, Finish: simtest.HalfCloseFirst} })
	l.w.RunFor(sec, nil)
	if e := l.client.Ends[before]; e.Received != 1000 || e.Why != nil {
		t.Errorf("%+v", e)
	}
	if err := l.mid.Sessions.Disable(); err != nil {
		t.Fatal(err)
	}
	if out := l.must("show test proxy"); out != "proxy not running\n" {
		t.Error(out)
	}
	l.must("test proxy server server-uri tcp://0.0.0.0/80 client-uri tcp://10.0.2.2/80")
	l.must("test proxy server stop")
	if _, err := l.typed("test proxy server stop"); !errors.Is(err, errNotRunning) {
		t.Error(err)
	}
}

// TestBadInput: each bad line is answered by one line that names what is wrong, and changes
// nothing.
func TestBadInput(t *testing.T) {
	l := newLab(t, wish{})
	l.must("test proxy server server-uri tcp://0.0.0.0/80 client-uri tcp://10.0.2.2/80")
	for text, want := range map[string]string{
		"server-uri":                                                             "expected a URI after server-uri",
		"server-uri xyz://1.2.3.4/80":                                            "server-uri: invalid uri: unknown transport `xyz'",
		"server-uri tcp://example.org/80":                                        "example.org",
		"client-uri tcp://1.2.3.4/0":                                             "`0' is not a port",
		"server-uri http://0.0.0.0/80 client-uri tcp://1.2.3.4/80":               "only tcp and udp are proxied",
		"server-uri tcp://0.0.0.0/81 client-uri udp://1.2.3.4/80":                "client-uri udp://1.2.3.4/80: not the protocol of server-uri tcp://0.0.0.0/81",
		"server-uri tcp://0.0.0.0/80 client-uri tcp://10.0.2.2/80":               "server-uri tcp://0.0.0.0:80: 0.0.0.0 port 80: ip port pair already listened on",
		"server-uri tcp://0.0.0.0/81 client-uri tcp://0.0.0.0/80":                "not an address to connect to",
		"server-uri tcp://0.0.0.0/81 client-uri tcp://10.0.1.2/81":               "would connect to its own server-uri tcp://0.0.0.0:81",
		"server-uri tcp://10.0.1.2/81 client-uri tcp://10.0.1.2/81":              "would connect to its own server-uri",
		"server-uri tcp://0.0.0.0/81 client-uri tcp://10.0.2.1/80":               "would connect to itself",
		"server-uri tcp://:81 client-uri tcp://10.0.2.2/80 server-uri tcp://:82": "server-uri tcp://:82 has no client-uri",
		"fifo-size 1":                        "expected a size from 4k to 1g after fifo-size, got `1'",
		"idle-timeout 0":                     "expected a number from 1 to 2592000 after idle-timeout, got `0'",
		"high-watermark 40 low-watermark 50": "low-watermark 50 is above high-watermark 40",
		"high-watermark 101":                 "expected a number from 1 to 100 after high-watermark, got `101'",
		"rcv-buf-size many":                  "expected a number, got `many'",
		"frobnicate 3":                       "unknown input `frobnicate 3'",
		"stop client-uri tcp://1.2.3.4/80":   "stop takes one server-uri, or none for all",
		"stop server-uri tcp://0.0.0.0/81":   "server-uri tcp://0.0.0.0/81: proxy not running",
		"server-uri tcp://:82 client-uri tcp://10.0.2.2/80 server-uri tcp://:80 client-uri tcp://10.0.2.2/80": "server-uri tcp://0.0.0.0:80: 0.0.0.0 port 80: ip port pair already listened on",
	} {
		before := l.must("show test proxy")
		_, err := l.typed("test proxy server " + text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\nanswers %v\nwant %s", text, err, want)
		}
		if after := l.must("show test proxy"); before != after || len(l.mid.Sessions.Apps()) != 2 {
			t.Errorf("%s: changed something:\n%s", text, after)
		}
	}
	if _, err := l.typed("show test proxy flows"); err == nil || err.Error() != "unknown input `flows'" {
		t.Error(err)
	}
}

// TestLoop: an address that becomes ours later does not make the proxy call itself.
func TestLoop(t *testing.T) {
	l := newLab(t, wish{})
	mine := false
	l.p.local = func(*worker.Worker, netip.Addr) bool { return mine }
	l.must("test proxy server server-uri tcp://0.0.0.0/80 client-uri tcp://10.0.2.2/80")
	mine = true
	l.open(2, func(int) plan { return plan{Send: 10, Finish: simtest.StayOpen} })
	l.run(2, sec)
	if r := l.report(false); r.Failed["to ourselves"] != 2 || r.Ended["no upstream"] != 2 {
		t.Errorf("%+v", r)
	}
	l.client.Failed = nil
}

// TestDefaults: VPP's, and which URIs belong together.
func TestDefaults(t *testing.T) {
	l := newLab(t, wish{})
	out := l.must("test proxy server fifo-size 32k prealloc-fifos 4 private-segment-size 512m private-segment-count 2 rcv-buf-size 1024")
	for _, want := range []string{"No server-uri provided! Using default: tcp://0.0.0.0/23", "No client-uri provided! Using default: tcp://6.0.2.2/23", "note: "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
	l.must("test proxy server server-uri tcp://:1 server-uri tcp://:2 client-uri tcp://1.0.0.1/1 client-uri tcp://1.0.0.1/2 " +
		"server-uri tcp://[::]:3 client-uri tcp://[fd00::9]:3 idle-timeout 7 connect-timeout 8 max-fifo-size 1m")
	out = l.must("show test proxy listeners")
	for _, want := range []string{
		"[1] tcp://0.0.0.0:23 -> tcp://6.0.2.2:23\n  fifo-size 32k max-fifo-size 128m idle-timeout 600 connect-timeout 20\n",
		"[2] tcp://0.0.0.0:1, tcp://0.0.0.0:2 -> tcp://1.0.0.1:1, tcp://1.0.0.1:2\n",
		"[3] tcp://[::]:3 -> tcp://[fd00::9]:3\n  fifo-size 64k max-fifo-size 1m idle-timeout 7 connect-timeout 8\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	rep := &Report{listeners: true}
	if err := l.p.report(t.Context(), rep, nil); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(rep)
	if err != nil || !strings.Contains(string(b), `"serverUris":["tcp://0.0.0.0:1","tcp://0.0.0.0:2"]`) {
		t.Errorf("%s %v", b, err)
	}
}

// TestConfigured: the command without words starts what startup.conf has and does not run.
func TestConfigured(t *testing.T) {
	l := newLab(t, wish{})
	if out := l.must("test proxy server"); !strings.Contains(out, "no test-proxy section") {
		t.Error(out)
	}
	o, two := Defaults(), Defaults()
	o.Server("tcp://0.0.0.0/80")
	o.Client("tcp://10.0.2.2/80")
	two.Server("tcp://0.0.0.0/81")
	two.Client("tcp://10.0.2.2/81")
	l = newLab(t, wish{conf: []Options{o, two}})
	for range 2 {
		if out := l.must("test proxy server"); out != "" || len(l.p.running()) != 2 {
			t.Errorf("%q, %d routes", out, len(l.p.running()))
		}
	}
	l.must("test proxy server stop server-uri tcp://0.0.0.0/81")
	if n, err := l.p.Configured(); n != 2 || err != nil || len(l.p.running()) != 2 {
		t.Errorf("%d entries, %v", n, err)
	}
}

// TestRates: the listing tells what moves, and where.
func TestRates(t *testing.T) {
	l := newLab(t, wish{near: sim.Link{Rate: 8e6}})
	l.serve("", func() plan { return plan{Finish: simtest.CloseAfterPeer} })
	l.open(1, func(int) plan { return plan{Send: 1 << 20, Finish: simtest.CloseAtOnce} })
	l.w.RunFor(300*ms, nil)
	r := l.report(true)
	f := &r.Flows[0]
	if f.Rate.Clients < 6e6 || f.Rate.Clients > 9e6 || f.Rate.Servers != 0 || r.Rate.Clients != f.Rate.Clients || f.State != "open" ||
		f.Client.Addr() != simtest.Addr4(1, 1) || f.Server != backAddr || f.Source.Addr() != simtest.Addr4(2, 1) || f.Age < .3 || f.Idle > .1 {
		t.Errorf("%+v %+v", f, f.Rate)
	}
	var b strings.Builder
	rep := &Report{Routes: []RouteReport{*r}, verbose: true}
	if err := rep.Text(&b, cli.Layout{}); err != nil || !strings.Contains(b.String(), "10.0.2.2:80") || !strings.Contains(b.String(), "M") {
		t.Error(b.String())
	}
	l.run(1, 60*sec)
}

// TestAllocsOfFlows: flows that come and go take nothing from the proxy's Go heap.
func TestAllocsOfFlows(t *testing.T) {
	l := newLab(t, wish{trust: true})
	l.serve("", func() plan { return plan{Ask: 100, Reply: 2000} })
	now, mallocs := l.w.Now(), uint64(0)
	var before, after runtime.MemStats
	round := func(n int, count bool) {
		l.open(n, func(int) plan { return plan{Asks: 2, Ask: 100, Reply: 2000, Finish: simtest.CloseAtOnce} })
		for range 300 {
			now += 100e3
			l.w.Net.SetNow(now)
			for _, h := range l.w.Hosts {
				if count && h == l.mid {
					runtime.ReadMemStats(&before)
				}
				for _, k := range h.Workers {
					k.Step(now)
				}
				if count && h == l.mid {
					runtime.ReadMemStats(&after)
					mallocs += after.Mallocs - before.Mallocs
				}
			}
		}
	}
	round(200, false)
	round(200, true)
	if r := l.report(false); r.Connected != 400 || r.Open != 0 {
		t.Errorf("%+v", r)
	}
	if mallocs > 20 { // of the runtime's own
		t.Errorf("%d allocations for 200 flows", mallocs)
	}
}

// TestAllocs: a flow that runs takes nothing from the Go heap.
func TestAllocs(t *testing.T) {
	l := newLab(t, wish{})
	l.serve("", func() plan { return plan{Ask: 1000, Reply: 30000} })
	l.open(1, func(int) plan { return plan{Asks: 100000, Ask: 1000, Reply: 30000, Finish: simtest.StayOpen} })
	l.w.RunFor(sec, nil)
	if n := testing.AllocsPerRun(50, func() { l.w.RunFor(10*ms, nil) }); n > 1 { // of the simulator, rarely
		t.Errorf("%v allocations", n)
	}
	r := l.report(false)
	if r.Bytes.Servers < 3e6 {
		t.Errorf("%+v", r.Bytes)
	}
}

// TestNoCutThrough: a client in this instance does not find the proxy, and is told so at
// once, rather than have a session that cannot be spliced.
func TestNoCutThrough(t *testing.T) {
	l := newLab(t, wish{})
	l.serve("", func() plan { return plan{} })
	a, err := l.mid.Sessions.Attach("local", &simtest.App{}, session.Options{Scope: session.LocalScope})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Connect(transport.TCP, transport.Endpoint{Addr: frontAddr}, 0); !errors.Is(err, session.ErrScope) {
		t.Errorf("connected: %v", err)
	}
	if err := a.Detach(); err != nil {
		t.Fatal(err)
	}
}
