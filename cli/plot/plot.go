package plot

import (
	"fmt"
	"io"
	"math"

	"github.com/guptarohit/asciigraph"

	"vpphost/cli"
)

const (
	rows      = 10
	axisWidth = 11 // of the numbers at the left
	leastCols = 20
)

// Graph is a series of numbers at even distances.
type Graph struct {
	Caption string    `json:"caption"` // what the numbers are
	Unit    string    `json:"unit"`    // of the numbers, without K, M or G
	Seconds float64   `json:"seconds"` // that they span
	Values  []float64 `json:"values"`
}

// Text draws the graph, as wide as the terminal.
func (g Graph) Text(w io.Writer, l cli.Layout) error {
	if len(g.Values) < 2 {
		_, err := fmt.Fprintf(w, "%s: too short for a graph\n", g.Caption)
		return err
	}
	width := l.Width
	if width == 0 {
		width = 80
	}
	values, prefix := scale(fit(g.Values, max(width-axisWidth, leastCols)))
	caption := fmt.Sprintf("%s, %s%s, over %s seconds", g.Caption, prefix, g.Unit, cli.FormatFloat(g.Seconds, 1))
	_, err := io.WriteString(w, asciigraph.Plot(values, asciigraph.Height(rows), asciigraph.LowerBound(0),
		asciigraph.Width(max(width-axisWidth, leastCols)), asciigraph.Caption(caption))+"\n")
	return err
}

// fit averages neighbours until there are at most n values. What is no number is 0.
func fit(values []float64, n int) []float64 {
	out := make([]float64, min(len(values), n))
	for i := range out {
		part := values[i*len(values)/len(out) : (i+1)*len(values)/len(out)]
		sum := 0.0
		for _, v := range part {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				sum += v
			}
		}
		out[i] = sum / float64(len(part))
	}
	return out
}

// scale divides the values by the power of 1000 that fits the largest, and names it.
func scale(values []float64) ([]float64, string) {
	top := 0.0
	for _, v := range values {
		top = max(top, math.Abs(v))
	}
	prefix, unit := "", 1.0
	for _, p := range []string{"K", "M", "G", "T"} {
		if top < 1000*unit {
			break
		}
		prefix, unit = p, unit*1000
	}
	for i := range values {
		values[i] /= unit
	}
	return values, prefix
}
