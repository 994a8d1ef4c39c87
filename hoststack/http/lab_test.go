package http

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	stdhttp "net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

const second = int64(1e9)

// lab is two instances on a wire, on virtual time: a server on the first, and raw peers
// that talk to it cut-through, or from the second over the wire.
type lab struct {
	t        testing.TB
	w        *simtest.World
	srv, cln *simtest.Host
	e, ce    *Engine
	server   *Server
	handler  *testHandler
	peers    *peers
	near     *session.AppHandle
	far      *session.AppHandle
}

type labOptions struct {
	link   sim.Link
	limits Limits
	fifo   uint32
	host   simtest.Options
}

func newLab(t testing.TB, o labOptions) *lab {
	t.Helper()
	l := &lab{t: t, w: simtest.NewWorld(1), handler: &testHandler{}}
	l.peers = &peers{l: l}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	l.srv, err = l.w.NewHost("server", o.host)
	must(err)
	l.cln, err = l.w.NewHost("client", o.host)
	must(err)
	if o.link.Delay == 0 {
		o.link.Delay = 1e5
	}
	_, err = l.w.Connect(l.srv, l.cln, [2]sim.Link{o.link, o.link}, simtest.WireOptions{})
	must(err)
	wall := func() time.Time { return time.Unix(784111777, 0).Add(time.Duration(l.w.Now())) }
	l.e, err = New(l.srv.Sessions, Config{Conns: 1 << 16, Wall: wall})
	must(err)
	l.ce, err = New(l.cln.Sessions, Config{Conns: 1 << 16, Wall: wall})
	must(err)
	l.server, err = l.e.NewServer("http_test", ServerConfig{Name: "test", RxFIFO: o.fifo, TxFIFO: o.fifo, Scope: session.AllScope})
	must(err)
	u, err := ParseListen("http://0.0.0.0:80")
	must(err)
	_, err = l.server.Listen(u, ListenConfig{Handler: l.handler, Limits: o.limits, Tag: "tag"})
	must(err)
	l.near, err = l.srv.Sessions.Attach("near", l.peers, session.Options{Scope: session.LocalScope})
	must(err)
	l.far, err = l.cln.Sessions.Attach("far", l.peers, session.Options{RxFIFO: o.fifo, TxFIFO: o.fifo})
	must(err)
	t.Cleanup(l.close)
	return l
}

// close ends everything and makes sure that nothing is left.
func (l *lab) close() {
	_ = l.near.Detach()
	_ = l.far.Detach()
	l.w.RunFor(200*second, nil)
	if err := l.server.Close(); err != nil {
		l.t.Error(err)
	}
	l.w.RunFor(second, nil)
	for _, e := range []*Engine{l.e, l.ce} {
		for _, sh := range e.shards {
			if sh.conns.Used() != 0 || sh.linked != 0 {
				l.t.Errorf("%d connections are left, %d with a deadline", sh.conns.Used(), sh.linked)
			}
			free := 0
			for i := sh.transfers.free; i != 0; i = sh.list[i].next {
				free++
			}
			if free != len(sh.list)-1 {
				l.t.Errorf("%d of %d transfers are left", len(sh.list)-1-free, len(sh.list)-1)
			}
		}
		e.Close()
	}
	if n := l.handler.open; n != 0 {
		l.t.Errorf("%d exchanges are not done", n)
	}
	if n := l.handler.held; n != 0 {
		l.t.Errorf("%d bodies are not released", n)
	}
	if err := l.w.Close(); err != nil {
		l.t.Error(err)
	}
}

// settle runs until nothing happens at the present time.
func (l *lab) settle() { l.w.RunFor(0, nil) }

// testHandler serves what the path says.
type testHandler struct {
	open     int // exchanges under way
	held     int // bodies in memory that were not released
	done     []error
	bodies   [][]byte
	tokens   []Token
	requests []string
}

func (h *testHandler) Release() { h.held-- }

