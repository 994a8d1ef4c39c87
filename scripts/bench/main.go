package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const outDir = "bench-out"

func main() {
	if is, err := helper(os.Args[1:]); is {
		exit(err)
	}
	var o options
	flag.IntVar(&o.runs, "runs", 3, "measurements of each row, at least 3 for a median that means something")
	flag.IntVar(&o.seconds, "seconds", 4, "length of a throughput run")
	flag.StringVar(&o.only, "only", "", "run rows whose name contains one of these, separated by semicolons")
	list := flag.Bool("list", false, "list the rows")
	draw := flag.String("chart", "", "measure nothing: draw the chart of bench-out/bench.csv into this file")
	flag.Parse()
	switch {
	case *list:
		for _, r := range table() {
			fmt.Println(r.name)
		}
		exit(nil)
	case *draw != "":
		exit(drawCSV(filepath.Join(outDir, "bench.csv"), *draw))
	}
	// Processes that we start end with the thread that started them: it is to be the one
	// that lives as long as we do.
	runtime.LockOSThread()
	// At Ctrl-C the present run fails: instances and namespaces must not stay behind. A
	// second one ends us at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	exit(bench(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type options struct {
	runs, seconds int
	only          string
}

func bench(ctx context.Context, o options) error {
	rows, err := choose(table(), o.only)
	if err != nil {
		return err
	}
	cpu := [2]int{0, 1}
	if runtime.NumCPU() < 2 {
		cpu[1] = 0
	}
	huge := freeHugeMB() >= hugeNeed
	who := []contender{newOurs(cpu, huge)}
	if prefix := os.Getenv("PEER_VPP"); prefix != "" {
		vpps, err := newVPPs(prefix, cpu, huge)
		if err != nil {
			return err
		}
		who = append(who, vpps...)
	}
	defer func() {
		for _, c := range who {
			c.close()
		}
	}()
	pages := "no huge pages"
	if huge {
		pages = "2 MB pages"
	}
	fmt.Printf("%s, %d CPUs, %s; one process a core, %s", cpuModel(), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly), pages)
	kern, err := newKernelPair(cpu)
	if err != nil {
		fmt.Println("\nno kernel figures:", err)
	} else {
		defer kern.close()
		who = append(who, kernel{kern, false}, kernel{kern, true})
		fmt.Printf("; kernel: %s", kern.cc)
	}
	fmt.Printf("\nmedians of %d; a ratio above 1 is better for us; cores near: < %d ns for a cache line; f: far, m: mixed, w: waited for its core\n\n",
		o.runs, nearLimit)

	var all []sample
	for i := range rows {
		r := &rows[i]
		samples := run(ctx, r, who, cpu, o)
		all = append(all, samples...)
		printRow(os.Stdout, standings(samples), r.note)
		if ctx.Err() != nil {
			break
		}
	}
	lines := standings(all)
	fmt.Println()
	printSummary(os.Stdout, lines)
	err = save(all)
	for _, s := range all {
		if s.who == ours && s.fault != "" && err == nil {
			err = fmt.Errorf("%s: %s", s.line, s.fault)
		}
	}
	return errors.Join(ctx.Err(), err)
}

// hugeNeed is how much memory in 2 MB pages all processes want together, in MiB: six at
// most run or are stopped at a time, four of them VPPs with a heap of 1 GB.
const hugeNeed = 4*1400 + 2*300

// run measures a row: the contenders in turn, as often as asked.
func run(ctx context.Context, r *row, who []contender, cpu [2]int, o options) (samples []sample) {
	for n := 1; n <= o.runs; n++ {
		for _, c := range who {
			before := settle(cpu[0], cpu[1])
			out, err := c.measure(ctx, r, o.seconds)
			if errors.Is(err, errNone) {
				continue
			}
			if ctx.Err() != nil {
				return samples
			}
			s := sample{who: c.name(), run: n, class: one, cpu: out.cpu, wait: out.waited, stall: out.stall}
			if cpu[0] != cpu[1] {
				s.class = classOf(before, probe(cpu[0], cpu[1]))
			}
			if err != nil {
				s.fault = "failed"
				if errors.Is(err, errStuck) {
					s.fault = "stuck"
				}
				fmt.Fprintf(os.Stderr, "%s: %s: %v\n", r.name, c.name(), err)
			}
			for i, f := range r.figures() {
				s.line, s.unit, s.lower = r.line(f), f.unit, f.lower
				if err == nil {
					s.value = out.values[i]
				}
				samples = append(samples, s)
			}
		}
	}
	return samples
}

// save writes every run, and the chart.
func save(all []sample) error {
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(outDir, "bench.csv")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(writeCSV(f, all), f.Close()); err != nil {
		return err
	}
	picture := filepath.Join(outDir, "bench.svg")
	fmt.Printf("\nevery run is in %s, a chart in %s\n", path, picture)
	return drawCSV(path, picture)
}

// drawCSV makes the chart of a file that save has written.
func drawCSV(path, picture string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	samples, err := readCSV(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(picture), 0o755); err != nil {
		return err
	}
	out, err := os.Create(picture)
	if err != nil {
		return err
	}
	return errors.Join(chart(out, "vpphost, "+cpuModel(), standings(samples)), out.Close())
}

// cpuModel is the processor's name.
func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown CPU"
}
