package trace

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

const (
	// maxRecords is how many packets one worker traces at most; stepsEach how many
	// steps there are for each on average.
	maxRecords = 10000
	stepsEach  = 12
	// snapLen is how much of a packet each step keeps.
	snapLen = 128
)

// OutputNode is the node to arm for tracing packets on their way out.
const OutputNode = "interface-output"

var (
	// ErrNode is returned for a node that packets cannot be traced from.
	ErrNode = errors.New("doesn't support per-node tracing")
	// ErrTooMany is returned for more packets than fit.
	ErrTooMany = fmt.Errorf("at most %d packets can be traced", maxRecords)
)

// Names tells what interfaces are called and which there are.
type Names interface {
	// Name is the name of an interface, "" when there is none.
	Name(index uint32) string
	// Index finds an interface by name.
	Index(name string) (uint32, bool)
	// InputNodes are the nodes that packets may come in by: "memif-input".
	InputNodes() []string
}

// Tracer is the trace of an instance. It is a worker.Tracer and an iface.Tap.
type Tracer struct {
	names  Names
	logs   []*log           // by worker index
	output worker.TraceNode // OutputNode
	drop   worker.TraceNode // error-drop, where a packet ends; its step has a reason

	mu      sync.Mutex // control code
	capture *Capture
}

// log is one worker's part. Only that worker touches it.
type log struct {
	w       *worker.Worker
	idle    bool // nothing is armed, recorded or captured
	armed   []arm
	gen     uint32
	records []record
	steps   []step
	capture *buffer // nil when no capture runs
}

// arm is a node whose packets are to be traced.
type arm struct {
	node *worker.TraceNode
	left int
}

// record is one traced packet: a list of steps.
type record struct {
	first, last uint32 // steps, +1; 0 for none
}

// step is a packet's visit to one node.
type step struct {
	next uint32 // +1
	at   int64
	node *worker.TraceNode
	why  string // of a drop
	args [4]uint64
	n    int           // bytes in snap
	snap [snapLen]byte // the packet from the header on
}

// New makes a tracer for workers that do not run yet and tells them of it.
func New(workers []*worker.Worker, names Names) *Tracer {
	t := &Tracer{names: names}
	t.output = worker.TraceNode{Name: OutputNode, Layer: worker.TraceEthernet, Text: t.outputText}
	t.drop = worker.TraceNode{Name: "error-drop", Text: t.dropText}
	for _, w := range workers {
		t.logs = append(t.logs, &log{w: w, idle: true})
		w.SetTracer(t)
	}
	return t
}

// Trace numbers: worker, generation, record + 1.
const (
	recordBits = 14
	genBits    = 10
)

const _ = uint(1<<recordBits - 1 - maxRecords)

func (l *log) number(i int) uint32 {
	return uint32(l.w.Index)<<(genBits+recordBits) | l.gen<<recordBits | uint32(i+1)
}

// find is the record of a number, nil when it is not of this worker or gone.
func (l *log) find(number uint32) *record {
	i := number & (1<<recordBits - 1)
	if i == 0 || int(i) > len(l.records) || number != l.number(int(i-1)) {
		return nil
	}
	return &l.records[i-1]
}

// Received traces packets as they come in, and captures them; see iface.Tap.
func (t *Tracer) Received(w *worker.Worker, index uint32, kind string, queue int, bufs []*pkt.Buf) {
	l := t.logs[w.Index]
	if l.idle {
		return
	}
	for k := range l.armed {
		a := &l.armed[k]
		if a.left == 0 || !isInput(a.node.Name, kind) {
			continue
		}
		for _, b := range bufs[:min(a.left, len(bufs))] {
			l.begin(b)
			l.add(b, a.node, 0, [4]uint64{uint64(index), uint64(queue), uint64(b.PktLen)})
			a.left--
		}
	}
	if l.capture != nil {
		l.capture.burst(captureRx, index, bufs, w.Now())
	}
}

// Sent traces packets as they go out, and captures them; see iface.Tap.
func (t *Tracer) Sent(w *worker.Worker, index uint32, bufs []*pkt.Buf) {
	l := t.logs[w.Index]
	if l.idle {
		return
	}
	for k := range l.armed {
		a := &l.armed[k]
		if a.left == 0 || a.node != &t.output {
			continue
		}
		for _, b := range bufs {
			if b.Trace == 0 && a.left > 0 {
				l.begin(b)
				a.left--
			}
		}
	}
	for _, b := range bufs {
		if b.Trace != 0 {
			l.add(b, &t.output, 0, [4]uint64{uint64(index)})
		}
	}
	if l.capture != nil {
		l.capture.burst(captureTx, index, bufs, w.Now())
	}
}

