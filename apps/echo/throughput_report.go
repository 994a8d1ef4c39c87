package echo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"vpphost/apps/latency"
	"vpphost/cli"
	"vpphost/dataplane/worker"
)

// Row is one interval of a test.
type Row struct {
	Start      float64 `json:"start"` // seconds since the test began
	End        float64 `json:"end"`
	Tx         uint64  `json:"tx"` // bytes; of the whole test when Total
	Rx         uint64  `json:"rx"`
	BitsPerSec float64 `json:"bitsPerSecond"` // both directions
	RTT        float64 `json:"rttMs"`         // 0 when not known
	Total      bool    `json:"total"`
	header     bool
}

func (r Row) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	if r.header {
		fmt.Fprintf(&b, "%s\n%s  Transmitted   Received   Throughput   Roundtrip\n", rule, head(r.Total))
	}
	fmt.Fprintf(&b, "%s %-13s %-10s %9sb/s %7sms\n", span(r.Start, r.End, r.Total), cli.FormatBase10(float64(r.Tx)),
		cli.FormatBase10(float64(r.Rx)), cli.FormatBase10(r.BitsPerSec), cli.FormatFloat(r.RTT, 3))
	_, err := io.WriteString(w, b.String())
	return err
}

// Connected tells how opening the sessions went.
type Connected struct {
	Sessions int     `json:"sessions"`
	Seconds  float64 `json:"seconds"`
	PerSec   float64 `json:"perSecond"`
}

func (c Connected) Text(w io.Writer, _ cli.Layout) error {
	_, err := fmt.Fprintf(w, "%d connections established in %s seconds %.2f/s\n",
		c.Sessions, cli.FormatFloat(c.Seconds, 2), c.PerSec)
	return err
}

// Closed tells how closing them went.
type Closed struct {
	Sessions int     `json:"closed"`
	Seconds  float64 `json:"seconds"`
	PerSec   float64 `json:"perSecond"`
}

func (c Closed) Text(w io.Writer, _ cli.Layout) error {
	_, err := fmt.Fprintf(w, "%d connections closed in %s seconds %.2f/s\n",
		c.Sessions, cli.FormatFloat(c.Seconds, 2), c.PerSec)
	return err
}

// Summary is the end of a test.
type Summary struct {
	Server    bool       `json:"server,omitempty"`
	Echo      bool       `json:"fullDuplex"`
	Checked   bool       `json:"bytesVerified"`
	Bytes     uint64     `json:"bytes"` // client: sent, or echoed; server: received, or sent back
	Seconds   float64    `json:"seconds"`
	PerSec    float64    `json:"bytesPerSecond"`
	Tx        uint64     `json:"tx"`
	Rx        uint64     `json:"rx"`
	Bad       uint64     `json:"badSessions,omitempty"`
	PeerBytes *uint64    `json:"peerReceived,omitempty"` // what the server says it received
	RTT       *RTT       `json:"rtt,omitempty"`
	Requests  *Requests  `json:"requests,omitempty"`
	Datagrams *Datagrams `json:"datagrams,omitempty"`
	notes     []string
	ruled     bool
	udp       bool
}

// RTT is the smoothed round-trip time of the sessions, in ms, as it was at each row of the
// report and when they were done.
type RTT struct {
	Samples int     `json:"samples"`
	Min     float64 `json:"min"`
	Avg     float64 `json:"avg"`
	Max     float64 `json:"max"`
}

// Requests is how long requests waited for their answers.
type Requests struct {
	Bytes    int     `json:"bytes"` // of each
	Answered uint64  `json:"answered"`
	PerSec   float64 `json:"perSecond"`
	P50      float64 `json:"p50Us"`
	P90      float64 `json:"p90Us"`
	P99      float64 `json:"p99Us"`
	P999     float64 `json:"p999Us"`
	Max      float64 `json:"maxUs"`
}

