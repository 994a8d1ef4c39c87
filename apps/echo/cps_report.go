package echo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"vpphost/apps/latency"
	"vpphost/cli"
)

// ConnRow is one interval of a test of connections per second.
type ConnRow struct {
	Start       float64 `json:"start"` // seconds since the test began
	End         float64 `json:"end"`
	Connections uint64  `json:"connections"` // that did everything; of the whole test when Total
	PerSec      float64 `json:"perSecond"`
	Failed      uint64  `json:"failed"`
	NoPort      uint64  `json:"noPort"` // opens put off for want of a port
	InFlight    uint64  `json:"inFlight"`
	Tx          uint64  `json:"tx"` // bytes
	Rx          uint64  `json:"rx"`
	Total       bool    `json:"total"`
	header      bool
}

func (r ConnRow) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	if r.header {
		fmt.Fprintf(&b, "%s\n%s  Connections   Rate        Failed     No port   In flight\n", rule, head(r.Total))
	}
	f := cli.FormatBase10
	fmt.Fprintf(&b, "%s %-13s %-11s %-10s %-9s %9s\n", span(r.Start, r.End, r.Total), f(float64(r.Connections)),
		f(r.PerSec)+"/s", f(float64(r.Failed)), f(float64(r.NoPort)), f(float64(r.InFlight)))
	_, err := io.WriteString(w, b.String())
	return err
}

// ConnSummary is the end of a test of connections per second.
type ConnSummary struct {
	Connections uint64              `json:"connections"` // opened, used and closed
	Seconds     float64             `json:"seconds"`     // until the last one was begun, or ended when so many were to be made
	PerSec      float64             `json:"perSecond"`   // in that time
	Bytes       uint64              `json:"bytes"`       // of each
	Echo        bool                `json:"echo"`
	Tx          uint64              `json:"tx"`
	Rx          uint64              `json:"rx"`
	Failed      uint64              `json:"failed"`
	Failures    map[string]uint64   `json:"failures"`
	Unfinished  uint64              `json:"unfinished"` // under way at the end
	NoPort      uint64              `json:"noPort"`     // opens put off for want of a port
	Due         uint64              `json:"due,omitempty"`
	Connect     latency.Percentiles `json:"connect"`
	Transfer    latency.Percentiles `json:"transfer"` // from then until the echo was complete, or both sides had closed
	PeerBytes   *uint64             `json:"peerReceived,omitempty"`

	reasons [numReasons]uint64
	started uint64
	ruled   bool
}

// why lists the reasons of the failures, ": " in front; nothing when there were none.
func (s *ConnSummary) why() string {
	var parts []string
	for i, n := range s.reasons {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, reasonTexts[i]))
		}
	}
	if s.NoPort > 0 && parts == nil {
		parts = append(parts, "no port")
	}
	if parts == nil {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

func (s *ConnSummary) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	if s.ruled {
		fmt.Fprintln(&b, rule)
	}
	fmt.Fprintf(&b, "%d connections opened, used and closed in %s seconds %.2f/s\n", s.Connections,
		cli.FormatFloat(s.Seconds, 2), s.PerSec)
	if s.Connect.Count > 0 {
		fmt.Fprintf(&b, "%v %s connect\n", s.Connect, latency.Legend)
	}
	if s.Transfer.Count > 0 {
		what := "transfer"
		switch {
		case s.Bytes == 0:
			what = "close"
		case !s.Echo:
			what = "transfer and close"
		}
		fmt.Fprintf(&b, "%v %s %s\n", s.Transfer, latency.Legend, what)
	}
	fmt.Fprintf(&b, "%d bytes sent, %d bytes received\n", s.Tx, s.Rx)
	if s.Failed == 0 {
		fmt.Fprintln(&b, "no connection failed")
	} else {
		fmt.Fprintf(&b, "%d connections failed%s\n", s.Failed, s.why())
	}
	if s.Unfinished > 0 {
		fmt.Fprintf(&b, "%d connections not finished at the end\n", s.Unfinished)
	}
	if s.NoPort > 0 {
		fmt.Fprintf(&b, "no port, %d times: add source addresses with tcp src-address\n", s.NoPort)
	}
	if s.Due > s.started+s.Due/100 {
		fmt.Fprintf(&b, "too slow for the rate: %d connections were due, %d were begun\n", s.Due, s.started)
	}
	if s.PeerBytes != nil && s.Failed == 0 && s.Unfinished == 0 && *s.PeerBytes != s.Tx {
		fmt.Fprintf(&b, "warning: the server counted %d bytes of %d sent\n", *s.PeerBytes, s.Tx)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cpsReporter prints a run.
type cpsReporter struct {
	pulse
	run    *cpsRun
	emit   func(cli.Result) error
	prev   cpsCounts
	took   time.Duration
	atStop cpsCounts
}

func newCPSReporter(r *cpsRun, emit func(cli.Result) error) *cpsReporter {
	p := &cpsReporter{run: r, emit: emit}
	p.every, p.pulse.row = r.opts.interval, p.row
	if r.opts.plot {
		p.count = func() float64 { return float64(r.sum().done) }
	}
	return p
}

// row prints the interval since the last row.
func (p *cpsReporter) row(start, end float64) {
	c := p.run.sum()
	r := ConnRow{Start: start, End: end, Connections: c.done - p.prev.done, Failed: c.failed() - p.prev.failed(),
		NoPort: c.noPort - p.prev.noPort, InFlight: c.inFlight(), Tx: c.tx - p.prev.tx, Rx: c.rx - p.prev.rx, header: p.rows == 0}
	r.PerSec = float64(r.Connections) / (end - start)
	if p.run.opts.total {
		r.Total, r.Connections, r.Failed, r.NoPort, r.Tx, r.Rx = true, c.done, c.failed(), c.noPort, c.tx, c.rx
		r.PerSec = float64(c.done) / end
	}
	p.prev = c
	_ = p.emit(r)
}

// stopped notes what was done when no more connections are begun.
func (p *cpsReporter) stopped() {
	p.took, p.atStop = time.Since(p.begin), p.run.sum()
	if e, b := p.run.ended.Load(), p.run.began.Load(); p.run.total > 0 && p.atStop.done == p.run.total && e > b {
		p.took = time.Duration(e - b) // on the worker's clock: no wake-up in it
	}
}

// finish prints the last row and the graph.
func (p *cpsReporter) finish() {
	p.end()
	p.graph(p.emit, "connections", "/s")
}

func (p *cpsReporter) summary() *ConnSummary {
	o, c := p.run.opts, p.run.sum()
	sec := max(p.took.Seconds(), 1e-9)
	s := &ConnSummary{Connections: c.done, Seconds: sec, PerSec: float64(p.atStop.done) / sec, Bytes: o.bytes, Echo: o.echo,
		Tx: c.tx, Rx: c.rx, Failed: c.failed(), Failures: map[string]uint64{}, Unfinished: c.inFlight(), NoPort: c.noPort,
		reasons: c.why, started: c.started, ruled: p.rows > 0}
	for i, n := range c.why {
		if n > 0 {
			s.Failures[reasonTexts[i]] = n
		}
	}
	if p.run.hz > 0 {
		s.Due = uint64(p.run.hz * sec)
		if p.run.total > 0 {
			s.Due = min(s.Due, p.run.total)
		}
	}
	s.Connect, s.Transfer = p.run.times()
	return s
}
