package httpd

import (
	"strings"
	"testing"
)

// BenchmarkHit is a request for a file in the cache, with both stacks under it.
func BenchmarkHit(b *testing.B) {
	l := newLab(b, 1)
	l.run("http static server www-root " + l.www("f64.html", strings.Repeat("a", 64)))
	benchmark(b, l, "GET /f64.html HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")
}

// BenchmarkTPS is the same for a made-up body.
func BenchmarkTPS(b *testing.B) {
	l := newLab(b, 1)
	l.run("http tps")
	benchmark(b, l, "GET /test_file_64 HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")
}

// benchmark pipelines a request, so that what one costs is not lost among packets.
func benchmark(b *testing.B, l *lab, ask string) {
	const at = 64
	c := l.connect(server, "")
	l.until(func() bool { return c.open })
	want := len(c.keep(ask, 100))
	all := strings.Repeat(ask, at)
	c.discard, c.count = true, 0
	goal := int64(0)
	done := func() bool { return c.count >= goal }
	w := l.cln.Sessions.Workers()[c.handle.Worker]
	c.send = make([]byte, 0, 2*len(all))
	b.ReportAllocs()
	for i := 0; i < b.N; i += at {
		goal += int64(at * want)
		c.send, c.sent = append(c.send[:0], all...), 0
		c.Writable(w, w.Get(c.handle))
		if !l.w.RunFor(second, done) {
			b.Fatalf("%d of %d bytes", c.count, goal)
		}
	}
}
