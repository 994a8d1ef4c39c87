package worker

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"vpphost/cli"
)

// ThreadStatus is one thread as "show threads" shows it.
type ThreadStatus struct {
	ID       int    `json:"id"`
	Name     string `json:"name"`
	LWP      int    `json:"lwp"` // kernel's id of the thread, 0 when it does not run
	CPU      int    `json:"cpu"` // where it runs, -1 when unknown
	Sched    string `json:"sched"`
	Loops    uint64 `json:"loops"`
	Sleeps   Sleeps `json:"sleeps"`
	Requests uint64 `json:"wakeRequests"`
}

type threads []ThreadStatus

func showThreads(workers []*Worker) *cli.Command {
	return &cli.Command{
		Path: "show threads",
		Help: "Show threads",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			out := threads{}
			err := onAll(workers, func(w *Worker) {
				out = append(out, ThreadStatus{ID: w.Index, Name: w.Name, LWP: int(w.tid.Load()), CPU: w.CPU,
					Loops: w.steps, Sleeps: w.idle.count, Requests: w.idle.requests.Load()})
			})
			for k := range out {
				out[k].look()
			}
			return out, err
		},
	}
}

// look asks the kernel where the thread runs and how it is scheduled.
func (t *ThreadStatus) look() {
	t.Sched = "other (0)"
	stat, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", t.LWP))
	if err != nil {
		return
	}
	// Fields count from the state, which follows the name in parentheses (proc(5)).
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) < 39 {
		return
	}
	if cpu, err := strconv.Atoi(f[36]); err == nil {
		t.CPU = cpu
	}
	policies := map[string]string{"0": "other", "1": "fifo", "2": "rr", "3": "batch", "5": "idle", "6": "deadline"}
	if p, ok := policies[f[38]]; ok {
		t.Sched = fmt.Sprintf("%s (%s)", p, f[37])
	}
}

// Text writes VPP's columns.
func (l threads) Text(w io.Writer, lay cli.Layout) error {
	head := []string{"ID", "Name", "LWP", "CPU", "Sched", "Loops", "Epolls", "Sleeps", "FdWakeups", "WakeReq", "Wakeups"}
	rows := [][]string{}
	width := make([]int, len(head))
	for k, h := range head {
		width[k] = len(h)
	}
	for _, t := range l {
		r := []string{strconv.Itoa(t.ID), t.Name, strconv.Itoa(t.LWP), strconv.Itoa(t.CPU), t.Sched}
		for _, n := range []uint64{t.Loops, t.Sleeps.Naps, t.Sleeps.TimedOut, t.Sleeps.ByDevice, t.Requests, t.Sleeps.ByWake} {
			r = append(r, strconv.FormatUint(n, 10))
		}
		for k, c := range r {
			width[k] = max(width[k], len(c))
		}
		rows = append(rows, r)
	}
	var b strings.Builder
	for k, h := range head {
		c := cli.Center(h, width[k])
		if lay.Color {
			c = "\x1b[33m" + c + "\x1b[0m"
		}
		b.WriteString(sep(k) + c)
	}
	b.WriteByte('\n')
	for _, r := range rows {
		for k, c := range r {
			if k == 1 || k == 4 { // words stand on the left
				b.WriteString(sep(k) + cli.Left(c, width[k]))
			} else {
				b.WriteString(sep(k) + cli.Right(c, width[k]))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func sep(k int) string {
	if k == 0 {
		return ""
	}
	return " "
}

// clock is what "show clock" shows.
type clockStatus struct {
	Now     float64   `json:"now"` // seconds since start
	Time    time.Time `json:"time"`
	Threads []float64 `json:"threads"` // time of each thread's present loop
}

// Text writes VPP's layout.
func (c *clockStatus) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Time now %s, %s\n", cli.FormatFloat(c.Now, 6), c.Time.UTC().Format("Mon, _2 Jan 2006 15:04:05 GMT"))
	for k, t := range c.Threads {
		fmt.Fprintf(&b, "%d: Time now %s\n", k, cli.FormatFloat(t, 6))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func showClock(workers []*Worker) *cli.Command {
	return &cli.Command{
		Path:  "show clock",
		Usage: "[verbose]",
		Help:  "Show the time",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			in.Match("verbose")
			if err := in.End(); err != nil {
				return nil, err
			}
			s := &clockStatus{Now: float64(Monotonic()) / 1e9, Time: time.Now(), Threads: []float64{}}
			err := onAll(workers, func(w *Worker) { s.Threads = append(s.Threads, float64(w.now)/1e9) })
			return s, err
		},
	}
}
