package echo

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"vpphost/apps/latency"
	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

// udp begins a run whose phases the test drives by hand, against a raw server that does
// what the options of the client ask for.
func (l *lab) udp(line string) (*udpRun, *serverRun) {
	l.t.Helper()
	srv := l.serve("raw uri udp://0.0.0.0/7")
	o, err := parseClient(cli.NewInput("uri udp://10.0.1.2/7 raw " + line))
	if err != nil {
		l.t.Fatal(err)
	}
	r := newUDPRun(l.tester(), o)
	r.numbered, r.stamped, r.pattern = true, !o.check, o.check
	mode := uint32(modeNumbered)
	if o.echo {
		mode |= modeEcho
	}
	if o.check {
		mode |= modeCheck
	} else {
		mode |= modeStamped
	}
	srv.mode.Store(mode)
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
	r.began.Store(l.w.Now())
	r.phase.Store(uint32(phaseRunning))
	return r, srv
}

// finish ends the sending and waits for what is under way.
func (l *lab) finish(r *udpRun) udpCounts {
	l.t.Helper()
	r.stopSending.Store(true)
	l.w.RunFor(1000*millisecond, func() bool {
		c := r.sum()
		return c.finished == uint64(r.opts.active) && (!r.opts.echo || c.dgramsRx == c.dgramsTx)
	})
	if n := r.sum().finished; n != uint64(r.opts.active) {
		l.t.Fatalf("%d of %d sessions have sent everything", n, r.opts.active)
	}
	l.w.RunFor(10*millisecond, nil)
	return r.sum()
}

// TestUDP: paced datagrams arrive one and all, and the times are those of the wire.
func TestUDP(t *testing.T) {
	for _, c := range []struct {
		line   string
		dgrams uint64
		bytes  uint64
	}{
		{"throughput 11.68m run-time 1", 1000, 0},
		{"throughput 11.68m run-time 1 echo-bytes", 1000, 0},
		{"throughput 12m run-time 1 echo-bytes test-bytes nclients 3 dgram-size 500", 3000, 0},
		{"throughput 100m bytes 10k nclients 2 echo-bytes", 16, 20 << 10},
		{"bytes 10k dgram-size 4000 echo-bytes test-bytes", 3, 10 << 10},
		{"bytes 10001 dgram-size 5000", 3, 10001},
		{"bytes 10001 dgram-size 5000 echo-bytes", 3, 10005}, // the last one has its number
	} {
		l := newLab(t)
		c.line = strings.Replace(c.line, "11.68m", "11680k", 1)
		r, srv := l.udp(c.line)
		l.w.RunFor(1000*millisecond, nil)
		s := l.finish(r)
		if c.dgrams > 100 && (s.dgramsTx < c.dgrams-5 || s.dgramsTx > c.dgrams+5) || c.dgrams <= 100 && s.dgramsTx != c.dgrams {
			t.Errorf("%s: %d datagrams, want %d", c.line, s.dgramsTx, c.dgrams)
		}
		if c.bytes > 0 && s.tx != c.bytes {
			t.Errorf("%s: %d bytes, want %d", c.line, s.tx, c.bytes)
		}
		x := srv.totals()
		if x.dgramsRx != s.dgramsTx || x.rx != s.tx || x.outOfOrder+x.duplicates+x.wrong+x.dropped != 0 {
			t.Errorf("%s: the server counted %+v of %+v", c.line, x, s)
		}
		if !r.opts.echo {
			continue
		}
		if s.dgramsRx != s.dgramsTx || s.rx != s.tx || s.outOfOrder+s.duplicates+s.wrong != 0 {
			t.Errorf("%s: %+v", c.line, s)
		}
		if rtt, p := r.trips(); rtt.n == 0 || p.P50 < 200 || p.P50 > 1000 || s.jitter() > .1 && s.dgramsRx > 100 {
			t.Errorf("%s: %+v, %v, jitter %g", c.line, rtt, p, s.jitter())
		}
	}
}

