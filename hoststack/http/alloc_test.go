package http

import (
	"net/netip"
	"testing"
	"time"

	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// quiet is a handler that allocates nothing.
type quiet struct {
	NopHandler
	body   []byte
	source Source
	held   int
}

func (q *quiet) Release() { q.held-- }

func (q *quiet) ServeHTTP(x *Exchange) {
	switch p := x.Path(); {
	case len(p) > 1 && p[1] == 's':
		x.ReplySource(200, nil, 100000, q.source)
	case x.Method() == POST:
		x.WantBody()
	case len(p) > 1:
		b := append(x.Scratch(), "Content-Type: text/html\r\nX: y\r\n"...)
		q.held++
		x.Reply(200, b, q.body, q)
	default:
		x.Reply(200, nil, q.body[:64], nil)
	}
}

func (q *quiet) Body(x *Exchange, piece []byte, last bool) {
	if last {
		x.Reply(200, nil, nil, nil)
	}
}

type zeros struct{}

func (zeros) Fill(dst []byte, off int64) (int, error) {
	clear(dst)
	return min(len(dst), 100000-int(off)), nil
}
func (zeros) Release() {}

// blaster is a raw client that sends one thing again and again and throws the answers away.
type blaster struct {
	session.NopApp
	text     []byte
	rx       int
	w        *session.Worker
	h        session.Handle
	reopen   bool
	app      *session.AppHandle
	gone     int
	answered int
}

func (b *blaster) Connected(w *session.Worker, s *session.Session, _ uint64, err error) {
	if err == nil {
		b.w, b.h = w, w.Handle(s)
		if b.reopen {
			b.send()
		}
	}
}

func (b *blaster) Readable(w *session.Worker, s *session.Session) {
	rx := w.Rx(s)
	b.rx += rx.Len()
	b.answered++
	rx.Drop(rx.Len())
	w.Dropped(s)
}

func (b *blaster) Closed(w *session.Worker, s *session.Session) { w.Close(s) }

func (b *blaster) Gone(w *session.Worker, _ *session.Session, _ error) { b.gone++ }

func (b *blaster) send() {
	s := b.w.Get(b.h)
	b.w.Tx(s).Write(b.text)
	b.w.Send(s)
}

// quietLab is a lab whose server allocates nothing, and a client of it.
func quietLab(t testing.TB) (*lab, *blaster, *quiet) {
	l := newLab(t, labOptions{})
	q := &quiet{body: pattern(300000), source: zeros{}}
	u, _ := ParseListen("http://0.0.0.0:8080")
	if _, err := l.server.Listen(u, ListenConfig{Handler: q}); err != nil {
		t.Fatal(err)
	}
	b := &blaster{}
	var err error
	if b.app, err = l.srv.Sessions.Attach("blaster", b, session.Options{Scope: session.LocalScope}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.app.Detach() })
	return l, b, q
}

var loopback = transport.Endpoint{Addr: netip.MustParseAddrPort("127.0.0.1:8080")}

func (b *blaster) open(t testing.TB, l *lab) {
	w := l.srv.Sessions.Workers()[0]
	if err := w.Connect(b.app, transport.TCP, loopback, 0); err != nil {
		t.Fatal(err)
	}
}

