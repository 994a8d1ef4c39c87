package stats

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"vpphost/cli"
	"vpphost/dataplane/worker"
)

// Commands are the commands about counters.
func Commands(s *Set, workers []*worker.Worker) []*cli.Command {
	show := &cli.Command{
		Path:  "show errors",
		Usage: "[verbose [<n>]]",
		Help:  "Show error counts",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			verbose := in.Match("verbose")
			var n uint64
			if verbose {
				in.Uint(&n)
			}
			if err := in.End(); err != nil {
				return nil, err
			}
			r, err := s.Read(workers)
			if err == nil {
				r.verbose = verbose
			}
			return r, err
		},
	}
	clear := &cli.Command{
		Path: "clear errors",
		Help: "Clear error counters",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			return nil, onAll(workers, func(w *worker.Worker) {
				for _, g := range s.Groups() {
					g.Clear(w)
				}
			})
		},
	}
	return []*cli.Command{show, show.As("show node counters"), clear, clear.As("clear node counters")}
}

func onAll(workers []*worker.Worker, f func(*worker.Worker)) error {
	var errs []error
	for _, w := range workers {
		errs = append(errs, w.Do(f))
	}
	return errors.Join(errs...)
}

// Counts are all counters that are not zero.
type Counts struct {
	Total   []Count       `json:"counters"`
	Threads []ThreadCount `json:"threads"`
	verbose bool
}

// ThreadCount is one thread's part.
type ThreadCount struct {
	ID       int     `json:"id"`
	Name     string  `json:"name"`
	Counters []Count `json:"counters"`
}

// Count is one counter.
type Count struct {
	Count    uint64 `json:"count"`
	Node     string `json:"node"`
	Reason   string `json:"reason"`
	Severity string `json:"severity"`
	Index    int    `json:"index"` // among all counters of the instance
}

// Read collects the counters of all workers.
func (s *Set) Read(workers []*worker.Worker) (*Counts, error) {
	c := &Counts{Total: []Count{}, Threads: []ThreadCount{}}
	sum := s.blank()
	var errs []error
	for _, w := range workers {
		t := ThreadCount{ID: w.Index, Name: w.Name, Counters: s.blank()}
		errs = append(errs, w.Do(func(w *worker.Worker) {
			k := 0
			for _, g := range s.groups {
				for _, v := range g.Row(w.Index) {
					t.Counters[k].Count = v
					k++
				}
			}
		}))
		for k := range sum {
			sum[k].Count += t.Counters[k].Count
		}
		t.Counters = nonZero(t.Counters)
		c.Threads = append(c.Threads, t)
	}
	c.Total = nonZero(sum)
	return c, errors.Join(errs...)
}

// blank are all counters, at 0.
func (s *Set) blank() []Count {
	out := []Count{}
	for _, g := range s.groups {
		for _, r := range g.Reasons {
			out = append(out, Count{Node: g.Node, Reason: r.Text, Severity: r.Severity.String(), Index: len(out)})
		}
	}
	return out
}

func nonZero(all []Count) []Count {
	out := []Count{}
	for _, c := range all {
		if c.Count != 0 {
			out = append(out, c)
		}
	}
	return out
}

// Text writes VPP's layout.
func (c *Counts) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	if !c.verbose {
		table(&b, c.Total, false)
	} else {
		for _, t := range c.Threads {
			fmt.Fprintf(&b, "Thread %d (%s):\n", t.ID, t.Name)
			table(&b, t.Counters, true)
		}
		b.WriteString("Total:\n")
		table(&b, c.Total, true)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func table(b *strings.Builder, rows []Count, index bool) {
	b.WriteString(cli.Center("Count", 10) + cli.Center("Node", 35) + cli.Center("Reason", 35) + cli.Center("Severity", 10))
	if index {
		b.WriteString(cli.Center("Index", 6))
	}
	b.WriteByte('\n')
	for _, r := range rows {
		fmt.Fprintf(b, "%10d%s%s%s", r.Count, cli.Center(r.Node, 35), cli.Center(r.Reason, 35), cli.Center(r.Severity, 10))
		if index {
			fmt.Fprintf(b, "%6d", r.Index)
		}
		b.WriteByte('\n')
	}
}
