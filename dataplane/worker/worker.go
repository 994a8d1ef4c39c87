package worker

import (
	"fmt"
	"sync/atomic"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
)

// MaxWorkers bounds the number of workers, so that per-worker state can live in
// arrays.
const MaxWorkers = 64

// Phase is when in a Step a node runs.
type Phase uint8

const (
	Input Phase = iota
	Handoff
	Timers
	Events
	Output
	Flush
	nPhases
)

// Node is one part of a Step. Step does what there is to do at time now (ns,
// the same for all nodes of one Step) and returns how many packets or events it
// handled; 0 means there was nothing.
type Node interface {
	Step(w *Worker, now int64) int
}

// NodeFunc is a function as a Node.
type NodeFunc func(w *Worker, now int64) int

func (f NodeFunc) Step(w *Worker, now int64) int { return f(w, now) }

// NodeStats are a node's counters for "show runtime". Clocks are nanoseconds,
// measured on one Step in ClockSample and to be multiplied by it.
type NodeStats struct {
	Name    string `json:"name"`
	Calls   uint64 `json:"calls"`     // Steps in which it did something
	Vectors uint64 `json:"vectors"`   // packets or events handled
	Clocks  uint64 `json:"clocks"`    // ns spent in measured Steps
	Sampled uint64 `json:"sampled"`   // vectors handled in measured Steps
	Max     uint64 `json:"max"`       // largest vector
	MaxNs   uint64 `json:"maxClocks"` // longest measured Step of the node, ns
	AtMax   uint64 `json:"atMax"`     // vectors handled in it
	Phase   Phase  `json:"-"`
}

// ClockSample is how many Steps pass between two whose nodes are timed.
const ClockSample = 64

type node struct {
	n     Node
	stats NodeStats
}

// Config is how a worker is made.
type Config struct {
	Index int      // its number, from 0
	CPU   int      // core to pin to, -1 for none
	Yield Yield    // when to let others on its core run
	Name  string   // thread name: vpp_main, vpp_wk_0
	Pool  pkt.Pool // where its buffers come from
	Share int      // how many workers use Pool; 0: this one only
	Idle  IdleMode // what to do when there is nothing to do
	Sleep int64    // ns to sleep after every Step (poll-sleep-usec), 0 for none
	Seed  uint64   // of its random numbers
	Start func()   // called on the worker's thread before the first Step
	Stop  func()   // called on the worker's thread after the last Step
	Clock Clock    // nil: the monotonic clock
}

// Yield is when a worker that does not sleep lets other threads on its core run. Left to
// itself the kernel switches every few milliseconds only, and a ring is full by then.
type Yield uint8

const (
	YieldNever  Yield = iota
	YieldIdle         // after a Step that found no work
	YieldAlways       // after each Step: other workers are on the same core
)

// Clock returns the time in ns. It is read once per Step.
type Clock func() int64

// Worker owns its nodes, buffers, timers and counters. All methods except Do,
// Post and those marked so must be called on the worker itself.
type Worker struct {
	Index int
	Name  string
	CPU   int
	Bufs  *pkt.Cache // free buffers of this worker
	Wheel Wheel      // timers of this worker

	now    int64
	steps  uint64
	drops  uint64 // packets reported by TraceDrop
	cfg    Config
	base   baseline
	phases [nPhases][]*node
	rand   uint64

	mail     mailbox
	timers   []func(v uint64) // by TimerOwner
	fire     func(user uint64)
	notify   notifyRing
	idle     idler
	burst    []*pkt.Buf
	outgoing []*Ring // see HandsOver
	tracer   Tracer
	Stalls   Stalls
	delay    runDelay
	accounts []*Account
	running  atomic.Bool
	stopping atomic.Bool
	tid      atomic.Int32 // of the thread, 0 while there is none
	done     chan struct{}
}

