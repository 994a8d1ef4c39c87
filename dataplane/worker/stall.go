package worker

// StallBounds are the upper bounds of the stall histogram's cells, in ns; the
// last cell holds everything above.
var StallBounds = [...]int64{10e3, 100e3, 250e3, 500e3, 1e6, 2e6, 5e6, 10e6, 50e6}

// Stalls counts the gaps between the starts of two busy Steps by length. A gap
// is how long the worker left its devices alone; sleeping on purpose does not
// count.
type Stalls struct {
	Cells [len(StallBounds) + 1]uint64 `json:"cells"`
	Max   int64                        `json:"maxNs"`
}

func (s *Stalls) add(gap int64) {
	i := 0
	for i < len(StallBounds) && gap > StallBounds[i] {
		i++
	}
	s.Cells[i]++
	s.Max = max(s.Max, gap)
}
