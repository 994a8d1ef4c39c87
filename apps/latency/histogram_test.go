package latency

import (
	"math"
	"testing"
)

func TestHistogramCells(t *testing.T) {
	last := -1
	for _, ns := range []int64{0, 1, 63, 64, 65, 127, 128, 129, 255, 256, 1000, 9999, 1e6, 1e9, 60e9, 1<<36 - 1} {
		c := cellOf(ns)
		if c < last || c >= len(Histogram{}.cells) {
			t.Errorf("%d ns is in cell %d, after %d", ns, c, last)
		}
		last = c
		if end := cellEnd(c); end < ns || float64(end-ns) > float64(ns)/63 || cellOf(end) != c || cellOf(end+1) != c+1 && end != 1<<36-1 {
			t.Errorf("cell %d of %d ns ends at %d", c, ns, end)
		}
	}
	if cellOf(-5) != 0 || cellOf(math.MaxInt64) != len(Histogram{}.cells)-1 {
		t.Error("what is out of range has no cell")
	}
}

// near tells whether got is want, or less than a cell above it.
func near(got, want float64) bool { return got >= want && got <= want*1.016 }

func TestHistogramPercentiles(t *testing.T) {
	var h, other Histogram
	if h.Below(.5) != 0 || h.Mean() != 0 {
		t.Error("an empty histogram has a percentile")
	}
	for i := int64(1); i <= 500; i++ {
		h.Add(i * 1000)
		other.Add((500 + i) * 1000)
	}
	h.Merge(&other)
	for share, want := range map[float64]float64{.5: 500e3, .9: 900e3, .99: 990e3, .999: 999e3, 1: 1000e3} {
		if got := float64(h.Below(share)); !near(got, want) {
			t.Errorf("%g of all are below %g ns, want %g", share, got, want)
		}
	}
	if h.Count() != 1000 || h.Max() != 1e6 || h.Below(1) != 1e6 || h.Mean() != 500500 {
		t.Errorf("%d counted, longest %d, mean %g", h.Count(), h.Max(), h.Mean())
	}
	p := h.Percentiles()
	if p.Count != 1000 || p.Mean != 500.5 || !near(p.P50, 500) || !near(p.P90, 900) || !near(p.P99, 990) || !near(p.P999, 999) || p.Max != 1000 {
		t.Errorf("%+v", p)
	}
	if n := testing.AllocsPerRun(100, func() { h.Add(12345) }); n != 0 {
		t.Errorf("counting allocates %g times", n)
	}
}

// TestHistogramSince: what was counted after a copy was made.
func TestHistogramSince(t *testing.T) {
	var h Histogram
	h.Add(5e6)
	h.Add(100)
	before := h
	if since := h; since.Count() != 2 {
		t.Fatal("a copy differs")
	}
	h.Add(1000)
	h.Add(3000)
	since := h
	since.Sub(&before)
	if since.Count() != 2 || since.Mean() != 2000 || !near(float64(since.Max()), 3000) || !near(float64(since.Below(.5)), 1000) {
		t.Errorf("%d, mean %g, max %d", since.Count(), since.Mean(), since.Max())
	}
	same := h
	if same.Sub(&h); same.Count() != 0 || same.Max() != 0 || same.Below(.99) != 0 {
		t.Errorf("nothing new: %d, max %d", same.Count(), same.Max())
	}
	// What is beyond the last cell keeps its length.
	h.Add(200e9)
	since = h
	if since.Sub(&before); since.Max() != 200e9 {
		t.Errorf("max %d", since.Max())
	}
	if h.Reset(); h.Count() != 0 || h.Max() != 0 {
		t.Error("not empty")
	}
}

func TestPrinted(t *testing.T) {
	p := Percentiles{P50: 9.4, P90: 11, P99: 20.25, P999: 300, Max: 1234.5}
	if got, want := p.String(), "9.40us/11.00us/20.25us/300.00us/1234.50us"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for us, want := range map[float64]string{0: "0ns", .94: "940ns", .9996: "1.00us", 9.4: "9.40us", 9.996: "10.0us", 99.96: "100us",
		300: "300us", 999.6: "1.00ms", 1234.5: "1.23ms", 28170: "28.2ms", 999600: "1.00s", 61.5e6: "61.5s"} {
		if got := Short(us); got != want {
			t.Errorf("%g us is %s, want %s", us, got, want)
		}
	}
}
