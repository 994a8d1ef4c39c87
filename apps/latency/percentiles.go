package latency

import (
	"strconv"

	"vpphost/cli"
)

// Percentiles says how long things took, in microseconds.
type Percentiles struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"meanUs"`
	P50   float64 `json:"p50Us"`
	P90   float64 `json:"p90Us"`
	P99   float64 `json:"p99Us"`
	P999  float64 `json:"p999Us"`
	Max   float64 `json:"maxUs"`
}

// Percentiles is what h has counted.
func (h *Histogram) Percentiles() Percentiles {
	us := func(share float64) float64 { return float64(h.Below(share)) / 1e3 }
	return Percentiles{Count: h.n, Mean: h.Mean() / 1e3,
		P50: us(.5), P90: us(.9), P99: us(.99), P999: us(.999), Max: float64(h.max) / 1e3}
}

// Legend names the figures of String.
const Legend = "p50/p90/p99/p99.9/max"

// String is the five figures in the order of Legend, all in us: 9.40us/11.00us/….
func (p Percentiles) String() string {
	return Us(p.P50) + "/" + Us(p.P90) + "/" + Us(p.P99) + "/" + Us(p.P999) + "/" + Us(p.Max)
}

// Us prints microseconds with two decimals and the unit, always the same one, for text
// that programs read: .50us, 1441.79us.
func Us(us float64) string { return cli.FormatFloat(us, 2) + "us" }

// Short prints microseconds in three to four digits and the unit that fits, for columns
// that people read: 940ns, 9.40us, 300us, 1.23ms, 28.2ms, 1.04s.
func Short(us float64) string {
	switch {
	case us < .9995:
		return strconv.FormatFloat(us*1e3, 'f', 0, 64) + "ns"
	case us < 999.5:
		return digits(us) + "us"
	case us < 999.5e3:
		return digits(us/1e3) + "ms"
	}
	return digits(us/1e6) + "s"
}

// digits prints f, which is above .999, in three digits, or in more when they stand
// before the point.
func digits(f float64) string {
	switch {
	case f < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}
