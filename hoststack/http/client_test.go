package http

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

// caller is a client's handler that sends requests one after the other and notes what
// comes.
type caller struct {
	t       testing.TB
	queue   []*Request // for all connections together
	perConn int        // requests on one connection, 0 for any number
	client  *Client
	uri     URI
	heads   []string
	bodies  [][]byte
	body    []byte
	latency []int64
	errs    []error
	open    int
	onConn  map[ConnRef]int
}

func (c *caller) next(x *Call) {
	if len(c.queue) == 0 || c.perConn > 0 && c.onConn[x.Ref()] >= c.perConn || !x.Reusable() {
		x.Close()
		return
	}
	r := c.queue[0]
	c.queue = c.queue[1:]
	c.onConn[x.Ref()]++
	if err := x.Send(r); err != nil {
		c.t.Errorf("send: %v", err)
	}
	if err := x.Send(r); !errors.Is(err, ErrBusy) {
		c.t.Errorf("sent twice: %v", err)
	}
}

func (c *caller) OnOpen(x *Call) {
	c.open++
	if x.Busy() || !x.Reusable() {
		c.t.Error("a new connection is busy")
	}
	c.next(x)
}

func (c *caller) OnHead(x *Call, h *ResponseHead) {
	c.heads = append(c.heads, fmt.Sprintf("%d %s", h.Status(), h.Reason()))
	c.body = nil
}

func (c *caller) OnBody(_ *Call, piece []byte) { c.body = append(c.body, piece...) }

func (c *caller) OnDone(x *Call, latency int64) {
	c.bodies = append(c.bodies, c.body)
	c.latency = append(c.latency, latency)
	c.next(x)
}

func (c *caller) OnClose(x *Call, err error) {
	c.errs = append(c.errs, err)
	c.open--
	if len(c.queue) > 0 && err == nil {
		if err := c.client.Open(x.Worker(), c.uri, 0); err != nil {
			c.t.Error(err)
		}
	}
}

// call makes a client with something to send, and opens a connection.
func (l *lab) call(c *caller, cfg ClientConfig, target string) *Client {
	l.t.Helper()
	c.t, c.onConn = l.t, map[ConnRef]int{}
	cfg.Handler = c
	k, err := l.ce.NewClient("http_client", cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	c.client = k
	c.uri = URI{Endpoint: transport.Endpoint{Addr: l.addr()}, Target: target}
	if err := k.OpenFrom(c.uri, 0); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := k.Close(); err != nil {
			l.t.Error(err)
		}
	})
	return k
}

func (l *lab) uri(target string) URI {
	return URI{Endpoint: transport.Endpoint{Addr: l.addr()}, Target: target}
}

