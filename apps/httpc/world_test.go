package httpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

const millisecond = int64(1e6)

// lab is two hosts on a wire, on virtual time: a client, and on the second host a server
// of the engine and one that plays a script.
type lab struct {
	t        *testing.T
	w        *simtest.World
	cln, srv *simtest.Host
	client   *Client
	pages    *pages
	server   *http.Server
	threads  bool
}

func newLab(t *testing.T, o simtest.Options) *lab {
	t.Helper()
	l := &lab{t: t, w: simtest.NewWorld(1)}
	l.build(o)
	t.Cleanup(l.close)
	return l
}

func (l *lab) must(err error) {
	if err != nil {
		l.t.Helper()
		l.t.Fatal(err)
	}
}

func (l *lab) build(o simtest.Options) {
	l.t.Helper()
	var err error
	l.cln, err = l.w.NewHost("client", o)
	l.must(err)
	l.srv, err = l.w.NewHost("server", o)
	l.must(err)
	link := sim.Link{Delay: millisecond / 10}
	_, err = l.w.Connect(l.cln, l.srv, [2]sim.Link{link, link}, simtest.WireOptions{})
	l.must(err)
	ce, err := http.New(l.cln.Sessions, http.Config{})
	l.must(err)
	se, err := http.New(l.srv.Sessions, http.Config{})
	l.must(err)
	l.t.Cleanup(func() { ce.Close(); se.Close() })
	l.client = NewClient(ce, l.cln.Sessions)
	l.pages = &pages{}
	l.server, err = se.NewServer("pages", http.ServerConfig{Name: "test"})
	l.must(err)
	u, err := http.ParseListen("http://0.0.0.0:80")
	l.must(err)
	_, err = l.server.Listen(u, http.ListenConfig{Handler: l.pages, Limits: http.Limits{Body: http.Unlimited}})
	l.must(err)
}

func (l *lab) close() {
	if err := l.server.Close(); err != nil {
		l.t.Error(err)
	}
	if l.threads {
		time.Sleep(300 * time.Millisecond) // the engines' timer runs out
	}
	if err := l.w.Close(); err != nil {
		l.t.Error(err)
	}
}

// uri is one of the server's.
func uri(port int, target string) string {
	return fmt.Sprintf("uri http://%v:%d%s ", simtest.Addr4(1, 2), port, target)
}

// pages is what the server has.
type pages struct {
	http.NopHandler
	requests atomic.Int64
	mu       sync.Mutex
	body     []byte // of the last request
	fields   string // its User-Agent and X-Test
}

var fast = []byte("fast")

// ServeHTTP knows /size/N, /chunked/N, /close/N, /broken/N (reset in mid-body), /status/N,
// /never, /go (with ?to), /loop, /take (a body), /fast (without allocating).
func (p *pages) ServeHTTP(x *http.Exchange) {
	p.requests.Add(1)
	if string(x.Path()) == "/fast" {
		x.Reply(200, nil, fast, nil)
		return
	}
	path := string(x.Path())
	parts := strings.Split(path[1:], "/")
	n := int64(0)
	if len(parts) > 1 {
		n, _ = strconv.ParseInt(parts[1], 10, 64)
	}
	agent, _ := x.Header("user-agent")
	test, _ := x.Header("x-test")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fields = string(agent) + " " + string(test)
	plain := []byte("Content-Type: text/plain\r\n")
	switch parts[0] {
	case "size":
		x.ReplySource(200, plain, n, &source{length: n})
	case "chunked":
		x.ReplySource(200, plain, -1, &source{length: n})
	case "close":
		x.CloseAfter()
		x.ReplySource(200, plain, n, &source{length: n})
	case "broken":
		x.ReplySource(200, plain, n, &source{length: n, broken: n / 2})
	case "status":
		x.ReplyStatus(int(n), nil)
	case "loop":
		x.ReplyStatus(302, []byte("Location: /loop\r\n"))
	case "never":
		x.Defer()
	case "go":
		to, _ := x.QueryValue("to")
		x.ReplyStatus(302, []byte("Location: "+string(to)+"\r\n"))
	case "take":
		p.body = p.body[:0]
		x.WantBody()
	default:
		x.Reply(200, plain, []byte("hello from "+x.Method().String()), nil)
	}
}

