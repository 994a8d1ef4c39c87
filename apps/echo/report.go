package echo

import (
	"fmt"
	"strings"
	"time"

	"vpphost/cli"
	"vpphost/cli/plot"
)

// The rules above and below the rows of a report, as long as VPP's.
var (
	rule    = strings.Repeat("-", 61)
	udpRule = strings.Repeat("-", 84)
)

const (
	// leastRow is the shortest interval that makes a last row: the rate of a shorter one
	// says nothing.
	leastRow = 100 * time.Millisecond
	// sampleEvery is the distance of the values of a graph.
	sampleEvery = 100 * time.Millisecond
)

// span is the first column of a row: an interval, or with total the time so far. In
// seconds since the test began.
func span(start, end float64, total bool) string {
	if total {
		return fmt.Sprintf("%-13.1f", end)
	}
	return fmt.Sprintf("%.1f-%-9.1f", start, end)
}

// head is the title of that column.
func head(total bool) string {
	if total {
		return "Run time (s)"
	}
	return "Interval (s)"
}

// pulse is the clock of a report: it calls for a row each interval, and gathers the
// values of a graph.
type pulse struct {
	every time.Duration // between rows, 0 for none
	row   func(start, end float64)
	count func() float64 // what the graph is the rate of; nil for none

	begin, last time.Time // of the test; of the row before
	rows        int
	sampled     time.Time
	before      float64
	samples     []float64
}

func (p *pulse) start() {
	p.begin = time.Now()
	p.last, p.sampled = p.begin, p.begin
}

// until is how long there is nothing to do.
func (p *pulse) until() time.Duration {
	d := time.Hour
	if p.every > 0 {
		d = time.Until(p.last.Add(p.every))
	}
	if p.count != nil {
		d = min(d, time.Until(p.sampled.Add(sampleEvery)))
	}
	return d
}

// beat does what is due.
func (p *pulse) beat() {
	if p.count != nil && time.Since(p.sampled) >= sampleEvery {
		p.sample()
	}
	if p.every > 0 && time.Since(p.last) >= p.every {
		p.now()
	}
}

// now ends an interval.
func (p *pulse) now() {
	t := time.Now()
	start, end := p.last.Sub(p.begin).Seconds(), t.Sub(p.begin).Seconds()
	p.last = t
	p.row(start, max(end, start+1e-9))
	p.rows++
}

func (p *pulse) sample() {
	t := time.Now()
	n := p.count()
	p.samples = append(p.samples, (n-p.before)/max(t.Sub(p.sampled).Seconds(), 1e-9))
	p.sampled, p.before = t, n
}

// end makes the last row, unless it is too short to say anything.
func (p *pulse) end() {
	if p.every > 0 && time.Since(p.last) >= leastRow {
		p.now()
	}
}

// graph shows the samples, when there was a graph to make.
func (p *pulse) graph(emit func(cli.Result) error, caption, unit string) {
	if p.count == nil {
		return
	}
	_ = emit(plot.Graph{Caption: caption, Unit: unit, Seconds: p.sampled.Sub(p.begin).Seconds(), Values: p.samples})
}