// TestNoAllocations: neither requests nor connections allocate on the Go heap.
func TestNoAllocations(t *testing.T) {
	l, b, q := quietLab(t)
	w := l.srv.Workers[0]
	now := l.w.Now()
	step := func(n int) {
		for range n {
			now += 1000
			w.Step(now)
		}
	}
	b.open(t, l)
	step(10)
	for _, c := range []struct {
		name, text string
		size       int
	}{
		{"get", "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n", 64},
		{"path", "GET /a/%2e%2e/b?c=d HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"a\"\r\nRange: bytes=0-1\r\n\r\n", 300000},
		{"source", "GET /s HTTP/1.1\r\nHost: a\r\n\r\n", 100000},
		{"post", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 10},
		{"chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 10},
		{"not found", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 10},
	} {
		b.text = []byte(c.text)
		fn := func() {
			b.rx = 0
			b.send()
			for range 200 {
				if step(1); b.rx > c.size {
					return
				}
			}
			t.Fatalf("%s: %d bytes", c.name, b.rx)
		}
		fn()
		if n := testing.AllocsPerRun(200, fn); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
	if q.held != 0 {
		t.Errorf("%d bodies are held", q.held)
	}
	l.w.RunFor(now-l.w.Now()+second, nil)
}

// TestNoAllocationsConnection: nor do connections that come and go.
func TestNoAllocationsConnection(t *testing.T) {
	l, _, _ := quietLab(t)
	b := &blaster{text: []byte("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), reopen: true}
	app, err := l.cln.Attach("blaster", b)
	if err != nil {
		t.Fatal(err)
	}
	w := l.cln.Sessions.Workers()[0]
	u := endpoint(8080)
	fn := func() {
		gone := b.gone
		if err := w.Connect(app, transport.TCP, u, 0); err != nil {
			t.Fatal(err)
		}
		l.w.RunFor(second, func() bool { return b.gone > gone })
	}
	fn()
	if n := testing.AllocsPerRun(200, fn); n > 1 { // one is a closure of fn's own
		t.Errorf("%v allocations", n)
	}
	if b.gone < 200 {
		t.Errorf("%d connections", b.gone)
	}
}

// again is a client handler that asks for ever, on one connection or on one each.
type again struct {
	NopClient
	r     *Request
	k     *Client
	u     URI
	fresh bool
	done  int
}

func (a *again) OnOpen(c *Call) { _ = c.Send(a.r) }

func (a *again) OnDone(c *Call, _ int64) {
	a.done++
	if a.fresh {
		c.Close()
	} else {
		_ = c.Send(a.r)
	}
}

func (a *again) OnClose(c *Call, _ error) {
	if a.fresh {
		_ = a.k.Open(c.Worker(), a.u, 0)
	}
}

// client makes a client of the lab's first instance that asks its own server.
func (l *lab) again(t testing.TB, header string, fresh bool) *again {
	u, _ := ParseListen("http://127.0.0.1:8080")
	a := &again{r: NewRequest(GET, u, []byte(header), nil), u: u, fresh: fresh}
	var err error
	if a.k, err = l.e.NewClient("again", ClientConfig{Handler: a, Scope: session.LocalScope, Timeout: time.Second}); err != nil {
		t.Fatal(err)
	}
	if err := a.k.OpenFrom(u, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.k.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestNoAllocationsClient(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		l, _, _ := quietLab(t)
		a := l.again(t, "", fresh)
		now := l.w.Now()
		fn := func() {
			for n := a.done; a.done < n+10; {
				now += 1000
				l.srv.Workers[0].Step(now)
			}
		}
		fn()
		// Where both ends are here each connection costs ct one.
		if n := testing.AllocsPerRun(100, fn); n != 0 && (!fresh || n > 10) {
			t.Errorf("fresh %v: %v allocations", fresh, n)
		}
		if err := a.k.Close(); err != nil {
			t.Error(err)
		}
		l.w.RunFor(now-l.w.Now()+second, nil)
	}
}

// BenchmarkParse is the head of a plain request.
func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"wrk":  "GET /test_file_64 HTTP/1.1\r\nHost: 192.168.11.1:8080\r\n\r\n",
		"curl": "GET /index.html HTTP/1.1\r\nHost: 192.168.11.1\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
		"browser": "GET /index.html?x=y HTTP/1.1\r\nHost: 192.168.11.1\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n" +
			"Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\r\n" +
			"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n" +
			"Accept-Encoding: gzip, deflate\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			var h RequestHead
			p := []byte(text)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				if n, _, status := h.parse(p, &testLimits); n != len(p) || status != 0 {
					b.Fatal(n, status)
				}
			}
		})
	}
}

// BenchmarkServe is the server's side of a keep-alive GET of 64 bytes, without the
// transport: both ends are in one instance.
func BenchmarkServe(b *testing.B) {
	l, c, _ := quietLab(b)
	c.text = []byte("GET / HTTP/1.1\r\nHost: 192.168.11.1:8080\r\n\r\n")
	c.open(b, l)
	now := l.w.Now()
	w := l.srv.Workers[0]
	for c.w == nil {
		now += 1000
		w.Step(now)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.send()
		for c.rx = 0; c.rx == 0; {
			now += 1000
			w.Step(now)
		}
	}
	b.StopTimer()
	l.w.RunFor(now-l.w.Now()+second, nil)
}

// BenchmarkPair is our client against our server.
func BenchmarkPair(b *testing.B) {
	for name, fresh := range map[string]bool{"keep-alive": false, "fresh": true} {
		b.Run(name, func(b *testing.B) {
			l, _, _ := quietLab(b)
			a := l.again(b, "", fresh)
			now := l.w.Now()
			b.ReportAllocs()
			for b.Loop() {
				for n := a.done; a.done == n; {
					now += 1000
					l.srv.Workers[0].Step(now)
				}
			}
			b.StopTimer()
			_ = a.k.Close()
			l.w.RunFor(now-l.w.Now()+second, nil)
		})
	}
}

// BenchmarkPipeline is what a request costs when many come at once.
func BenchmarkPipeline(b *testing.B) {
	l, c, _ := quietLab(b)
	const n = 100
	for range n {
		c.text = append(c.text, "GET / HTTP/1.1\r\nHost: 192.168.11.1:8080\r\n\r\n"...)
	}
	c.open(b, l)
	now := l.w.Now()
	w := l.srv.Workers[0]
	step := func() {
		now += 1000
		w.Step(now)
	}
	for c.w == nil {
		step()
	}
	c.send()
	for range 100 {
		step()
	}
	size := c.rx
	b.ReportAllocs()
	for b.Loop() {
		c.rx = 0
		for c.send(); c.rx < size; {
			step()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/request")
	b.StopTimer()
	l.w.RunFor(now-l.w.Now()+second, nil)
}
