package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/transport"
)

// listener is an endpoint on which an application accepts sessions, on all workers.
// In "show session" it is a session of worker 0.
type listener struct {
	id      uint32 // place in Layer.listeners, and above placeBits a serial number
	app     *AppHandle
	proto   transport.Proto
	ep      transport.Endpoint
	session Handle

	connectionless bool // see datagram.Options
}

// placeBits of a listener's id are its place. The rest differs from that of the place's
// last listener: half-open connections and sessions know their listener by its id, and
// outlive it.
const (
	placeBits = 16
	placeMask = 1<<placeBits - 1
)

// listener finds one by its id; nil when there is none. Any worker.
func (l *Layer) listener(id uint32) *listener {
	if list := *l.listeners.Load(); id&placeMask < uint32(len(list)) {
		if ln := list[id&placeMask]; ln != nil && ln.id == id {
			return ln
		}
	}
	return nil
}

// newListenerID is an id for a place that is free. Under l.mu.
func (l *Layer) newListenerID() uint32 {
	list := *l.listeners.Load()
	place := 1
	for place < len(list) && list[place] != nil {
		place++
	}
	id := l.serial<<placeBits | uint32(place)
	l.serial++
	return id
}

// setListener replaces one entry of the snapshot. Under l.mu.
func (l *Layer) setListener(id uint32, ln *listener) {
	if old := l.listener(id); old != nil && ln == nil {
		w := l.workers[0]
		h := old.session
		w.Post(func(*worker.Worker) { w.releaseListener(h) })
	}
	l.listeners.Store(replaced(*l.listeners.Load(), id&placeMask, ln))
}

// releaseListener frees the session that stood for a listener, unless its application
// took it along.
func (w *Worker) releaseListener(h Handle) {
	if w.pool.Valid(h.Index) && w.pool.Gen(h.Index) == h.Gen {
		if s := w.pool.At(h.Index); s.flags&fDead == 0 && s.state == Listening {
			w.release(s)
		}
	}
}

// Listen begins to accept sessions on an endpoint, on all workers. An unspecified
// address is a wildcard of its IP version. Control path.
func (a *AppHandle) Listen(p transport.Proto, ep transport.Endpoint) error {
	l := a.l
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.enabled.Load():
		return ErrNotEnabled
	case !a.Attached():
		return ErrNotAttached
	}
	if _, err := l.transport(p); err != nil {
		return err
	}
	id := l.newListenerID()
	ln := &listener{id: id, app: a, proto: p, ep: ep}
	if o, err := datagram.OptionsOf(ep.Ext); err == nil {
		ln.connectionless = o.Connectionless
	}
	w := l.workers[0]
	err := w.Do(func(*worker.Worker) {
		s := w.alloc(a, Listening)
		if s != nil {
			s.listener = id
			if s.conn.Proto = p; a.scope == LocalScope {
				s.conn.Proto = transport.CT
			}
			ln.session = w.Handle(s)
		}
	})
	if err == nil && ln.session == (Handle{}) {
		err = transport.ErrNoMemory
	}
	if err != nil {
		return err
	}
	l.setListener(id, ln) // before the first session can come
	if err := l.startListen(ln); err != nil {
		l.setListener(id, nil)
		return err
	}
	a.listens = append(a.listens, ln)
	return nil
}

// bindTries is how many ports Bind looks at, and firstBound the first of those that it
// chooses from: the dynamic ports (RFC 6335 section 6).
const (
	bindTries  = 1000
	firstBound = 49152
)

// Bind is Listen, with a free port when ep has none. It returns the endpoint that Unlisten
// takes. Control path.
func (a *AppHandle) Bind(p transport.Proto, ep transport.Endpoint) (transport.Endpoint, error) {
	if ep.Addr.Port() != 0 {
		return ep, a.Listen(p, ep)
	}
	for range bindTries {
		ep.Addr = netip.AddrPortFrom(ep.Addr.Addr(), uint16(firstBound+rand.IntN(1<<16-firstBound)))
		if err := a.Listen(p, ep); !errors.Is(err, transport.ErrInUse) {
			return ep, err
		}
	}
	return ep, fmt.Errorf("%s %v: %w", p, ep.Addr.Addr(), transport.ErrNoPort)
}

// Unlisten ends what Listen began. Sessions that were accepted stay. Control path.
func (a *AppHandle) Unlisten(p transport.Proto, ep transport.Endpoint) error {
	l := a.l
	l.mu.Lock()
	defer l.mu.Unlock()
	same := func(ln *listener) bool {
		return ln != nil && ln.proto == p && ln.ep.Addr == ep.Addr && ln.ep.Iface == ep.Iface
	}
	i := slices.IndexFunc(a.listens, same)
	if i < 0 {
		if slices.ContainsFunc(*l.listeners.Load(), same) {
			return ErrNotOwner
		}
		return fmt.Errorf("%s %v: %w", p, ep.Addr, transport.ErrNoListener)
	}
	ln := a.listens[i]
	a.listens = slices.Delete(a.listens, i, i+1)
	return l.stop(ln)
}

// stop ends a listener. Under l.mu.
func (l *Layer) stop(ln *listener) error {
	err := l.stopListen(ln)
	l.setListener(ln.id, nil)
	return err
}

// inside is ep for the cut-through transport in p's place.
func inside(p transport.Proto, ep transport.Endpoint) transport.Endpoint {
	ep.Ext = p
	return ep
}

// cutThrough is the transport by which clients of local scope reach ln; nil for none.
func (l *Layer) cutThrough(ln *listener) transport.Transport {
	if ln.app.apart {
		return nil
	}
	return l.transports[transport.CT]
}

// startListen has the transports accept for ln. Clients of local scope reach every
// listener of the instance that does not keep apart; whether the network does is a matter
// of ln's scope.
func (l *Layer) startListen(ln *listener) error {
	ct := l.cutThrough(ln)
	if ct != nil {
		if err := ct.StartListen(inside(ln.proto, ln.ep), ln.id); err != nil {
			return err
		}
	}
	if ln.app.scope&GlobalScope == 0 {
		return nil
	}
	err := l.transports[ln.proto].StartListen(ln.ep, ln.id)
	if err != nil && ct != nil {
		err = errors.Join(err, ct.StopListen(inside(ln.proto, ln.ep)))
	}
	return err
}

// stopListen undoes startListen.
func (l *Layer) stopListen(ln *listener) error {
	var errs [2]error
	if ct := l.cutThrough(ln); ct != nil {
		errs[0] = ct.StopListen(inside(ln.proto, ln.ep))
	}
	if ln.app.scope&GlobalScope != 0 {
		errs[1] = l.transports[ln.proto].StopListen(ln.ep)
	}
	return errors.Join(errs[:]...)
}
