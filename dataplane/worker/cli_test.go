package worker

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/pkt"
)

func exec(t *testing.T, line string, cmds ...*cli.Command) (string, error) {
	t.Helper()
	r := cli.NewRegistry()
	if err := r.Add(cmds...); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err := r.Exec(context.Background(), line, &b, cli.Options{})
	return b.String(), err
}

// matches compares output with a pattern in which each line is a regular expression.
func matches(t *testing.T, what, got string, lines ...string) {
	t.Helper()
	re := regexp.MustCompile("^" + strings.Join(lines, "\n") + "\n$")
	if !re.MatchString(got) {
		t.Errorf("%s prints\n%s\nwant\n%s", what, got, strings.Join(lines, "\n"))
	}
}

// busy makes a worker that has handled packets, with a clock of the test's.
func busy(t *testing.T) *Worker {
	clock := int64(0)
	w := newWorker(t, Config{Name: "vpp_main", Clock: func() int64 { clock += 1000; return clock }})
	w.Add(Input, "memif-input", NodeFunc(func(*Worker, int64) int { return 32 }))
	w.Add(Output, "session-queue", NodeFunc(func(*Worker, int64) int { return 1 }))
	w.Add(Output, "never", NodeFunc(func(*Worker, int64) int { return 0 }))
	w.Add(Flush, "memif0/0-tx", NodeFunc(func(w *Worker, now int64) int { w.TraceDrop(nil, "x", "y"); return 16 }))
	for now := range int64(ClockSample) {
		w.Step(now * 1000)
	}
	clock = 2e9
	return w
}

func TestShowRuntime(t *testing.T) {
	w := busy(t)
	cmds := Commands([]*Worker{w})
	head := []string{
		`Time 2\.0, average vectors/node 16\.33 loops/sec 32\.00`,
		`  vector rates in 1\.0240e3, out 5\.1200e2, drop 3\.2000e1, punt 0\.0000e0`,
	}
	tail := []string{`Asleep 0\.00% of the time in 0 naps`, `Gaps between loops, longest 0s:`}
	table := []string{
		`             Name                 State         Calls          Vectors        Suspends       Packet-Time    Vectors/Call  `,
		`memif-input                      polling                64            2048               0          3\.12e1           32\.00`,
		`memif0/0-tx                      active                 64            1024               0          6\.25e1           16\.00`,
		`session-queue                    active                 64              64               0          1\.00e3            1\.00`,
	}
	got, err := exec(t, "show runtime time", cmds...)
	if err != nil {
		t.Fatal(err)
	}
	matches(t, "show runtime time", got, append(append(head[:2:2], table...), tail...)...)

	w.now = 0
	got, _ = exec(t, "show runtime max time", cmds...)
	matches(t, "max", got, append(append(head[:2:2],
		`             Name              Max Node Clocks  Vectors at Max    Max Clocks      Avg Clocks   Avg Vectors/Call`,
		`memif-input                         1\.00e3            32            3\.12e1          3\.12e1          3\.20e1     `,
		`memif0/0-tx                         1\.00e3            16            6\.25e1          6\.25e1          1\.60e1     `,
		`session-queue                       1\.00e3             1            1\.00e3          1\.00e3          1\.00e0     `), tail...)...)
	got, _ = exec(t, "show runtime summary", cmds...)
	matches(t, "summary", got, append(head[:2:2], tail...)...)
	if got, _ = exec(t, "show runtime verbose", cmds...); !strings.Contains(got, "\nnever ") {
		t.Errorf("verbose leaves out a node: %s", got)
	}
	if got, _ = exec(t, "show runtime never", cmds...); !strings.Contains(got, "\nnever ") || strings.Contains(got, "memif-input") {
		t.Errorf("one node: %s", got)
	}
	if _, err = exec(t, "show runtime bogus", cmds...); err == nil || err.Error() != "show runtime: unknown input `bogus'" {
		t.Errorf("unknown node: %v", err)
	}
	var v struct {
		Threads []struct {
			Stalls struct{ MaxNs *int64 }
			Nodes  []struct{ Name string }
		}
	}
	got, _ = exec(t, "show runtime | json", cmds...)
	if err := json.Unmarshal([]byte(got), &v); err != nil || len(v.Threads) != 1 || v.Threads[0].Stalls.MaxNs == nil || len(v.Threads[0].Nodes) != 3 {
		t.Errorf("json: %v %s", err, got)
	}

	// Two threads have their names above.
	x := newWorker(t, Config{Index: 1, Name: "vpp_wk_0"})
	got, _ = exec(t, "show runtime summary", Commands([]*Worker{w, x})...)
	if !strings.HasPrefix(got, "Thread 0 vpp_main\n") || !strings.Contains(got, "\n---------------\nThread 1 vpp_wk_0\n") {
		t.Errorf("two threads: %s", got)
	}

	if _, err := exec(t, "clear runtime", cmds...); err != nil {
		t.Fatal(err)
	}
	r := w.Runtime()
	if r.Loops != 0 || r.Drops != 0 || r.In != 0 || r.Seconds > .001 || len(r.Nodes) != 4 || r.Nodes[0].Phase != Input {
		t.Errorf("after clear: %+v", r)
	}
}