func (s Summary) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	switch {
	case s.ruled && s.udp:
		fmt.Fprintln(&b, udpRule)
	case s.ruled:
		fmt.Fprintln(&b, rule)
	}
	for _, n := range s.notes {
		fmt.Fprintln(&b, n)
	}
	if t := s.RTT; t != nil {
		f := cli.FormatFloat
		if t.Samples == 1 {
			fmt.Fprintf(&b, "%sms roundtrip\n", f(t.Min, 5))
		} else {
			fmt.Fprintf(&b, "%sms/%sms/%sms min/avg/max roundtrip\n", f(t.Min, 5), f(t.Avg, 5), f(t.Max, 5))
		}
	}
	if q := s.Requests; q != nil {
		fmt.Fprintf(&b, "%d requests of %d bytes answered %.2f/s\n", q.Answered, q.Bytes, q.PerSec)
		fmt.Fprintf(&b, "%s %s request\n",
			latency.Percentiles{P50: q.P50, P90: q.P90, P99: q.P99, P999: q.P999, Max: q.Max}, latency.Legend)
	}
	if s.Datagrams != nil {
		s.Datagrams.write(&b, s.Server, s.Echo)
	}
	kind := "half-duplex"
	if s.Echo {
		kind = "full-duplex"
	}
	fmt.Fprintf(&b, "%d bytes (%d mbytes, %d gbytes) in %s seconds\n", s.Bytes, s.Bytes>>20, s.Bytes>>30,
		cli.FormatFloat(s.Seconds, 2))
	fmt.Fprintf(&b, "%.0f bytes/second %s\n", s.PerSec, kind)
	fmt.Fprintf(&b, "%sB/s %s\n", cli.FormatBase10(s.PerSec), kind)
	if s.PeerBytes != nil && !s.Server && !s.udp && *s.PeerBytes != s.Tx {
		fmt.Fprintf(&b, "warning: the server counted %d bytes of %d sent\n", *s.PeerBytes, s.Tx)
	}
	if s.Server && s.Bad > 0 {
		fmt.Fprintf(&b, "warning: %d sessions received wrong bytes\n", s.Bad)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func summary(bytes uint64, took time.Duration) Summary {
	sec := max(took.Seconds(), 1e-9)
	return Summary{Bytes: bytes, Seconds: sec, PerSec: float64(bytes) / sec}
}

// reporter prints a client run.
type reporter struct {
	pulse
	run       *clientRun
	emit      func(cli.Result) error
	prev      counts
	rtt       rttStats // at the rows
	took      time.Duration
	notes     []string
	peerKnown bool
	peerBytes uint64
}

func newReporter(r *clientRun, emit func(cli.Result) error) *reporter {
	p := &reporter{run: r, emit: emit}
	p.every, p.pulse.row = r.opts.interval, p.row
	if r.opts.plot {
		p.count = func() float64 { t := r.sum(); return float64(t.tx+t.rx) * 8 }
	}
	return p
}

func (p *reporter) line(s string) error { return p.emit(cli.Text(s + "\n")) }

func (p *reporter) connected(n int, took time.Duration) {
	if n > 1 && !p.run.opts.quiet {
		sec := max(took.Seconds(), 1e-9)
		_ = p.emit(Connected{n, sec, float64(n) / sec})
	}
}

func (p *reporter) holding(n int, d time.Duration) {
	if !p.run.opts.quiet {
		_ = p.line(fmt.Sprintf("holding %d connections for %v seconds", n, d.Seconds()))
	}
}

func (p *reporter) closed(n int, took time.Duration) {
	if !p.run.opts.quiet {
		sec := max(took.Seconds(), 1e-9)
		_ = p.emit(Closed{n, sec, float64(n) / sec})
	}
}

func (p *reporter) start() {
	p.pulse.start()
	if p.run.opts.verbose {
		_ = p.line(fmt.Sprintf("Test started at %.6f", seconds64(worker.Monotonic())))
	}
}

// row prints the interval since the last row.
func (p *reporter) row(start, end float64) {
	c, t := p.run.sum(), p.run.sampleRTT()
	p.rtt.merge(t)
	if t.n == 0 { // all are done
		t = p.run.endRTT()
	}
	r := Row{Start: start, End: end, Tx: c.tx - p.prev.tx, Rx: c.rx - p.prev.rx, RTT: t.mean(), header: p.rows == 0}
	r.BitsPerSec = float64(r.Tx+r.Rx) * 8 / (end - start)
	if p.run.opts.total {
		r.Total, r.Tx, r.Rx = true, c.tx, c.rx
		r.BitsPerSec = float64(c.tx+c.rx) * 8 / end
	}
	p.prev = c
	_ = p.emit(r)
}

// finish prints the last row and notes how long the transfer took.
func (p *reporter) finish() {
	p.took = time.Since(p.begin)
	if e, b := p.run.ended.Load(), p.run.began.Load(); e > b {
		p.took = time.Duration(e - b) // on the worker's clock: no wake-up in it
	}
	p.end()
	p.graph(p.emit, "both directions", "b/s")
	if p.run.opts.verbose {
		p.notes = append(p.notes, fmt.Sprintf("Test finished at %.6f", seconds64(worker.Monotonic())))
	}
}

// partial prints what an aborted run has so far.
func (p *reporter) partial() {
	s := p.final()
	_ = p.emit(s)
}

// final is the summary.
func (p *reporter) final() Summary {
	o, c := p.run.opts, p.run.sum()
	bytes := c.tx
	if o.echo {
		bytes = c.rx
	}
	s := summary(bytes, p.took)
	s.Echo, s.Checked, s.Tx, s.Rx, s.Bad = o.echo, o.check, c.tx, c.rx, c.bad
	s.notes, s.ruled = p.notes, p.rows > 0
	if p.peerKnown {
		s.PeerBytes = &p.peerBytes
	}
	t := p.run.endRTT()
	if t.merge(p.rtt); t.n > 0 {
		s.RTT = &RTT{t.n, ms(t.min), t.mean(), ms(t.max)}
	}
	if o.request != 0 {
		s.Requests = p.run.requests(s.Seconds)
	}
	return s
}

// requests sums up the waits of all workers.
func (r *clientRun) requests(sec float64) *Requests {
	h := new(latency.Histogram)
	for _, cw := range r.workers {
		_ = cw.sw.Do(func(*worker.Worker) { h.Merge(&cw.latency) })
	}
	p := h.Percentiles()
	return &Requests{Bytes: r.opts.request, Answered: p.Count, PerSec: float64(p.Count) / sec,
		P50: p.P50, P90: p.P90, P99: p.P99, P999: p.P999, Max: p.Max}
}

func ms(ns int64) float64 { return float64(ns) / 1e6 }

// sampleRTT gathers the round-trip times of the open sessions; of the first hundred of
// each worker, which is enough for a row.
func (r *clientRun) sampleRTT() (t rttStats) {
	for _, cw := range r.workers {
		_ = cw.sw.Do(func(*worker.Worker) {
			for i := range cw.conns[:min(len(cw.conns), 100)] {
				if c := &cw.conns[i]; c.state == connOpen {
					if s := cw.sw.Get(c.handle); s != nil {
						t.add(cw.sw.RTT(s))
					}
				}
			}
		})
	}
	return t
}

// endRTT gathers what the sessions had measured when they were done.
func (r *clientRun) endRTT() (t rttStats) {
	for _, cw := range r.workers {
		_ = cw.sw.Do(func(*worker.Worker) { t.merge(cw.rtt) })
	}
	return t
}
