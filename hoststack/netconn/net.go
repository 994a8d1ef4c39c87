package netconn

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
)

// Config is how a Net is made. Zero values mean the defaults.
type Config struct {
	Name string // in "show app"; "netconn" by default
	// Options are those of the session application. FIFOs are DefaultFIFO by default;
	// of LocalScope and AllScope clients, those that find a server in this instance are
	// cut through.
	session.Options
	// Backlog bounds the connections that wait for Accept, of each listener on each
	// worker: DefaultBacklog by default. What comes beyond is reset, and counted.
	Backlog int
	// Lookup finds the addresses of a host name. nil: addresses must be literal, the
	// stack has no resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
}

const (
	// DefaultFIFO is the size of the FIFOs of a connection, in bytes: more than that of
	// builtin applications, as a goroutine takes longer to come.
	DefaultFIFO = 504 << 10
	// DefaultBacklog is the bound of connections that wait to be accepted.
	DefaultBacklog = 4096
)

// Net makes connections, listeners and packet sockets of one session application. Its
// methods may be called by any goroutine, never by a worker.
type Net struct {
	layer   *session.Layer
	app     *session.AppHandle
	cfg     Config
	bridges []*bridge
	table   table

	next      atomic.Uint32 // worker of the next connection
	down      atomic.Bool   // detached
	listeners atomic.Pointer[[]*Listener]
	bound     atomic.Pointer[[]*PacketConn] // of ListenPacket
	mu        sync.Mutex                    // of changes of these
	sockets   map[*PacketConn]struct{}      // all that are open
	ended     chan struct{}                 // closed when all that Detached has to do is done

	counts counters
	rings  atomic.Int64 // of connections
}

// counters are added to by all workers, once per connection at most.
type counters struct {
	accepted, dialed, overflows, goneEarly, datagramsTooLong atomic.Uint64
}

// Stats are facts about a Net.
type Stats struct {
	Conns       int    `json:"conns"`       // not closed, or closed and with a session still
	Listeners   int    `json:"listeners"`   // listening
	Sockets     int    `json:"sockets"`     // packet sockets
	Rings       int    `json:"rings"`       // connections that have written lately
	Accepted    uint64 `json:"accepted"`    // connections given to Accept's callers
	Dialed      uint64 `json:"dialed"`      // connections opened by Dial
	BacklogFull uint64 `json:"backlogFull"` // reset because too many waited for Accept
	GoneEarly   uint64 `json:"goneEarly"`   // ended while they waited for Accept
	TooLong     uint64 `json:"tooLong"`     // datagrams dropped that do not fit the FIFO
}

// New attaches an application to the session layer, which must be enabled.
func New(l *session.Layer, cfg Config) (*Net, error) {
	if cfg.Name == "" {
		cfg.Name = "netconn"
	}
	for _, size := range []*uint32{&cfg.RxFIFO, &cfg.TxFIFO} {
		if *size == 0 {
			*size = DefaultFIFO
		}
	}
	if cfg.Backlog <= 0 {
		cfg.Backlog = DefaultBacklog
	}
	n := &Net{layer: l, cfg: cfg, sockets: map[*PacketConn]struct{}{}, ended: make(chan struct{})}
	n.listeners.Store(&[]*Listener{})
	n.bound.Store(&[]*PacketConn{})
	for _, w := range l.Workers() {
		b := &bridge{n: n, w: w}
		if err := w.Do(func(*worker.Worker) { b.node = w.Add(worker.Events, "netconn", b) }); err != nil {
			n.removeNodes()
			return nil, fmt.Errorf("netconn: worker %d: %w", w.Index, err)
		}
		n.bridges = append(n.bridges, b)
	}
	var err error
	if n.app, err = l.Attach(cfg.Name, (*callbacks)(n), cfg.Options); err != nil {
		n.removeNodes()
		return nil, err
	}
	go n.sweep(sweepEvery)
	return n, nil
}

// Close detaches the application: all connections are reset, all calls end with
// net.ErrClosed. It must be called before session.Layer.Close, as for every application;
// "session disable" comes to the same.
func (n *Net) Close() error {
	err := n.app.Detach()
	<-n.ended
	return err
}

// App is the session application.
func (n *Net) App() *session.AppHandle { return n.app }

// Stats counts.
func (n *Net) Stats() Stats {
	n.mu.Lock()
	sockets := len(n.sockets)
	n.mu.Unlock()
	return Stats{
		Conns: n.table.live(), Listeners: len(*n.listeners.Load()), Sockets: sockets, Rings: int(n.rings.Load()),
		Accepted: n.counts.accepted.Load(), Dialed: n.counts.dialed.Load(),
		BacklogFull: n.counts.overflows.Load(), GoneEarly: n.counts.goneEarly.Load(),
		TooLong: n.counts.datagramsTooLong.Load(),
	}
}

// detached ends everything: the session layer has let go of the application, and calls
// nobody any more.
func (n *Net) detached() {
	n.mu.Lock()
	n.down.Store(true)
	listeners := *n.listeners.Load()
	n.listeners.Store(&[]*Listener{})
	sockets := n.sockets
	n.sockets = map[*PacketConn]struct{}{}
	n.mu.Unlock()
	for _, l := range listeners {
		l.shut()
	}
	for p := range sockets {
		p.shut()
	}
	entries := n.table.all()
	for _, e := range entries {
		if e.conn != nil {
			e.conn.shut()
		}
	}
	// Who was reading has left the FIFOs; now they can go.
	n.removeNodes()
	for _, b := range n.bridges {
		err := b.w.Do(func(*worker.Worker) { b.leave(entries) })
		if errors.Is(err, worker.ErrStopped) {
			b.leave(entries) // by us: nobody else touches what was the worker's
		}
	}
	for _, e := range entries {
		n.table.remove(e)
	}
	close(n.ended)
}

func (n *Net) removeNodes() {
	for _, b := range n.bridges {
		if b.node != nil {
			_ = b.w.Do(func(*worker.Worker) { b.w.Remove(b.node) })
		}
	}
}

// bridge picks the worker of a new connection: all in turn.
func (n *Net) bridge() *bridge {
	return n.bridges[int(n.next.Add(1)-1)%len(n.bridges)]
}
