package stats

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"vpphost/cli"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

func TestErrors(t *testing.T) {
	pool, err := pkt.NewMapPool("test", 16, pkt.DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	var workers []*worker.Worker
	for k, name := range []string{"vpp_wk_0", "vpp_wk_1"} {
		w, err := worker.New(worker.Config{Index: k, CPU: -1, Name: name, Pool: pool})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
		workers = append(workers, w)
	}
	set := &Set{}
	g := set.New("tcp4-output", len(workers), Reason{"Packets sent", Info}, Reason{"never", Error})
	h := set.New("tcp4-established", len(workers), Reason{"OOO packets pushed into rx fifo, which is a long reason", Warn})
	for k, w := range workers {
		if err := w.Do(func(w *worker.Worker) { g.Add(w, 0, uint64(5+k)); g.Inc(w, 0) }); err != nil {
			t.Fatal(err)
		}
	}
	_ = workers[1].Do(func(w *worker.Worker) { h.Inc(w, 0) })
	reg := cli.NewRegistry()
	if err := reg.Add(Commands(set, workers)...); err != nil {
		t.Fatal(err)
	}
	run := func(line string) string {
		t.Helper()
		var b strings.Builder
		if err := reg.Exec(context.Background(), line, &b, cli.Options{}); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		return b.String()
	}
	head := "   Count                  Node                              Reason               Severity "
	sent := "            tcp4-output                        Packets sent              info   "
	long := "          tcp4-established         OOO packets pushed into rx fifo, wh   warn   "
	want := head + "\n        13" + sent + "\n         1" + long + "\n"
	for _, line := range []string{"show errors", "show node counters", "sh err"} {
		if got := run(line); got != want {
			t.Errorf("%s prints\n%s\nwant\n%s", line, got, want)
		}
	}
	want = "Thread 0 (vpp_wk_0):\n" + head + " Index\n         6" + sent + "     0\n" +
		"Thread 1 (vpp_wk_1):\n" + head + " Index\n         7" + sent + "     0\n         1" + long + "     2\n" +
		"Total:\n" + head + " Index\n        13" + sent + "     0\n         1" + long + "     2\n"
	if got := run("show errors verbose 1"); got != want {
		t.Errorf("verbose prints\n%s\nwant\n%s", got, want)
	}
	var v struct{ Counters []struct{ Count int } }
	if got := run("show errors | json"); json.Unmarshal([]byte(got), &v) != nil || len(v.Counters) != 2 || v.Counters[0].Count != 13 {
		t.Errorf("json: %s", got)
	}
	run("clear node counters")
	if got := run("show errors"); got != head+"\n" {
		t.Errorf("after clear: %s", got)
	}
}
