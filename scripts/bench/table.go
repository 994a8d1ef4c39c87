package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// printRow writes what is known of a row when it has been measured: a line for each
// contender, with all its runs.
func printRow(w io.Writer, lines []line, note string) {
	for _, l := range lines {
		better := ""
		if l.lower {
			better = ", less is better"
		}
		fmt.Fprintf(w, "%s (%s%s)\n", l.name, l.unit, better)
		for _, s := range l.by {
			fmt.Fprintf(w, "  %-11s %9s %7s  %-8s", s.who, value(s), ratio(s.ratio), s.class)
			cpu, stall := [2]float64{}, 0.
			for _, x := range s.all {
				cpu[0], cpu[1], stall = max(cpu[0], x.cpu[0]), max(cpu[1], x.cpu[1]), max(stall, x.stall)
			}
			if cpu[0]+cpu[1] > 0 {
				fmt.Fprintf(w, " cpu %3.0f/%3.0f %%", cpu[0]*100, cpu[1]*100)
			}
			if stall > 0 {
				fmt.Fprintf(w, " stall %.1f ms", stall)
			}
			fmt.Fprintf(w, "  %s\n", runs(s.all))
		}
	}
	if note != "" {
		fmt.Fprintf(w, "  (%s)\n", note)
	}
}

// runs are the values of all runs, marked with what was odd about them.
func runs(all []sample) string {
	var out []string
	for _, s := range all {
		if s.fault != "" {
			out = append(out, s.fault)
			continue
		}
		text := digits(s.value) + map[class]string{far: "f", mixed: "m"}[s.class]
		if s.wait > tooLong {
			text += "w"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func value(s standing) string {
	if s.counts == 0 {
		return "-"
	}
	return digits(s.value)
}

// digits is a number with about three digits.
func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v < .1:
		return fmt.Sprintf("%.4f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func ratio(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return fmt.Sprintf("%.2fx", v)
}

// printSummary writes all lines as a table, in Markdown: medians, and how many times as
// good we are.
func printSummary(w io.Writer, lines []line) {
	var who []string
	for _, l := range lines {
		for _, s := range l.by {
			if s.who != ours && !slices.Contains(who, s.who) {
				who = append(who, s.who)
			}
		}
	}
	slices.SortStableFunc(who, func(a, b string) int { return rank(a) - rank(b) })
	rows := [][]string{{"test", "unit", ours}, {"---", "---", "---"}}
	for _, name := range who {
		rows[0], rows[1] = append(rows[0], name, "ratio"), append(rows[1], "---", "---")
	}
	for _, l := range lines {
		unit := l.unit
		if l.lower {
			unit += ", less is better"
		}
		cells := []string{l.name, unit, "-"}
		if s := l.find(ours); s != nil && s.counts > 0 {
			cells[2] = value(*s)
			if s.class != "" && s.class != near && s.class != one {
				cells[2] += " " + string(s.class)
			}
		}
		for _, name := range who {
			s := l.find(name)
			if s == nil {
				cells = append(cells, "", "")
				continue
			}
			v := value(*s)
			if s.counts == 0 && len(s.all) > 0 {
				v = s.all[0].fault
			}
			cells = append(cells, v, strings.TrimSuffix(ratio(s.ratio), "x"))
		}
		rows = append(rows, cells)
	}
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for _, r := range rows {
		for i, c := range r {
			fmt.Fprintf(w, "| %-*s ", width[i], c)
		}
		fmt.Fprintln(w, "|")
	}
}

// contenderNames is the order of the contenders in tables and charts.
var contenderNames = []string{ours, "VPP", "VPP best", "kernel", "kernel TSO"}

func rank(who string) int { return slices.Index(contenderNames, who) }
