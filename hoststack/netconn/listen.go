package netconn

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// Listener is a net.Listener over the endpoints of one port.
type Listener struct {
	n       *Net
	network string
	eps     []transport.Endpoint // one, or a wildcard of each IP version
	queues  []backlog            // of each worker
	closed  atomic.Bool

	mu sync.Mutex // of the goroutine that accepts
	in waiter
	at int // worker whose turn it is
}

var _ net.Listener = (*Listener)(nil)

// backlog is the sessions of one worker that wait for Accept. The worker puts them in,
// who accepts takes them out.
type backlog struct {
	slots []pending // a power of two
	head  atomic.Uint32
	_     [60]byte
	tail  atomic.Uint32
}

// pending is one of them. It has no connection before somebody accepts it: the worker
// makes nothing on the heap.
type pending struct {
	h             session.Handle
	local, remote netip.AddrPort
}

// Listen accepts connections on an address: "tcp", "tcp4" or "tcp6". Without a host that
// is any address, of both IP versions for "tcp"; port 0 is a free port.
func (n *Net) Listen(network, address string) (net.Listener, error) {
	return n.ListenContext(context.Background(), network, address)
}

// ListenContext is Listen; ctx bounds the look-up of a name.
func (n *Net) ListenContext(ctx context.Context, network, address string) (*Listener, error) {
	p, list, err := n.resolve(ctx, network, address)
	if err == nil && p != transport.TCP {
		err = net.UnknownNetworkError(network)
	}
	if err != nil {
		return nil, opError("listen", network, nil, nil, err)
	}
	if _, _, v6, _ := protoOf(network); len(list) > 1 && (!list[0].Addr().IsUnspecified() || !v6) {
		list = list[:1] // as package net does with names
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for try := 0; ; try++ {
		if n.down.Load() {
			return nil, opError("listen", network, nil, tcpAddr(list[0]), net.ErrClosed)
		}
		l := n.newListener(network, list)
		err := l.start()
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, transport.ErrInUse) || list[0].Port() != 0 || try == maxPortTries {
			return nil, opError("listen", network, nil, tcpAddr(list[len(list)-1]), &failure{"bind", err})
		}
	}
}

// newListener makes a listener for addresses of one port, or of a port that is picked. It
// never changes: workers look at it.
func (n *Net) newListener(network string, list []netip.AddrPort) *Listener {
	l := &Listener{n: n, network: network, queues: make([]backlog, len(n.bridges))}
	for i := range l.queues {
		l.queues[i].slots = make([]pending, powerOfTwo(n.cfg.Backlog))
	}
	l.in.init()
	port := list[0].Port()
	if port == 0 {
		port = dynamicPort()
	}
	for _, a := range list {
		l.eps = append(l.eps, transport.Endpoint{Addr: netip.AddrPortFrom(a.Addr(), port)})
	}
	return l
}

func powerOfTwo(n int) int {
	p := 1
	for p < n {
		p <<= 1
	}
	return p
}

// Ports that are picked when none is asked for: RFC 6335 section 6, dynamic ports.
const (
	firstDynamic = 49152
	numDynamic   = 1<<16 - firstDynamic
	maxPortTries = 1000
)

func dynamicPort() uint16 { return uint16(firstDynamic + rand.IntN(numDynamic)) }

// start has the session layer listen; all endpoints or none. Under n.mu.
func (l *Listener) start() error {
	n := l.n
	n.setListeners(append(slices.Clone(*n.listeners.Load()), l)) // before the first session can come
	for i, ep := range l.eps {
		if err := n.app.Listen(transport.TCP, ep); err != nil {
			for _, ep := range l.eps[:i] {
				err = errors.Join(err, n.app.Unlisten(transport.TCP, ep))
			}
			n.setListeners(l.others())
			return err
		}
	}
	return nil
}

func (n *Net) setListeners(list []*Listener) { n.listeners.Store(&list) }

// others are all listeners but l.
func (l *Listener) others() []*Listener {
	return slices.DeleteFunc(slices.Clone(*l.n.listeners.Load()), func(x *Listener) bool { return x == l })
}

// has tells whether a is one of l's endpoints. Any thread.
func (l *Listener) has(a netip.AddrPort) bool {
	for i := range l.eps {
		if l.eps[i].Addr == a {
			return true
		}
	}
	return false
}

