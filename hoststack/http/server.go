package http

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// ServerConfig is how a server is made. Zero values mean the defaults.
type ServerConfig struct {
	Name           string // value of the Server field; empty: no such field
	RxFIFO, TxFIFO uint32 // bytes
	Scope          session.Scope
}

// Server is a session application that speaks HTTP.
type Server struct {
	session.NopApp
	e      *Engine
	number uint32 // among the engine's owners
	app    *session.AppHandle
	field  []byte // Server field
	rx     int    // bytes of a head that fit in the receive FIFO

	listeners atomic.Pointer[[]*Listener] // those that ended stay: connections name them
	mu        sync.Mutex                  // of control code
	closed    bool
	open      [worker.MaxWorkers]tally // connections, by worker
}

// tally is a count of one worker.
type tally struct {
	n int
	_ [56]byte
}

// ListenConfig is what serves a listener's requests.
type ListenConfig struct {
	Handler Handler
	Limits  Limits
	Tag     any // the application's own
}

// Listener is an endpoint of a server.
type Listener struct {
	uri     URI
	handler Handler
	limits  Limits
	tag     any
	ended   atomic.Bool
}

// URI is where it listens, Handler and Tag are as given to Listen.
func (l *Listener) URI() URI         { return l.uri }
func (l *Listener) Handler() Handler { return l.handler }
func (l *Listener) Tag() any         { return l.tag }

// Limits are those in force.
func (l *Listener) Limits() Limits { return l.limits }

// errServerClosed is returned by Listen after Close.
var errServerClosed = errors.New("http server is closed")

// NewServer attaches a server under the given name of an application. Control path.
func (e *Engine) NewServer(name string, c ServerConfig) (*Server, error) {
	if err := e.layer.Enable(); err != nil {
		return nil, err
	}
	s := &Server{e: e}
	s.listeners.Store(&[]*Listener{})
	if c.Name != "" {
		s.field = AppendField(nil, "Server", c.Name)
	}
	rx := e.fifoSize(c.RxFIFO)
	s.rx = e.mostHead(rx)
	s.number = e.adopt(s)
	var err error
	s.app, err = e.layer.Attach(name, s, session.Options{Scope: c.Scope, RxFIFO: rx, TxFIFO: e.fifoSize(c.TxFIFO), Server: true})
	if err != nil {
		e.disown(s.number)
		return nil, err
	}
	return s, nil
}

// App is the server as a session application; Attached tells whether it still is one.
func (s *Server) App() *session.AppHandle { return s.app }
func (s *Server) Attached() bool          { return s.app.Attached() }

// Listen begins to serve on an endpoint. Control path.
func (s *Server) Listen(u URI, c ListenConfig) (*Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errServerClosed
	}
	l := &Listener{uri: u, handler: c.Handler, limits: c.Limits.complete(s.e.cfg.IdleTimeout), tag: c.Tag}
	l.limits.Head = min(l.limits.Head, s.rx)
	l.limits.Line = min(l.limits.Line, l.limits.Head-8)
	before := *s.listeners.Load()
	list := append(slices.Clone(before), l) // before the first connection comes
	s.listeners.Store(&list)
	if err := s.app.Listen(u.Proto, u.Endpoint); err != nil {
		l.ended.Store(true)
		return nil, err
	}
	return l, nil
}

// Unlisten ends what Listen began. Connections that were accepted go on being served.
// Control path.
func (s *Server) Unlisten(l *Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.ended.Swap(true) {
		return transport.ErrNoListener
	}
	return s.app.Unlisten(l.uri.Proto, l.uri.Endpoint)
}

// Listeners are those that have not ended.
func (s *Server) Listeners() (list []*Listener) {
	for _, l := range *s.listeners.Load() {
		if !l.ended.Load() {
			list = append(list, l)
		}
	}
	return list
}

// Connections is how many connections are open. Control path.
func (s *Server) Connections() (n int) {
	for i, sh := range s.e.shards {
		_ = sh.sw.Do(func(*worker.Worker) { n += s.open[i].n })
	}
	return n
}

// Close ends the server: its listeners stop, its connections are reset, and every Done has
// been called when it returns. Control path.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for _, l := range *s.listeners.Load() {
		l.ended.Store(true)
	}
	err := s.app.Detach()
	s.e.disown(s.number)
	return err
}

// listenerOf is where c was accepted.
func (s *Server) listenerOf(c *conn) *Listener { return (*s.listeners.Load())[c.listener] }

// findListener is the place of the listener with an endpoint, -1 when there is none.
func (s *Server) findListener(ep transport.Endpoint) int {
	for i, l := range *s.listeners.Load() {
		if l.uri.Endpoint.Addr == ep.Addr && l.uri.Endpoint.Iface == ep.Iface && !l.ended.Load() {
			return i
		}
	}
	return -1
}
