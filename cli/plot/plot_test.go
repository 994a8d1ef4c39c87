package plot

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"vpphost/cli"
)

func text(t *testing.T, g Graph, width int) string {
	t.Helper()
	var b bytes.Buffer
	if err := g.Text(&b, cli.Layout{Width: width}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGraph: a ramp climbs from the lower left to the upper right, in the width of the
// terminal, and the unit is the one that fits.
func TestGraph(t *testing.T) {
	for _, width := range []int{0, 60, 132} {
		for _, n := range []int{2, 7, 1000} {
			g := Graph{Caption: "throughput", Unit: "b/s", Seconds: 5}
			for i := range n {
				g.Values = append(g.Values, 50e9*float64(i)/float64(n-1))
			}
			out := text(t, g, width)
			lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
			if len(lines) != rows+2 || !strings.Contains(lines[rows+1], "throughput, Gb/s, over 5.0 seconds") {
				t.Errorf("width %d, %d values: %d lines\n%s", width, n, len(lines), out)
			}
			limit := width
			if width == 0 {
				limit = 80
			}
			for _, l := range lines {
				if utf8.RuneCountInString(l) > limit {
					t.Errorf("width %d: a line of %d: %s", width, utf8.RuneCountInString(l), l)
				}
			}
			if at := func(l string) int { return strings.LastIndexAny(l, "─╭╯╰╮┤┼") }; at(lines[0]) <= at(lines[rows]) {
				t.Errorf("width %d, %d values: does not climb\n%s", width, n, out)
			}
		}
	}
}

func TestGraphOfLittle(t *testing.T) {
	for _, v := range [][]float64{nil, {1}} {
		if out := text(t, Graph{Caption: "x", Values: v}, 80); out != "x: too short for a graph\n" {
			t.Errorf("%v: %s", v, out)
		}
	}
	for _, v := range [][]float64{{0, 0}, {5, 5, 5}, {math.NaN(), math.Inf(1), 1}} {
		if out := text(t, Graph{Caption: "x", Values: v}, 80); !strings.Contains(out, "x, ") {
			t.Errorf("%v: %s", v, out)
		}
	}
}

func TestFitAndScale(t *testing.T) {
	if got := fit([]float64{1, 3, 5, 7}, 2); !slices.Equal(got, []float64{2, 6}) {
		t.Error(got)
	}
	if got := fit([]float64{1, 2}, 9); !slices.Equal(got, []float64{1, 2}) {
		t.Error(got)
	}
	for top, want := range map[float64]string{0: "", 999: "", 1000: "K", 2.5e6: "M", 50e9: "G", 7e15: "T"} {
		if _, p := scale([]float64{top}); p != want {
			t.Errorf("%g is in %q, want %q", top, p, want)
		}
	}
}

func TestGraphJSON(t *testing.T) {
	b, err := json.Marshal(Graph{"throughput", "b/s", 2, []float64{1, 2}})
	if want := `{"caption":"throughput","unit":"b/s","seconds":2,"values":[1,2]}`; err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}
