package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// of makes samples of a line: "v" near, "vf" far, "vm" mixed, "vw" one that waited.
func of(line, who string, lower bool, runs ...sample) (out []sample) {
	for i, s := range runs {
		s.line, s.who, s.unit, s.lower, s.run = line, who, "Gb/s", lower, i+1
		out = append(out, s)
	}
	return out
}

func at(v float64, c class) sample { return sample{value: v, class: c} }

func TestMedian(t *testing.T) {
	all := []sample{at(3, near), at(9, far), at(1, near), at(2, near), at(8, far)}
	for c, want := range map[class][2]float64{near: {2, 3}, far: {8.5, 2}, mixed: {0, 0}, "": {3, 5}} {
		if v, n := median(all, c); v != want[0] || n != int(want[1]) {
			t.Errorf("%q: %g of %d, want %v", c, v, n, want)
		}
	}
}

func TestCommonClass(t *testing.T) {
	n, f, m := at(1, near), at(1, far), at(1, mixed)
	for _, c := range []struct {
		a, b []sample
		want class
	}{
		{[]sample{n, n, f}, []sample{n, f, f}, near},
		{[]sample{n, f, f}, []sample{f, f, n}, far},
		{[]sample{n, n, n, f}, []sample{f, m, m}, far},
		{[]sample{n, n}, []sample{f, f}, ""},
		{nil, []sample{f}, ""},
	} {
		if got := common(c.a, c.b); got != c.want {
			t.Errorf("%v and %v: %q, want %q", c.a, c.b, got, c.want)
		}
	}
}

func TestUsable(t *testing.T) {
	quiet, waited, stuck := at(1, near), sample{value: 2, wait: .3}, sample{fault: "stuck"}
	if got := usable([]sample{waited, quiet, stuck}); !slices.Equal(got, []sample{quiet}) {
		t.Errorf("usable: %v", got)
	}
	if got := usable([]sample{waited, stuck}); !slices.Equal(got, []sample{waited}) {
		t.Errorf("usable: %v", got)
	}
}

// example is a run with everything in it.
func example() []sample {
	var all []sample
	all = append(all, of("1 stream, one way", ours, false, at(40, near), at(11, far), at(44, near))...)
	all = append(all, of("1 stream, one way", "VPP", false, at(11, far), at(10, far), at(33, near))...)
	all = append(all, of("1 stream, one way", "VPP best", false, at(42, near), at(42, near), at(42, near))...)
	all = append(all, of("1 stream, one way", "kernel", false, at(5, mixed))...)
	all = append(all, of("10 streams, echo", ours, false, at(9, near))...)
	all = append(all, of("10 streams, echo", "VPP", false, sample{class: near, fault: "stuck"})...)
	all = append(all, of("64-byte request, p50", ours, true, at(8, near))...)
	all = append(all, of("64-byte request, p50", "kernel", true, at(40, near))...)
	return all
}

func TestStandings(t *testing.T) {
	lines := standings(example())
	if len(lines) != 3 || lines[0].name != "1 stream, one way" || len(lines[0].by) != 4 {
		t.Fatalf("%+v", lines)
	}
	for _, c := range []struct {
		line               int
		who                string
		value, ours, ratio float64
		class              class
	}{
		{0, ours, 42, 42, math.NaN(), near},
		{0, "VPP", 33, 42, 42. / 33, near}, // near rather than far: we have two of those
		{0, "VPP best", 42, 42, 1, near},
		{0, "kernel", 5, 40, 8, ""},
		{1, "VPP", 0, 9, math.NaN(), ""},
		{2, "kernel", 40, 8, 5, near}, // less is better, the ratio is not turned round
	} {
		s := lines[c.line].find(c.who)
		if s.value != c.value || s.ours != c.ours || s.ratio != c.ratio && !(math.IsNaN(s.ratio) && math.IsNaN(c.ratio)) || s.class != c.class {
			t.Errorf("%s, %s: %+v, want %+v", lines[c.line].name, c.who, *s, c)
		}
	}
}

func TestCSVKeepsEverything(t *testing.T) {
	all := example()
	all[0].cpu, all[0].wait, all[0].stall = [2]float64{.99, .5}, .125, 12.5
	var b bytes.Buffer
	if err := writeCSV(&b, all); err != nil {
		t.Fatal(err)
	}
	back, err := readCSV(&b)
	if err != nil || !reflect.DeepEqual(back, all) {
		t.Errorf("%v: %+v\nwant %+v", err, back, all)
	}
	if _, err := readCSV(strings.NewReader("test,side,run\n")); err == nil {
		t.Error("a file with other columns was read")
	}
}

func TestTables(t *testing.T) {
	var b bytes.Buffer
	lines := standings(example())
	printRow(&b, lines[:1], "a note")
	printSummary(&b, lines)
	for _, want := range []string{
		"  VPP              33.0   1.27x  near      11.0f 10.0f 33.0\n",
		"  kernel           5.00   8.00x            5.00m\n",
		"  (a note)\n",
		"| 1 stream, one way    | Gb/s                 | 42.0    | 33.0  | 1.27  | 42.0     | 1.00  | 5.00   | 8.00  |\n",
		"| 10 streams, echo     | Gb/s                 | 9.00    | stuck |       |          |       |        |       |\n",
		"| 64-byte request, p50 | Gb/s, less is better | 8.00    |       |       |          |       | 40.0   | 5.00  |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

func TestChart(t *testing.T) {
	var b bytes.Buffer
	if err := chart(&b, "a < b & c", standings(example())); err != nil {
		t.Fatal(err)
	}
	svg := b.String()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not XML: %v\n%s", err, svg)
		}
	}
	for _, want := range []string{"a &lt; b &amp; c", "33.0 Gb/s  (1.27x)", ">VPP: stuck<", "less is better", "prefers-color-scheme: dark"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the chart does not say %q", want)
		}
	}
	for _, who := range contenderNames {
		if colours[who] == "" {
			t.Errorf("%s has no colour", who)
		}
	}
}

func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range table() {
		for _, f := range r.figures() {
			if seen[r.line(f)] {
				t.Errorf("two lines are called %q", r.line(f))
			}
			seen[r.line(f)] = true
		}
		if r.sources > maxSources {
			t.Errorf("%s wants %d addresses", r.name, r.sources)
		}
	}
	got, err := choose(table(), "10 streams; start")
	if err != nil || len(got) != 3 {
		t.Errorf("%d rows, %v", len(got), err)
	}
	if _, err := choose(table(), "nonsense"); err == nil {
		t.Error("no row was found, and that is no error")
	}
	for want, r := range map[string]row{
		"client uri tcp://6.0.1.1/1234 fifo-size 4m run-time 4 report-interval 1":                                    {streams: 1},
		"client uri tcp://6.0.1.1/1234 fifo-size 1m run-time 4 report-interval 1 nclients 100 echo-bytes test-bytes": {streams: 100, echo: true, check: true},
		"client uri tcp://6.0.1.1/1234 run-time 4 request 64":                                                        {kind: request, size: 64},
	} {
		if got := r.clientWords(4); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
