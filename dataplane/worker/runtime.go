package worker

// Runtime is what a worker has done since its counters were cleared.
type Runtime struct {
	Index   int         `json:"index"`
	Name    string      `json:"name"`
	CPU     int         `json:"cpu"`
	Seconds float64     `json:"seconds"`
	Loops   uint64      `json:"loops"`
	In      uint64      `json:"in"`   // packets received
	Out     uint64      `json:"out"`  // packets sent
	Drops   uint64      `json:"drop"` // packets dropped by the stack
	Sleeps  Sleeps      `json:"sleeps"`
	Stalls  Stalls      `json:"stalls"`
	Nodes   []NodeStats `json:"nodes"`
}

// baseline is where the counters that only grow stood when they were cleared.
type baseline struct {
	now    int64
	steps  uint64
	drops  uint64
	sleeps Sleeps
}

// Runtime returns a copy of all counters.
func (w *Worker) Runtime() Runtime {
	r := Runtime{Index: w.Index, Name: w.Name, CPU: w.CPU,
		Seconds: float64(w.clock()-w.base.now) / 1e9,
		Loops:   w.steps - w.base.steps, Drops: w.drops - w.base.drops,
		Sleeps: w.idle.count, Stalls: w.Stalls, Nodes: w.Nodes()}
	r.Sleeps.sub(&w.base.sleeps)
	for k := range r.Nodes {
		switch n := &r.Nodes[k]; n.Phase {
		case Input:
			r.In += n.Vectors
		case Flush:
			r.Out += n.Vectors
		}
	}
	return r
}

// ClearNodes zeroes the node counters, the stall histogram and what Runtime counts.
func (w *Worker) ClearNodes() {
	for _, ph := range w.phases {
		for _, n := range ph {
			n.stats = NodeStats{Name: n.stats.Name, Phase: n.stats.Phase}
		}
	}
	w.Stalls = Stalls{}
	w.base = baseline{now: w.clock(), steps: w.steps, drops: w.drops, sleeps: w.idle.count}
}
