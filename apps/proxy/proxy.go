package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"vpphost/cli"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// Names of the two applications of a route: VPP's.
const (
	downName = "proxy-server"
	upName   = "proxy-active-open"
)

// Proxy is the proxy of an instance: its routes.
type Proxy struct {
	layer *session.Layer
	local func(*worker.Worker, netip.Addr) bool
	conf  []Options

	routes atomic.Pointer[[]*route] // by number; nil: none. Workers read it

	mu     sync.Mutex // guards changes of routes, and what follows; control path only
	shards []*shard   // by worker; made with the first route, and never changed
}

// New makes a proxy without a route. local tells whether an address is one of this
// instance's; it is asked on workers. conf is what startup.conf wants, for Configured.
func New(l *session.Layer, local func(*worker.Worker, netip.Addr) bool, conf []Options) *Proxy {
	p := &Proxy{layer: l, local: local, conf: conf}
	p.routes.Store(&[]*route{nil})
	return p
}

// route is a pair that runs.
type route struct {
	p                *Proxy
	number           uint32
	opts             Options
	servers, clients []target
	down, up         *session.AppHandle
	tallies          []tally // by worker
}

func (r *route) datagrams() bool { return r.servers[0].proto == transport.UDP }

// attached tells whether both applications of r still are: "session disable" detaches them.
func (r *route) attached() bool { return r.down.Attached() && r.up.Attached() }

// listens tells whether r accepts what is sent to t.
func (r *route) listens(t target) bool { return slices.Contains(r.servers, t) }

// route is the one with this number, nil when there is none. Any goroutine.
func (p *Proxy) route(n uint32) *route {
	if list := *p.routes.Load(); n < uint32(len(list)) {
		return list[n]
	}
	return nil
}

// running are the routes that there are.
func (p *Proxy) running() (list []*route) {
	for _, r := range *p.routes.Load() {
		if r != nil {
			list = append(list, r)
		}
	}
	return list
}

// set replaces route n. Under mu.
func (p *Proxy) set(n uint32, r *route) {
	list := slices.Clone(*p.routes.Load())
	for uint32(len(list)) <= n {
		list = append(list, nil)
	}
	list[n] = r
	p.routes.Store(&list)
}

// ours tells whether who connects to t would reach a listener of this proxy.
func (p *Proxy) ours(w *worker.Worker, t *target) bool {
	for _, r := range *p.routes.Load() {
		if r == nil {
			continue
		}
		for i := range r.servers {
			if p.reaches(w, t, &r.servers[i]) {
				return true
			}
		}
	}
	return false
}

// reaches tells whether who connects to t reaches the listener ln.
func (p *Proxy) reaches(w *worker.Worker, t, ln *target) bool {
	to, at := t.ep.Addr, ln.ep.Addr
	if t.proto != ln.proto || to.Port() != at.Port() {
		return false
	}
	if !at.Addr().IsUnspecified() {
		return to.Addr() == at.Addr()
	}
	return to.Addr().Is4() == at.Addr().Is4() && (to.Addr().IsLoopback() || p.local(w, to.Addr()))
}

// Start begins to serve all pairs of o, or, after an error, none.
func (p *Proxy) Start(o Options) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.layer.Enable(); err != nil {
		return err
	}
	if err := p.prepare(); err != nil {
		return err
	}
	p.prune()
	var done []*route
	for i := range o.Pairs {
		r, err := p.start(&o, &o.Pairs[i])
		if err != nil {
			for _, r := range done {
				err = errors.Join(err, p.end(r))
			}
			return err
		}
		done = append(done, r)
	}
	return nil
}

// prepare makes the shards.
func (p *Proxy) prepare() error {
	for len(p.shards) < len(p.layer.Workers()) {
		sh, err := newShard(p, p.layer.Workers()[len(p.shards)])
		if err != nil {
			return err
		}
		p.shards = append(p.shards, sh)
	}
	return nil
}