func TestRuntimeTail(t *testing.T) {
	r := Runtime{Seconds: 10, Sleeps: Sleeps{Naps: 7, Ns: 2.5e9}}
	for _, gap := range []int64{5e3, 9e3, 60e3, 700e3, 80e6} {
		r.Stalls.Add(gap)
	}
	r.Stalls.addOwn(3e6)
	var b strings.Builder
	r.tail(&b)
	want := "Asleep 25.00% of the time in 7 naps\nGaps between loops, longest 80ms (3ms without waiting for a core): <=10us 2 <=100us 1 <=1ms 1 >50ms 1\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestSystemCommands(t *testing.T) {
	w := newWorker(t, Config{Name: "vpp_main"})
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	b := make([]*pkt.Buf, 3)
	for k := range b {
		_ = w.Do(func(w *Worker) { b[k] = w.Bufs.Get() })
	}
	time.Sleep(5 * time.Millisecond)
	cmds := Commands([]*Worker{w})
	run := func(line string) string {
		t.Helper()
		got, err := exec(t, line, cmds...)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		return got
	}
	matches(t, "show threads", run("show threads"),
		`ID +Name +LWP +CPU +Sched +Loops +Epolls +Sleeps +FdWakeups +WakeReq +Wakeups *`,
		` 0 vpp_main +[1-9]\d* +\d+ (other|batch) \(0\) +[1-9]\d* +[1-9]\d* +\d+ +0 +\d+ +\d+`)
	matches(t, "show buffers", run("show buffers"),
		`Pool Name            Index NUMA  Size  Data Size  Total  Avail  Cached   Used  `,
		`test                   0     0   2368     2048     64      0      61       3   `)
	var b2 strings.Builder
	_ = pools{{Name: "default-numa-0", Size: 2304, DataSize: 2048, Total: 66374, Avail: 66086, Cached: 288}}.Text(&b2, cli.Layout{})
	if _, row, _ := strings.Cut(b2.String(), "\n"); row != "default-numa-0         0     0   2304     2048    66374  66086    288      0   \n" {
		t.Errorf("buffers: %q", row)
	}
	matches(t, "show clock", run("show clock"),
		`Time now [\d.]+, \w\w\w, [ \d]\d \w\w\w \d{4} \d\d:\d\d:\d\d GMT`, `0: Time now [\d.]+`)
	matches(t, "show memory", run("show memory"),
		`process: resident [\d.]+[mg], at most [\d.]+[mg], in huge pages [\d.]+[kmg]?, address space [\d.]+[mg]`,
		`go heap: live [\d.]+[kmg], mapped [\d.]+[kmg], next collection at [\d.]+[kmg], \d+ collections, [1-9]\d* goroutines`,
		`packet buffers 'test': size 148k, used 6.94k, free 141.06k`, `Thread 0:`,
		`Pool                          Slot        Used    Capacity    Resident`,
		`timers                          32           0     4194304           [\dk.]+`)
	matches(t, "show memory main-heap", run("show memory main-heap"), `go heap: .*`)
	matches(t, "show cpu", run("show cpu"), `Model name:               \S.*`, `Microarch model \(family\): \S.*\(family 0x\S+ model 0x\S+ stepping 0x\S+\)`,
		`Flags:                    .*sse.*`, `Base frequency:           [\d.]+ GHz`)
	_ = w.Do(func(w *Worker) { w.Bufs.PutN(b) })
	if _, err := exec(t, "show memory bogus", cmds...); !errors.Is(err, cli.ErrUsage) {
		t.Errorf("show memory bogus: %v", err)
	}
}

func TestShowVersion(t *testing.T) {
	c := VersionCommand(Build{Program: "vpphost", Version: "1.2.3", User: "me", Host: "vm", Date: "2026-11-22T04:54:20", Compiler: "go1.26"})
	run := func(line string) string {
		got, err := exec(t, line, c)
		if err != nil {
			t.Error(err)
		}
		return got
	}
	if got := run("show version"); got != "vpphost v1.2.3 built by me on vm at 2026-11-22T04:54:20\n" {
		t.Errorf("%q", got)
	}
	matches(t, "verbose", run("show version verbose"), `Version:                  v1.2.3`, `Compiled by:              me`, `Compile host:             vm`,
		`Compile date:             2026-11-22T04:54:20`, `Compiler:                 go1.26`, `Current PID:              \d+`)
	if got := run("show version cmdline"); !strings.HasPrefix(got, "Command line arguments:\n  "+os.Args[0]+"\n") {
		t.Errorf("%q", got)
	}
	if got := (&Build{Program: "vpphost", Version: "v9"}).Line(); got != "vpphost v9" {
		t.Errorf("%q", got)
	}
	if _, err := exec(t, "show version bogus", c); !errors.Is(err, cli.ErrUsage) {
		t.Errorf("%v", err)
	}
}

// Wake called at any moment must lead to a Step soon, however the sleep is begun.
func TestWakeIsNeverLost(t *testing.T) {
	w := newWorker(t, Config{})
	seen := make(chan struct{}, 1)
	var flag [1]chan struct{}
	flag[0] = make(chan struct{}, 1)
	w.Add(Input, "look", NodeFunc(func(*Worker, int64) int {
		select {
		case <-flag[0]:
			seen <- struct{}{}
		default:
		}
		return 0
	}))
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		time.Sleep(time.Duration(n%5) * 100 * time.Microsecond)
		flag[0] <- struct{}{}
		w.Wake()
		select {
		case <-seen:
		case <-time.After(500 * time.Millisecond): // an idle worker sleeps a second
			t.Fatalf("round %d: the worker sleeps on", n)
		}
	}
}
