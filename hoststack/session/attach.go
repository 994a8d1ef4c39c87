package session

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/transport"
)

// Status of an application.
const (
	appRunning = iota
	appLeaving // Detach has begun: no new session
	appFailed  // a callback panicked: it is not called any more
)

// AppHandle is an attached application.
type AppHandle struct {
	l        *Layer
	name     string
	index    uint32
	app      App
	server   bool
	scope    Scope
	apart    bool         // its listeners are not reached cut-through
	sizes    [2]fifoSizes // for streams and for datagrams
	status   atomic.Uint32
	told     atomic.Bool  // that it was detached
	mourners atomic.Int32 // workers that have not reset its sessions since it failed
	listens  []*listener  // under Layer.mu

	per [worker.MaxWorkers]appSessions
}

// appSessions is an application's sessions on one worker, which alone touches it.
type appSessions struct {
	first uint32
	n     uint32
	_     [56]byte
}

// Name is the name that the application attached with; Index its number.
func (a *AppHandle) Name() string  { return a.name }
func (a *AppHandle) Index() uint32 { return a.index }

// Attached tells whether a is still attached. "session disable", or a panic of its own,
// detaches an application that has not asked for it.
func (a *AppHandle) Attached() bool {
	return a.status.Load() == appRunning && (*a.l.apps.Load())[a.index] == a
}

// Attach registers an application.
func (l *Layer) Attach(name string, app App, o Options) (*AppHandle, error) {
	if !l.enabled.Load() {
		return nil, ErrNotEnabled
	}
	if o.Scope == 0 {
		o.Scope = GlobalScope
	}
	a := &AppHandle{l: l, name: name, app: app, server: o.Server, scope: o.Scope, apart: o.NoCutThrough}
	a.sizes = [2]fifoSizes{sizesOf(&o, DefaultFIFO), sizesOf(&o, DefaultDatagramFIFO)}
	a.mourners.Store(int32(len(l.workers)))
	l.mu.Lock()
	defer l.mu.Unlock()
	apps := *l.apps.Load()
	i := 1
	for i < len(apps) && apps[i] != nil {
		i++
	}
	a.index = uint32(i)
	l.setApp(a.index, a)
	return a, nil
}

// fifoSizes are the sizes of a session's FIFOs, in bytes.
type fifoSizes struct {
	rx, tx uint32
	most   uint32 // the receive FIFO of a spliced session grows to it
	growAt uint32 // percent of it that are full when it does
}

func sizesOf(o *Options, otherwise uint32) fifoSizes {
	z := fifoSizes{rx: fifo.ClampSize(cmp.Or(o.RxFIFO, otherwise)), tx: fifo.ClampSize(cmp.Or(o.TxFIFO, otherwise))}
	z.growing(o)
	return z
}

// sizesFor are those of a session of a service.
func (a *AppHandle) sizesFor(s transport.Service) *fifoSizes {
	if s == transport.Datagram {
		return &a.sizes[1]
	}
	return &a.sizes[0]
}

// Apps are the attached applications, by index.
func (l *Layer) Apps() (list []*AppHandle) {
	for _, a := range *l.apps.Load() {
		if a != nil && a.status.Load() != appFailed {
			list = append(list, a)
		}
	}
	return list
}

// setApp replaces one entry of the snapshot. Under l.mu.
func (l *Layer) setApp(i uint32, a *AppHandle) {
	l.apps.Store(replaced(*l.apps.Load(), i, a))
}

// replaced is a copy of list with x at i.
func replaced[T any](list []*T, i uint32, x *T) *[]*T {
	c := slices.Clone(list)
	for uint32(len(c)) <= i {
		c = append(c, nil)
	}
	c[i] = x
	return &c
}

// Connect begins an active open on one of the workers, in turn. Connected follows
// there, with opaque, unless an error is returned. Control path.
func (a *AppHandle) Connect(p transport.Proto, ep transport.Endpoint, opaque uint64) error {
	w := a.l.workers[int(a.l.next.Add(1)-1)%len(a.l.workers)]
	var cerr error
	if err := w.Do(func(*worker.Worker) { cerr = w.Connect(a, p, ep, opaque) }); err != nil {
		return err
	}
	return cerr
}

// Detach ends the application: its listeners stop, its sessions are reset and
// their Gone has been called when Detach returns. Control path.
func (a *AppHandle) Detach() error {
	err := a.detach()
	if !a.Attached() {
		a.bereaved()
	}
	return err
}

func (a *AppHandle) detach() error {
	l := a.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if (*l.apps.Load())[a.index] != a {
		return nil
	}
	if !a.status.CompareAndSwap(appRunning, appLeaving) {
		return nil // failed: the workers are at it
	}
	var errs []error
	for _, ln := range a.listens {
		errs = append(errs, l.stop(ln))
	}
	a.listens = nil
	for _, w := range l.workers {
		for more, tell := true, true; more; {
			err := w.Do(func(*worker.Worker) { more = w.abandonSome(a, abandonStep, tell) })
			if errors.Is(err, worker.ErrStopped) {
				break
			}
			if err != nil { // Gone panicked
				errs = append(errs, err)
				tell = false
			}
		}
	}
	if a.status.Load() != appFailed {
		l.setApp(a.index, nil)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("detach %s: %w", a.name, err)
	}
	return nil
}
