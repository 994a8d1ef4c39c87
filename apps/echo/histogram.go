package echo

import "math/bits"

// A histogram counts durations in cells that grow with the value: exact below 64 ns,
// above it 64 cells for each power of two, so that a cell is at most 1.6 % wide. It has
// its full size from the beginning: counting allocates nothing.
type histogram struct {
	cells [(histogramBits - subBits + 1) << subBits]uint64
	n     uint64
	max   int64
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

func (h *histogram) add(ns int64) {
	h.cells[cellOf(ns)]++
	h.n++
	h.max = max(h.max, ns)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.cells {
		h.cells[i] += n
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// below is the duration that the given share of all did not exceed.
func (h *histogram) below(share float64) int64 {
	want := uint64(share*float64(h.n) + .5)
	var seen uint64
	for i, n := range h.cells {
		if seen += n; n > 0 && seen >= want {
			return min(cellEnd(i), h.max)
		}
	}
	return h.max
}
