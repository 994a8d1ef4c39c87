package simtest

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/tcp/cc"
)

var update = flag.Bool("update", false, "write testdata anew instead of comparing")

// golden compares text with testdata/name, or writes it.
func golden(t *testing.T, name, text string) {
	t.Helper()
	name = "testdata/" + name
	if *update {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) == text {
		return
	}
	a, b := strings.Split(string(want), "\n"), strings.Split(text, "\n")
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			t.Errorf("%s:%d\n want %s\n have %s", name, i+1, x, y)
		}
	}
	t.Log("if the difference is meant, run the test with -update and look at it")
}

// transfer is the time that one transfer of size bytes takes, in ns, from the open to the
// last byte.
func transfer(t *testing.T, id cc.ID, l sim.Link, size uint64) int64 {
	o := Options{CC: id, RxFIFO: 32 << 20, TxFIFO: 32 << 20, Trust: true}
	back := l
	back.Loss, back.Queue = 0, 0 // ACKs get through
	p := newPair(t, setup{seed: 1, links: [2]sim.Link{l, back}, client: o, server: o})
	p.server.Serve = func() Plan { return Plan{} }
	p.open(1, func(int) Plan { return Plan{Send: size, Finish: HalfCloseFirst} })
	begin := p.w.Now()
	p.finish(1, 3600*sec)
	p.received(p.server, size)
	return p.server.Ends[0].DoneAt - begin
}

// TestGoodput is the table of what a transfer achieves by loss, delay, controller and
// line rate. It is compared exactly: time is virtual.
func TestGoodput(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var b strings.Builder
	b.WriteString("Goodput of one transfer, Mbit/s, from the open to the last byte.\n" +
		"Queue of the bottleneck: one bandwidth-delay product, at least 64 frames.\n")
	losses := []float64{0, 0.001, 0.01, 0.05}
	for _, rate := range []float64{100e6, 1e9} {
		size := uint64(rate / 8 / 15) // 67 ms at line rate
		size = max(size, 2<<20)
		fmt.Fprintf(&b, "\n%.0f Mbit/s, %.1f MB\n%-10s %-8s", rate/1e6, float64(size)/1e6, "delay", "")
		for _, loss := range losses {
			fmt.Fprintf(&b, " %9s", fmt.Sprintf("%g %%", loss*100))
		}
		b.WriteByte('\n')
		for _, delay := range []int64{100e3, ms, 10 * ms, 50 * ms} {
			for id := cc.ID(0); id < cc.NumIDs; id++ {
				fmt.Fprintf(&b, "%-10s %-8s", fmt.Sprintf("%g ms", float64(delay)/1e6), id)
				for _, loss := range losses {
					l := sim.Link{Delay: delay, Rate: uint64(rate), Loss: loss}
					l.Queue = max(64, int(rate/8*float64(2*delay)/1e9/1514))
					took := transfer(t, id, l, size)
					fmt.Fprintf(&b, " %9.2f", float64(size)*8e3/float64(took))
				}
				b.WriteByte('\n')
			}
		}
	}
	golden(t, "goodput.txt", b.String())
}

// TestFairness is the table of how flows share a bottleneck: Jain's index over the last
// seconds, and how much of the line they use together.
func TestFairness(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var b strings.Builder
	b.WriteString("Flows that share 50 Mbit/s with a round trip of 20 ms, for 15 s; they start within the first second.\n" +
		"Jain's index of the last 8 s (1 is fair), use of the line in percent, least and most Mbit/s.\n\n")
	fmt.Fprintf(&b, "%-6s %-18s %8s %8s %8s %8s\n", "flows", "controllers", "index", "use", "least", "most")
	for _, n := range []int{2, 10} {
		for _, mix := range [][2]cc.ID{{cc.Cubic, cc.Cubic}, {cc.NewReno, cc.NewReno}, {cc.Cubic, cc.NewReno}} {
			index, use, least, most := share(t, n, mix)
			name := mix[0].String()
			if mix[1] != mix[0] {
				name += "+" + mix[1].String()
			}
			fmt.Fprintf(&b, "%-6d %-18s %8.3f %8.1f %8.2f %8.2f\n", n, name, index, use, least, most)
			if mix[0] == mix[1] && index < 0.8 {
				t.Errorf("%d flows of %s: Jain's index %.3f", n, name, index)
			}
			if use < 80 {
				t.Errorf("%d flows of %s use %.1f %% of the line", n, name, use)
			}
		}
	}
	golden(t, "fairness.txt", b.String())
}

// share has n flows of the two controllers by turns share a line.
func share(t *testing.T, n int, mix [2]cc.ID) (index, use, least, most float64) {
	const rate, rtt, settled, span = 50e6, 20 * ms, 7 * sec, 8 * sec
	l := sim.Link{Delay: rtt / 2, Rate: rate, Queue: 82} // a bandwidth-delay product
	back := sim.Link{Delay: rtt / 2, Rate: 1e9}
	p := newPair(t, setup{seed: 1, links: [2]sim.Link{l, back}, client: Options{CC: mix[0], TxFIFO: 2 << 20, Trust: true},
		server: Options{RxFIFO: 2 << 20, Trust: true}})
	p.server.Serve = func() Plan { return Plan{} }
	begin := p.w.Now()
	for i := range n {
		if err := p.a.SetCC(mix[i%2]); err != nil {
			t.Fatal(err)
		}
		p.open(1, func(int) Plan { return Plan{Send: 1 << 40, Finish: StayOpen} })
		p.w.RunFor(sec/int64(n), nil)
	}
	p.w.Run(begin+settled, nil)
	at := make([]uint64, n)
	for i, e := range p.server.Ends {
		at[i] = e.Received
	}
	p.w.Run(begin+settled+span, nil)
	var sum, squares float64
	least = math.Inf(1)
	for i, e := range p.server.Ends {
		mbit := float64(e.Received-at[i]) * 8e3 / float64(span)
		sum, squares = sum+mbit, squares+mbit*mbit
		least, most = min(least, mbit), max(most, mbit)
	}
	for _, h := range []interface{ Detach() error }{p.ca, p.sa} {
		if err := h.Detach(); err != nil {
			t.Error(err)
		}
	}
	p.w.RunFor(60*sec, nil)
	p.verify()
	return sum * sum / (float64(n) * squares), sum * 1e6 / rate * 100, least, most
}
