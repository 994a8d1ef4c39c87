package pkt

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vpphost/dataplane/hdr"
)

// echoHost is a Host that sends what a test tells it to, at given times.
type echoHost struct {
	t        *testing.T
	now      int64
	out      []sent
	injected [][]byte
	did      []string
	set      map[string]string
	v6       bool
}

type sent struct {
	at int64
	b  []byte
}

var (
	host4, peer4 = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	host6, peer6 = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
)

func (h *echoHost) Set(name, value string) error {
	if name == "bad" {
		return errors.New("bad setting")
	}
	h.set[name] = value
	return nil
}

func (h *echoHost) Start() (netip.Addr, netip.Addr, error) {
	if h.v6 {
		return host6, peer6, nil
	}
	return host4, peer4, nil
}
func (h *echoHost) Now() int64      { return h.now }
func (h *echoHost) Inject(b []byte) { h.injected = append(h.injected, b) }
func (h *echoHost) Run(until int64) ([]byte, int64) {
	if len(h.out) > 0 && h.out[0].at <= until {
		s := h.out[0]
		h.out = h.out[1:]
		h.now = max(h.now, s.at)
		return s.b, s.at
	}
	h.now = max(h.now, until)
	return nil, 0
}
func (h *echoHost) Do(action string, args []string, _ netip.AddrPort) error {
	h.did = append(h.did, strings.TrimSpace(action+" "+strings.Join(args, " ")))
	if action == "fail" {
		return errors.New("failed")
	}
	return nil
}
func (h *echoHost) Close() error { return nil }

// stack makes a segment as the stack would send it, from a script's words.
func (h *echoHost) sends(at int64, text string) {
	g, err := parseSegment(text)
	if err != nil {
		h.t.Fatal(err)
	}
	// The stack's own numbers: its ISN is 5000, its timestamps begin at 777.
	p := &peer{local: hdr.AddrOf(host4), remote: hdr.AddrOf(peer4), port: ListenPort, rport: PeerPort + 1,
		iss: 5000, irs: defaultISS, tsBase: peerTSBase}
	if h.v6 {
		p.local, p.remote = hdr.AddrOf(host6), hdr.AddrOf(peer6)
	}
	b := p.build(&g, 0)
	h.out = append(h.out, sent{at, b})
}

func play(t *testing.T, script string, prepare func(h *echoHost)) (*echoHost, error) {
	t.Helper()
	s, err := Parse("test", script)
	if err != nil {
		t.Fatal(err)
	}
	h := &echoHost{t: t, set: map[string]string{}}
	if prepare != nil {
		prepare(h)
	}
	return h, Run(s, h)
}

const handshake = `
set mtu 1500
0    listen
+0   < S 0 win 1000 <mss 1000, sackok, ts 0 0, wscale 7>
+0   > S. 0 ack 1 <mss 1460, sackok, ts 0 0, wscale 8>
+.1  < . 1 ack 1 <ts>
=    < P. 1:101 ack 1 <ts>
+0   > . 1 ack 101 win 500 <ts>
+.2  > P. 1:11 ack 101
+1   nothing
`

func sendHandshake(h *echoHost) {
	h.sends(1, "S. 0 ack 1 <mss 1460, sackok, ts 0 0, wscale 8>")
	h.sends(100e6+2, ". 1 ack 101 win 500 <ts 100 100>")
	h.sends(300e6, "P. 1:11 ack 101")
}

func TestPlay(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		h, err := play(t, handshake, func(h *echoHost) { h.v6 = v6; sendHandshake(h) })
		if err != nil {
			t.Fatal(err)
		}
		if h.set["mtu"] != "1500" || len(h.did) != 1 || h.did[0] != "listen" {
			t.Errorf("settings %v, actions %q", h.set, h.did)
		}
		if len(h.injected) != 3 {
			t.Fatalf("%d packets injected", len(h.injected))
		}
		// What the peer sends is well-formed: decode checks it.
		s, err := decode(h.injected[2])
		if err != nil {
			t.Fatal(err)
		}
		if s.tcp.Seq().Val() != defaultISS+1 || len(s.tcp.Payload()) != 100 || s.tcp.Ack().Val() != 5001 {
			t.Errorf("injected % x", s.tcp)
		}
		if i := Mismatch(s.tcp.Payload(), 0); i >= 0 {
			t.Errorf("byte %d of the payload is wrong", i)
		}
	}
}

