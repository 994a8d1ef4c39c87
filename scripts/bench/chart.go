package main

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// Geometry of the chart, in pixels.
const (
	chartWidth = 960
	labelWidth = 370
	barHeight  = 11
	barStep    = 14
	groupGap   = 12
	barMost    = 380 // the longest bar
)

// colours of the contenders: legible on white and on black.
var colours = map[string]string{ours: "#2f81f7", "VPP": "#d9822b", "VPP best": "#b35900", "kernel": "#8b949e", "kernel TSO": "#3fa37a"}

// chart draws a group of bars for each line, the longest bar of a group at full length:
// units differ from line to line. It says the value behind each bar, and how many times
// as good we are.
func chart(w io.Writer, title string, lines []line) error {
	var b strings.Builder
	text := func(x, y int, class, anchor, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, html.EscapeString(s))
	}
	y := 24
	text(8, y, "title", "start", title)
	y += 26
	x := labelWidth
	for _, who := range contenderNames {
		if !appears(lines, who) {
			continue
		}
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="11" height="11" fill="%s"/>`+"\n", x, y-10, colours[who])
		text(x+16, y, "value", "start", who)
		x += 116
	}
	y += 18
	for _, l := range lines {
		most := 0.
		for _, s := range l.by {
			most = max(most, s.value)
		}
		if most <= 0 {
			continue
		}
		top := y
		for _, who := range contenderNames {
			s := l.find(who)
			if s == nil {
				continue
			}
			length, label := 0, ""
			switch {
			case s.counts > 0:
				length = max(1, int(s.value/most*barMost+.5))
				label = digits(s.value) + " " + l.unit
				if r := ratio(s.ratio); r != "" {
					label += "  (" + r + ")"
				}
			case len(s.all) > 0:
				label = who + ": " + s.all[0].fault
			}
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", labelWidth, y, length, barHeight, colours[who])
			text(labelWidth+length+6, y+barHeight-1, "value", "start", label)
			y += barStep
		}
		middle := (top+y)/2 + 2
		if l.lower {
			text(labelWidth-8, middle-5, "label", "end", l.name)
			text(labelWidth-8, middle+8, "small", "end", "less is better")
		} else {
			text(labelWidth-8, middle, "label", "end", l.name)
		}
		y = max(y, top+2*barStep) + groupGap
	}
	text(8, y+4, "small", "start", "In parentheses: how many times as good vpphost is. Bars of a group are to scale, groups are not.")
	y += 16
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif">
<style>
text { fill: #656d76; font-size: 11px }
.title { font-size: 15px; font-weight: 600 }
.label { font-size: 12px }
.small { font-size: 10px }
@media (prefers-color-scheme: dark) { text { fill: #adbac7 } }
</style>
%s</svg>
`, chartWidth, y, chartWidth, y, b.String())
	return err
}

func appears(lines []line, who string) bool {
	for i := range lines {
		if lines[i].find(who) != nil {
			return true
		}
	}
	return false
}
