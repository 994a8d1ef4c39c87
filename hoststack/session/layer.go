package session

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

// Config is how the session layer is made. Zero values mean the defaults.
type Config struct {
	Workers  []*worker.Worker
	Stats    *stats.Set   // where errors are counted
	Sessions int          // most sessions of a worker, 2 Mi by default
	FIFOs    int          // most FIFOs with bytes in them, of a worker; 256 Ki by default
	Memory   int          // bytes of FIFO memory of a worker, reserved and used as needed; 4 GiB
	Log      *slog.Logger // where failures of applications are reported
}

// Layer is the session layer of an instance.
type Layer struct {
	cfg        Config
	workers    []*Worker
	errors     *stats.Group
	transports [transport.NumProtos]transport.Transport
	enabled    atomic.Bool
	next       atomic.Uint32 // worker of the next Connect from outside

	// Applications and listeners by number, from 1: snapshots that workers read.
	apps      atomic.Pointer[[]*AppHandle]
	listeners atomic.Pointer[[]*listener]

	mu     sync.Mutex // of control code, around changes of the above
	serial uint32     // of the next listener
	reaper *worker.Notifier
	done   chan struct{}
}

// New makes the session layer, not enabled, over workers that do not run yet.
func New(cfg Config) (*Layer, error) {
	set := func(v *int, n int) {
		if *v <= 0 {
			*v = n
		}
	}
	set(&cfg.Sessions, 1<<21)
	set(&cfg.FIFOs, 1<<18)
	set(&cfg.Memory, 4<<30)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Stats == nil {
		cfg.Stats = &stats.Set{}
	}
	l := &Layer{cfg: cfg, reaper: worker.NewNotifier(), done: make(chan struct{})}
	l.errors = cfg.Stats.New("session", len(cfg.Workers), errorTexts[:]...)
	l.apps.Store(&[]*AppHandle{nil})
	l.listeners.Store(&[]*listener{nil})
	for _, w := range cfg.Workers {
		sw, err := newWorker(l, w)
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("session: worker %d: %w", w.Index, err)
		}
		l.workers = append(l.workers, sw)
	}
	go l.reap()
	return l, nil
}

// Register adds a transport. Before workers run.
func (l *Layer) Register(t transport.Transport) { l.transports[t.Proto()] = t }

// Upper is what a transport is given to call.
func (l *Layer) Upper() transport.Upper { return &upper{l} }

// Workers are the session layer's workers, by index. Touch one only on its own
// worker (Worker.Do).
func (l *Layer) Workers() []*Worker { return l.workers }

// Enable turns the session layer on, as "session enable" does. Idempotent.
func (l *Layer) Enable() error {
	l.enabled.Store(true)
	return nil
}

// Enabled tells whether it is on.
func (l *Layer) Enabled() bool { return l.enabled.Load() }

// ErrDisabled is returned by Disable when the session layer is off.
var ErrDisabled = errors.New("session is already disabled")

// Disable detaches all applications and turns the session layer off. Control path.
func (l *Layer) Disable() error {
	if !l.enabled.CompareAndSwap(true, false) {
		return ErrDisabled
	}
	var errs []error
	for _, a := range l.Apps() {
		errs = append(errs, a.Detach())
	}
	return errors.Join(errs...)
}

// Close frees all memory. No worker may be running.
func (l *Layer) Close() {
	close(l.done)
	for _, w := range l.workers {
		w.close()
	}
}

// transport finds a registered transport.
func (l *Layer) transport(p transport.Proto) (transport.Transport, error) {
	if p < transport.NumProtos && l.transports[p] != nil {
		return l.transports[p], nil
	}
	return nil, fmt.Errorf("transport %s: %w", p, ErrNotSupported)
}

// failed ends an application whose callback for s panicked with p. On worker w.
func (l *Layer) failed(w *Worker, s *Session, p any) {
	a := w.appOf(s)
	if a == nil || !a.status.CompareAndSwap(appRunning, appFailed) && !a.status.CompareAndSwap(appLeaving, appFailed) {
		return
	}
	l.cfg.Log.Error("application panicked and is detached", "app", a.name, "worker", w.Index,
		"panic", p, "stack", string(debug.Stack()))
	for _, x := range l.workers {
		if x == w {
			x.dying = append(x.dying, a)
		} else {
			x.Post(func(*worker.Worker) { x.dying = append(x.dying, a) })
		}
	}
	w.Notify(l.reaper) // its listeners
}

// reap does for failed applications what needs a goroutine of its own.
func (l *Layer) reap() {
	for {
		select {
		case <-l.done:
			return
		case <-l.reaper.C:
		}
		var ended []*AppHandle
		l.mu.Lock()
		for _, a := range *l.apps.Load() {
			if a == nil || a.status.Load() != appFailed {
				continue
			}
			for _, ln := range a.listens {
				if err := l.stopListen(ln); err != nil {
					l.cfg.Log.Error("listener of a failed application", "app", a.name, "error", err)
				}
				l.setListener(ln.id, nil)
			}
			a.listens = nil
			if a.mourners.Load() == 0 {
				l.setApp(a.index, nil)
				ended = append(ended, a)
			}
		}
		l.mu.Unlock()
		for _, a := range ended {
			a.bereaved()
		}
	}
}
