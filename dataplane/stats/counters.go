package stats

import "vpphost/dataplane/worker"

// Severity sorts reasons in "show errors".
type Severity uint8

const (
	Error Severity = iota
	Warn
	Info
)

func (s Severity) String() string { return [...]string{"error", "warn", "info"}[s] }

// Reason is one thing that is counted.
type Reason struct {
	Text     string // "bad ip4 header checksum"
	Severity Severity
}

// Group is the counters of one node. Make it with New before workers run.
type Group struct {
	Node    string
	Reasons []Reason
	rows    [worker.MaxWorkers][]uint64
}

// Set is all groups of an instance.
type Set struct {
	groups []*Group
}

// New adds a group for n workers to the set. A package numbers its reasons by
// their position.
func (s *Set) New(node string, workers int, reasons ...Reason) *Group {
	g := &Group{Node: node, Reasons: reasons}
	for i := range workers {
		// Rows start on cache lines of their own.
		g.rows[i] = make([]uint64, (len(reasons)+7)&^7+8)[:len(reasons)]
	}
	s.groups = append(s.groups, g)
	return g
}

// Groups are all groups, in the order in which they were made.
func (s *Set) Groups() []*Group { return s.groups }

// Row is worker i's counters, one per reason. Only that worker may touch them.
func (g *Group) Row(i int) []uint64 { return g.rows[i] }

// Inc counts one on worker w.
func (g *Group) Inc(w *worker.Worker, reason int) { g.rows[w.Index][reason]++ }

// Add counts n on worker w.
func (g *Group) Add(w *worker.Worker, reason int, n uint64) { g.rows[w.Index][reason] += n }

// Clear zeroes worker w's row.
func (g *Group) Clear(w *worker.Worker) { clear(g.rows[w.Index]) }
