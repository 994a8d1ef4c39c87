package httpc

import (
	"fmt"
	"io"
	"strings"
	"time"

	"vpphost/apps/latency"
	"vpphost/cli"
)

// leastRow is the shortest interval that makes a last row: the rate of a shorter one says
// nothing.
const leastRow = 100 * time.Millisecond

// Row is one interval of a load run.
type Row struct {
	Start      float64 `json:"start"` // seconds since requests began
	End        float64 `json:"end"`
	Requests   uint64  `json:"requests"`
	PerSec     float64 `json:"requestsPerSecond"`
	BitsPerSec float64 `json:"bitsPerSecond"` // of answers
	P50        float64 `json:"p50Us"`
	P99        float64 `json:"p99Us"`
	Max        float64 `json:"maxUs"`
	Errors     uint64  `json:"errors"`
	header     bool
}

const rule = "--------------------------------------------------------------------------------"

func (r Row) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	if r.header {
		fmt.Fprintf(&b, "%s\nInterval (s)   Requests   Req/s      Throughput    p50      p99      max      Errors\n", rule)
	}
	fmt.Fprintf(&b, "%-14s %-10d %-10s %-13s %-8s %-8s %-8s %d\n", fmt.Sprintf("%.1f-%.1f", r.Start, r.End), r.Requests,
		cli.FormatBase10(r.PerSec), cli.FormatBase10(r.BitsPerSec)+"b/s",
		latency.Short(r.P50), latency.Short(r.P99), latency.Short(r.Max), r.Errors)
	_, err := io.WriteString(w, b.String())
	return err
}

// Summary is what a load run has measured.
type Summary struct {
	Requests    uint64              `json:"requests"` // answered
	Seconds     float64             `json:"seconds"`
	PerSec      float64             `json:"requestsPerSecond"`
	Latency     latency.Percentiles `json:"latency"`
	Bytes       uint64              `json:"bytes"` // of answers, heads and bodies
	BitsPerSec  float64             `json:"bitsPerSecond"`
	Status      map[string]uint64   `json:"status"` // answers by class: 2xx
	Errors      map[string]uint64   `json:"errors"` // by reason
	Failures    uint64              `json:"failures"`
	Rate        float64             `json:"rate,omitempty"`       // asked for, requests per second
	Missed      uint64              `json:"missed,omitempty"`     // were due and not sent
	Unfinished  uint64              `json:"unfinished,omitempty"` // in flight when the run ended
	Retried     uint64              `json:"retried,omitempty"`    // sent again
	Connections uint64              `json:"connections"`          // opened, all in all
	ConnPerSec  float64             `json:"connectionsPerSecond,omitempty"`
	Connect     latency.Percentiles `json:"connect"`
	ruled       bool
}

// classes are the names of status classes.
var classes = [6]string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"}

func (s *Summary) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	if s.ruled {
		fmt.Fprintln(&b, rule)
	}
	fmt.Fprintf(&b, "* %d request(s) in %ss\n", s.Requests, cli.FormatFloat(s.Seconds, 6))
	fmt.Fprintf(&b, "* avg latency %sms\n", cli.FormatFloat(s.Latency.Mean/1e3, 4))
	fmt.Fprintf(&b, "* %.2f req/sec\n", s.PerSec)
	if s.Requests > 0 {
		fmt.Fprintf(&b, "* latency %s %s\n", s.Latency, latency.Legend)
	}
	fmt.Fprintf(&b, "* %d bytes received, %sb/s\n", s.Bytes, cli.FormatBase10(s.BitsPerSec))
	if t := listed(s.Status, append(classes[1:], classes[0])); t != "" {
		fmt.Fprintf(&b, "* status: %s\n", t)
	}
	if s.ConnPerSec > 0 {
		fmt.Fprintf(&b, "* %d connections, %.2f conn/sec\n", s.Connections, s.ConnPerSec)
		fmt.Fprintf(&b, "* connect %s %s\n", s.Connect, latency.Legend)
	}
	if t := listed(s.Errors, reasonNames[1:]); t != "" {
		fmt.Fprintf(&b, "* errors: %s\n", t)
	}
	if s.Retried > 0 {
		fmt.Fprintf(&b, "* %d sent again: the connection was closing\n", s.Retried)
	}
	if s.Missed > 0 {
		fmt.Fprintf(&b, "* %d due and not sent: no session was free\n", s.Missed)
	}
	if s.Unfinished > 0 {
		fmt.Fprintf(&b, "* %d not answered when the run ended\n", s.Unfinished)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// listed prints those of m that are there, in the order of names: "timeout 3, other 1".
func listed(m map[string]uint64, names []string) string {
	var parts []string
	for _, n := range names {
		if m[n] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", n, m[n]))
		}
	}
	return strings.Join(parts, ", ")
}

