package httpd

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestTPS(t *testing.T) {
	l := newLab(t, 2)
	l.run("http tps")
	body := func(n int) string { return string(bytes.Repeat(madeUp[:period], n/period+1)[:n]) }
	for _, tc := range []struct {
		method, target string
		lines          []string
		status, length int
	}{
		{"GET", "/test_file_64", nil, 200, 64}, {"GET", "/test_file_0", nil, 200, 0}, {"GET", "/test_file_1", nil, 200, 1},
		{"GET", "/test_file_10k", nil, 200, 10 << 10}, {"GET", "/test_file_3M", nil, 200, 3 << 20}, {"GET", "/test_file_4097", nil, 200, 4097},
		{"HEAD", "/test_file_1g", nil, 200, 0},
		{"GET", "/test_file_", nil, 404, -1}, {"GET", "/test_file_x", nil, 404, -1}, {"GET", "/test_file_1kk", nil, 404, -1},
		{"GET", "/test_file_-1", nil, 404, -1}, {"GET", "/test_file_99999999999999999999", nil, 404, -1}, {"GET", "/test_file_9999999t", nil, 404, -1},
		{"GET", "/", nil, 404, -1}, {"GET", "/test_file_64/", nil, 404, -1},
		{"GET", "/test_file_64?test_header=1k", nil, 200, 64}, {"GET", "/test_file_64?test_header=x", nil, 400, -1},
		{"GET", "/test_file_64?test_header=1g", nil, 400, -1},
		{"POST", "/test_file_64", []string{"body:" + strings.Repeat("x", 100000)}, 200, 0}, {"PUT", "/any", []string{"body:abc"}, 200, 0},
		{"POST", "/any", nil, 200, 0}, {"DELETE", "/test_file_64", nil, 405, -1},
	} {
		a := l.request(tc.method, tc.target, tc.lines...)
		if a.status != tc.status || tc.length >= 0 && a.body != body(tc.length) {
			t.Errorf("%s %s: %d, %d bytes", tc.method, tc.target, a.status, len(a.body))
		}
		if strings.HasSuffix(tc.target, "=1k") && a.header.Get("Test-Header") != strings.Repeat("x", 1024) {
			t.Errorf("%s: %v", tc.target, a.header)
		}
	}
	if s := l.tps.run.show(false); s.Received != 100003 || s.Requests != 22 {
		t.Errorf("%+v", s)
	}
}

// TestTPSAllocates: no request allocates, small or large.
func TestTPSAllocates(t *testing.T) {
	l := newLab(t, 1)
	l.run("http tps")
	for _, size := range []int{64, 100 << 10} {
		b := l.connect(server, "")
		l.until(func() bool { return b.open })
		ask := fmt.Sprintf("GET /test_file_%d HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\n\r\n", size)
		for range 3 {
			b.keep(ask, size)
		}
		l.w.RunFor(second/10, nil)
		want := len(b.got)
		b.send, b.sent = make([]byte, 0, 1<<16), 0
		done := func() bool { return len(b.got) >= want }
		w := l.cln.Sessions.Workers()[b.handle.Worker]
		if n := testing.AllocsPerRun(100, func() {
			b.got, b.send, b.sent = b.got[:0], append(b.send[:0], ask...), 0
			b.Writable(w, w.Get(b.handle))
			l.w.RunFor(second, done)
		}); n != 0 {
			t.Errorf("%d bytes: %v allocations", size, n)
		}
	}
}

// TestPipelinedTPS: requests that come together are answered in their order.
func TestPipelinedTPS(t *testing.T) {
	l := newLab(t, 1)
	l.run("http tps")
	text := ""
	want := ""
	for i := range 100 {
		text += fmt.Sprintf("GET /test_file_%d HTTP/1.1\r\nHost: x\r\n\r\n", i*100)
		want += fmt.Sprintf("%d ", i*100)
	}
	text += "GET /test_file_7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	got := l.raw(server, text)
	have := ""
	for got != "" {
		head, rest, _ := strings.Cut(got, "\r\n\r\n")
		_, n, _ := strings.Cut(head, "Content-Length: ")
		n, _, _ = strings.Cut(n, "\r\n")
		size := 0
		if _, err := fmt.Sscan(n, &size); err != nil || len(rest) < size {
			t.Fatalf("%q", head)
		}
		have += n + " "
		got = rest[size:]
	}
	if have != want+"7 " {
		t.Errorf("%s", have)
	}
}
