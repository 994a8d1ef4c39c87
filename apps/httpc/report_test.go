package httpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"vpphost/cli"
	"vpphost/hoststack/http"
	"vpphost/hoststack/transport"
)

func text(t *testing.T, results ...cli.Result) string {
	t.Helper()
	var b strings.Builder
	for _, r := range results {
		if err := r.Text(&b, cli.Layout{}); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func sample() *counts {
	c := &counts{opened: 5, bytes: 1250000, retried: 1, missed: 4, cut: 2, done: 4}
	c.class[2], c.class[4] = 3, 1
	c.failed[failTimeout], c.failed[failReset] = 3, 1
	for _, us := range []int64{100, 120, 140, 840} {
		c.latency.Add(us * 1000)
	}
	c.connect.Add(50000)
	return c
}

func TestReportLayout(t *testing.T) {
	plain := summarize(sample(), .5)
	plain.Retried, plain.Missed, plain.Unfinished, plain.Errors = 0, 0, 0, nil
	plain.Latency.P50, plain.Latency.P90, plain.Latency.P99, plain.Latency.P999 = 120, 840, 840, 840
	same(t, text(t, plain), `* 4 request(s) in .500000s
* avg latency .3000ms
* 8.00 req/sec
* latency 120.00us/840.00us/840.00us/840.00us/840.00us p50/p90/p99/p99.9/max
* 1250000 bytes received, 20.00Mb/s
* status: 2xx 3, 4xx 1
`)
	full := summarize(sample(), .5)
	full.ruled, full.ConnPerSec = true, 10
	full.Latency, full.Connect = plain.Latency, plain.Latency
	same(t, text(t,
		Row{0, 1, 81000, 81000.12, 1.23e9, 9.4, 20.3, 1230, 0, true},
		Row{1, 2.04, 0, 0, 0, 0, 0, 0, 12, false}, full), `--------------------------------------------------------------------------------
Interval (s)   Requests   Req/s      Throughput    p50      p99      max      Errors
0.0-1.0        81000      81.00K     1.23Gb/s      9.40us   20.3us   1.23ms   0
1.0-2.0        0          0          0b/s          0ns      0ns      0ns      12
--------------------------------------------------------------------------------
* 4 request(s) in .500000s
* avg latency .3000ms
* 8.00 req/sec
* latency 120.00us/840.00us/840.00us/840.00us/840.00us p50/p90/p99/p99.9/max
* 1250000 bytes received, 20.00Mb/s
* status: 2xx 3, 4xx 1
* 5 connections, 10.00 conn/sec
* connect 120.00us/840.00us/840.00us/840.00us/840.00us p50/p90/p99/p99.9/max
* errors: timeout 3, reset by peer 1
* 1 sent again: the connection was closing
* 4 due and not sent: no session was free
* 2 not answered when the run ended
`)
	same(t, text(t, summarize(&counts{}, 0)), `* 0 request(s) in 0.000000s
* avg latency 0.0000ms
* 0.00 req/sec
* 0 bytes received, 0b/s
`)
}

func TestReportJSON(t *testing.T) {
	b, err := json.Marshal(summarize(sample(), .5))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Requests uint64
		Latency  struct {
			MaxUs float64
		}
		Status, Errors map[string]uint64
		Failures       uint64
	}
	if err := json.Unmarshal(b, &got); err != nil || got.Requests != 4 || got.Latency.MaxUs != 840 || got.Status["2xx"] != 3 ||
		got.Errors["timeout"] != 3 || got.Failures != 4 {
		t.Errorf("%s: %+v, %v", b, got, err)
	}
}

func answer(head string) *Response {
	f := &fetch{status: 200, head: []byte(head)}
	u, err := parseTarget("http://6.0.1.1/f64.html")
	if err != nil {
		panic(err)
	}
	return newResponse(u, f)
}

func TestResponseLayout(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nServer: http_static_server\r\nContent-Length: 64\r\n\r\n"
	r := answer(head)
	r.setBody("aaaa")
	same(t, text(t, r), "aaaa\n")
	r.verbose, r.LatencyMs, r.Redirects = true, .1962, 0
	same(t, text(t, r), `* latency: .1962ms
* redirect count: 0
< HTTP/1.1 200 OK
< Server: http_static_server
< Content-Length: 64

aaaa
`)
	r.silent = true
	if s := text(t, r); strings.Contains(s, "aaaa") {
		t.Errorf("not silent:\n%s", s)
	}
	r = answer(head)
	r.File, r.Bytes = "/tmp/x", 64
	same(t, text(t, r), "< HTTP/1.1 200 OK\n< Server: http_static_server\n< Content-Length: 64\n\n* 64 bytes saved to file (/tmp/x)\n")
	r = answer("HTTP/1.1 200 \x1b[2J\r\nX: a\x07b\xff\r\n\r\n")
	r.Bytes, r.verbose = 4, true
	r.setBody("a\x1b[2J")
	if s := text(t, r); strings.ContainsAny(s, "\x1b\x07") || !utf8.ValidString(s) || !strings.Contains(s, "* binary body of 4 bytes is not shown: use save-to\n") {
		t.Errorf("the terminal would obey %q", s)
	}
	r = answer("HTTP/1.1 204 No Content\r\n\r\n")
	r.setBody("")
	same(t, text(t, r), "")
}

func TestIsText(t *testing.T) {
	for s, want := range map[string]bool{"": true, "a\tb\r\n\f": true, "grün €": true, "\x00": false, "a\x1bb": false, "\xff": false,
		"\u0085": false, "\x7f": false, "\xef\xbf\xbd": true, "ab\xc3": false} {
		if isText(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func FuzzResponse(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "body")
	f.Add("\n:\n", "\x1b")
	f.Fuzz(func(t *testing.T, head, body string) {
		r := answer(head)
		r.verbose = true
		r.setBody(body)
		r.field("location")
		for _, c := range text(t, r) {
			if c < ' ' && !strings.ContainsRune("\t\n\r\f", c) || c >= 0x7f && c < 0xa0 {
				t.Fatalf("prints %q", text(t, r))
			}
		}
	})
}

func TestReasons(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("x: %w", err) }
	for _, c := range []struct {
		err        error
		connecting bool
		want       reason
		text       string
	}{
		{transport.ErrRefused, true, failRefused, "error: failed to connect: x: " + transport.ErrRefused.Error()},
		{transport.ErrNoRoute, true, failNoRoute, "error: failed to connect: x: " + transport.ErrNoRoute.Error()},
		{http.ErrTimeout, true, failConnectTimeout, "error: failed to connect: timeout"},
		{transport.ErrTimeout, true, failConnectTimeout, "error: failed to connect: timeout"},
		{http.ErrTimeout, false, failTimeout, "error: timeout"},
		{transport.ErrReset, false, failReset, "error: transport closed: x: " + transport.ErrReset.Error()},
		{http.ErrTruncated, false, failTruncated, "error: transport closed: x: " + http.ErrTruncated.Error()},
		{http.ErrMalformed, false, failMalformed, "error: x: " + http.ErrMalformed.Error()},
		{errTooLarge, false, failTooLarge, "error: x: " + errTooLarge.Error()},
		{errors.New("odd"), false, failOther, "error: x: odd"},
	} {
		if got := reasonOf(wrapped(c.err), c.connecting); got != c.want || reasonNames[got] == "" {
			t.Errorf("%v: %s, want %s", c.err, reasonNames[got], reasonNames[c.want])
		}
		if got := failure(wrapped(c.err), c.connecting).Error(); got != c.text {
			t.Errorf("got %s, want %s", got, c.text)
		}
	}
}
