package echo

import (
	"math"
	"testing"
)

func TestHistogramCells(t *testing.T) {
	last := -1
	for _, ns := range []int64{0, 1, 63, 64, 65, 127, 128, 129, 255, 256, 1000, 9999, 1e6, 1e9, 60e9, 1<<36 - 1} {
		c := cellOf(ns)
		if c < last || c >= len(histogram{}.cells) {
			t.Errorf("%d ns is in cell %d, after %d", ns, c, last)
		}
		last = c
		if end := cellEnd(c); end < ns || float64(end-ns) > float64(ns)/63 || cellOf(end) != c || cellOf(end+1) != c+1 && end != 1<<36-1 {
			t.Errorf("cell %d of %d ns ends at %d", c, ns, end)
		}
	}
	if cellOf(-5) != 0 || cellOf(math.MaxInt64) != len(histogram{}.cells)-1 {
		t.Error("what is out of range has no cell")
	}
}

func TestHistogramPercentiles(t *testing.T) {
	var h, other histogram
	if h.below(.5) != 0 {
		t.Error("an empty histogram has a percentile")
	}
	for i := int64(1); i <= 500; i++ {
		h.add(i * 1000)
		other.add((500 + i) * 1000)
	}
	h.merge(&other)
	for share, want := range map[float64]float64{.5: 500e3, .9: 900e3, .99: 990e3, .999: 999e3, 1: 1000e3} {
		if got := float64(h.below(share)); got < want || got > want*1.016 {
			t.Errorf("%g of all are below %g ns, want %g", share, got, want)
		}
	}
	if h.n != 1000 || h.max != 1e6 || h.below(1) != 1e6 {
		t.Errorf("%d counted, longest %d", h.n, h.max)
	}
	if n := testing.AllocsPerRun(100, func() { h.add(12345) }); n != 0 {
		t.Errorf("counting allocates %g times", n)
	}
}