// Add records a step; see worker.Trace.
func (t *Tracer) Add(w *worker.Worker, b *pkt.Buf, n *worker.TraceNode, off uint16, args [4]uint64) {
	t.logs[w.Index].add(b, n, off, args)
}

// Drop records the end of a packet; see worker.TraceDrop.
func (t *Tracer) Drop(w *worker.Worker, b *pkt.Buf, node, why string) {
	l := t.logs[w.Index]
	if l.idle {
		return
	}
	if b.Trace != 0 {
		if s := l.add(b, &t.drop, 0, [4]uint64{uint64(b.Iface)}); s != nil {
			s.why = node + ": " + why
		}
	}
	if l.capture != nil {
		l.capture.one(captureDrop, b.Iface, b, w.Now())
	}
}

// isInput tells whether node is "<kind>-input".
func isInput(node, kind string) bool {
	const suffix = "-input"
	return len(node) == len(kind)+len(suffix) && node[:len(kind)] == kind && node[len(kind):] == suffix
}

// begin gives b a record while there is room.
func (l *log) begin(b *pkt.Buf) {
	if len(l.records) < cap(l.records) {
		l.records = append(l.records, record{})
		b.Trace = l.number(len(l.records) - 1)
	}
}

// add appends a step to b's record, if it has one here and there is room.
func (l *log) add(b *pkt.Buf, n *worker.TraceNode, off uint16, args [4]uint64) *step {
	r := l.find(b.Trace)
	if r == nil || len(l.steps) == cap(l.steps) {
		return nil
	}
	l.steps = l.steps[:len(l.steps)+1]
	s := &l.steps[len(l.steps)-1]
	*s = step{at: l.w.Now(), node: n, args: args}
	s.n = copy(s.snap[:], b.At(off))
	id := uint32(len(l.steps))
	if r.first == 0 {
		r.first = id
	} else {
		l.steps[r.last-1].next = id
	}
	r.last = id
	return s
}

// Start arms node for the next n packets on every worker, in addition to what is armed.
// n of 0 disarms it.
func (t *Tracer) Start(node string, n int) error {
	if node != OutputNode && !slices.Contains(t.names.InputNodes(), node) {
		return fmt.Errorf("node '%s' %w: use %s or %s", node, ErrNode,
			strings.Join(t.names.InputNodes(), ", "), OutputNode)
	}
	if n < 0 || n > maxRecords {
		return ErrTooMany
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	x := &t.output
	if node != OutputNode {
		x = &worker.TraceNode{Name: node, Text: t.inputText}
	}
	// The memory is made here, not on the workers.
	total := make([]int, len(t.logs))
	if err := t.onWorkers(func(l *log) { total[l.w.Index] = l.total() }); err != nil {
		return err
	}
	records, steps := make([][]record, len(total)), make([][]step, len(total))
	for k := range total {
		room := min(total[k]+n, maxRecords)
		records[k], steps[k] = make([]record, 0, room), make([]step, 0, room*stepsEach)
	}
	return t.onWorkers(func(l *log) {
		l.arm(x, n)
		l.records = append(records[l.w.Index], l.records...)
		l.steps = append(steps[l.w.Index], l.steps...)
		l.rest()
	})
}

// total is how many packets are traced, or will be.
func (l *log) total() int {
	n := len(l.records)
	for _, a := range l.armed {
		n += a.left
	}
	return n
}

func (l *log) arm(node *worker.TraceNode, n int) {
	k := slices.IndexFunc(l.armed, func(a arm) bool { return a.node.Name == node.Name })
	if k < 0 {
		l.armed = append(l.armed, arm{node: node})
		k = len(l.armed) - 1
	}
	if n == 0 {
		l.armed[k].left = 0
	} else {
		l.armed[k].left += n
	}
}

// rest notes whether there is anything to do for the hooks.
func (l *log) rest() {
	l.idle = l.capture == nil && len(l.records) == 0 &&
		!slices.ContainsFunc(l.armed, func(a arm) bool { return a.left > 0 })
}

// Clear forgets all records and disarms all nodes.
func (t *Tracer) Clear() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.onWorkers(func(l *log) {
		l.records, l.steps, l.armed = nil, nil, nil
		l.gen = (l.gen + 1) % (1 << genBits)
		l.rest()
	})
}

// onWorkers runs f on every worker in turn.
func (t *Tracer) onWorkers(f func(*log)) error {
	var errs []error
	for _, l := range t.logs {
		errs = append(errs, l.w.Do(func(*worker.Worker) { f(l) }))
	}
	return errors.Join(errs...)
}