// New makes a worker that is not running yet: call Run for a thread of its own,
// or Step by hand.
func New(cfg Config) (*Worker, error) {
	if cfg.Index < 0 || cfg.Index >= MaxWorkers {
		return nil, fmt.Errorf("worker: index %d out of range", cfg.Index)
	}
	bufs, err := pkt.NewCache(cfg.Pool)
	if err != nil {
		return nil, err
	}
	if cfg.Share > 1 {
		bufs.Share(cfg.Share)
	}
	burst, err := mem.Slice[*pkt.Buf](pkt.MaxBurst)
	if err != nil {
		return nil, err
	}
	w := &Worker{Index: cfg.Index, Name: cfg.Name, CPU: cfg.CPU, Bufs: bufs, cfg: cfg,
		burst: burst, rand: cfg.Seed*2 + 1, done: make(chan struct{})}
	w.base.now = w.clock()
	if err := w.Wheel.init(); err != nil {
		return nil, err
	}
	w.Account("timers", w.Wheel.pool.Usage)
	if err := w.notify.init(); err != nil {
		return nil, err
	}
	if err := w.idle.init(cfg.Idle, cfg.Sleep); err != nil {
		return nil, err
	}
	return w, nil
}

// Now is the time of the present Step, in ns.
func (w *Worker) Now() int64 { return w.now }

// Steps is how many Steps were made.
func (w *Worker) Steps() uint64 { return w.steps }

// Rand is the next pseudo-random number (splitmix64), the same in every run with
// the same seed. Not for secrets.
func (w *Worker) Rand() uint64 {
	w.rand += 0x9e3779b97f4a7c15
	z := w.rand
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Burst is a scratch burst array in off-heap memory, for the node that is
// running: valid until it returns or calls another user of it.
func (w *Worker) Burst() []*pkt.Buf { return w.burst }

// Add appends a node to a phase. On a running worker call it through Do.
func (w *Worker) Add(p Phase, name string, n Node) *Added {
	// A copy: the phase may be in the middle of being walked.
	list := append([]*node(nil), w.phases[p]...)
	x := &node{n: n, stats: NodeStats{Name: name, Phase: p}}
	w.phases[p] = append(list, x)
	return &Added{phase: p, n: x}
}

// Added is a node's place in a worker, for Remove.
type Added struct {
	phase Phase
	n     *node
}

// Remove takes a node out of its phase.
func (w *Worker) Remove(a *Added) {
	var list []*node
	for _, x := range w.phases[a.phase] {
		if x != a.n {
			list = append(list, x)
		}
	}
	w.phases[a.phase] = list
}

// Nodes returns a copy of all node counters, in the order in which they run.
func (w *Worker) Nodes() []NodeStats {
	var out []NodeStats
	for _, ph := range w.phases {
		for _, n := range ph {
			out = append(out, n.stats)
		}
	}
	return out
}

// Step makes one turn at time now and returns how much work there was.
func (w *Worker) Step(now int64) (work int) {
	w.now = now
	w.steps++
	if w.steps%ClockSample == 0 {
		work = w.timedPhases()
	} else {
		for _, ph := range &w.phases {
			for _, n := range ph {
				if v := n.n.Step(w, now); v != 0 {
					n.count(v)
					work += v
				}
			}
		}
	}
	if w.mail.pending() {
		work += w.mail.run(w)
	}
	w.notify.flush()
	return work
}

func (w *Worker) timedPhases() (work int) {
	t := w.clock()
	for _, ph := range &w.phases {
		for _, n := range ph {
			v := n.n.Step(w, w.now)
			u := w.clock()
			if v != 0 {
				n.count(v)
				n.stats.Clocks += uint64(u - t)
				n.stats.Sampled += uint64(v)
				if uint64(u-t) > n.stats.MaxNs {
					n.stats.MaxNs, n.stats.AtMax = uint64(u-t), uint64(v)
				}
				work += v
			}
			t = u
		}
	}
	return work
}

func (n *node) count(v int) {
	n.stats.Calls++
	n.stats.Vectors += uint64(v)
	n.stats.Max = max(n.stats.Max, uint64(v))
}

func (w *Worker) clock() int64 {
	if w.cfg.Clock != nil {
		return w.cfg.Clock()
	}
	return Monotonic()
}