// reporter prints a load run.
type reporter struct {
	run   *load
	emit  func(cli.Result) error
	begin time.Time
	last  time.Time
	prev  counts
	rows  int
}

func (p *reporter) start() {
	if !p.run.opts.quiet {
		_ = p.emit(cli.Text("* Running, please wait...\n"))
	}
	p.begin = time.Now()
	p.last = p.begin
}

func (p *reporter) nextRow() time.Time { return p.last.Add(p.run.opts.interval) }

// row prints the interval since the last row; c is what there is so far.
func (p *reporter) row(c *counts) {
	now := time.Now()
	recent := c.latency
	recent.Sub(&p.prev.latency)
	t := recent.Percentiles()
	r := Row{Start: p.last.Sub(p.begin).Seconds(), End: now.Sub(p.begin).Seconds(), Requests: c.done - p.prev.done,
		P50: t.P50, P99: t.P99, Max: t.Max, Errors: c.failures() - p.prev.failures(), header: p.rows == 0}
	sec := max(r.End-r.Start, 1e-9)
	r.PerSec = float64(r.Requests) / sec
	r.BitsPerSec = float64(c.bytes-p.prev.bytes) * 8 / sec
	p.last, p.prev = now, *c
	p.rows++
	_ = p.emit(r)
}

// lastRow prints what is left of a run that was long enough for rows.
func (p *reporter) lastRow() {
	if p.rows > 0 && time.Since(p.last) >= leastRow {
		p.row(p.run.sum())
	}
}

// final ends the requests and is the summary.
func (p *reporter) final(aborted bool) *Summary {
	o := p.run.opts
	c, now := p.run.freeze()
	// A run lasts until its last answer, not until somebody has looked; a timed one as
	// long as was asked for, and a moment more when answers came in it.
	end := c.last
	switch {
	case aborted || c.done == 0 || c.cut > 0:
		end = now
	case o.duration > 0:
		end = max(end, p.run.began+int64(o.duration))
	}
	s := summarize(c, float64(end-p.run.began)/1e9)
	s.Rate, s.ruled = o.rate, p.rows > 0
	if o.fresh {
		s.ConnPerSec = float64(s.Connections) / s.Seconds
	}
	return s
}

func summarize(c *counts, seconds float64) *Summary {
	seconds = max(seconds, 1e-9)
	s := &Summary{Requests: c.done, Seconds: seconds, PerSec: float64(c.done) / seconds,
		Latency: c.latency.Percentiles(), Bytes: c.bytes, BitsPerSec: float64(c.bytes) * 8 / seconds,
		Status: map[string]uint64{}, Errors: map[string]uint64{}, Failures: c.failures(), Missed: c.missed, Unfinished: c.cut,
		Retried: c.retried, Connections: c.opened, Connect: c.connect.Percentiles()}
	for i, n := range c.class {
		if n > 0 {
			s.Status[classes[i]] = n
		}
	}
	for i, n := range c.failed {
		if n > 0 {
			s.Errors[reasonNames[i]] = n
		}
	}
	return s
}
