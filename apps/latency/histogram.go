package latency

import "math/bits"

// Histogram counts durations in cells that grow with the value: exact below 64 ns, above
// it 64 cells for each power of two, so that a cell is at most 1.6 % wide. It has its full
// size from the beginning (16 KB): counting allocates nothing. The zero value is empty and
// ready. It belongs to one worker; others read it in worker.Do.
type Histogram struct {
	cells [(histogramBits - subBits + 1) << subBits]uint64
	n     uint64
	sum   int64 // ns
	max   int64 // ns
}

const (
	subBits       = 6
	histogramBits = 36 // up to 68 s; what is longer counts as that
)

// cellOf is the cell of a duration in ns.
func cellOf(ns int64) int {
	v := uint64(max(ns, 0))
	v = min(v, 1<<histogramBits-1)
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// cellEnd is the largest duration that falls into a cell.
func cellEnd(cell int) int64 {
	shift := max(cell>>subBits-1, 0)
	return int64(cell-shift<<subBits+1)<<shift - 1
}

// Add counts one duration in ns; a negative one counts as 0.
func (h *Histogram) Add(ns int64) {
	ns = max(ns, 0)
	h.cells[cellOf(ns)]++
	h.n++
	h.sum += ns
	h.max = max(h.max, ns)
}

// Merge adds what o has counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.cells {
		h.cells[i] += n
	}
	h.n += o.n
	h.sum += o.sum
	h.max = max(h.max, o.max)
}

// Sub takes away what an earlier copy of h had counted: what is left was counted since.
// Its longest duration is then known to a cell, unless it is that of all.
func (h *Histogram) Sub(earlier *Histogram) {
	last := -1
	for i, n := range earlier.cells {
		if h.cells[i] -= n; h.cells[i] > 0 {
			last = i
		}
	}
	h.n -= earlier.n
	h.sum -= earlier.sum
	switch {
	case last < 0:
		h.max = 0
	case last != len(h.cells)-1:
		h.max = min(h.max, cellEnd(last))
	}
}

// Reset forgets everything.
func (h *Histogram) Reset() { *h = Histogram{} }

// Count is how many durations were added.
func (h *Histogram) Count() uint64 { return h.n }

// Max is the longest duration in ns.
func (h *Histogram) Max() int64 { return h.max }

// Mean is the average in ns, exact; 0 when nothing was added.
func (h *Histogram) Mean() float64 { return float64(h.sum) / float64(max(h.n, 1)) }

// Below is the duration in ns that the given share (0 to 1) of all did not exceed, at most
// 1.6 % too long; 0 when nothing was added.
func (h *Histogram) Below(share float64) int64 {
	want := uint64(share*float64(h.n) + .5)
	var seen uint64
	for i, n := range h.cells {
		if seen += n; n > 0 && seen >= want {
			return min(cellEnd(i), h.max)
		}
	}
	return h.max
}