func (h *testHandler) ServeHTTP(x *Exchange) {
	h.open++
	h.requests = append(h.requests, x.Method().String()+" "+string(x.Path()))
	word, arg, _ := strings.Cut(strings.TrimPrefix(string(x.Path()), "/"), "/")
	n, _ := strconv.Atoi(arg)
	switch word {
	case "":
		x.Reply(200, []byte("Content-Type: text/plain\r\n"), []byte("hello\n"), nil)
	case "mem":
		h.held++
		x.Reply(200, nil, pattern(n), h)
	case "size":
		h.held++
		x.ReplySource(200, nil, int64(n), &testSource{h: h, n: n})
	case "chunked":
		h.held++
		x.ReplySource(200, nil, -1, &testSource{h: h, n: n})
	case "short": // promises more than it has
		h.held++
		x.ReplySource(200, nil, int64(n)+1, &testSource{h: h, n: n})
	case "wait":
		h.held++
		h.tokens = append(h.tokens, x.Defer())
		x.ReplySource(200, nil, int64(n), &testSource{h: h, n: n, wait: n / 2})
	case "status":
		x.ReplyStatus(n, nil)
	case "header":
		x.Reply(200, bytes.Repeat([]byte("X: 0123456789\r\n"), n), []byte("hello\n"), nil)
	case "close":
		x.CloseAfter()
		x.Reply(200, nil, []byte("bye\n"), nil)
	case "later":
		h.tokens = append(h.tokens, x.Defer())
	case "echo", "sink":
		h.bodies = append(h.bodies, nil)
		x.SetOpaque(uint64(len(h.bodies)))
		x.WantBody()
		if x.ContentLength() == 0 {
			x.Reply(200, nil, nil, nil)
		}
	case "forget":
	case "panic":
		panic("asked for")
	default:
		x.ReplyStatus(404, nil)
	}
}

func (h *testHandler) Body(x *Exchange, piece []byte, last bool) {
	b := &h.bodies[x.Opaque()-1]
	*b = append(*b, piece...)
	if last {
		x.Reply(200, nil, *b, nil)
	}
}

func (h *testHandler) Done(x *Exchange, err error) {
	h.open--
	h.done = append(h.done, err)
}

// pattern is n bytes of a body.
func pattern(n int) []byte {
	b := make([]byte, n)
	fillPattern(b, 0)
	return b
}

func fillPattern(b []byte, off int64) {
	for i := range b {
		k := off + int64(i)
		b[i] = byte('a' + (k+k/26)%26)
	}
}

// testSource makes n bytes of the pattern, and waits once after wait of them.
type testSource struct {
	h       *testHandler
	n, wait int
}

func (s *testSource) Fill(dst []byte, off int64) (int, error) {
	n := min(len(dst), s.n-int(off))
	if s.wait > 0 {
		if n = min(n, s.wait-int(off)); n == 0 {
			s.wait = 0
			return 0, ErrWait
		}
	}
	fillPattern(dst[:n], off)
	if int(off)+n == s.n {
		return n, io.EOF
	}
	return n, nil
}

func (s *testSource) Release() { s.h.held-- }

// peers is a raw application: whatever a test wants sent goes out.
type peers struct {
	session.NopApp
	l    *lab
	list []*peer
}

// peer is one raw connection.
type peer struct {
	l      *lab
	w      *session.Worker
	handle session.Handle
	in     []byte
	out    []byte // waits for room
	hold   bool   // does not read
	open   bool
	closed bool // by the server
	gone   bool
	why    error
}

// dial opens a connection, cut-through or over the wire.
func (l *lab) dial(app *session.AppHandle) *peer {
	l.t.Helper()
	p := &peer{l: l}
	l.peers.list = append(l.peers.list, p)
	addr := netip.MustParseAddr("127.0.0.1")
	if app == l.far {
		addr = simtest.Addr4(1, 1)
	}
	if err := app.Connect(transport.TCP, transport.Endpoint{Addr: netip.AddrPortFrom(addr, 80)}, uint64(len(l.peers.list)-1)); err != nil {
		l.t.Fatal(err)
	}
	if !l.w.RunFor(100*second, func() bool { return p.open || p.why != nil }) || p.why != nil {
		l.t.Fatalf("not connected: %v", p.why)
	}
	return p
}

