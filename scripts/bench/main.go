package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// row is one line of the table: a measurement of ours beside one of the kernel's.
type row struct {
	name   string
	unit   string
	ours   func() (float64, error)
	kernel func() (float64, error) // nil: nothing to compare with
	beside string                  // what the kernel does
	lower  bool                    // a lower figure is better
	runs   [2][]sample
}

type sample struct {
	value float64
	class class
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "sink" {
		exit(sinkMain(os.Args[2]))
	}
	if len(os.Args) > 1 && os.Args[1] == "connect" {
		exit(connectMain(os.Args[2], os.Args[3]))
	}
	runs := flag.Int("runs", 3, "measurements of each row, at least 3 for a median that means something")
	secs := flag.Int("seconds", 4, "length of a throughput run")
	only := flag.String("only", "", "run rows whose name contains this")
	flag.Parse()
	// At Ctrl-C the present run fails or is the last one: instances and namespaces must not
	// stay behind. A second one ends us at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	exit(bench(ctx, *runs, *secs, *only))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func bench(ctx context.Context, runs, secs int, only string) error {
	cpu := [2]int{0, 1}
	if runtime.NumCPU() < 2 {
		cpu[1] = 0
	}
	us, err := newPair(cpu)
	if err != nil {
		return err
	}
	defer us.close()
	kern, err := newKernelPair(cpu)
	if err != nil {
		fmt.Println("no kernel figures:", err)
	} else {
		defer kern.close()
	}
	rows := table(us, kern, secs)
	fmt.Printf("%s, %d CPUs, %s; ours: one process a core over memif, MTU 1500; kernel: veth, one core a side", cpuModel(), runtime.NumCPU(), time.Now().UTC().Format("2006-01-02"))
	if kern != nil {
		fmt.Printf(", %s", kern.cc)
	}
	fmt.Printf("\nmedians of %d; a ratio above 1 is better for us; cores near: < %d ns for a cache line\n\n", runs, nearLimit)
	fmt.Printf("%-38s %12s %12s %7s  %-6s %s\n", "", "vpphost", "kernel", "ratio", "cores", "kernel does")
	for i := range rows {
		r := &rows[i]
		if only != "" && !strings.Contains(r.name, only) {
			continue
		}
		for range runs {
			for side, f := range []func() (float64, error){r.ours, r.kernel} {
				if f == nil {
					continue
				}
				before := settle(cpu[0], cpu[1])
				v, err := f()
				if err = errors.Join(ctx.Err(), err); err != nil {
					return fmt.Errorf("%s: %w", r.name, err)
				}
				c := one
				if cpu[0] != cpu[1] {
					c = classOf(before, probe(cpu[0], cpu[1]))
				}
				r.runs[side] = append(r.runs[side], sample{v, c})
			}
		}
		r.print()
	}
	fmt.Printf("\nlongest gap between two Steps while this ran: %.2f ms\n", us.stalls())
	return writeCSV("bench-out/bench.csv", rows)
}

