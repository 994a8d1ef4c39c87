package http

import (
	"bufio"
	"bytes"
	"fmt"
	stdhttp "net/http"
	"strings"
	"testing"
)

var testLimits = Limits{}.complete(0)

// parseAll parses a whole head; status -1: it is not complete.
func parseAll(text string) (h *RequestHead, n, status int) {
	h = new(RequestHead)
	n, _, status = h.parse([]byte(text), &testLimits)
	if n == 0 && status == 0 {
		status = -1
	}
	return h, n, status
}

func TestRequestHead(t *testing.T) {
	long := strings.Repeat("x", 9000)
	for _, c := range []struct {
		text   string
		status int // 0: good; -1: not complete
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{"GET / HTTP/1.1\nHost: a\n\n", 0},
		{"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"GET / HTTP/1.0\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\n\r\n", 400},                                // no Host
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},          // two
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},                   // no host
		{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},                   //
		{"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},                   //
		{"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0},                //
		{"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},                  //
		{"GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400},                  //
		{"GET / HTTP/1.1\r\nHost:\r\n\r\n", 0},                         // empty is allowed
		{"GET / HTTP/1.7\r\nHost: a\r\n\r\n", 0},                       //
		{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},                     //
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},                      //
		{"GET / HTTP/0.9\r\n\r\n", 505},                                //
		{"GET / http/1.1\r\nHost: a\r\n\r\n", 400},                     //
		{"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},                    //
		{"GET / HTTP/11\r\nHost: a\r\n\r\n", 400},                      //
		{"GET /\r\n\r\n", 400},                                         // HTTP/0.9
		{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},                    // two blanks
		{"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},                    //
		{"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},                    //
		{" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},                    //
		{"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},                  //
		{"GET /a\x00b HTTP/1.1\r\nHost: a\r\n\r\n", 400},               //
		{"GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400},                //
		{"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},                  //
		{"GET /\xc3\xa4|{} HTTP/1.1\r\nHost: a\r\n\r\n", 0},            // as browsers send them
		{"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},                  //
		{"GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n", 400},                   //
		{"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},                  //
		{"GET /?%zz HTTP/1.1\r\nHost: a\r\n\r\n", 0},                   // the query is the handler's
		{"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501},                     // methods have case
		{"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},                    //
		{"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501},             //
		{"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},                     //
		{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0},                   //
		{"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},                     //
		{"GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", 0},              //
		{"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},             //
		{"GET http://u@b/x HTTP/1.1\r\nHost: a\r\n\r\n", 400},          //
		{"GET ftp://b/x HTTP/1.1\r\nHost: a\r\n\r\n", 400},             //
		{"GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400},                     //
		{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},                    // blank before the colon
		{"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},                    // fold
		{"GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n", 400},            // fold
		{"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", 400},      // fold
		{"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400},          // bare CR
		{"GET / HTTP/1.1\r\nHost: a\r\nX: b\x00c\r\n\r\n", 400},        //
		{"GET / HTTP/1.1\r\nHost: a\r\nX: b\x01\r\n\r\n", 400},         //
		{"GET / HTTP/1.1\r\nHost: a\r\nX: 012345678\x0b\r\n\r\n", 400}, // in the eight-byte step
		{"GET / HTTP/1.1\r\nHost: a\r\nX: 0123456\t90\xff\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nX(: x\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", 0}, // too large, said later
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,\r\n\r\n", 400},
		{"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417},
		{"GET /" + long + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
		{"GET /" + long, 414},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: " + long + "\r\nY: " + long + "\r\n\r\n", 431},
		{"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 101) + "\r\n", 431},
		{"\x16\x03\x01\x02\x00\x01\x00\x01", 400}, // TLS
		{"GET / HTTP/1.1\r\nHost: a\r\nX", -1},
		{"GET / HTTP/1.1\r\nHost: a\r\n\r", -1},
		{"GET / HTT", -1},
		{"\r", -1},
		{"\r\n", -1},
		{"", -1},
	} {
		h, n, status := parseAll(c.text)
		name := c.text
		if len(name) > 80 {
			name = name[:80] + "…"
		}
		if status != c.status {
			t.Errorf("%q: %d, not %d", name, status, c.status)
		}
		if status == 0 && (n != len(c.text) || string(h.raw) != c.text) {
			t.Errorf("%q: %d of %d bytes", name, n, len(c.text))
		}
	}
}

// TestRequestHeadInPieces: however a head is cut, the outcome is that of the whole, and
// what was judged is never judged again in another way.
func TestRequestHeadInPieces(t *testing.T) {
	for _, text := range seeds {
		_, n, status := parseAll(text)
		var h RequestHead
		for i := 0; i <= len(text); i++ {
			k, judged, st := h.parse([]byte(text[:i]), &testLimits)
			if st != 0 || k != 0 {
				if (status == 0) != (st == 0) || k != n {
					t.Errorf("%.60q after %d bytes: %d bytes, status %d; whole: %d, %d", text, i, k, st, n, status)
				}
				break
			}
			if judged > i {
				t.Errorf("%.60q: judged %d of %d", text, judged, i)
			}
		}
	}
}

// TestRequestParts looks at what a head says.
func TestRequestParts(t *testing.T) {
	h, _, status := parseAll("POST http://Example.org:80/a/../%62?x=1&y=%20&x=2 HTTP/1.1\r\nHost: other\r\n" +
		"Content-LENGTH: 12\r\nConnection: Keep-Alive, Close\r\nX-Y: \t a, b \t\r\nEmpty:\r\n\r\n")
	if status != 0 {
		t.Fatal(status)
	}
	v, _ := h.Header("x-y")
	e, ok := h.Header("empty")
	if h.method != POST || h.minor != 1 || string(h.Host()) != "Example.org:80" || string(h.path) != "/a/../%62" ||
		string(h.query) != "x=1&y=%20&x=2" || h.length != 12 || !h.close || !h.keepAlive || string(v) != "a, b" || !ok || len(e) != 0 {
		t.Errorf("%+v %q", h, v)
	}
	if _, ok := h.Header("x-z"); ok || h.NumFields() != 5 {
		t.Errorf("%d fields", h.NumFields())
	}
	x := Exchange{head: *h, sh: &shard{}}
	if string(x.Path()) != "/b" {
		t.Errorf("path %q", x.Path())
	}
	for name, want := range map[string]string{"x": "1", "y": "%20", "z": "-"} {
		if v, ok := x.QueryValue(name); ok != (want != "-") || ok && string(v) != want {
			t.Errorf("%s: %q", name, v)
		}
	}
	for text, want := range map[string]bool{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n": true, "GET / HTTP/1.0\r\n\r\n": false,
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n":          true,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n": false,
	} {
		if h, _, _ := parseAll(text); h.persistent() != want {
			t.Errorf("%q: persistent %v", text, !want)
		}
	}
}

// agree compares the parser with net/http's: what we take, it takes with the same meaning.
// The other way round does not hold: we are stricter.
func agree(t *testing.T, text string) {
	h, n, status := parseAll(text)
	if status != 0 {
		return
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text[:n], "\r\n"), "\n")
	r, err := stdhttp.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		// It wants targets as RFC 3986 has them, and knows fewer forms.
		for _, s := range []string{"invalid URI", "parse \"", "invalid request", "malformed Host", "too large", "Content-Length", "invalid header"} {
			if strings.Contains(err.Error(), s) {
				return
			}
		}
		t.Fatalf("%q: net/http says %v", text, err)
	}
	if r.Method != h.method.String() || r.RequestURI != string(h.target) {
		t.Fatalf("%q: %s %s, net/http %s %s", text, h.method, h.target, r.Method, r.RequestURI)
	}
	chunked := len(r.TransferEncoding) > 0
	if chunked != h.coding || !chunked && r.ContentLength != max(h.length, 0) {
		t.Fatalf("%q: length %d %v, net/http %d %v", text, h.length, h.coding, r.ContentLength, chunked)
	}
	if h.minor == uint8(r.ProtoMinor) && r.Close == h.persistent() {
		t.Fatalf("%q: persistent %v, net/http the opposite", text, h.persistent())
	}
	for i := range h.NumFields() {
		name, value := h.FieldAt(i)
		if is(name, "host") || is(name, "transfer-encoding") || is(name, "content-length") || is(name, "connection") || is(name, "trailer") {
			continue
		}
		found := false
		for _, v := range r.Header.Values(string(name)) {
			found = found || v == string(value)
		}
		if !found {
			t.Fatalf("%q: field %q %q is not in %v", text, name, value, r.Header)
		}
	}
}

// seeds are requests of all kinds.
var seeds = []string{
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a/%2e%2e/b?c=d HTTP/1.1\r\nHost: a:80\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n",
	"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
	"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n",
	"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
	"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://h:1/p HTTP/1.1\r\nHost: h:1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,-5\r\nIf-Range: \"x\"\r\nIf-None-Match: W/\"a\", \"b\"\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip;q=0.5, *;q=0\r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n\n",
	"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
	"GET / HTTP/9.9\r\nHost: a\r\nX : b\r\n\r\n",
}

func TestAgreesWithNetHTTP(t *testing.T) {
	for _, s := range seeds {
		agree(t, s)
	}
}

func FuzzRequestHead(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		h, n, status := parseAll(string(p))
		if n > len(p) || n > 0 && status != 0 && status < 400 {
			t.Fatalf("%d bytes, status %d", n, status)
		}
		agree(t, string(p))
		// Cut anywhere, the outcome is the same.
		var k RequestHead
		for i := range p {
			m, _, st := k.parse(p[:i], &testLimits)
			if m == 0 && st == 0 {
				continue
			}
			if m != n || (st == 0) != (status == 0) {
				t.Fatalf("after %d bytes: %d bytes, status %d; whole: %d, %d", i, m, st, n, status)
			}
			break
		}
		if status != 0 {
			return
		}
		v := Validators{ETag: `"x"`, Modified: 1}
		v.Precondition(h)
		if r, st := v.Ranges(h, 100, nil); st == 206 {
			for _, x := range r {
				if x.First < 0 || x.Length <= 0 || x.First+x.Length > 100 {
					t.Fatalf("range %+v", x)
				}
			}
		}
		AcceptsEncoding(h, "gzip")
		if len(h.path) > 0 && h.path[0] == '/' {
			checkPath(t, h.path)
		}
	})
}

// checkPath: whatever is asked for, it is below the root.
func checkPath(t *testing.T, raw []byte) {
	t.Helper()
	p, err := CleanPath(nil, raw)
	if err != nil {
		return
	}
	if len(p) == 0 || p[0] != '/' || bytes.IndexByte(p, 0) >= 0 {
		t.Fatalf("%q became %q", raw, p)
	}
	depth := 0
	for _, s := range strings.Split(string(p), "/") {
		if s == "." || s == ".." {
			t.Fatalf("%q became %q", raw, p)
		}
		depth++
	}
	if again, _ := CleanPath(nil, []byte(strings.ReplaceAll(string(p), "%", "%25"))); !bytes.Equal(again, p) {
		t.Fatalf("%q became %q, and that %q", raw, p, again)
	}
}

func FuzzCleanPath(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/../../x", "/%2e%2e/%2E./a", "/a%2f../b", "/a//../..//", "/%00", "/a/.%2e;/x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 0 && raw[0] == '/' {
			checkPath(t, raw)
		}
	})
}

func TestCleanPath(t *testing.T) {
	for raw, want := range map[string]string{
		"/": "/", "/a": "/a", "/a/": "/a/", "/a/./b": "/a/b", "/a/b/.": "/a/b/", "/a/b/..": "/a/", "/a/..": "/",
		"/..": "/", "/../..": "/", "/../../etc/passwd": "/etc/passwd", "/a/../../b": "/b", "/.": "/", "/./": "/",
		"/a/b/c/./../../g": "/a/g", "/%2e%2e/%2e%2e/x": "/x", "/a/.%2E/x": "/x", "/a/%2e%2e%2fx": "/a/..%2Fx", "/a%2fb": "/a%2Fb",
		"/a//b": "/a//b", "/a//../b": "/a/b", "/%61%20b": "/a b", "/...": "/...", "/a/..b/c.": "/a/..b/c.",
		"/%": "!", "/%g0": "!", "/%2": "!", "/a%00b": "!", "/\\..\\x": "/\\..\\x",
	} {
		got, err := CleanPath(nil, []byte(raw))
		if err != nil {
			got = []byte("!")
		}
		if string(got) != want {
			t.Errorf("%s: %s, not %s", raw, got, want)
		}
		if validPath([]byte(raw)) != (want != "!") {
			t.Errorf("%s: validPath disagrees", raw)
		}
	}
}

func ExampleStatusText() {
	fmt.Println(StatusText(404))
	// Output: Not Found
}

func TestParseRequest(t *testing.T) {
	for text, want := range map[string]int{"GET /x HTTP/1.1\r\nHost: a\r\n\r\n": 0, "GET /x HTTP/1.1\r\n": 400, "": 400, "GET / HTTP/2.0\r\n\r\n": 505} {
		h, status := ParseRequest([]byte(text))
		if status != want || status == 0 && (h.Method() != GET || string(h.Host()) != "a") {
			t.Errorf("%q: %d", text, status)
		}
	}
}