func (ps *peers) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	p := ps.list[opaque]
	if err != nil {
		p.why, p.gone = err, true
		return
	}
	p.open, p.w, p.handle = true, w, w.Handle(s)
}

func (ps *peers) Readable(w *session.Worker, s *session.Session) {
	if p := ps.list[s.Opaque]; !p.hold {
		p.read(s)
	}
}

func (p *peer) read(s *session.Session) {
	rx := p.w.Rx(s)
	b := make([]byte, rx.Len())
	rx.Read(b)
	p.in = append(p.in, b...)
	p.w.Dropped(s)
}

func (ps *peers) Writable(w *session.Worker, s *session.Session) { ps.list[s.Opaque].flush(s) }

func (p *peer) flush(s *session.Session) {
	n := p.w.Tx(s).Write(p.out)
	p.out = p.out[n:]
	p.w.Send(s)
	p.w.WantWritable(s, len(p.out) > 0)
}

func (ps *peers) Closed(_ *session.Worker, s *session.Session) { ps.list[s.Opaque].closed = true }

func (ps *peers) Gone(_ *session.Worker, s *session.Session, why error) {
	p := ps.list[s.Opaque]
	p.gone, p.why, p.closed = true, why, true
}

// send queues bytes; nothing happens before time passes.
func (p *peer) send(b string) {
	if s := p.w.Get(p.handle); s != nil {
		p.out = append(p.out, b...)
		p.flush(s)
	}
}

// release has a peer read that did not.
func (p *peer) release() {
	p.hold = false
	if s := p.w.Get(p.handle); s != nil {
		p.read(s)
	}
}

// end closes our direction.
func (p *peer) end() {
	if s := p.w.Get(p.handle); s != nil {
		p.w.HalfClose(s)
	}
}

// reset aborts.
func (p *peer) reset() {
	if s := p.w.Get(p.handle); s != nil {
		p.w.Reset(s)
	}
}

// shut closes both directions.
func (p *peer) shut() {
	if s := p.w.Get(p.handle); s != nil {
		p.w.Close(s)
	}
}

// answer is one response as net/http reads it.
type answer struct {
	status int
	header stdhttp.Header
	body   []byte
	close  bool
}

// answers reads what has come so far as responses to requests with the given methods, GET
// when there are fewer of them. What is left over is an error.
func (p *peer) answers(methods ...string) ([]answer, error) {
	r := bufio.NewReader(bytes.NewReader(p.in))
	var list []answer
	for {
		if _, err := r.Peek(1); err == io.EOF {
			return list, nil
		}
		method := "GET"
		if len(list) < len(methods) {
			method = methods[len(list)]
		}
		x, err := stdhttp.ReadResponse(r, &stdhttp.Request{Method: method})
		if err != nil {
			return list, fmt.Errorf("%w in %.200q", err, p.in)
		}
		if x.StatusCode == 100 {
			continue
		}
		body, err := io.ReadAll(x.Body)
		if err != nil {
			return list, fmt.Errorf("%w in a body", err)
		}
		list = append(list, answer{x.StatusCode, x.Header, body, x.Close})
	}
}

// ask sends text over a new connection, in pieces of at most step bytes, and gives what is
// answered.
func (l *lab) ask(text string, step int, methods ...string) ([]answer, *peer) {
	l.t.Helper()
	p := l.dial(l.near)
	for len(text) > 0 {
		n := min(step, len(text))
		p.send(text[:n])
		text = text[n:]
		l.settle()
	}
	list, err := p.answers(methods...)
	if err != nil {
		l.t.Errorf("%.60q: %v", text, err)
	}
	return list, p
}

// addr is where the server listens, as the second instance sees it.
func (l *lab) addr() netip.AddrPort { return addrPort(simtest.Addr4(1, 1), 80) }

func addrPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// endpoint is another port of the first instance.
func endpoint(port uint16) transport.Endpoint {
	return transport.Endpoint{Addr: addrPort(simtest.Addr4(1, 1), port)}
}
