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

// DatagramRow is one interval of a test of datagrams.
type DatagramRow struct {
	Start      float64 `json:"start"` // seconds since the test began
	End        float64 `json:"end"`
	Tx         uint64  `json:"tx"` // bytes; of the whole test when Total
	Rx         uint64  `json:"rx"`
	BitsPerSec float64 `json:"bitsPerSecond"` // both directions
	RTT        float64 `json:"rttMs"`         // 0 when not known
	Jitter     float64 `json:"jitterMs"`
	Sent       uint64  `json:"datagramsSent"`
	Received   uint64  `json:"datagramsReceived"`
	Total      bool    `json:"total"`
	header     bool
	jitter     bool // the column shows the jitter
}

func (r DatagramRow) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	title, ms := "Roundtrip   ", r.RTT
	if r.jitter {
		title, ms = "Jitter      ", r.Jitter
	}
	if r.header {
		fmt.Fprintf(&b, "%s\n%s  Transmitted   Received   Throughput   %sSent/received dgrams\n", udpRule, head(r.Total), title)
	}
	fmt.Fprintf(&b, "%s %-13s %-10s %9sb/s %9sms %d/%d\n", span(r.Start, r.End, r.Total), cli.FormatBase10(float64(r.Tx)),
		cli.FormatBase10(float64(r.Rx)), cli.FormatBase10(r.BitsPerSec), cli.FormatFloat(ms, 3), r.Sent, r.Received)
	_, err := io.WriteString(w, b.String())
	return err
}

// Datagrams says what became of the datagrams of a test.
type Datagrams struct {
	Bytes      int                  `json:"bytes,omitempty"` // of each
	Sent       uint64               `json:"sent"`
	Received   uint64               `json:"received"` // by the client, echoed, or else by the server
	Lost       uint64               `json:"lost"`
	LostShare  float64              `json:"lostPercent"`
	Known      bool                 `json:"lossKnown"` // false when nobody tells what the other end received
	OutOfOrder uint64               `json:"outOfOrder"`
	Duplicates uint64               `json:"duplicates"`
	Wrong      uint64               `json:"wrongBytes,omitempty"` // datagrams
	Dropped    uint64               `json:"dropped,omitempty"`    // server: no room to send them back
	Numbered   bool                 `json:"numbered"`             // OutOfOrder and Duplicates are known
	Jitter     float64              `json:"jitterMs"`
	Roundtrip  *latency.Percentiles `json:"roundtrip,omitempty"`
}

// write prints d as VPP does, and what VPP does not know behind it.
func (d *Datagrams) write(b *strings.Builder, server, echo bool) {
	switch {
	case server && echo:
		fmt.Fprintf(b, "received total %d datagrams, sent total %d datagrams\n", d.Received, d.Sent)
	case server:
		fmt.Fprintf(b, "received total %d datagrams\n", d.Received)
	case !d.Known:
		fmt.Fprintf(b, "sent total %d datagrams\n", d.Sent)
	case echo:
		fmt.Fprintf(b, "sent total %d datagrams, received total %d datagrams, lost %d datagrams (%s%%)\n", d.Sent, d.Received, d.Lost, cli.FormatFloat(d.LostShare, 2))
	default:
		fmt.Fprintf(b, "sent total %d datagrams, lost %d datagrams (%s%%)\n", d.Sent, d.Lost, cli.FormatFloat(d.LostShare, 2))
	}
	if d.Numbered {
		fmt.Fprintf(b, "%d datagrams out of order, %d duplicates, %sms jitter\n", d.OutOfOrder, d.Duplicates, cli.FormatFloat(d.Jitter, 5))
	}
	if d.Wrong > 0 {
		fmt.Fprintf(b, "%d datagrams with wrong bytes\n", d.Wrong)
	}
	if d.Dropped > 0 {
		fmt.Fprintf(b, "%d datagrams not sent back: no room\n", d.Dropped)
	}
	if d.Roundtrip != nil && d.Roundtrip.Count > 0 {
		fmt.Fprintf(b, "%v %s roundtrip\n", *d.Roundtrip, latency.Legend)
	}
}