// Every kind of disagreement is found and named.
func TestMismatch(t *testing.T) {
	for _, test := range []struct{ want, got, err string }{
		{". 1 ack 1", ". 2 ack 1", "sequence number is 2"},
		{". 1 ack 1", ". 1 ack 2", "acknowledgment is 2"},
		{". 1 ack 1", "F. 1 ack 1", "flags are F."},
		{"F. 1 ack 1", ". 1 ack 1", "flags are ."},
		{"P. 1:2 ack 1", ". 1:2 ack 1", "flags are ."},
		{". 1:3 ack 1", ". 1:2 ack 1", "length is 1, not 2"},
		{". 1 ack 1 win 5", ". 1 ack 1 win 6", "window is 6"},
		{". 1 ack 1 <>", ". 1 ack 1 <ts 0 0>", "there is ts"},
		{". 1 ack 1 <ts>", ". 1 ack 1", "there is no ts"},
		{". 1 ack 1 <ts * 7>", ". 1 ack 1 <ts 0 8>", "ts 7 is ts 0 8"},
		{". 1 ack 1 <sack 5:10>", ". 1 ack 1 <sack 5:11>", "sack 5:10 is sack 5:11"},
		{". 1 ack 1 <sack 5:10 20:30>", ". 1 ack 1 <sack 20:30 5:10>", "sack"},
		{"S 0 <mss 1460>", "S 0 <mss 1440>", "mss 1460 is mss 1440"},
		{"S 0 <mss 1460>", "S 0 <mss 1460, sackok>", "there is sackok too"},
		{". 1 ack 1 ecn ect0", ". 1 ack 1", "ecn is 0"},
		{". 1 ack 1 ttl 9", ". 1 ack 1", "ttl is 64"},
		{". 1 ack 1", ". 1 ack 1 badsum", "bad TCP checksum"},
		{"[2] . 1 ack 1", ". 1 ack 1", "connection 1"},
	} {
		_, err := play(t, "0 listen\n+0 < S 0\n+0 > "+test.want, func(h *echoHost) {
			g, err := parseSegment(test.got)
			if err != nil {
				t.Fatal(err)
			}
			p := &peer{local: hdr.AddrOf(host4), remote: hdr.AddrOf(peer4), port: ListenPort, rport: PeerPort + 1,
				irs: defaultISS, tsBase: peerTSBase}
			h.out = append(h.out, sent{1, p.build(&g, 0)})
		})
		if test.want == ". 1 ack 1 <ts * 7>" {
			test.err = "ts"
		}
		if err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("want %q, got %q: error %v, want %q", test.want, test.got, err, test.err)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, test := range []struct {
		when string
		at   int64
		err  string
	}{
		{"+.2", 200e6, ""},
		{"+.2", 200e6 + 70e3, ""},
		{"+.2", 190e6, "before its time"},
		{"+.2", 210e6, "sent nothing"},
		{".2", 200e6, ""},
		{"+.2~.05", 160e6, ""},
		{"+.2~.05", 260e6, "sent nothing"},
		{"+.2..1", 900e6, ""},
		{"+.2..1", 100e6, "before its time"},
		{"*", 59e9, ""},
		{"*", 61e9, "sent nothing"},
	} {
		_, err := play(t, "0 listen\n"+test.when+" > . 1 ack 1", func(h *echoHost) {
			h.sends(test.at, ". 1 ack 1")
			p := h.out[0].b
			_ = p
		})
		// The stack's ISN is not known without a SYN: only the time matters here.
		if err != nil && strings.Contains(err.Error(), "sequence number") {
			err = nil
		}
		switch {
		case test.err == "" && err != nil, test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s, sent at %v: %v", test.when, test.at, err)
		}
	}
}

// What the stack sends although nothing is expected fails the script.
func TestUnexpected(t *testing.T) {
	for _, script := range []string{"0 listen\n+1 nothing", "0 listen\n+1 < . 1 ack 1", "0 listen\n+1 close"} {
		_, err := play(t, script, func(h *echoHost) { h.sends(5e8, "R 0") })
		if err == nil || !strings.Contains(err.Error(), "sent before this: 0.500000 > R") {
			t.Errorf("%q: %v", script, err)
		}
	}
}

func TestHostErrors(t *testing.T) {
	for script, want := range map[string]string{
		"set bad x\n0 listen":   "test:1: bad setting",
		"0 listen\n\n+0 fail 1": "test:3: +0 fail 1: failed",
	} {
		if _, err := play(t, script, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", script, err, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for script, want := range map[string]string{
		"0":                           "a time and no event",
		"x listen":                    `bad time "x"`,
		"0 listen\nset mtu 1":         "set after the first event",
		"0 < S":                       "flags and a sequence number",
		"0 < Q 0":                     "unknown flag 'Q'",
		"0 < S 0 foo":                 `unknown input "foo"`,
		"0 < S 0 foo 1":               `unknown input "foo"`,
		"0 < S 0 ack 1":               "do not agree",
		"0 < . 0":                     "do not agree",
		"0 < S zero":                  `bad number "zero"`,
		"0 < S 0 <mss>":               "mss needs a number",
		"0 < S 0 <mss 1 2>":           `unknown input "2"`,
		"0 < S 0 <mss 1":              "options do not end",
		"0 < S 0 <bogus>":             `unknown option "bogus"`,
		"0 < S 0 <hex>":               "hex needs bytes",
		"0 < [0] S 0":                 `bad connection "[0]"`,
		"0 < S 0:99999999":            "bad sequence range",
		"0 < icmp weird 1":            `unknown icmp error "weird"`,
		"0 < icmp toobig 1":           "takes 2 numbers",
		"* < S 0":                     "time * is for expected",
		"+0..1 listen":                `bad time "+0..1"`,
		"+0..1~2 > S 0":               "bad time",
		"+2..1 > S 0":                 "bad time",
		"0 nothing at all":            `unknown input "at all"`,
		"0 < . 1 ack 1 ecn sometimes": `unknown ecn "sometimes"`,
	} {
		if _, err := Parse("test", script); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", script, err, want)
		}
	}
}

// A segment written as text and read again is the same.
func TestSegmentString(t *testing.T) {
	for _, text := range []string{
		"S 0 win 5 <mss 1460, sackok, ts 1 2, wscale 7>",
		"P. 1:1001 ack 1 win 100 <nop, nop, ts 5 6>",
		". 1 ack 1 win 100 <sack 5:10 20:30>",
		"[3] RW. 1 ack 4294967295 win 0 <hex fe04abcd> ecn ce urg 7",
	} {
		g, err := parseSegment(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.String(); got != text {
			t.Errorf("%q comes back as %q", text, got)
		}
	}
}

func TestICMP(t *testing.T) {
	for _, kind := range []string{"host 1", "port 1", "proto 1", "prohibited 1", "time 1", "toobig 1300 1"} {
		for _, v6 := range []bool{false, true} {
			h, err := play(t, "0 listen\n+0 < icmp "+kind, func(h *echoHost) { h.v6 = v6 })
			if err != nil || len(h.injected) != 1 {
				t.Fatalf("%s: %v, %d packets", kind, err, len(h.injected))
			}
			b := h.injected[0]
			if v6 {
				ip := hdr.IP6(b)
				m := ip.Payload()
				src, dst := ip.Src(), ip.Dst()
				if !ip.Valid() || !hdr.Checksum(m, hdr.Pseudo(&src, &dst, hdr.ProtoICMPv6).Long(uint32(len(m)))).Good() {
					t.Errorf("%s: bad ICMPv6 packet % x", kind, b)
				}
				if q := hdr.IP6(m[8:]); !q.Valid() || q.Src() != dst {
					t.Errorf("%s quotes % x", kind, m[8:])
				}
				continue
			}
			ip := hdr.IP4(b)
			if !ip.Valid() || !ip.GoodChecksum() || !hdr.Checksum(ip.Payload(), 0).Good() {
				t.Errorf("%s: bad ICMP packet % x", kind, b)
			}
			if q := hdr.IP4(ip.Payload()[8:]); !q.Valid() || q.Src() != ip.Dst() {
				t.Errorf("%s quotes % x", kind, q)
			}
		}
	}
}

func TestPattern(t *testing.T) {
	for _, d := range []uint32{1, 2, 4, 8, 256, 1000, 1448, 1460, 65536} {
		same := 0
		for i := range uint32(10000) {
			if Pattern(i) == Pattern(i+d) {
				same++
			}
		}
		if same > 400 {
			t.Errorf("%d of 10000 bytes are equal to those %d further on", same, d)
		}
	}
	b := make([]byte, 100)
	Fill(b, 50)
	if i := Mismatch(b, 50); i != -1 {
		t.Errorf("mismatch at %d", i)
	}
	b[70]++
	if i := Mismatch(b, 50); i != 70 {
		t.Errorf("mismatch at %d, want 70", i)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(handshake)
	f.Add("0 ,")
	f.Add("set a b\n* > S. 0 ack 1 <sack 1:2, ts 1, hex 00>\n= < [2] icmp toobig 1 2\n+1..2 > . 0 ack -1 ecn ce\n+0 read 5")
	files, _ := filepath.Glob("../testdata/pkt/*.pkt")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("fuzz", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz:") {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		// Whatever was understood can be played.
		_ = fmt.Sprint(Run(s, &echoHost{t: t, set: map[string]string{}}))
	})
}
