package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// transcript cuts one command out of a transcript: what was printed between two prompts.
func transcript(t *testing.T, file, command string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	// A file without prompts is of one command.
	_, text, ok := strings.Cut(string(b), command+"\n")
	if command == "" {
		text = string(b)
	} else if !ok {
		t.Fatalf("%s has no %q", file, command)
	}
	text, _, _ = strings.Cut(text, "vpp2# ")
	return text
}

func TestParseClient(t *testing.T) {
	for _, c := range []struct {
		file, command string
		want          clientReport
		fails         string
	}{
		{"client-report-total-verbose.txt", "run-time 4 echo-bytes report-interval-total 1 verbose",
			clientReport{bytes: 3006790168, seconds: 4, perSec: 751686880}, ""},
		{"server-default.txt", "vperf client nclients 4 bytes 100m uri tcp://192.168.11.1:1234",
			clientReport{opened: 8385.16, bytes: 419430400, seconds: .47, perSec: 895224099}, ""},
		{"v2606-test-echo.txt", "fifo-size 4m run-time 4",
			clientReport{bytes: 6580593456, seconds: 4, perSec: 1645152564}, ""},
		{"v2606-test-echo.txt", "fifo-size 4k nclients 10000 bytes 1",
			clientReport{opened: 65644.84, bytes: 10000, perSec: 2311158}, ""},
		{"client-testbytes-verbose.txt", "test-bytes report-interval-total 1", clientReport{}, "failed: test timeout"},
		{"v2606-test-echo.txt", "bytes 1g nclients 10 echo-bytes", clientReport{opened: 63089.56}, "failed: test timeout"},
		{"vperf-client-2conn-14s.txt", "", clientReport{opened: 4860.92},
			"failed: 2 session close events before test completion (0 reset, 2 disconnected)"},
	} {
		got, err := parseClient(transcript(t, c.file, c.command))
		if got != c.want || (err == nil) != (c.fails == "") || err != nil && err.Error() != c.fails {
			t.Errorf("%s: %s: %+v, %v; want %+v, %q", c.file, c.command, got, err, c.want, c.fails)
		}
	}
	for _, text := range []string{"", "vpp# ", "vperf client: unknown input `request 64'\n", "warning: the server counted 5 bytes of 6 sent\n"} {
		if r, err := parseClient(text); err == nil {
			t.Errorf("%q is a result: %+v", text, r)
		}
	}
}

func TestParseRequests(t *testing.T) {
	r, err := parseClient(`-------------------------------------------------------------
.00475ms/.13325ms/.26175ms min/avg/max roundtrip
118383 requests of 64 bytes answered 118094.01/s
3.55us/3.84us/24.83us/1441.79us/28170.45us p50/p90/p99/p99.9/max request
7576512 bytes (7 mbytes, 0 gbytes) in 1.00 seconds
7558017 bytes/second full-duplex
7.56MB/s full-duplex
`)
	if err != nil || r.requests != 118094.01 || r.p50 != 3.55 || r.p99 != 24.83 || r.p999 != 1441.79 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestBitsAboveTheWrap(t *testing.T) {
	const gb = 1e9 / 8
	for _, c := range []struct{ gbits, seconds float64 }{{11.2, 4}, {34, 4}, {34.5, 4}, {43.9, 4}, {70.3, 4}, {41, 1}, {103, 1.01}} {
		exact := c.gbits * gb
		printed := uint64(exact) % (1 << 32)
		r := clientReport{bytes: exact * c.seconds, seconds: c.seconds, perSec: float64(printed)}
		if got := r.bits() / 1e9; got < c.gbits-1e-6 || got > c.gbits+1e-6 {
			t.Errorf("%g Gb/s, printed as %d bytes/second, are read as %g", c.gbits, printed, got)
		}
	}
	// The seconds' decimals hide a part of a short run.
	r := clientReport{bytes: 419430400, seconds: .47, perSec: 895224099}
	if got := r.bits(); got != 895224099*8 {
		t.Errorf("a short run is read as %g", got)
	}
}

func TestParseSessions(t *testing.T) {
	for text, want := range map[string]int{
		"Thread 0: no sessions\n":                             0,
		"Thread 0: 1234 sessions\nThread 1: 3 sessions\n":     1237,
		"[0:1][T] 6.0.1.1:1\nThread 0: active sessions 10 \n": 10,
	} {
		if got := parseSessions(text); got != want {
			t.Errorf("%q: %d sessions, want %d", text, got, want)
		}
	}
}

func TestIperf(t *testing.T) {
	for text, want := range map[string]float64{
		`{"end":{"sum_received":{"bits_per_second":5e9}}}`:                                                      5,
		`{"end":{"sum_received":{"bits_per_second":5e9},"sum_received_bidir_reverse":{"bits_per_second":3e9}}}`: 3,
	} {
		if v, err := iperfGbits([]byte(text), nil); err != nil || v[0] != want {
			t.Errorf("%s: %v, %v", text, v, err)
		}
	}
	for _, text := range []string{`{"error":"unable to connect"}`, ""} {
		if v, err := iperfGbits([]byte(text), nil); err == nil {
			t.Errorf("%q: %v", text, v)
		}
	}
}
