package httpd

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"vpphost/cli"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
)

const (
	webName       = "http_cli_server"
	defaultWebURI = "http://0.0.0.0:80"
)

var (
	errWebRunning = errors.New("test http server is already running")
	errWebOff     = errors.New("http cli server is not running")
)

// WebCLI is the "http cli server" of an instance: show commands as web pages.
type WebCLI struct {
	layer    *session.Layer
	engine   *http.Engine
	registry *cli.Registry

	mu  sync.Mutex // guards run, control path only
	run *webRun
}

// NewWebCLI makes the server, off.
func NewWebCLI(c Config) *WebCLI {
	return &WebCLI{layer: c.Sessions, engine: c.Engine, registry: c.Registry}
}

// webRun is one start of the server, and the handler of its connections.
type webRun struct {
	http.NopHandler
	places
	registry *cli.Registry
	desk     *desk
	ctx      context.Context // ends with the run
	cancel   func()
	turns    chan struct{} // who may run a command
}

const (
	// webCommands is how many commands run at a time, webTime how long one may, and
	// webOutput how much it may print.
	webCommands = 4
	webTime     = 30 * time.Second
	webOutput   = 64 << 20
)

// start begins to serve as o says.
func (s *WebCLI) start(o *webOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil && s.run.srv.Attached() {
		if o.listener == "add" {
			return s.run.add(o.uri)
		}
		return errWebRunning
	}
	if s.run != nil { // somebody has detached it
		s.run.end()
		s.run = nil
	}
	if err := s.layer.Enable(); err != nil {
		return err
	}
	srv, err := s.engine.NewServer(webName, http.ServerConfig{Name: webName, RxFIFO: o.fifo, TxFIFO: o.fifo})
	if err != nil {
		return err
	}
	r := &webRun{registry: s.registry, turns: make(chan struct{}, webCommands)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.srv, r.config = srv, http.ListenConfig{Handler: r}
	r.desk = newDesk(len(s.layer.Workers()), r.command)
	if err := r.add(o.uri); err != nil {
		r.end()
		return err
	}
	s.run = r
	return nil
}

// unlisten removes a listener.
func (s *WebCLI) unlisten(u http.URI) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil || !s.run.srv.Attached() {
		return errWebOff
	}
	return s.run.remove(u)
}

// stop ends the server. A command that it runs for a client may be waiting for s.mu.
func (s *WebCLI) stop() error {
	s.mu.Lock()
	r := s.run
	s.run = nil
	s.mu.Unlock()
	if r == nil {
		return errWebOff
	}
	attached := r.srv.Attached()
	r.end()
	if !attached {
		return errWebOff
	}
	return nil
}

func (r *webRun) end() {
	_ = r.srv.Close()
	r.cancel()
	r.desk.stop()
}

// ServeHTTP has a goroutine run the command that the path names. What it must know goes
// along: path, query and Accept, each behind a NUL.
func (r *webRun) ServeHTTP(x *http.Exchange) {
	if m := x.Method(); m != http.GET && m != http.HEAD {
		x.ReplyStatus(405, allowGet)
		return
	}
	accept, _ := x.Header("accept")
	e := errand{kind: errandCommand, token: x.Defer()}
	if !r.desk.push(x.Worker(), e, x.RawPath(), nul, x.Query(), nul, accept) {
		x.ReplyStatus(503, retryLater)
	}
}

// command answers a request with what a command prints.
func (r *webRun) command(e *errand) {
	path, rest, _ := strings.Cut(string(e.text), "\x00")
	query, accept, _ := strings.Cut(rest, "\x00")
	select {
	case r.turns <- struct{}{}:
	case <-r.ctx.Done():
		return
	}
	defer func() { <-r.turns }()
	p := r.answer(path, query, accept)
	e.token.Reply(p.status, p.header(), p.render())
}

// answer runs the command that a request names.
func (r *webRun) answer(path, query, accept string) *page {
	p := &page{status: 200, format: chooseFormat(accept), registry: r.registry}
	if q, err := url.ParseQuery(query); err != nil {
		return p.fail(400, "malformed query")
	} else if f := q.Get("format"); f != "" {
		var ok bool
		if p.format, ok = formatNamed(f); !ok {
			p.format = formatText
			return p.fail(400, "unknown format "+cli.Quote(f)+": expected text, html or json")
		}
	}
	line, status, why := lineOf(path)
	switch {
	case status != 0:
		return p.fail(status, why)
	case line == "":
		p.index()
		return p
	}
	p.line = line
	r.run(p)
	return p
}

// run runs the page's command.
func (r *webRun) run(p *page) {
	ctx, cancel := context.WithTimeout(r.ctx, webTime)
	defer cancel()
	o := cli.Options{JSON: p.format == formatJSON}
	out := &limited{left: webOutput}
	err := r.registry.Exec(ctx, p.line, out, o)
	if err != nil {
		_ = cli.WriteError(out, err, o)
	}
	p.output = out.Bytes()
	switch {
	case err == nil || errors.Is(err, cli.ErrQuit):
	case errors.Is(err, cli.ErrUsage):
		p.status = 404
	case errors.Is(err, context.DeadlineExceeded):
		p.status = 504
	default:
		p.status = 500
	}
}

var errTooLong = errors.New("the output is too long for a page")

// limited is a buffer that takes only so much.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, errTooLong
	}
	return l.Buffer.Write(b)
}

// lineOf is the command that a path names: "/show/interface/memif0%2F0" is "show interface
// memif0/0". Its first word must be show, or the beginning of it; what else a line may hold
// that is more than a command is refused. A status says what is wrong.
func lineOf(path string) (line string, status int, why string) {
	var words []string
	for word := range strings.SplitSeq(path, "/") {
		word, err := url.PathUnescape(word)
		if err != nil {
			return "", 400, "malformed percent-encoding"
		}
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	line = strings.Join(words, " ")
	for _, c := range line {
		if c < ' ' || c == 0x7f {
			return "", 400, "control characters are not allowed"
		}
	}
	first, _, _ := strings.Cut(line, " ")
	switch {
	case line == "":
		return "", 0, ""
	case !strings.HasPrefix("show", first):
		return "", 403, "only show commands can be run here, not " + cli.Quote(line)
	case strings.Contains(line, "$"): // the instance's environment is nobody's business
		return "", 403, "macros are not replaced here: " + cli.Quote(line)
	}
	return line, 0, ""
}