// push queues a session on its worker. An error resets the peer.
func (l *Listener) push(w *session.Worker, s *session.Session) error {
	q := &l.queues[w.Index]
	tail := q.tail.Load()
	if int(tail-q.head.Load()) >= l.n.cfg.Backlog {
		l.n.counts.overflows.Add(1)
		return transport.ErrAppRefused
	}
	p := &q.slots[tail&uint32(len(q.slots)-1)]
	p.h = w.Handle(s)
	p.local, p.remote = w.Addrs(s)
	q.tail.Store(tail + 1)
	l.in.notify(w.Worker)
	return nil
}

// pop takes the next session, of the workers in turn.
func (l *Listener) pop() (p pending, worker int, ok bool) {
	for range l.queues {
		i := l.at
		q := &l.queues[i]
		if l.at++; l.at == len(l.queues) {
			l.at = 0
		}
		if head := q.head.Load(); head != q.tail.Load() {
			p = q.slots[head&uint32(len(q.slots)-1)]
			q.head.Store(head + 1)
			return p, i, true
		}
	}
	return p, 0, false
}

// Accept waits for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.AcceptConn()
	if err != nil {
		return nil, err // not a *Conn that is nil
	}
	return c, nil
}

// AcceptConn is Accept, by its own type.
func (l *Listener) AcceptConn() (*Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for armed := false; ; {
		switch {
		case l.closed.Load():
			return nil, opError("accept", l.network, nil, l.Addr(), net.ErrClosed)
		case l.in.expired.Load():
			return nil, opError("accept", l.network, nil, l.Addr(), errDeadline)
		}
		if p, i, ok := l.pop(); ok {
			c, err := l.n.newConn(l.n.bridges[i], transport.TCP)
			if err != nil {
				l.refuse(i, p.h)
				return nil, opError("accept", l.network, nil, l.Addr(), err)
			}
			c.localAddr, c.remoteAddr = p.local, p.remote
			c.far.h = p.h
			c.status.Store(statusOpen)
			c.ask(wantBind)
			l.n.counts.accepted.Add(1)
			return c, nil
		}
		if !armed {
			l.in.arm()
			armed = true
			continue
		}
		<-l.in.note.C
		armed = false
	}
}

// refuse resets a session that nobody gets.
func (l *Listener) refuse(i int, h session.Handle) {
	w := l.n.bridges[i].w
	w.Post(func(*worker.Worker) {
		if s := w.Get(h); s != nil {
			w.Reset(s)
		}
	})
}

// Addr is where l listens; [::]:port when that is everywhere.
func (l *Listener) Addr() net.Addr { return tcpAddr(l.eps[len(l.eps)-1].Addr) }

// SetDeadline sets when Accept ends with os.ErrDeadlineExceeded.
func (l *Listener) SetDeadline(t time.Time) error {
	if l.closed.Load() {
		return opError("set", l.network, nil, l.Addr(), net.ErrClosed)
	}
	l.in.setDeadline(t)
	return nil
}

// Close stops listening. Connections that were accepted live on; those that wait for
// Accept are reset.
func (l *Listener) Close() error {
	if l.closed.Swap(true) {
		return opError("close", l.network, nil, l.Addr(), net.ErrClosed)
	}
	l.in.wake()
	l.in.end()
	n := l.n
	n.mu.Lock()
	if n.down.Load() {
		n.mu.Unlock()
		return nil
	}
	var errs []error
	for _, ep := range l.eps {
		errs = append(errs, n.app.Unlisten(transport.TCP, ep))
	}
	n.setListeners(l.others())
	n.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, b := range n.bridges {
		// After this Step the worker puts nothing in any more.
		err := b.w.Do(func(*worker.Worker) {
			q := &l.queues[i]
			for head := q.head.Load(); head != q.tail.Load(); head++ {
				if s := b.w.Get(q.slots[head&uint32(len(q.slots)-1)].h); s != nil {
					b.w.Reset(s)
				}
				q.head.Store(head + 1)
			}
		})
		if !errors.Is(err, worker.ErrStopped) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return opError("close", l.network, nil, l.Addr(), err)
	}
	return nil
}

// shut ends l when the Net has ended.
func (l *Listener) shut() {
	l.closed.Store(true)
	l.in.wake()
	l.in.end()
}
