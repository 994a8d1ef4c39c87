package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// ours is the name of the contender that the others are compared with.
const ours = "vpphost"

// sample is one figure of one run.
type sample struct {
	line  string // row and figure
	unit  string
	lower bool // a lower value is better
	who   string
	run   int
	value float64
	class class
	cpu   [2]float64 // share of a core, server and client
	wait  float64    // share of the time that a process waited for its core
	stall float64    // ms, 0 when not known
	fault string     // why there is no value, "" when there is
}

// tooLong is the share of waiting above which a run does not count.
const tooLong = .05

// usable are the samples that count: those with a value, and of them those that had their
// core to themselves, if there are any.
func usable(all []sample) []sample {
	ok := slices.DeleteFunc(slices.Clone(all), func(s sample) bool { return s.fault != "" })
	quiet := slices.DeleteFunc(slices.Clone(ok), func(s sample) bool { return s.wait > tooLong })
	if len(quiet) > 0 {
		return quiet
	}
	return ok
}

// median is of the samples of class c, or of all when c is "". n is how many there are.
func median(all []sample, c class) (v float64, n int) {
	var list []float64
	for _, s := range all {
		if c == "" || s.class == c {
			list = append(list, s.value)
		}
	}
	if len(list) == 0 {
		return 0, 0
	}
	slices.Sort(list)
	i := len(list) / 2
	if len(list)%2 == 0 {
		return (list[i-1] + list[i]) / 2, len(list)
	}
	return list[i], len(list)
}

// common is the class that both have most samples of; "" when they share none.
func common(a, b []sample) class {
	best, most := class(""), 0
	for _, c := range []class{near, far, mixed, one} {
		_, n := median(a, c)
		_, m := median(b, c)
		if n > 0 && m > 0 && min(n, m)*100+n+m > most {
			best, most = c, min(n, m)*100+n+m
		}
	}
	return best
}

// standing is how a contender did in a line.
type standing struct {
	who    string
	all    []sample
	value  float64 // median in the class that it shares with ours
	ours   float64 // ours in that class
	ratio  float64 // above 1 when we are better; NaN when there is nothing to compare
	class  class   // "" when the two share none, and the medians are over all
	counts int     // samples that count
}

// line is what all contenders did in a figure of a row.
type line struct {
	name, unit string
	lower      bool
	by         []standing // in the order of the samples
}

// standings sorts samples into lines, in the order in which they came.
func standings(samples []sample) (lines []line) {
	at := map[string]int{}
	for _, s := range samples {
		i, ok := at[s.line]
		if !ok {
			i = len(lines)
			at[s.line] = i
			lines = append(lines, line{name: s.line, unit: s.unit, lower: s.lower})
		}
		l := &lines[i]
		j := slices.IndexFunc(l.by, func(x standing) bool { return x.who == s.who })
		if j < 0 {
			j = len(l.by)
			l.by = append(l.by, standing{who: s.who})
		}
		l.by[j].all = append(l.by[j].all, s)
	}
	for i := range lines {
		lines[i].compare()
	}
	return lines
}

// compare fills in the medians and ratios.
func (l *line) compare() {
	var us []sample
	for _, s := range l.by {
		if s.who == ours {
			us = usable(s.all)
		}
	}
	for i := range l.by {
		s := &l.by[i]
		them := usable(s.all)
		s.class = common(us, them)
		if len(us) == 0 {
			s.class = common(them, them)
		}
		s.value, s.counts = median(them, s.class)
		s.ours, _ = median(us, s.class)
		s.ratio = math.NaN()
		if s.who != ours && s.value > 0 && s.ours > 0 {
			s.ratio = s.ours / s.value
			if l.lower {
				s.ratio = s.value / s.ours
			}
		}
	}
}

// find is a contender's standing, nil when it has none.
func (l *line) find(who string) *standing {
	for i := range l.by {
		if l.by[i].who == who {
			return &l.by[i]
		}
	}
	return nil
}

var csvHead = []string{"test", "unit", "lower is better", "side", "run", "value", "cores", "server cpu", "client cpu", "waited", "stall ms", "fault"}

func writeCSV(w io.Writer, samples []sample) error {
	c := csv.NewWriter(w)
	_ = c.Write(csvHead)
	f := func(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	for _, s := range samples {
		_ = c.Write([]string{s.line, s.unit, strconv.FormatBool(s.lower), s.who, strconv.Itoa(s.run), f(s.value, 4), string(s.class),
			f(s.cpu[0], 3), f(s.cpu[1], 3), f(s.wait, 3), f(s.stall, 3), s.fault})
	}
	c.Flush()
	return c.Error()
}

func readCSV(r io.Reader) (samples []sample, err error) {
	records, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(records) == 0 || !slices.Equal(records[0], csvHead) {
		return nil, fmt.Errorf("not a file of the bench: its first line is not %q", csvHead)
	}
	num := func(text string) float64 {
		v, nerr := strconv.ParseFloat(text, 64)
		if nerr != nil && err == nil {
			err = nerr
		}
		return v
	}
	for _, f := range records[1:] {
		samples = append(samples, sample{line: f[0], unit: f[1], lower: f[2] == "true", who: f[3], run: int(num(f[4])), value: num(f[5]),
			class: class(f[6]), cpu: [2]float64{num(f[7]), num(f[8])}, wait: num(f[9]), stall: num(f[10]), fault: f[11]})
	}
	return samples, err
}
