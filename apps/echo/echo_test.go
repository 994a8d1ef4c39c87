package echo

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

func TestConfigOnTheWire(t *testing.T) {
	c := Config{Seq: 7, Test: testBi, Cmd: cmdStart, Sessions: 10, Verbose: 1, RxBuf: defRxBuf,
		TxBuf: defTxBuf, Writes: defWrites, TotalBytes: 1 << 40, TestBytes: 1}
	var b [configSize]byte
	c.marshal(b[:])
	// What an x86 VPP has in memory: the magic, then the fields of vperf_cfg_t.
	if !bytes.Equal(b[:4], []byte{0xce, 0xfa, 0xed, 0xfe}) || b[8] != 3 || b[16] != 1 || b[24] != 10 || b[80] != 1 {
		t.Fatalf("layout differs: % x", b)
	}
	var d Config
	if err := d.unmarshal(b[:]); err != nil || d != c {
		t.Fatalf("got %+v, %v; want %+v", d, err, c)
	}
	b[0] = 0
	if err := d.unmarshal(b[:]); !errors.Is(err, errBadConfig) {
		t.Fatalf("a wrong magic was accepted: %v", err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(make([]byte, configSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Config
		if c.unmarshal(b) == nil {
			var again [configSize]byte
			c.marshal(again[:])
			var d Config
			if err := d.unmarshal(again[:]); err != nil || d != c {
				t.Fatalf("%+v does not survive: %+v, %v", c, d, err)
			}
		}
	})
}

func TestPatternFindsEveryWrongByte(t *testing.T) {
	for _, pos := range []uint64{0, 1, 255, 256, 65535, 1 << 33} {
		b := make([]byte, 70000)
		fill(b, pos)
		if b[0] != byte(pos) || b[69999] != byte(pos+69999) {
			t.Fatalf("the pattern at %d is wrong", pos)
		}
		if i := mismatch(b, pos); i != -1 {
			t.Fatalf("a right pattern differs at %d", i)
		}
		for _, at := range []int{0, 1, 7, 255, 256, 65535, 65536, 65791, 69999} {
			b[at] ^= 0x40
			if i := mismatch(b, pos); i != at {
				t.Fatalf("position %d: a wrong byte at %d was found at %d", pos, at, i)
			}
			b[at] ^= 0x40
		}
		if mismatch(b[1:], pos) != 0 {
			t.Fatal("a shifted stream was not found")
		}
	}
}

func TestClientOptions(t *testing.T) {
	for _, c := range []struct {
		line string
		ok   func(*options) bool
	}{
		{"uri tcp://6.0.1.1/1234", func(o *options) bool {
			return o.runTime == 10*time.Second && o.interval == time.Second && o.clients == 1 && o.bytes == 0
		}},
		{"nclients 4 bytes 2m throughput 32m uri tcp://6.0.1.1:1234", func(o *options) bool {
			return o.clients == 4 && o.bytes == 2<<20 && o.rate == 4000000 && o.runTime == 0
		}},
		{"uri 6.0.1.1/1234 fifo-size 4096 test-timeout 100 no-return mbytes 10000", func(o *options) bool {
			return o.fifo == 4096<<10 && o.bytes == 10000<<20 && o.timeout == 100*time.Second && !o.echo
		}},
		{"uri tcp://6.0.1.1/1234 fifo-size 4096 bytes 1", func(o *options) bool { return o.fifo == 4096 }},
		{"uri tcp://6.0.1.1/1234 fifo-size 64k gbytes 2", func(o *options) bool { return o.fifo == 64<<10 && o.bytes == 2<<30 }},
		{"uri tcp://6.0.1.1/1234 echo-bytes", func(o *options) bool { return o.echo && o.bytes == 8192 && o.interval == 0 }},
		{"request 64", func(o *options) bool { return o.request == 64 && o.echo && o.runTime == 10*time.Second }},
		{"request 4k bytes 1m nclients 3", func(o *options) bool { return o.request == 4096 && o.bytes == 1<<20 && o.runTime == 0 }},
		{"nclients 1000000 active 10000 bytes 64 hold 2.5", func(o *options) bool {
			return o.clients == 1000000 && o.active == 10000 && o.hold == 2500*time.Millisecond && !o.synGiven
		}},
		{"nclients 5 active 7 syn-timeout 3", func(o *options) bool { return o.active == 5 && o.synGiven && o.hold == 0 }},
		{"nclients 5", func(o *options) bool { return o.active == 5 }},
		{"uri udp://6.0.1.1/1 dgram-size 9000 report-jitter echo-bytes uso", func(o *options) bool {
			return o.proto == transport.UDP && o.dgram == 9000 && o.jitter && o.echo && o.bytes == 8192
		}},
		{"cps", func(o *options) bool {
			return o.cps && o.clients == 128 && o.bytes == 64 && o.runTime == 10*time.Second && o.interval == time.Second && !o.patient
		}},
		{"cps nclients 7 bytes 0 connections 5000 echo-bytes", func(o *options) bool {
			return o.clients == 7 && o.bytes == 0 && o.connections == 5000 && o.runTime == 0 && o.echo && o.patient && o.interval == time.Second
		}},
		{"cps rate 2.5e3 run-time 3 bytes 1k plot raw", func(o *options) bool {
			return o.perSecond == 2500 && o.clients == 4096 && o.runTime == 3*time.Second && o.bytes == 1024 && o.plot
		}},
		{"report-interval-total 2 run-time 4", func(o *options) bool {
			return o.total && o.interval == 2*time.Second && o.ep.Addr.String() == "6.0.1.1:1234" && o.scope == 0
		}},
		{"local-scope", func(o *options) bool { return o.scope == session.LocalScope }},
		{"global-scope", func(o *options) bool { return o.scope == session.GlobalScope }},
		{"all-scope", func(o *options) bool { return o.scope == session.AllScope }},
		{"local-scope bytes 1 global-scope", func(o *options) bool { return o.scope == session.AllScope }},
	} {
		o, err := parseClient(cli.NewInput(c.line))
		if err != nil || !c.ok(o) {
			t.Errorf("%s: %+v, %v", c.line, o, err)
		}
	}
	for _, line := range []string{
		"bogus 3", "uri", "nclients 0", "nclients many", "bytes 0", "run-time 3 bytes 5", "throughput 3m max-tx-chunk 4k",
		"uri sctp://6.0.1.1/1", "uri udp://6.0.1.1/1 cps", "uri udp://6.0.1.1/1 request 64", "uri udp://6.0.1.1/1 hold 1",
		"uri udp://6.0.1.1/1 echo-bytes dgram-size 4", "uri udp://6.0.1.1/1 dgram-size 65508", "uri udp://6.0.1.1/1 dgram-size 9000 fifo-size 8k", "dgram-size 100", "report-jitter", "uri tcp://6.0.1.1/65535", "uri tcp://0.0.0.0/80", "report-interval 0", "fifo-size 2g", "client-batch 0", "active 0", "active", "hold", "hold 0",
		"request 0", "request", "request 64 throughput 1m", "request 64 max-tx-chunk 4k", "request 8k fifo-size 4k",
		"cps request 64", "cps throughput 1m", "cps active 3", "cps hold 1", "connections 5", "rate 5", "cps connections 0", "cps rate 0", "cps rate x", "cps bytes",
	} {
		if o, err := parseClient(cli.NewInput(line)); !errors.Is(err, cli.ErrUsage) {
			t.Errorf("%s was accepted: %+v, %v", line, o, err)
		}
	}
	for line, want := range map[string]string{
		"run-time -1":         "expected seconds after run-time, got `-1'",
		"nclients 0 raw":      "expected a number from 1 to 1048576 after nclients, got `0 raw'",
		"throughput 7":        "expected bits per second after throughput, got `7'",
		"raw fifo-size 2g":    "expected a size up to 1g after fifo-size, got `2g'",
		"client-batch 0":      "expected a number from 1 to 1048576 after client-batch, got `0'",
		"bytes 0":             "expected a size above 0 after bytes, got `0'",
		"cps hold 3":          "failed: connections that come and go send once and close! (cps excludes request, throughput, max-tx-chunk, active and hold)",
		"rate 5":              "failed: connections and rate are for a test of connections per second (cps)",
		"gbytes 999999999999": "expected a number above 0, got `999999999999'",
	} {
		if _, err := parseClient(cli.NewInput(line)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

func TestClientWords(t *testing.T) {
	for line, want := range map[string]int{
		"":                        len(clientWords),
		"verbose":                 len(clientWords) - 1,
		"uri":                     0,
		"uri tcp://6.0.1.1/1":     len(clientWords) - 1,
		"report-interval":         len(clientWords) - 1, // the seconds may be left out
		"nclients 10 bytes":       0,
		"nclients 10 bytes 1 raw": len(clientWords) - 3,
	} {
		if got := words(clientWords)(nil, cli.NewInput(line)); len(got) != want {
			t.Errorf("%q: %d words, want %d", line, len(got), want)
		}
	}
}

func TestReportLayout(t *testing.T) {
	var b bytes.Buffer
	rows := []cli.Result{
		Connected{2, .004, 500},
		Row{0, 1, 1410000000, 0, 11.26e9, .742, false, true},
		Row{1, 2.04, 477e6, 464.86e6, 7.53e9, 0, false, false},
		Summary{Bytes: 11203163848, Seconds: 8, PerSec: 1400393326, RTT: &RTT{8, .664, .72812, .781}, ruled: true},
		Summary{Echo: true, Bytes: 64000, Seconds: 1, PerSec: 64000,
			Requests: &Requests{64, 1000, 1000, 9.4, 11, 20.25, 300, 1234.5}},
	}
	for _, r := range rows {
		if err := r.Text(&b, cli.Layout{}); err != nil {
			t.Fatal(err)
		}
	}
	want := `2 connections established in 0.00 seconds 500.00/s
-------------------------------------------------------------
Interval (s)  Transmitted   Received   Throughput   Roundtrip
0.0-1.0       1.41G         0             11.26Gb/s    .742ms
1.0-2.0       477.00M       464.86M        7.53Gb/s   0.000ms
-------------------------------------------------------------
.66400ms/.72812ms/.78100ms min/avg/max roundtrip
11203163848 bytes (10684 mbytes, 10 gbytes) in 8.00 seconds
1400393326 bytes/second half-duplex
1.40GB/s half-duplex
1000 requests of 64 bytes answered 1000.00/s
9.40us/11.00us/20.25us/300.00us/1234.50us p50/p90/p99/p99.9/max request
64000 bytes (0 mbytes, 0 gbytes) in 1.00 seconds
64000 bytes/second full-duplex
64.00KB/s full-duplex
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDue(t *testing.T) {
	o := &options{rate: 1e9, active: 4}
	for _, c := range []struct {
		ns   int64
		want uint64
	}{{-1e6, 0}, {0, 0}, {1e6, 250000}, {1e9, 250e6}} {
		if n := o.due(c.ns); n != c.want {
			t.Errorf("%d bytes are due after %d ns, want %d", n, c.ns, c.want)
		}
	}
}
