package httpd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

const (
	millisecond = int64(1e6)
	second      = int64(1e9)
)

// lab is two hosts on a wire, on virtual time: the servers are on the second.
type lab struct {
	t        testing.TB
	w        *simtest.World
	cln, srv *simtest.Host
	reg      *cli.Registry
	static   *Static
	tps      *TPS
	web      *WebCLI
	log      bytes.Buffer
}

func newLab(t testing.TB, workers int) *lab {
	t.Helper()
	return newLabOver(t, workers, sim.Link{Delay: millisecond / 10})
}

// newLabOver has a link of its own.
func newLabOver(t testing.TB, workers int, link sim.Link) *lab {
	t.Helper()
	l := &lab{t: t, w: simtest.NewWorld(1)}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	l.cln, err = l.w.NewHost("client", simtest.Options{})
	must(err)
	l.srv, err = l.w.NewHost("server", simtest.Options{Workers: workers})
	must(err)
	_, err = l.w.Connect(l.cln, l.srv, [2]sim.Link{link, link}, simtest.WireOptions{})
	must(err)
	engine, err := http.New(l.srv.Sessions, http.Config{Wall: func() time.Time { return time.Unix(1795500000, 0) }})
	must(err)
	l.reg = cli.NewRegistry()
	c := Config{Engine: engine, Sessions: l.srv.Sessions, Registry: l.reg, Facts: Facts{
		Version: func() (string, string) { return "1.2", "2026-11-24T00:00:00" },
		Interfaces: func() ([]Interface, error) {
			return []Interface{{"local0", nil}, {"tap0", []Counter{{"rx_packets", 7}, {"tx_bytes", 512}}}}, nil
		}}, Log: slog.New(slog.NewTextHandler(&l.log, nil))}
	l.static, l.tps, l.web = NewStatic(c), NewTPS(c), NewWebCLI(c)
	must(l.reg.Add(l.static.commands()...))
	must(l.reg.Add(l.tps.commands()...))
	must(l.reg.Add(l.web.commands()...))
	must(l.reg.Add(worker.VersionCommand(worker.Build{Program: "vpphost", Version: "1.2", Date: "2026-11-24T00:00:00"})))
	must(l.reg.Add(session.Commands(l.srv.Sessions)...))
	t.Cleanup(func() {
		_, _, _ = l.static.stop(), l.tps.stop(), l.web.stop()
		l.w.RunFor(second, nil)
		engine.Close()
		if err := l.w.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// run types a line that must succeed.
func (l *lab) run(line string) string {
	l.t.Helper()
	out, err := l.try(line)
	if err != nil {
		l.t.Fatalf("%s: %v", line, err)
	}
	return out
}

func (l *lab) try(line string) (string, error) {
	var b strings.Builder
	err := l.reg.Exec(context.Background(), line, &b, cli.Options{})
	return b.String(), err
}

// www makes a root with the given files, NAME CONTENT by turns.
func (l *lab) www(files ...string) string {
	l.t.Helper()
	dir := l.t.TempDir()
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, files[i])
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(files[i+1]), 0o644)); err != nil {
			l.t.Fatal(err)
		}
	}
	return dir
}

// settle waits for the goroutines that work for the servers, but for those that wait for
// the world.
func (l *lab) settle() {
	waited := false
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Microsecond) {
		busy, streams := int64(0), false
		if r := l.static.run; r != nil {
			busy += r.desk.pending.Load()
			r.streams.Range(func(any, any) bool { streams = true; return false })
		}
		if r := l.web.run; r != nil {
			busy += r.desk.pending.Load()
		}
		if busy == 0 || streams {
			if streams {
				time.Sleep(20 * time.Microsecond)
			}
			if waited || streams { // no long time passes before the workers see what was posted to them
				l.w.At(l.w.Now()+millisecond/10, func() {})
			}
			return
		}
		waited = true
	}
	l.t.Fatal("a goroutine does not end")
}

// browser is a connection of the client.
type browser struct {
	session.NopApp
	l                  *lab
	app                *session.AppHandle
	send               []byte
	sent               int
	got                []byte
	discard            bool // count only
	count              int64
	handle             session.Handle
	open, closed, gone bool
	err                error
}

