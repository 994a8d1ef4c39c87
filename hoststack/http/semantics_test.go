package http

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	stdhttp "net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"vpphost/hoststack/session"
)

// head parses a GET, or the given method, with the fields.
func head(t testing.TB, method string, lines ...string) *RequestHead {
	t.Helper()
	h, _, status := parseAll(method + " / HTTP/1.1\r\nHost: a\r\n" + strings.Join(append(lines, "", ""), "\r\n"))
	if status != 0 {
		t.Fatalf("%q: %d", lines, status)
	}
	return h
}

func TestTime(t *testing.T) {
	const want = 784111777
	for text, unix := range map[string]int64{
		"Sun, 06 Nov 1994 08:49:37 GMT": want, "Sunday, 06-Nov-94 08:49:37 GMT": want, "Sun Nov  6 08:49:37 1994": want,
		"Thu, 01 Jan 1970 00:00:00 GMT": 0, "Tue, 29 Feb 2000 12:00:00 GMT": 951825600,
		"Sun, 06 Nov 1994 08:49:37": -1, "Sun, 6 Nov 1994 08:49:37 GMT": -1, "Sun, 06 Nov 1994 24:49:37 GMT": -1,
		"Thu, 30 Feb 2000 12:00:00 GMT": -1, "": -1, "x": -1, "0": -1, ", 06-Nov": -1, "Sun, 06 nov 1994 08:49:37 GMT": -1,
		"Sun, 00 Nov 1994 08:49:37 GMT": -1, "Sun Nov 16 08:49:37 1994": want + 10*86400,
	} {
		got, ok := ParseTime([]byte(text))
		if ok != (unix >= 0) || ok && got != unix {
			t.Errorf("%s: %d %v", text, got, ok)
		}
	}
	for _, unix := range []int64{0, want, 951825600, 4102444800, 1e9} {
		b := AppendTime(nil, unix)
		if s := time.Unix(unix, 0).UTC().Format(stdhttp.TimeFormat); s != string(b) {
			t.Errorf("%s, not %s", b, s)
		}
		if got, ok := ParseTime(b); !ok || got != unix {
			t.Errorf("%s: %d", b, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add([]byte("Sun, 06 Nov 1994 08:49:37 GMT"))
	f.Add([]byte("Sunday, 06-Nov-94 08:49:37 GMT"))
	f.Add([]byte("Sun Nov  6 08:49:37 1994"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := ParseTime(b)
		theirs, err := stdhttp.ParseTime(string(b))
		if ok && err == nil && got != theirs.Unix() {
			// The century of two digits is a matter of taste.
			if d := got - theirs.Unix(); d != 3155760000 && d != -3155760000 && d != 3155673600 && d != -3155673600 {
				t.Fatalf("%q: %d, net/http %d", b, got, theirs.Unix())
			}
		}
	})
}

func TestPrecondition(t *testing.T) {
	const date, before, after = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"
	strong, weak := Validators{`"a"`, 784111777}, Validators{`W/"a"`, 784111777}
	for _, c := range []struct {
		v      Validators
		method string
		lines  []string
		status int
	}{
		{strong, "GET", nil, 0},
		{strong, "GET", []string{`If-Match: "a"`}, 0},
		{strong, "GET", []string{`If-Match: "b", "a"`}, 0},
		{strong, "GET", []string{`If-Match: "b"`, `If-Match: "a"`}, 0},
		{strong, "GET", []string{`If-Match: *`}, 0},
		{strong, "PUT", []string{`If-Match: "b"`}, 412},
		{strong, "PUT", []string{`If-Match: W/"a"`}, 412},
		{weak, "PUT", []string{`If-Match: W/"a"`}, 412}, // strong comparison
		{strong, "GET", []string{`If-None-Match: "a"`}, 304},
		{strong, "HEAD", []string{`If-None-Match: "x,y", W/"a"`}, 304},
		{weak, "GET", []string{`If-None-Match: "a"`}, 304},
		{strong, "PUT", []string{`If-None-Match: *`}, 412},
		{strong, "GET", []string{`If-None-Match: "b"`}, 0},
		{strong, "GET", []string{`If-None-Match: a`}, 0},
		{strong, "GET", []string{"If-Modified-Since: " + date}, 304},
		{strong, "GET", []string{"If-Modified-Since: " + after}, 304},
		{strong, "GET", []string{"If-Modified-Since: " + before}, 0},
		{strong, "GET", []string{"If-Modified-Since: yesterday"}, 0},
		{strong, "PUT", []string{"If-Modified-Since: " + date}, 0},
		{strong, "GET", []string{`If-None-Match: "b"`, "If-Modified-Since: " + date}, 0}, // the tag decides
		{strong, "GET", []string{"If-Unmodified-Since: " + before}, 412},
		{strong, "GET", []string{"If-Unmodified-Since: " + date}, 0},
		{strong, "GET", []string{`If-Match: "a"`, "If-Unmodified-Since: " + before}, 0},
		{strong, "GET", []string{`If-Match: "b"`, `If-None-Match: "a"`}, 412},
		{Validators{}, "GET", []string{`If-None-Match: ""`, `If-Match: *`}, 0},
		{Validators{}, "GET", []string{"If-Modified-Since: " + date}, 0},
	} {
		if got := c.v.Precondition(head(t, c.method, c.lines...)); got != c.status {
			t.Errorf("%v %s %q: %d, not %d", c.v, c.method, c.lines, got, c.status)
		}
	}
}

func TestRanges(t *testing.T) {
	v := Validators{`"a"`, 784111777}
	for _, c := range []struct {
		lines  []string
		size   int64
		status int
		want   []Range
	}{
		{nil, 10, 200, nil},
		{[]string{"Range: bytes=0-0"}, 10, 206, []Range{{0, 1}}},
		{[]string{"Range: bytes=2-"}, 10, 206, []Range{{2, 8}}},
		{[]string{"Range: bytes=-3"}, 10, 206, []Range{{7, 3}}},
		{[]string{"Range: bytes=-30"}, 10, 206, []Range{{0, 10}}},
		{[]string{"Range: BYTES=5-99"}, 10, 206, []Range{{5, 5}}},
		{[]string{"Range: bytes=0-1, 4-5 ,-1"}, 10, 206, []Range{{0, 2}, {4, 2}, {9, 1}}},
		{[]string{"Range: bytes=4-5,0-1"}, 10, 206, []Range{{4, 2}, {0, 2}}},
		{[]string{"Range: bytes=0-5,3-7,8-8"}, 10, 206, []Range{{0, 9}}},
		{[]string{"Range: bytes=0-5,20-30"}, 10, 206, []Range{{0, 6}}},
		{[]string{"Range: bytes=10-"}, 10, 416, nil},
		{[]string{"Range: bytes=-0"}, 10, 416, nil},
		{[]string{"Range: bytes=0-"}, 0, 416, nil},
		{[]string{"Range: bytes=-5"}, 0, 416, nil},
		{[]string{"Range: bytes=5-4"}, 10, 200, nil},
		{[]string{"Range: bytes=a-b"}, 10, 200, nil},
		{[]string{"Range: bytes="}, 10, 200, nil},
		{[]string{"Range: bytes=,"}, 10, 200, nil},
		{[]string{"Range: bytes=5"}, 10, 200, nil},
		{[]string{"Range: bytes=-"}, 10, 200, nil},
		{[]string{"Range: lines=0-1"}, 10, 200, nil},
		{[]string{"Range: bytes=99999999999999999999-"}, 10, 416, nil},
		{[]string{"Range: bytes=0-99999999999999999999"}, 10, 206, []Range{{0, 10}}},
		{[]string{"Range: bytes=" + strings.Repeat("0-0,", MaxRanges+1)}, 10, 200, nil},
		{[]string{"Range: bytes=0-1", `If-Range: "a"`}, 10, 206, []Range{{0, 2}}},
		{[]string{"Range: bytes=0-1", `If-Range: "b"`}, 10, 200, nil},
		{[]string{"Range: bytes=0-1", `If-Range: W/"a"`}, 10, 200, nil},
		{[]string{"Range: bytes=0-1", "If-Range: Sun, 06 Nov 1994 08:49:37 GMT"}, 10, 206, []Range{{0, 2}}},
		{[]string{"Range: bytes=0-1", "If-Range: Sun, 06 Nov 1994 08:49:38 GMT"}, 10, 200, nil},
	} {
		got, status := v.Ranges(head(t, "GET", c.lines...), c.size, nil)
		if status != c.status || len(got)+len(c.want) > 0 && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%.60q of %d: %d %v, not %d %v", c.lines, c.size, status, got, c.status, c.want)
		}
	}
	if _, status := v.Ranges(head(t, "HEAD", "Range: bytes=0-0"), 10, nil); status != 200 {
		t.Error("a range of a HEAD")
	}
	if s := string(AppendUnsatisfied(AppendContentRange(nil, Range{2, 3}, 10), 10)); s != "Content-Range: bytes 2-4/10\r\nContent-Range: bytes */10\r\n" {
		t.Error(s)
	}
}

func TestMultipart(t *testing.T) {
	data := []byte("0123456789")
	m := NewMultipart([]Range{{0, 2}, {9, 1}, {4, 3}}, 10, "text/plain")
	var whole bytes.Buffer
	if err := m.WriteTo(&whole, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if int64(whole.Len()) != m.Length() {
		t.Errorf("%d bytes, not %d", whole.Len(), m.Length())
	}
	for _, step := range []int{1, 7, 1000} {
		src := m.Source(data, nil)
		var b []byte
		for int64(len(b)) < m.Length() {
			dst := make([]byte, min(step, int(m.Length())-len(b)))
			n, err := src.Fill(dst, int64(len(b)))
			if n == 0 || err != nil {
				t.Fatal(n, err)
			}
			b = append(b, dst[:n]...)
		}
		src.Release()
		if !bytes.Equal(b, whole.Bytes()) {
			t.Errorf("by %d: %q", step, b)
		}
	}
	_, params, err := mime.ParseMediaType(strings.TrimSpace(strings.TrimPrefix(string(m.Field()), "Content-Type: ")))
	if err != nil {
		t.Fatal(err)
	}
	r := multipart.NewReader(&whole, params["boundary"])
	for _, want := range []string{"01 bytes 0-1/10", "9 bytes 9-9/10", "456 bytes 4-6/10"} {
		p, err := r.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(p)
		if got := string(b) + " " + p.Header.Get("Content-Range"); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	if _, err := r.NextPart(); err != io.EOF {
		t.Error(err)
	}
}

func TestAcceptsEncoding(t *testing.T) {
	for value, want := range map[string]bool{
		"gzip": true, "": false, "br, GZIP": true, "x-gzip": true, "gzip;q=0": false, "gzip;q=0.001": true, "gzip ; q=0.5": true,
		"*": true, "*;q=0": false, "identity": false, "gzip;q=0, *": false, "*;q=0, gzip": true, "gzip;q=2": false, "gzip;q=x": false,
		"deflate, br": false, "gzip;q=0.000": false, "gzip;q=1.000": true,
	} {
		if got := AcceptsEncoding(head(t, "GET", "Accept-Encoding: "+value), "gzip"); got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
	if AcceptsEncoding(head(t, "GET"), "gzip") {
		t.Error("accepted without a word")
	}
}

func TestTypeByName(t *testing.T) {
	for name, want := range map[string]string{
		"/a/index.html": "text/html; charset=utf-8", "x.PNG": "image/png", "a.tar.gz": "application/gzip", "README": unknownType,
		"/a.d/x": unknownType, "x.": unknownType, "x.unheard": unknownType,
	} {
		if got := TypeByName(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestPercentDecode(t *testing.T) {
	if b, err := PercentDecode([]byte("x"), []byte("memif0%2F0%20+")); err != nil || string(b) != "xmemif0/0 +" {
		t.Error(string(b), err)
	}
	for _, s := range []string{"%", "%1", "%zz", "a%2"} {
		if _, err := PercentDecode(nil, []byte(s)); !errors.Is(err, ErrEscape) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestURIs(t *testing.T) {
	for s, want := range map[string]string{
		"http://1.2.3.4":            "1.2.3.4 /",
		"http://1.2.3.4:8080":       "1.2.3.4:8080 /",
		"http://1.2.3.4:80/a/b?c=d": "1.2.3.4 /a/b?c=d",
		"http://1.2.3.4/8080":       "1.2.3.4 /8080",
		"http://1.2.3.4?x":          "1.2.3.4 /?x",
		"http://1.2.3.4/a#b":        "1.2.3.4 /a",
		"http://[fd00::1]:8080/x":   "[fd00::1]:8080 /x",
		"http://[fd00::1]/x":        "[fd00::1] /x",
		"http://fd00::1/x":          "[fd00::1] /x",
		"tcp://1.2.3.4/8080":        "1.2.3.4:8080 /",
		"tcp://1.2.3.4:80":          "1.2.3.4 /",
		"1.2.3.4/81":                "1.2.3.4:81 /",
		"https://1.2.3.4":           "tls",
		"tls://1.2.3.4/443":         "tls",
		"udp://1.2.3.4/80":          "!",
		"http://localhost/":         "!",
		"http://1.2.3.4:0/":         "!",
		"http://1.2.3.4:x/":         "!",
		"http://1.2.3.4/a b":        "!",
		"http://":                   "!",
		"tcp://1.2.3.4":             "!",
		"http://u@1.2.3.4/":         "!",
	} {
		u, err := ParseURI(s)
		got := u.Host() + " " + u.Target
		switch {
		case errors.Is(err, ErrNoTLS):
			got = "tls"
		case errors.Is(err, session.ErrURI):
			got = "!"
		case err != nil:
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, not %s", s, got, want)
		}
	}
	for s, want := range map[string]string{
		"http://0.0.0.0/8080": "0.0.0.0:8080", "http://0.0.0.0:81": "0.0.0.0:81", "http://0.0.0.0": "0.0.0.0",
		"tcp://0.0.0.0/80": "0.0.0.0", "http://[::]:80": "[::]", "http://::/80": "[::]", ":8080": "0.0.0.0:8080",
	} {
		if u, err := ParseListen(s); err != nil || u.Host() != want {
			t.Errorf("%s: %s %v", s, u.Host(), err)
		}
	}
}