// TestUDPFaults: what the wire does to datagrams is what is reported.
func TestUDPFaults(t *testing.T) {
	for _, echo := range []bool{false, true} {
		l := newLab(t)
		line := "throughput 100m run-time 2 dgram-size 250"
		if echo {
			line += " echo-bytes"
		}
		r, srv := l.udp(line)
		l.wire.SetLink(0, sim.Link{Delay: millisecond, Loss: .02, Duplicate: .03, Reorder: .05, ReorderBy: millisecond / 5})
		l.w.RunFor(2000*millisecond, nil)
		s := l.finish(r)
		got := s.totals
		if !echo {
			got = srv.totals()
			got.dgramsTx = s.dgramsTx
		}
		share := func(n uint64) float64 { return float64(n) / float64(s.dgramsTx) }
		if n := share(s.dgramsTx - got.dgramsRx + got.duplicates*uint64(b2i(!echo))); s.dgramsTx < 90000 || n < .015 || n > .025 {
			t.Errorf("echo %v: %+v: %g lost", echo, got, n)
		}
		if n := share(got.duplicates); n < .025 || n > .035 {
			t.Errorf("echo %v: %+v: %g twice", echo, got, n)
		}
		if n := share(got.outOfOrder); n < .03 || n > .06 {
			t.Errorf("echo %v: %+v: %g out of order", echo, got, n)
		}
		if j := got.jitter(); j < .005 || j > .1 {
			t.Errorf("echo %v: jitter %g", echo, j)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestUDPLossEnds: when everything is lost the test ends all the same.
func TestUDPLossEnds(t *testing.T) {
	l := newLab(t)
	r, _ := l.udp("bytes 100k echo-bytes")
	l.wire.SetLink(1, sim.Link{Loss: 1})
	l.w.RunFor(100*millisecond, nil)
	if s := l.finish(r); s.dgramsTx != 71 || s.dgramsRx != 0 {
		t.Fatalf("%+v", s)
	}
	sum := newUDPReporter(r, nil).summary(nil)
	if d := sum.Datagrams; d.Lost != 71 || d.LostShare != 100 {
		t.Fatalf("%+v", d)
	}
}

// vperf is VPP's client, as far as datagrams go: four bytes say where in the pattern the
// rest begins, and they do not count up.
type vperf struct {
	session.NopApp
	at    []uint32
	spoil int // this one has a wrong byte
	back  []uint32
}

func (v *vperf) Connected(w *session.Worker, s *session.Session, _ uint64, err error) {
	t := datagram.Write(w.Tx(s))
	for i, at := range v.at {
		p := binary.LittleEndian.AppendUint32(nil, at)
		p = append(p, make([]byte, 1460)...)
		fill(p[4:], uint64(at))
		if i == v.spoil {
			p[700] ^= 1
		}
		t.Put(&datagram.Header{}, p)
	}
	t.Commit()
	w.Send(s)
}

func (v *vperf) Readable(w *session.Worker, s *session.Session) {
	r := datagram.Read(w.Rx(s))
	for r.Next() {
		if seq, ok := numberOf(&r); ok && r.Len == 1464 && intact(&r, seq) {
			v.back = append(v.back, seq)
		}
	}
	r.Done()
	w.Dropped(s)
}

// TestVPPClient: what VPP's client sends is echoed, and what is wrong is not.
func TestVPPClient(t *testing.T) {
	l := newLab(t)
	srv := l.serve("uri udp://0.0.0.0/1234")
	srv.command(l.srv.Sessions.Workers()[0], &serverConn{}, &Config{Cmd: cmdSync, Test: testBi, TestBytes: 1})
	srv.command(l.srv.Sessions.Workers()[0], &serverConn{}, &Config{Cmd: cmdStart, Test: testBi, TestBytes: 1})
	v := &vperf{at: []uint32{0, 1460, 2920, 0, 4 << 20, 1460}, spoil: 2}
	a, err := l.cln.Attach("vperf", v)
	if err == nil {
		err = a.Connect(transport.UDP, serverAddr(1235), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.w.RunFor(10*millisecond, nil)
	if len(v.back) != 5 || v.back[2] != 0 || srv.totals().wrong != 1 || srv.totals().duplicates != 0 {
		t.Fatalf("back came %d, the server counted %+v", v.back, srv.totals())
	}
	// VPP takes the answer for the number of datagrams that arrived.
	c := Config{Cmd: cmdStop}
	srv.command(l.srv.Sessions.Workers()[0], &serverConn{}, &c)
	c = Config{Cmd: cmdSync, Test: testEcho, RxBuf: 7}
	srv.command(l.srv.Sessions.Workers()[0], &serverConn{}, &c)
	if c.Writes != 5 || c.TotalBytes != 5*1464 || c.RxBuf != 7 || c.Ext != 0 {
		t.Fatalf("%+v", c)
	}
}

// TestAnswersKnowUs: every answer to a client of ours says so, as the last one counts; and
// what VPP sends comes back as it was.
func TestAnswersKnowUs(t *testing.T) {
	l := newLab(t)
	srv := l.serve("uri udp://0.0.0.0/1234")
	for _, ext := range []uint32{0, extNumbered, extNumbered | extStamped, extPassing} {
		for _, c := range []Config{{Cmd: cmdSync, Test: testUni}, {Cmd: cmdStart, Test: testUni}, {Cmd: cmdStop, Test: testUni}, {Cmd: cmdSync, Test: testEcho}} {
			c.Ext = ext
			before := c
			srv.command(l.srv.Sessions.Workers()[0], &serverConn{}, &c)
			if (c.Ext&extKnown != 0) != (ext != 0) || c.Ext&^extKnown != ext {
				t.Errorf("%+v is answered %+v", before, c)
			}
		}
	}
}

// TestOddDatagrams: a server takes whatever comes, in every mode, and sends back what has
// bytes and is not wrong.
func TestOddDatagrams(t *testing.T) {
	for mode := range uint32(modeStamped << 1) {
		l := newLab(t)
		srv := l.serve("raw uri udp://0.0.0.0/7")
		srv.mode.Store(mode)
		o := &odd{}
		a, err := l.cln.Attach("odd", o)
		if err == nil {
			err = a.Connect(transport.UDP, serverAddr(7), 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		l.w.RunFor(10*millisecond, nil)
		want := 0
		if mode&modeEcho != 0 {
			want = oddSizes - 1 // nothing comes back for nothing
		}
		if mode&modeCheck != 0 {
			want = min(want, leastNumbered-1) // what is too short for a number is not compared
		}
		if s := srv.totals(); o.back != want || s.dgramsRx+s.wrong != oddSizes || (s.wrong > 0) != (mode&modeCheck != 0) {
			t.Errorf("mode %x: %d came back, want %d; %+v", mode, o.back, want, s)
		}
	}
}

const oddSizes = 40

// odd sends datagrams of 0, 1, 2, … bytes, none of which is the pattern.
type odd struct {
	session.NopApp
	back int
}

func (o *odd) Connected(w *session.Worker, s *session.Session, _ uint64, err error) {
	for n := range oddSizes {
		w.SendDatagram(s, append(bytes.Repeat([]byte{0xee}, min(n, 4)), make([]byte, max(n-4, 0))...))
	}
}

func (o *odd) Readable(w *session.Worker, s *session.Session) {
	r := datagram.Read(w.Rx(s))
	for r.Next() {
		o.back++
	}
	r.Done()
	w.Dropped(s)
}

// TestVPPServer: to a server that does not know us every echo has the pattern.
func TestVPPServer(t *testing.T) {
	l := newLab(t)
	r, srv := l.udp("bytes 100k echo-bytes")
	r.stamped, r.pattern = false, true
	srv.mode.Store(modeEcho | modeCheck)
	l.w.RunFor(100*millisecond, nil)
	if s := l.finish(r); s.dgramsRx != 71 || srv.totals().wrong != 0 {
		t.Fatalf("%+v, %+v", s, srv.totals())
	}
}

// TestUDPAllocatesNothing: neither end does, per datagram.
func TestUDPAllocatesNothing(t *testing.T) {
	l := newLab(t)
	r, _ := l.udp("throughput 500m run-time 5 echo-bytes test-bytes")
	l.w.RunFor(200*millisecond, nil)
	before := r.sum().dgramsRx
	var a, b runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&a)
	l.w.RunFor(100*millisecond, nil)
	runtime.ReadMemStats(&b)
	if n := r.sum().dgramsRx - before; n < 3000 || b.Mallocs-a.Mallocs > n/100 {
		t.Errorf("%d allocations for %d datagrams", b.Mallocs-a.Mallocs, n)
	}
	l.finish(r)
}

// TestUDPCommand is the whole command, one way and echo.
func TestUDPCommand(t *testing.T) {
	l := newLive(t)
	l.serve("uri udp://0.0.0.0/1234 uri tcp://0.0.0.0/1234")
	for _, line := range []string{
		"run-time 1.2 throughput 20m",
		"run-time 1.2 throughput 20m echo-bytes report-jitter",
		"bytes 1m throughput 50m echo-bytes test-bytes nclients 4",
		"run-time .3 raw",
	} {
		at := 1234
		if strings.Contains(line, "raw") {
			at++
		}
		text, objs, err := l.run(context.Background(), fmt.Sprintf("uri udp://%s/%d %s", simtest.Addr4(1, 2), at, line))
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, text)
		}
		var s Summary
		if err := json.Unmarshal([]byte(objs[len(objs)-1]), &s); err != nil {
			t.Fatal(err)
		}
		d := s.Datagrams
		if strings.Contains(line, "raw") {
			if d.Known || d.Sent == 0 || !strings.Contains(text, "\nsent total ") {
				t.Errorf("%s: %+v\n%s", line, d, text)
			}
			continue
		}
		if !d.Known || d.Sent < 100 || d.Lost > d.Sent/50 || d.Received < d.Sent*49/50 || !d.Numbered || d.Duplicates != 0 ||
			strings.Contains(line, "test-bytes") != s.Checked || s.Seconds > 20 {
			t.Errorf("%s: %+v\n%s", line, d, text)
		}
		if !strings.Contains(line, "test-bytes") && (d.Jitter <= 0 || d.Jitter > 500) {
			t.Errorf("%s: %g ms jitter", line, d.Jitter)
		}
		if strings.Contains(line, "run-time") {
			title := "Roundtrip   "
			if strings.Contains(line, "jitter") {
				title = "Jitter      "
			}
			if want := udpRule + "\nInterval (s)  Transmitted   Received   Throughput   " + title + "Sent/received dgrams\n0.0-"; !strings.HasPrefix(text, want) {
				t.Errorf("%s:\n%s", line, text)
			}
		}
	}
	// What is lost is not waited for.
	l.wire.SetLink(1, sim.Link{Loss: .2})
	late := time.Now()
	text, objs, err := l.run(context.Background(), fmt.Sprintf("uri udp://%s/1234 bytes 1m throughput 50m echo-bytes", simtest.Addr4(1, 2)))
	var lossy Summary
	if e := json.Unmarshal([]byte(objs[len(objs)-1]), &lossy); err != nil || e != nil {
		t.Fatalf("%v, %v\n%s", err, e, text)
	}
	if d := lossy.Datagrams; d.Sent != 719 || d.Lost < 70 || d.Lost > 300 || time.Since(late) > 20*time.Second {
		t.Errorf("with loss, after %v: %+v", time.Since(late), d)
	}
	l.wire.SetLink(1, sim.Link{})
	// TCP goes on beside it, with the same control port.
	if text, _, err := l.run(context.Background(), fmt.Sprintf("uri tcp://%s/1234 bytes 1m echo-bytes test-bytes", simtest.Addr4(1, 2))); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	begin := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(300*time.Millisecond, cancel)
	text, _, err = l.run(ctx, fmt.Sprintf("uri udp://%s/1234 run-time 60 throughput 20m", simtest.Addr4(1, 2)))
	if err == nil || !strings.Contains(text, "sent total ") || !strings.HasSuffix(text, "test failed\n") || time.Since(begin) > 10*time.Second {
		t.Errorf("Ctrl-C: %v\n%s", err, text)
	}
	// Nobody listens.
	if text, _, err := l.run(context.Background(), fmt.Sprintf("uri udp://%s/9 raw run-time 5 throughput 1m", simtest.Addr4(1, 2))); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestDatagramReportLayout is the text of a run, letter by letter; VPP's but for the lines
// about order and percentiles.
func TestDatagramReportLayout(t *testing.T) {
	p := latency.Percentiles{Count: 5, P50: 9.4, P90: 11, P99: 20.25, P999: 300, Max: 1234.5}
	var b strings.Builder
	for _, r := range []cli.Result{
		DatagramRow{Start: 0, End: 1, Tx: 625e6, Rx: 624e6, BitsPerSec: 9.99e9, RTT: .0123, Sent: 428082, Received: 427397, header: true},
		DatagramRow{Start: 1, End: 2.04, Tx: 1e6, BitsPerSec: 8e6, Jitter: 1.5, Sent: 685, header: true, jitter: true},
		DatagramRow{End: 3, Total: true, header: true},
		Summary{Echo: true, Bytes: 623999600, Seconds: 1, PerSec: 623999600, ruled: true, udp: true, RTT: &RTT{2, .1, .2, .3},
			Datagrams: &Datagrams{Sent: 428082, Received: 427397, Lost: 685, LostShare: .16, Known: true, Numbered: true,
				OutOfOrder: 3, Duplicates: 1, Jitter: .0125, Roundtrip: &p}},
		Summary{Bytes: 1000, Seconds: 1, PerSec: 1000, udp: true, Datagrams: &Datagrams{Sent: 10, Received: 9, Lost: 1, LostShare: 10, Known: true}},
		Summary{Bytes: 1000, Seconds: 1, PerSec: 1000, udp: true, Datagrams: &Datagrams{Sent: 10}},
		Summary{Server: true, Echo: true, Bytes: 1000, Seconds: 1, PerSec: 1000, udp: true, Datagrams: &Datagrams{Sent: 8, Received: 10, Dropped: 2}},
		Summary{Server: true, Bytes: 1000, Seconds: 1, PerSec: 1000, udp: true, Datagrams: &Datagrams{Received: 10, Wrong: 1}},
	} {
		if err := r.Text(&b, cli.Layout{}); err != nil {
			t.Fatal(err)
		}
	}
	want := `------------------------------------------------------------------------------------
Interval (s)  Transmitted   Received   Throughput   Roundtrip   Sent/received dgrams
0.0-1.0       625.00M       624.00M        9.99Gb/s      .012ms 428082/427397
------------------------------------------------------------------------------------
Interval (s)  Transmitted   Received   Throughput   Jitter      Sent/received dgrams
1.0-2.0       1.00M         0              8.00Mb/s     1.500ms 685/0
------------------------------------------------------------------------------------
Run time (s)  Transmitted   Received   Throughput   Roundtrip   Sent/received dgrams
3.0           0             0                  0b/s     0.000ms 0/0
------------------------------------------------------------------------------------
.10000ms/.20000ms/.30000ms min/avg/max roundtrip
sent total 428082 datagrams, received total 427397 datagrams, lost 685 datagrams (.16%)
3 datagrams out of order, 1 duplicates, .01250ms jitter
9.40us/11.00us/20.25us/300.00us/1234.50us p50/p90/p99/p99.9/max roundtrip
623999600 bytes (595 mbytes, 0 gbytes) in 1.00 seconds
623999600 bytes/second full-duplex
624.00MB/s full-duplex
sent total 10 datagrams, lost 1 datagrams (10.00%)
1000 bytes (0 mbytes, 0 gbytes) in 1.00 seconds
1000 bytes/second half-duplex
1.00KB/s half-duplex
sent total 10 datagrams
1000 bytes (0 mbytes, 0 gbytes) in 1.00 seconds
1000 bytes/second half-duplex
1.00KB/s half-duplex
received total 10 datagrams, sent total 8 datagrams
2 datagrams not sent back: no room
1000 bytes (0 mbytes, 0 gbytes) in 1.00 seconds
1000 bytes/second full-duplex
1.00KB/s full-duplex
received total 10 datagrams
1 datagrams with wrong bytes
1000 bytes (0 mbytes, 0 gbytes) in 1.00 seconds
1000 bytes/second half-duplex
1.00KB/s half-duplex
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