func (b *browser) Connected(w *session.Worker, s *session.Session, _ uint64, err error) {
	if b.err = err; err != nil {
		b.gone = true
		return
	}
	b.handle, b.open = w.Handle(s), true
	b.Writable(w, s)
}

func (b *browser) Writable(w *session.Worker, s *session.Session) {
	b.sent += w.Tx(s).Write(b.send[b.sent:])
	w.Send(s)
	w.WantWritable(s, b.sent < len(b.send))
}

func (b *browser) Readable(w *session.Worker, s *session.Session) {
	rx := w.Rx(s)
	for rx.Len() > 0 {
		p := rx.PeekAt(0, rx.Len())
		b.count += int64(len(p))
		if !b.discard {
			b.got = append(b.got, p...)
		}
		rx.Drop(len(p))
	}
	w.Dropped(s)
}

func (b *browser) Closed(w *session.Worker, s *session.Session) {
	b.Readable(w, s)
	b.closed = true
	w.Close(s)
}

func (b *browser) Gone(_ *session.Worker, _ *session.Session, why error) { b.gone, b.err = true, why }

// connect opens a connection.
func (l *lab) connect(addr string, send string) *browser {
	l.t.Helper()
	b := &browser{l: l, send: []byte(send)}
	var err error
	if b.app, err = l.cln.Attach("browser", b); err != nil {
		l.t.Fatal(err)
	}
	if err := b.app.Connect(transport.TCP, transport.Endpoint{Addr: netip.MustParseAddrPort(addr)}, 0); err != nil {
		l.t.Fatal(err)
	}
	return b
}

// ask sends more on an open connection.
func (b *browser) ask(text string) {
	b.l.t.Helper()
	w := b.l.cln.Sessions.Workers()[b.handle.Worker]
	s := w.Get(b.handle)
	if s == nil {
		b.l.t.Fatalf("the connection is gone: %v", b.err)
	}
	b.send = append(b.send, text...)
	b.Writable(w, s)
}

// until lets time pass until done, or for a long time.
func (l *lab) until(done func() bool) bool {
	return l.w.RunFor(900*second, func() bool { l.settle(); return done() })
}

const server = "10.0.1.2:80"

// raw sends bytes on a connection of its own and returns all that comes until its end.
func (l *lab) raw(addr, text string) string {
	l.t.Helper()
	b := l.connect(addr, text)
	if !l.until(func() bool { return b.closed || b.gone }) {
		l.t.Fatalf("no end of the answer to %q: %.300q", text, b.got)
	}
	_ = b.app.Detach()
	return string(b.got)
}

// request sends one request with the given header lines and parses the answer.
func (l *lab) request(method, target string, lines ...string) *answer {
	l.t.Helper()
	return l.requestAt(server, method, target, lines...)
}

func (l *lab) requestAt(addr, method, target string, lines ...string) *answer {
	l.t.Helper()
	text := method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	body := ""
	for _, h := range lines {
		if b, ok := strings.CutPrefix(h, "body:"); ok {
			body = b
			text += fmt.Sprintf("Content-Length: %d\r\n", len(b))
			continue
		}
		text += h + "\r\n"
	}
	got := l.raw(addr, text+"\r\n"+body)
	return l.parse(got, method)
}

// answer is a parsed response.
type answer struct {
	status int
	header nethttp.Header
	body   string
	length int64
}

func (l *lab) parse(got, method string) *answer {
	l.t.Helper()
	resp, err := nethttp.ReadResponse(bufio.NewReader(strings.NewReader(got)), &nethttp.Request{Method: method})
	if err != nil {
		l.t.Fatalf("%v in %.300q", err, got)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatalf("%v in %.300q", err, got)
	}
	return &answer{resp.StatusCode, resp.Header, string(body), resp.ContentLength}
}

// keep sends a request on an open connection and waits for n bytes of answer.
func (b *browser) keep(text string, n int) string {
	b.l.t.Helper()
	b.got = b.got[:0]
	b.ask(text)
	if !b.l.until(func() bool { return len(b.got) >= n || b.gone }) || b.gone {
		b.l.t.Fatalf("no answer to %q: %.300q, %v", text, b.got, b.err)
	}
	return string(bytes.Clone(b.got))
}