// udpReporter prints a run.
type udpReporter struct {
	pulse
	run  *udpRun
	emit func(cli.Result) error
	prev udpCounts
	trip rttStats // at the last row
	took time.Duration
}

func newUDPReporter(r *udpRun, emit func(cli.Result) error) *udpReporter {
	p := &udpReporter{run: r, emit: emit}
	p.every, p.pulse.row = r.opts.interval, p.row
	if r.opts.plot {
		p.count = func() float64 { c := r.sum(); return float64(c.tx+c.rx) * 8 }
	}
	return p
}

func (p *udpReporter) start() {
	p.pulse.start()
	if p.run.opts.verbose {
		_ = p.emit(cli.Text(fmt.Sprintf("Test started at %.6f\n", seconds64(worker.Monotonic()))))
	}
}

// row prints the interval since the last row.
func (p *udpReporter) row(start, end float64) {
	c := p.run.sum()
	t, _ := p.run.trips()
	r := DatagramRow{Start: start, End: end, Tx: c.tx - p.prev.tx, Rx: c.rx - p.prev.rx, Jitter: c.minus(p.prev.totals).jitter(),
		Sent: c.dgramsTx - p.prev.dgramsTx, Received: c.dgramsRx - p.prev.dgramsRx, header: p.rows == 0, jitter: p.run.opts.jitter}
	if n := t.n - p.trip.n; n > 0 {
		r.RTT = ms(t.sum-p.trip.sum) / float64(n)
	}
	r.BitsPerSec = float64(r.Tx+r.Rx) * 8 / (end - start)
	if p.run.opts.total {
		r.Total, r.Tx, r.Rx, r.Sent, r.Received = true, c.tx, c.rx, c.dgramsTx, c.dgramsRx
		r.BitsPerSec = float64(c.tx+c.rx) * 8 / end
	}
	p.prev, p.trip = c, t
	_ = p.emit(r)
}

// stopped notes when sending ended.
func (p *udpReporter) stopped() { p.took = time.Since(p.begin) }

// finish prints the last row and the graph. What came back later than sending ended
// counts, and so does its time.
func (p *udpReporter) finish() {
	if e, b := p.run.ended.Load(), p.run.began.Load(); e > b {
		p.took = time.Duration(e - b)
	}
	p.end()
	p.graph(p.emit, "both directions", "b/s")
}

// summary is the end of the test; peer is what the server said, nil when it did not.
func (p *udpReporter) summary(peer *Config) Summary {
	r, o, c := p.run, p.run.opts, p.run.sum()
	bytes := c.tx
	if o.echo {
		bytes = c.rx
	}
	s := summary(bytes, p.took)
	s.Echo, s.Checked, s.Tx, s.Rx, s.ruled, s.udp = o.echo, o.check, c.tx, c.rx, p.rows > 0, true
	if o.verbose {
		s.notes = append(s.notes, fmt.Sprintf("Test finished at %.6f", seconds64(r.ended.Load())))
	}
	d := &Datagrams{Bytes: r.size, Sent: c.dgramsTx, Wrong: c.wrong, Numbered: r.numbered && o.echo}
	s.Datagrams = d
	switch {
	case o.echo:
		t, trips := r.trips()
		d.Known, d.Received, d.OutOfOrder, d.Duplicates, d.Jitter = true, c.dgramsRx, c.outOfOrder, c.duplicates, c.jitter()
		d.Roundtrip = &trips
		if t.n > 0 {
			s.RTT = &RTT{t.n, ms(t.min), t.mean(), ms(t.max)}
		}
	case peer != nil:
		d.Known, d.Received = true, peer.Writes
		if d.Numbered = r.numbered && peer.Ext&extKnown != 0; d.Numbered {
			d.OutOfOrder, d.Duplicates, d.Jitter = peer.RxBuf, peer.TxBuf, ms(int64(peer.Param))
		}
	}
	if peer != nil {
		s.PeerBytes = &peer.TotalBytes
	}
	if d.Known && d.Received < d.Sent {
		d.Lost = d.Sent - d.Received
		d.LostShare = float64(d.Lost) / float64(d.Sent) * 100
	}
	return s
}