// start makes one route. Under mu.
func (p *Proxy) start(o *Options, pair *Pair) (*route, error) {
	all, err := pair.targets()
	if err != nil {
		return nil, err
	}
	n := len(pair.Servers)
	r := &route{p: p, opts: *o, servers: all[:n], clients: all[n:], tallies: make([]tally, len(p.shards))}
	for i := range r.tallies {
		r.tallies[i].upstreams = make([]upstream, len(r.clients))
	}
	if err := p.checkLoops(r); err != nil {
		return nil, err
	}
	list := *p.routes.Load()
	for r.number = 1; int(r.number) < len(list) && list[r.number] != nil; {
		r.number++
	}
	so := session.Options{RxFIFO: uint32(min(o.FIFO, o.MaxFIFO)), TxFIFO: uint32(min(o.FIFO, o.MaxFIFO)),
		MaxFIFO: uint32(o.MaxFIFO), GrowAt: o.High}
	if r.datagrams() {
		so.RxFIFO = max(so.RxFIFO, datagramFIFO)
		so.TxFIFO = so.RxFIFO
	}
	if r.up, err = p.layer.Attach(upName, up{r: r}, so); err != nil {
		return nil, err
	}
	so.Server, so.NoCutThrough = true, true
	if r.down, err = p.layer.Attach(downName, down{r: r}, so); err != nil {
		return nil, errors.Join(err, r.up.Detach())
	}
	p.set(r.number, r)
	for _, t := range r.servers {
		if t.proto == transport.UDP {
			t.ep.Ext = datagram.Options{Idle: -1} // the flow's own timer ends it
		}
		if err := r.down.Listen(t.proto, t.ep); err != nil {
			return nil, errors.Join(fmt.Errorf("server-uri %s: %w", t, err), p.end(r))
		}
	}
	return r, nil
}

// checkLoops refuses a route that would connect to itself, or close a circle with others.
func (p *Proxy) checkLoops(r *route) error {
	var found error
	err := p.shards[0].w.Do(func(w *worker.Worker) {
		for i := range r.clients {
			c := &r.clients[i]
			for j := range r.servers {
				if p.reaches(w, c, &r.servers[j]) {
					found = cli.Usagef("client-uri %s: the proxy would connect to its own server-uri %s", c, r.servers[j])
					return
				}
			}
			if p.ours(w, c) {
				found = cli.Usagef("client-uri %s: the proxy would connect to itself", c)
				return
			}
		}
	})
	return errors.Join(err, found)
}

// end stops a route: its listeners, and its flows, which are reset. Under mu.
func (p *Proxy) end(r *route) error {
	// In this order clients that come meanwhile are refused, and nobody connects for those
	// who are gone.
	err := errors.Join(r.down.Detach(), r.up.Detach())
	for _, sh := range p.shards {
		_ = sh.w.Do(func(*worker.Worker) { sh.drop(r) })
	}
	if p.route(r.number) == r {
		p.set(r.number, nil)
	}
	return err
}

// drop frees what is left of a route whose applications are detached: nothing, unless one of
// them has failed.
func (sh *shard) drop(r *route) {
	if r.tallies[sh.w.Index].flows == [numStates]int{} {
		return
	}
	for i := uint32(1); i < sh.flows.Fresh(); i++ {
		if sh.flows.Valid(i) && sh.flows.At(i).route == r.number {
			f := sh.flows.At(i)
			f.pending, f.client, f.server = 0, session.Handle{}, session.Handle{}
			sh.release(r, i, f)
		}
	}
}

// prune ends the routes that somebody else has detached. Under mu.
func (p *Proxy) prune() {
	for _, r := range p.running() {
		if !r.attached() {
			_ = p.end(r)
		}
	}
}

// Stop ends the route that listens on a URI, or all when it is empty.
func (p *Proxy) Stop(uri string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prune()
	list := p.running()
	if uri != "" {
		t, err := parseURI("server-uri", uri)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(r *route) bool { return r.listens(t) })
		if i < 0 {
			return fmt.Errorf("server-uri %s: %w", uri, errNotRunning)
		}
		list = list[i : i+1]
	}
	if len(list) == 0 {
		return errNotRunning
	}
	var errs []error
	for _, r := range list {
		errs = append(errs, p.end(r))
	}
	return errors.Join(errs...)
}

// Configured starts those entries of startup.conf that do not run, and tells how many there
// are.
func (p *Proxy) Configured() (entries int, err error) {
	for _, o := range p.conf {
		var idle []Pair
		for _, pair := range o.Pairs {
			all, err := pair.targets()
			if err != nil {
				return entries, err
			}
			entries++
			if !slices.ContainsFunc(p.running(), func(r *route) bool { return r.attached() && r.listens(all[0]) }) {
				idle = append(idle, pair)
			}
		}
		if o.Pairs = idle; len(idle) == 0 {
			continue
		}
		if err := p.Start(o); err != nil {
			return entries, err
		}
	}
	return entries, nil
}