// TestClient asks our own server for all kinds of things.
func TestClient(t *testing.T) {
	for _, perConn := range []int{0, 1, 2} {
		for _, fifo := range []uint32{4 << 10, 128 << 10} {
			l := newLab(t, labOptions{fifo: fifo, link: sim.Link{Delay: 1e5, Loss: 0.005}})
			body := pattern(8000)
			c := &caller{perConn: perConn, queue: []*Request{
				NewRequest(GET, l.uri("/"), nil, nil),
				NewRequest(HEAD, l.uri("/mem/100"), nil, nil),
				NewRequest(GET, l.uri("/mem/100000"), nil, nil),
				NewRequest(POST, l.uri("/echo"), []byte("X: y\r\n"), body),
				NewRequest(GET, l.uri("/chunked/50000"), nil, nil),
				NewRequestSource(PUT, l.uri("/echo"), nil, -1, func() Source { return &bytesSource{body} }),
				NewRequestSource(PUT, l.uri("/echo"), nil, 8000, func() Source { return &bytesSource{body} }),
				NewRequest(GET, l.uri("/status/204"), nil, nil),
				NewRequest(GET, l.uri("/close"), nil, nil),
				NewRequest(GET, l.uri("/"), []byte("Host: other\r\n"), nil),
			}}
			want := []string{"hello\n", "", string(pattern(100000)), string(body), string(pattern(50000)), string(body), string(body), "", "bye\n", "hello\n"}
			l.call(c, ClientConfig{RxFIFO: fifo, TxFIFO: fifo}, "/")
			l.w.RunFor(100*second, func() bool { return len(c.bodies) == len(want) && c.open == 0 })
			if len(c.bodies) != len(want) {
				t.Fatalf("%d answers: %v, %v", len(c.bodies), c.heads, c.errs)
			}
			for i, w := range want {
				if string(c.bodies[i]) != w {
					t.Errorf("answer %d: %s, %d bytes, not %d", i, c.heads[i], len(c.bodies[i]), len(w))
				}
				if c.latency[i] < 2e5 {
					t.Errorf("answer %d after %d ns", i, c.latency[i])
				}
			}
			for _, err := range c.errs {
				if err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// bytesSource is a body in memory.
type bytesSource struct{ b []byte }

func (s *bytesSource) Fill(dst []byte, off int64) (int, error) {
	n := copy(dst, s.b[off:])
	if int(off)+n == len(s.b) {
		return n, io.EOF
	}
	return n, nil
}

func (s *bytesSource) Release() {}

// rawServer answers each connection with bytes, byte by byte when it drips, and then does
// nothing, or closes.
type rawServer struct {
	session.NopApp
	text  string
	close bool
	drip  bool
	w     *session.Worker
	h     session.Handle
	left  string
}

func (r *rawServer) Readable(w *session.Worker, s *session.Session) {
	rx := w.Rx(s)
	asked := bytes.Contains(rx.PeekAt(0, rx.Len()), []byte("\r\n\r\n"))
	rx.Drop(rx.Len())
	w.Dropped(s)
	if !asked {
		return
	}
	r.w, r.h, r.left = w, w.Handle(s), r.text
	if !r.drip {
		r.next(len(r.left))
	}
}

func (r *rawServer) Closed(w *session.Worker, s *session.Session) { w.Close(s) }

// next sends n more bytes.
func (r *rawServer) next(n int) {
	s := r.w.Get(r.h)
	if s == nil {
		r.left = ""
		return
	}
	r.w.Tx(s).Write([]byte(r.left[:n]))
	r.left = r.left[n:]
	r.w.Send(s)
	if r.left == "" && r.close {
		r.w.Close(s)
	}
}

// TestClientResponses: all ways to end a body, and all ways to get it wrong.
func TestClientResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		name, text string
		close      bool
		body       string // "-": no answer
		err        error
	}{
		{"length", ok + "Content-Length: 5\r\n\r\nhello", false, "hello", nil},
		{"chunks", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nT: v\r\n\r\n", false, "hello", nil},
		{"to the end", ok + "\r\nhello", true, "hello", nil},
		{"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", true, "hello", nil},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", false, "hello", nil},
		{"more than asked for", ok + "Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n", false, "hello", nil},
		{"204", "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", false, "", nil},
		{"nothing", "", true, "-", ErrTruncated},
		{"half a head", ok + "X: y", true, "-", ErrTruncated},
		{"half a body", ok + "Content-Length: 5\r\n\r\nhel", true, "-", ErrTruncated},
		{"half a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", true, "-", ErrTruncated},
		{"bad chunk", ok + "Transfer-Encoding: chunked\r\n\r\nx\r\n", false, "-", ErrMalformed},
		{"no http", "SSH-2.0-x\r\n", false, "-", ErrMalformed},
		{"upgrade", "HTTP/1.1 101 No\r\n\r\n", false, "-", ErrMalformed},
		{"silence", ok, false, "-", ErrTimeout},
		{"silence in the body", ok + "Content-Length: 5\r\n\r\nhel", false, "-", ErrTimeout},
	} {
		for _, drip := range []bool{false, true}[:min(2, 1+len(c.text))] {
			t.Run(fmt.Sprintf("%s/%v", c.name, drip), func(t *testing.T) {
				l := newLab(t, labOptions{})
				raw := &rawServer{text: c.text, close: c.close, drip: drip}
				a, err := l.srv.Attach("raw", raw)
				if err != nil {
					t.Fatal(err)
				}
				u := l.uri("/")
				u.Endpoint = endpoint(8080)
				if err := a.Listen(transport.TCP, u.Endpoint); err != nil {
					t.Fatal(err)
				}
				k := &caller{queue: []*Request{NewRequest(GET, u, nil, nil)}, t: t, onConn: map[ConnRef]int{}, uri: u}
				if k.client, err = l.ce.NewClient("http_client", ClientConfig{Handler: k, Timeout: 3 * time.Second}); err != nil {
					t.Fatal(err)
				}
				defer k.client.Close()
				if err := k.client.OpenFrom(u, 7); err != nil {
					t.Fatal(err)
				}
				l.w.RunFor(10*1e6, nil)
				for drip && raw.left != "" {
					raw.next(1)
					l.w.RunFor(1e6, nil)
				}
				start := l.w.Now()
				l.w.RunFor(10*second, func() bool { return len(k.errs) > 0 })
				if len(k.errs) != 1 || !errors.Is(k.errs[0], c.err) || c.err == nil && k.errs[0] != nil {
					t.Fatalf("ended with %v, not %v", k.errs, c.err)
				}
				if c.body == "-" {
					if len(k.bodies) != 0 {
						t.Errorf("an answer: %q", k.bodies)
					}
				} else if len(k.bodies) != 1 || string(k.bodies[0]) != c.body {
					t.Errorf("answers %q", k.bodies)
				}
				if took := l.w.Now() - start; c.err == ErrTimeout && (took < 2*second || took > 4*second) {
					t.Errorf("it took %.1f s", float64(took)/1e9)
				}
			})
		}
	}
}

// TestClientUnasked: what comes behind a response is not taken for the next one.
func TestClientUnasked(t *testing.T) {
	l := newLab(t, labOptions{})
	a, err := l.srv.Attach("raw", &rawServer{text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"})
	if err != nil {
		t.Fatal(err)
	}
	u := l.uri("/")
	u.Endpoint = endpoint(8080)
	if err := a.Listen(transport.TCP, u.Endpoint); err != nil {
		t.Fatal(err)
	}
	r := NewRequest(GET, u, nil, nil)
	k := &caller{queue: []*Request{r, r, r}, t: t, onConn: map[ConnRef]int{}, uri: u}
	if k.client, err = l.ce.NewClient("http_client", ClientConfig{Handler: k}); err != nil {
		t.Fatal(err)
	}
	defer k.client.Close()
	if err := k.client.OpenFrom(u, 0); err != nil {
		t.Fatal(err)
	}
	l.w.RunFor(second, nil)
	if len(k.bodies) != 3 || len(k.onConn) != 3 {
		t.Errorf("%d answers on %d connections", len(k.bodies), len(k.onConn))
	}
	for _, b := range k.bodies {
		if string(b) != "hello" {
			t.Errorf("%q", b)
		}
	}
}

// pauser takes content only when it is told to.
type pauser struct {
	NopClient
	ref  ConnRef
	r    *Request
	got  int
	done bool
}

func (p *pauser) OnOpen(x *Call) {
	p.ref = x.Ref()
	_ = x.Send(p.r)
}

func (p *pauser) OnBody(x *Call, piece []byte) {
	p.got += len(piece)
	x.Pause()
}
func (p *pauser) OnDone(*Call, int64) { p.done = true }

// TestClientPauses: content that is not wanted yet stays where it is, with the server.
func TestClientPauses(t *testing.T) {
	for _, path := range []string{"/mem/200000", "/chunked/200000"} {
		l := newLab(t, labOptions{fifo: 16 << 10})
		p := &pauser{r: NewRequest(GET, l.uri(path), nil, nil)}
		k, err := l.ce.NewClient("pauser", ClientConfig{Handler: p, RxFIFO: 16 << 10})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		if err := k.OpenFrom(l.uri(path), 0); err != nil {
			t.Fatal(err)
		}
		l.w.RunFor(5*second, nil)
		if p.got == 0 || p.got > 16<<10 || p.done {
			t.Fatalf("%s: %d bytes came without a wish", path, p.got)
		}
		for i := 0; i < 1000 && !p.done; i++ {
			x := k.Get(l.cln.Sessions.Workers()[0], p.ref)
			x.Unpause()
			l.w.RunFor(1e7, nil)
		}
		if !p.done || p.got != 200000 {
			t.Errorf("%s: %d bytes, done %v", path, p.got, p.done)
		}
	}
}

// TestClientConnects: opens that fail are told, each once.
func TestClientConnects(t *testing.T) {
	l := newLab(t, labOptions{})
	k := &caller{t: t, onConn: map[ConnRef]int{}}
	var err error
	if k.client, err = l.ce.NewClient("http_client", ClientConfig{Handler: k, ConnectTimeout: 2 * time.Second}); err != nil {
		t.Fatal(err)
	}
	u := l.uri("/")
	u.Endpoint = endpoint(81) // nobody listens
	if err := k.client.OpenFrom(u, 1); err != nil {
		t.Fatal(err)
	}
	l.w.RunFor(second, nil)
	if len(k.errs) != 1 || !errors.Is(k.errs[0], transport.ErrRefused) {
		t.Fatal(k.errs)
	}
	u.Endpoint.Addr = addrPort(simtest.Addr4(1, 99), 80) // nobody is there
	if err := k.client.OpenFrom(u, 2); err != nil {
		t.Fatal(err)
	}
	l.w.RunFor(3*second, nil)
	if len(k.errs) != 2 || k.errs[1] == nil {
		t.Fatal(k.errs)
	}
	if err := k.client.OpenFrom(u, 3); err != nil {
		t.Fatal(err)
	}
	if err := k.client.Close(); err != nil {
		t.Fatal(err)
	}
	if len(k.errs) != 3 || k.errs[2] == nil {
		t.Fatal(k.errs)
	}
}

// TestRequestTemplate looks at the bytes of requests.
func TestRequestTemplate(t *testing.T) {
	u, err := ParseURI("http://1.2.3.4:8080/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		r    *Request
		want string
	}{
		{NewRequest(GET, u, nil, nil), "GET /a?b=c HTTP/1.1|Host: 1.2.3.4:8080||"},
		{NewRequest(GET, u, []byte("A: b\r\nhost: x\r\n"), nil), "GET /a?b=c HTTP/1.1|A: b|host: x||"},
		{NewRequest(POST, u, nil, nil), "POST /a?b=c HTTP/1.1|Host: 1.2.3.4:8080|Content-Length: 0||"},
		{NewRequest(POST, u, []byte("content-length: 3\r\n"), []byte("abc")), "POST /a?b=c HTTP/1.1|Host: 1.2.3.4:8080|content-length: 3||"},
		{NewRequest(PUT, u, nil, []byte("abc")), "PUT /a?b=c HTTP/1.1|Host: 1.2.3.4:8080|Content-Length: 3||"},
		{NewRequestSource(PUT, u, nil, -1, nil), "PUT /a?b=c HTTP/1.1|Host: 1.2.3.4:8080|Transfer-Encoding: chunked||"},
	} {
		if got := strings.ReplaceAll(string(c.r.head), "\r\n", "|"); got != c.want {
			t.Errorf("%s, not %s", got, c.want)
		}
	}
}
