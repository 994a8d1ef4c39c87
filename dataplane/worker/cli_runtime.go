package worker

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"vpphost/cli"
)

// runtimeView is how "show runtime" prints.
type runtimeView uint8

const (
	viewNodes runtimeView = iota
	viewMax
	viewSummary
)

// Runtimes are the counters of all threads.
type Runtimes struct {
	Threads []Runtime `json:"threads"`
	view    runtimeView
	ns      bool // print nanoseconds, not clocks
}

func showRuntime(workers []*Worker) *cli.Command {
	return &cli.Command{
		Path:  "show runtime",
		Usage: "[<node>] [time] [brief|verbose] [max] [summary]",
		Help:  "Show what each node of each thread has done",
		Complete: func(c *cli.Ctx, in *cli.Input) (words []cli.Word) {
			for _, s := range []string{"time", "brief", "verbose", "max", "summary"} {
				words = append(words, cli.Word{Text: s})
			}
			return append(words, nodeWords(workers)...)
		},
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			r := &Runtimes{}
			var only string
			verbose := false
			for !in.Done() {
				switch {
				case in.Match("time"):
					r.ns = true
				case in.Match("brief"):
					verbose = false
				case in.Match("verbose"):
					verbose = true
				case in.Match("max"):
					r.view = viewMax
				case in.Match("summary"):
					r.view = viewSummary
				default:
					probe := *in
					if only != "" || !probe.Word(&only) || !hasNode(workers, only) {
						return nil, in.Unknown()
					}
					*in = probe
				}
			}
			err := onAll(workers, func(w *Worker) { r.Threads = append(r.Threads, w.Runtime()) })
			for k := range r.Threads {
				t := &r.Threads[k]
				t.Nodes = slices.DeleteFunc(t.Nodes, func(n NodeStats) bool {
					return only != "" && n.Name != only || only == "" && n.Calls == 0 && !verbose
				})
				slices.SortStableFunc(t.Nodes, func(a, b NodeStats) int { return strings.Compare(a.Name, b.Name) })
			}
			return r, err
		},
	}
}

func hasNode(workers []*Worker, name string) bool {
	return slices.ContainsFunc(nodeWords(workers), func(w cli.Word) bool { return w.Text == name })
}

func nodeWords(workers []*Worker) (words []cli.Word) {
	seen := map[string]bool{}
	_ = onAll(workers, func(w *Worker) {
		for _, n := range w.Nodes() {
			if !seen[n.Name] {
				seen[n.Name] = true
				words = append(words, cli.Word{Text: n.Name})
			}
		}
	})
	return words
}

// Text writes VPP's layout, followed by how the thread has slept and by the gaps between
// its Steps.
func (r *Runtimes) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	clocks := 1.0
	if !r.ns {
		clocks = clocksPerNs()
	}
	for k := range r.Threads {
		t := &r.Threads[k]
		if len(r.Threads) > 1 {
			if k > 0 {
				b.WriteString("---------------\n")
			}
			fmt.Fprintf(&b, "Thread %d %s", t.Index, t.Name)
			if t.CPU >= 0 {
				fmt.Fprintf(&b, " (lcore %d)", t.CPU)
			}
			b.WriteByte('\n')
		}
		t.head(&b)
		switch r.view {
		case viewNodes:
			t.nodes(&b, clocks, r.ns)
		case viewMax:
			t.max(&b, clocks)
		}
		t.tail(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func per(n uint64, d float64) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d
}

func (t *Runtime) head(b *strings.Builder) {
	var calls, vectors uint64
	for _, n := range t.Nodes {
		calls += n.Calls
		vectors += n.Vectors
	}
	fmt.Fprintf(b, "Time %s, average vectors/node %s loops/sec %s\n", cli.FormatFloat(t.Seconds, 1),
		cli.FormatFloat(per(vectors, float64(calls)), 2), cli.FormatFloat(per(t.Loops, t.Seconds), 2))
	fmt.Fprintf(b, "  vector rates in %s, out %s, drop %s, punt %s\n", cli.FormatExp(per(t.In, t.Seconds), 4),
		cli.FormatExp(per(t.Out, t.Seconds), 4), cli.FormatExp(per(t.Drops, t.Seconds), 4), cli.FormatExp(0, 4))
}

func (n *NodeStats) state() string {
	if n.Phase == Input {
		return "polling"
	}
	return "active"
}

func (t *Runtime) nodes(b *strings.Builder, clocks float64, ns bool) {
	cost := "Packet-Clocks"
	if ns {
		cost = "Packet-Time"
	}
	b.WriteString(cli.Center("Name", 30) + cli.Center("State", 12) + cli.Center("Calls", 16) + cli.Center("Vectors", 16) +
		cli.Center("Suspends", 16) + cli.Center(cost, 16) + cli.Center("Vectors/Call", 16) + "\n")
	for k := range t.Nodes {
		n := &t.Nodes[k]
		b.WriteString(cli.Left(n.Name, 30) + cli.Center(n.state(), 12) + fmt.Sprintf("%16d%16d%16d", n.Calls, n.Vectors, 0) +
			cli.Right(cli.FormatExp(per(n.Clocks, float64(n.Sampled))*clocks, 2), 16) +
			cli.Right(cli.FormatFloat(per(n.Vectors, float64(n.Calls)), 2), 16) + "\n")
	}
}

func (t *Runtime) max(b *strings.Builder, clocks float64) {
	b.WriteString(cli.Center("Name", 30) + cli.Center("Max Node Clocks", 17) + cli.Center("Vectors at Max", 16) +
		cli.Center("Max Clocks", 16) + cli.Center("Avg Clocks", 16) + cli.Center("Avg Vectors/Call", 16) + "\n")
	for k := range t.Nodes {
		n := &t.Nodes[k]
		b.WriteString(cli.Left(n.Name, 30) + cli.Center(cli.FormatExp(float64(n.MaxNs)*clocks, 2), 17) +
			cli.Center(fmt.Sprint(n.AtMax), 16) +
			cli.Center(cli.FormatExp(per(n.MaxNs, float64(n.AtMax))*clocks, 2), 16) +
			cli.Center(cli.FormatExp(per(n.Clocks, float64(n.Sampled))*clocks, 2), 16) +
			cli.Center(cli.FormatExp(per(n.Vectors, float64(n.Calls)), 2), 16) + "\n")
	}
}

// tail is about what VPP has no words for: sleeping, and the gaps in which the thread has
// left its devices alone.
func (t *Runtime) tail(b *strings.Builder) {
	fmt.Fprintf(b, "Asleep %s%% of the time in %d naps\n", cli.FormatFloat(100*min(1, per(t.Sleeps.Ns, t.Seconds*1e9)), 2), t.Sleeps.Naps)
	b.WriteString(t.Stalls.String() + "\n")
}

// gap prints a time with three digits at most: 10us, 1.25ms.
func gap(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d >= time.Second:
		d = d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		d = d.Round(10 * time.Microsecond)
	case d >= time.Microsecond:
		d = d.Round(time.Microsecond)
	}
	return strings.Replace(d.String(), "µ", "u", 1)
}
