package http

import (
	"bufio"
	"bytes"
	"io"
	stdhttp "net/http"
	"strings"
	"testing"
)

func TestResponseHead(t *testing.T) {
	for _, c := range []struct {
		text   string
		status int // 0: not a head; -1: not complete
	}{
		{"HTTP/1.1 200 OK\r\n\r\n", 200},
		{"HTTP/1.1 200\r\n\r\n", 200},
		{"HTTP/1.1 200 \r\n\r\n", 200},
		{"HTTP/1.0 404 Not Found\nA: b\n\n", 404},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 200},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", 200},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 0},
		{"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 0},
		{"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\tc\r\n\r\n", 200},
		{"HTTP/1.1 200 OK\r\nX: a\n b\n\n", 200},
		{"HTTP/1.1 20x OK\r\n\r\n", 0},
		{"HTTP/1.1 099 OK\r\n\r\n", 0},
		{"HTTP/1.1 2000 OK\r\n\r\n", 0},
		{"HTTP/2.0 200 OK\r\n\r\n", 0},
		{"HTTP/1.1  200 OK\r\n\r\n", 0},
		{"HTTP/1.1 200 O\x00K\r\n\r\n", 0},
		{"HTTP/1.1 200 OK\r\nX : b\r\n\r\n", 0},
		{"SSH-2.0-x\r\n", 0},
		{"SSH", 0},
		{"HTTP/1.1 200 OK\r\nX: y\r\n", -1},
		{"HTTP/1.1 200 OK\r\nX: y", -1},
		{"HTTP/1.1 20", -1},
		{"HT", -1},
	} {
		var h ResponseHead
		p := []byte(c.text)
		n, judged, ok := h.parse(p, MaxHead)
		status := int(h.status)
		switch {
		case !ok:
			status = 0
		case n == 0:
			status = -1
		case n != len(p):
			t.Errorf("%q: %d bytes", c.text, n)
		}
		if status != c.status || judged > len(p) {
			t.Errorf("%q: %d, not %d", c.text, status, c.status)
		}
		if v, ok := h.Header("x"); ok && strings.Contains(c.text, "b\r\n\tc") && string(v) != "a   b  \tc" {
			t.Errorf("%q: folded into %q", c.text, v)
		}
	}
}

var responseSeeds = []string{
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.0 302 Found\r\nLocation: /x\r\nConnection: keep-alive\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
	"HTTP/1.1 304\r\nETag: \"a\"\r\n\r\n",
}

func FuzzResponseHead(f *testing.F) {
	for _, s := range responseSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var h ResponseHead
		n, _, ok := h.parse(bytes.Clone(text), MaxHead)
		if n > len(text) {
			t.Fatalf("%d of %d bytes", n, len(text))
		}
		whole := ok && n > 0
		var k ResponseHead
		for i := range text {
			m, _, ok := k.parse(bytes.Clone(text[:i]), MaxHead)
			if m == 0 && ok {
				continue
			}
			if ok != whole || ok && m != n {
				t.Fatalf("after %d bytes: %d %v; whole: %d %v", i, m, ok, n, whole)
			}
			break
		}
		if !whole {
			return
		}
		r, err := stdhttp.ReadResponse(bufio.NewReader(bytes.NewReader(text[:n])), nil)
		if err == nil && r.StatusCode != h.Status() {
			t.Fatalf("%q: %d, net/http %d", text[:n], h.Status(), r.StatusCode)
		}
	})
}

// decode takes chunks out of p, in pieces of at most step bytes.
func decode(p []byte, step int) (body []byte, used int, done, ok bool) {
	var c chunks
	for used < len(p) {
		skip, n, done, ok := c.next(p[used:min(used+step, len(p))])
		if !ok {
			return body, used, false, false
		}
		body = append(body, p[used+skip:used+skip+n]...)
		used += skip + n
		if done {
			return body, used, true, true
		}
	}
	return body, used, false, true
}

var chunkSeeds = []struct {
	text, body string
	ok, done   bool
}{
	{"5\r\nhello\r\n0\r\n\r\n", "hello", true, true},
	{"5;a=\"b;c\"\r\nhello\r\n0;x\r\nA: b\r\nC: d\r\n\r\n", "hello", true, true},
	{"00005\r\nhello\r\n1 \r\n!\r\n000\r\n\r\n", "hello!", true, true},
	{"a\r\n0123456789\r\nB\r\n01234567890\r\n0\r\n\r\n", "012345678901234567890", true, true},
	{"5\r\nhel", "hel", true, false},
	{"5\nhello\r\n0\r\n\r\n", "", false, false},
	{"5\r\nhello0\r\n\r\n", "hello", false, false},
	{"5\r\nhello\rx0\r\n\r\n", "hello", false, false},
	{"5\r\nhello\n0\r\n\r\n", "hello", false, false},
	{"5\r\nhello\r\n0\r\n\n", "hello", false, false},
	{"5\r\nhello\r\n0\r\nA: b\n\r\n", "hello", false, false},
	{"5\r\nhello\r\n0\r\n A: b\r\n\r\n", "hello", false, false},
	{"x\r\n", "", false, false},
	{"\r\n", "", false, false},
	{"-1\r\n", "", false, false},
	{"0x5\r\nhello", "", false, false},
	{"5 5\rx", "", false, false},
	{"5;a\x00\r\nhello", "", false, false},
	{"5;a\nb\r\nhello", "", false, false},
	{"fffffffffffffffff\r\n", "", false, false},
	{"ffffffffffffffff\r\n", "", false, false},
	{"5;" + strings.Repeat("x", maxChunkExt+1) + "\r\nhello", "", false, false},
	{"0\r\n" + strings.Repeat("A: bbbbbbbbbbbbbbbbb\r\n", maxTrailers/20) + "\r\n", "", false, false},
}

func TestChunks(t *testing.T) {
	for _, c := range chunkSeeds {
		for _, step := range []int{1, 2, 3, 7, 1 << 20} {
			body, _, done, ok := decode([]byte(c.text), step)
			if ok != c.ok || done != c.done || string(body) != c.body {
				t.Errorf("%.40q by %d: %q %v %v", c.text, step, body, done, ok)
			}
		}
	}
}

func FuzzChunks(f *testing.F) {
	for _, c := range chunkSeeds {
		f.Add([]byte(c.text), 3)
	}
	f.Fuzz(func(t *testing.T, p []byte, step int) {
		body, used, done, ok := decode(p, 1<<30)
		b, u, d, o := decode(p, max(1, step))
		if !bytes.Equal(b, body) || ok && u != used || d != done || o != ok {
			t.Fatalf("in pieces of %d: %q %d %v %v; whole: %q %d %v %v", step, b, u, d, o, body, used, done, ok)
		}
		if !done {
			return
		}
		// net/http's decoder takes what ours takes, and reads the same.
		req := append([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), p[:used]...)
		r, err := stdhttp.ReadRequest(bufio.NewReader(bytes.NewReader(req)))
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err := io.ReadAll(r.Body); err == nil && !bytes.Equal(theirs, body) {
			t.Fatalf("%q, net/http %q", body, theirs)
		}
	})
}