func (p *pages) Body(x *http.Exchange, piece []byte, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body = append(p.body, piece...)
	if last {
		x.Reply(201, nil, []byte(fmt.Sprintf("%d bytes", len(p.body))), nil)
	}
}

// source is a body whose byte i is pattern(i); it fails at the byte broken, unless that is 0.
type source struct{ length, broken int64 }

func pattern(i int64) byte { return byte('a' + i%23) }

func (s *source) Fill(dst []byte, off int64) (int, error) {
	end := s.length
	if s.broken > 0 {
		if end = s.broken; off >= end {
			return 0, errors.New("broken")
		}
	}
	n := int(min(int64(len(dst)), end-off))
	for i := range n {
		dst[i] = pattern(off + int64(i))
	}
	if off+int64(n) == s.length {
		return n, io.EOF
	}
	return n, nil
}

func (s *source) Release() {}

// script is a server that answers whatever comes with bytes, and then does something.
type script struct {
	session.NopApp
	answers []string // in the order of requests; the last is repeated
	then    string   // after an answer: "", close, reset
	greet   string   // on accept: close, reset
	n       int
}

func (s *script) Accept(w *session.Worker, ss *session.Session) error {
	s.do(w, ss, s.greet)
	return nil
}

func (s *script) do(w *session.Worker, ss *session.Session, what string) {
	switch what {
	case "close":
		w.Close(ss)
	case "reset":
		w.Reset(ss)
	}
}

func (s *script) Readable(w *session.Worker, ss *session.Session) {
	var b [4096]byte
	n := w.Rx(ss).Read(b[:])
	w.Dropped(ss)
	if !bytes.Contains(b[:n], []byte("\r\n\r\n")) {
		return
	}
	a := s.answers[min(s.n, len(s.answers)-1)]
	s.n++
	w.Tx(ss).Write([]byte(a))
	w.Send(ss)
	s.do(w, ss, s.then)
}

func (s *script) Closed(w *session.Worker, ss *session.Session) { w.Close(ss) }

// play has the server's host play a script at a port.
func (l *lab) play(port uint16, s *script) {
	l.t.Helper()
	a, err := l.srv.Attach("script", s)
	l.must(err)
	l.must(a.Listen(transport.TCP, transport.Endpoint{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), port)}))
}

// load is a load run that the test drives by hand.
type labLoad struct {
	*lab
	*load
}

func (l *lab) load(line string) labLoad {
	l.t.Helper()
	o, err := parseClient(cli.NewInput(line))
	l.must(err)
	r, err := l.client.newLoad(o)
	l.must(err)
	return labLoad{l, r}
}

// begin opens the sessions and lets requests begin.
func (l labLoad) begin() {
	l.lab.t.Helper()
	l.w.RunFor(millisecond, nil) // workers that do not run learn the time in a Step
	if !l.opts.fresh && !l.w.RunFor(int64(l.opts.timeout), l.settled) {
		l.lab.t.Fatal("not connected")
	}
	l.must(l.start())
}

// finish ends the run and is its summary. All connections must close in order.
func (l labLoad) finish() *Summary {
	l.lab.t.Helper()
	sum := (&reporter{run: l.load}).final(false)
	l.stage.Store(uint32(phaseClosing))
	if !l.w.RunFor(5000*millisecond, l.gone) {
		l.lab.t.Error("connections are left")
	}
	l.end()
	for _, lw := range l.workers {
		if lw.opening+lw.live+lw.busy != 0 {
			l.lab.t.Errorf("left: %d opening, %d live, %d requests", lw.opening, lw.live, lw.busy)
		}
	}
	return sum
}

// all runs it from one end to the other, for at most so many ms of virtual time.
func (l *lab) all(ms int64, line string) *Summary {
	l.t.Helper()
	r := l.load(line)
	r.begin()
	if !l.w.RunFor(ms*millisecond, r.over) {
		l.t.Errorf("%s: not over after %d ms: %+v", line, ms, r.sum().done)
	}
	return r.finish()
}

func (s *Summary) String() string {
	return fmt.Sprintf("%d requests in %.6fs, %d connections, %d bytes, status %v, errors %v, retried %d, missed %d, unfinished %d, %v",
		s.Requests, s.Seconds, s.Connections, s.Bytes, s.Status, s.Errors, s.Retried, s.Missed, s.Unfinished, s.Latency)
}
