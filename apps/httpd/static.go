package httpd

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"vpphost/apps/httpd/filecache"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
)

const staticName = "http_static_server"

var (
	errStaticRunning = errors.New("http static server already initialized...")
	errStaticOff     = errors.New("Static server disabled")
	errStaticNone    = errors.New("Static server not initialized")
)

// Static is the "http static server" of an instance.
type Static struct {
	layer  *session.Layer
	engine *http.Engine
	facts  Facts
	log    *slog.Logger

	mu  sync.Mutex // guards run, control path only
	run *staticRun // nil when the server is off
}

// NewStatic makes the server, off.
func NewStatic(c Config) *Static {
	return &Static{layer: c.Sessions, engine: c.Engine, facts: c.Facts, log: c.logger()}
}

// staticRun is one start of the server.
type staticRun struct {
	srv     *http.Server
	layer   *session.Layer
	facts   Facts
	log     *slog.Logger
	debug   bool
	desk    *desk
	shards  []shard // by worker
	over    atomic.Bool
	streams sync.Map // *streaming: files on their way from the disk

	mu    sync.Mutex
	sites []*site // that listen
	gone  []*site // that do not any more; their connections may
	next  int     // number of the next
}

// shard is a worker's part of a run.
type shard struct {
	serving *mem.Pool[serving] // by Exchange.Opaque
	ranges  []http.Range       // scratch
	key     []byte             // scratch
	account *worker.Account
	_       [64]byte
}

// serving is what is kept of an exchange.
type serving struct {
	e       *filecache.Entry // held; nil when it is not about a file. Not on the Go heap
	site    uint32           // number
	inUse   bool
	refused bool
	named   uint8    // bytes of name
	length  int64    // of the reply's body
	name    [96]byte // that a POST sends
}

// maxServing is how many exchanges of one worker are served at a time.
const maxServing = 1 << 20

// start begins to serve as o says.
func (s *Static) start(o *staticOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil && s.run.srv.Attached() {
		return errStaticRunning
	}
	if s.run != nil { // somebody has detached it
		s.run.end()
		s.run = nil
	}
	if err := s.layer.Enable(); err != nil {
		return err
	}
	r := &staticRun{layer: s.layer, facts: s.facts, log: s.log, debug: o.debug > 0}
	for range s.layer.Workers() {
		p, err := mem.NewPool[serving](maxServing)
		if err != nil {
			r.unmap()
			return err
		}
		r.shards = append(r.shards, shard{serving: p, ranges: make([]http.Range, 0, http.MaxRanges), key: make([]byte, 0, http.MaxHead+64)})
	}
	var err error
	r.srv, err = s.engine.NewServer(staticName, http.ServerConfig{Name: staticName, RxFIFO: o.fifo, TxFIFO: o.fifo})
	if err != nil {
		r.unmap()
		return err
	}
	r.desk = newDesk(len(r.shards), r.errand)
	for i, w := range s.layer.Workers() {
		_ = w.Do(func(w *worker.Worker) { r.shards[i].account = w.Account("http static", r.shards[i].serving.Usage) })
	}
	if o.listens() {
		if err := r.listen(&o.siteOptions); err != nil {
			r.end()
			return err
		}
	}
	s.run = r
	return nil
}

// stop ends the server.
func (s *Static) stop() error {
	s.mu.Lock()
	r := s.run
	s.run = nil
	s.mu.Unlock()
	if r == nil {
		return errStaticOff
	}
	attached := r.srv.Attached()
	r.end()
	if !attached {
		return errStaticOff
	}
	return nil
}

// running is the run, or an error.
func (s *Static) running(off error) (*staticRun, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil || !s.run.srv.Attached() {
		return nil, off
	}
	return s.run, nil
}

// end closes everything, in the order that package httpd tells.
func (r *staticRun) end() {
	_ = r.srv.Close()
	r.desk.stop()
	r.over.Store(true)
	for i, w := range r.layer.Workers() {
		// What errands have posted is done when the worker has been visited.
		_ = w.Do(func(w *worker.Worker) {
			if a := r.shards[i].account; a != nil {
				w.CloseAccount(a)
			}
		})
	}
	r.unmap()
}

func (r *staticRun) unmap() {
	for i := range r.shards {
		r.shards[i].serving.Close()
	}
	for _, s := range append(r.sites, r.gone...) {
		if s.files != nil {
			s.files.Close()
		}
	}
}

// listen adds a site.
func (r *staticRun) listen(o *siteOptions) error {
	s := &site{run: r, uri: o.uri, options: *o, maxAge: o.maxAge, handlers: o.handlers}
	if o.root != "" {
		var err error
		s.files, err = filecache.New(o.root, filecache.Options{Limit: int(o.cacheSize), Workers: len(r.shards), MaxAge: o.maxAge})
		if err != nil {
			return fmt.Errorf("www-root: %w", err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.number = r.next
	var err error
	s.listener, err = r.srv.Listen(o.uri, http.ListenConfig{Handler: s, Limits: http.Limits{
		Body: int64(o.maxBody), IdleTimeout: time.Duration(o.keepalive) * time.Second}})
	if err != nil {
		if s.files != nil {
			s.files.Close()
		}
		return fmt.Errorf("failed: listen on %v: %w", o.uri.Endpoint.Addr, err)
	}
	r.next++
	r.sites = append(r.sites, s)
	return nil
}

// unlisten removes the site that listens at an address.
func (r *staticRun) unlisten(uri http.URI) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range r.sites {
		if s.uri.Endpoint.Addr != uri.Endpoint.Addr {
			continue
		}
		if err := r.srv.Unlisten(s.listener); err != nil {
			return err
		}
		s.gone.Store(true)
		if s.files != nil {
			s.files.Clear()
		}
		r.sites = append(r.sites[:i:i], r.sites[i+1:]...)
		r.gone = append(r.gone, s)
		return nil
	}
	return fmt.Errorf("not listening on %v", uri.Endpoint.Addr)
}

// listening are the sites that listen.
func (r *staticRun) listening() []*site {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*site(nil), r.sites...)
}