// table lists what is measured.
func table(us *pair, kern *kernelPair, secs int) []row {
	iperf := func(on bool, args ...string) func() (float64, error) {
		if kern == nil {
			return nil
		}
		return func() (float64, error) {
			if err := kern.offload(on); err != nil {
				return 0, err
			}
			v, err := kern.iperf(1, secs, args...)
			return v / 1e9, err
		}
	}
	ours := func(args string) func() (float64, error) {
		return func() (float64, error) {
			v, err := us.throughput(fmt.Sprintf("run-time %d %s", secs, args))
			return v / 1e9, err
		}
	}
	rate := func(n int) (o, k func() (float64, error)) {
		o = func() (float64, error) { v, err := us.connects(n); return v / 1e3, err }
		if kern != nil {
			k = func() (float64, error) { v, err := kern.connects(n); return v / 1e3, err }
		}
		return o, k
	}
	o10k, k10k := rate(10000)
	var loopback func() (float64, error)
	if kern != nil {
		loopback = func() (float64, error) { v, err := kern.iperf(0, secs); return v / 1e9, err }
	}
	return []row{
		{name: "one stream, one way", unit: "Gb/s", ours: ours(""), kernel: iperf(false), beside: "iperf3, TSO GSO GRO off"},
		{name: "one stream, one way (offloads)", unit: "Gb/s", ours: ours(""), kernel: iperf(true), beside: "iperf3, TSO GSO GRO on"},
		{name: "one stream, one way, bytes checked", unit: "Gb/s", ours: ours("test-bytes"), kernel: iperf(false), beside: "iperf3, offloads off, not checked"},
		{name: "one stream, echo", unit: "Gb/s", ours: ours("echo-bytes"), kernel: iperf(false, "--bidir"), beside: "iperf3 --bidir, offloads off"},
		{name: "one stream, echo, bytes checked", unit: "Gb/s", ours: ours("echo-bytes test-bytes"), kernel: iperf(false, "--bidir"), beside: "iperf3 --bidir, not checked"},
		{name: "10 streams, one way", unit: "Gb/s", ours: ours("nclients 10"), kernel: iperf(false, "-P", "10"), beside: "iperf3 -P 10, offloads off"},
		// Unchecked, no byte would be touched; the last uri counts.
		{name: "cut-through, bytes checked", unit: "Gb/s", ours: ours("local-scope test-bytes uri tcp://" + ourClient + "/1234"), kernel: loopback, beside: "iperf3 over lo, both on one core, not checked"},
		{name: "connections per second, 10 000", unit: "k/s", ours: o10k, kernel: k10k, beside: "connect(2), Go, 128 at a time"},
		{name: "start to prompt", unit: "s", ours: startToPrompt, lower: true},
	}
}

// median is of the runs of class c.
func median(s []sample, c class) (float64, int) {
	var v []float64
	for _, x := range s {
		if x.class == c {
			v = append(v, x.value)
		}
	}
	if len(v) == 0 {
		return 0, 0
	}
	slices.Sort(v)
	return v[len(v)/2], len(v)
}

// common is the class that both sides have most runs of.
func (r *row) common() class {
	best, most := mixed, -1
	for _, c := range []class{near, far, mixed, one} {
		_, n := median(r.runs[0], c)
		if r.kernel != nil {
			_, m := median(r.runs[1], c)
			n = min(n, m)*10 + n + m
		}
		if n > most {
			best, most = c, n
		}
	}
	return best
}

func (r *row) print() {
	c := r.common()
	o, n := median(r.runs[0], c)
	line := fmt.Sprintf("%-38s %7.2f %-4s", r.name, o, r.unit)
	if k, m := median(r.runs[1], c); m > 0 && k > 0 && o > 0 {
		ratio := o / k
		if r.lower {
			ratio = k / o
		}
		line += fmt.Sprintf(" %7.2f %-4s %6.2fx", k, r.unit, ratio)
	} else {
		line += fmt.Sprintf(" %12s %7s", "", "")
	}
	fmt.Printf("%s  %-6s %s (%d runs", line, c, r.beside, n)
	for _, s := range r.runs[0] {
		fmt.Printf(" %.1f%s", s.value, map[class]string{far: "f", mixed: "m"}[s.class])
	}
	fmt.Println(")")
}

func writeCSV(path string, rows []row) error {
	if err := os.MkdirAll("bench-out", 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	_ = w.Write([]string{"test", "side", "run", "value", "unit", "cores"})
	for _, r := range rows {
		for side, name := range []string{"vpphost", "kernel"} {
			for i, s := range r.runs[side] {
				_ = w.Write([]string{r.name, name, strconv.Itoa(i + 1), strconv.FormatFloat(s.value, 'f', 4, 64), r.unit, string(s.class)})
			}
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	fmt.Println("every run is in", path)
	return f.Close()
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
