package echo

import (
	"context"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/worker"
)

// watch prints the tests of a running server, as report-interval asks, until ctx ends or
// the server is stopped.
func (r *serverRun) watch(ctx context.Context, emit func(cli.Result) error) {
	t := time.NewTicker(r.opts.interval)
	defer t.Stop()
	var last testState
	var prev totals
	var at int64
	rows := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.note.C:
		case <-t.C:
			if !r.app.Attached() {
				return
			}
		}
		now, st := worker.Monotonic(), r.test.state()
		if st.serial != last.serial {
			prev, at, rows = st.base, st.started, 0
			t.Reset(r.opts.interval)
		} else if (st.running || last.running) && now-at >= int64(leastRow) {
			c := r.totals()
			d := c.minus(prev)
			if d.rx > 0 || st.running {
				_ = emit(serverRow(d, seconds64(at-st.started), seconds64(now-st.started), rows == 0, c.minus(st.base).dgramsRx > 0))
				rows++
			}
			prev, at = c, now
		}
		if !st.running && (last.running || st.serial != last.serial) && st.serial > 0 {
			bytes := st.final.rx
			if st.echo {
				bytes = st.final.tx
			}
			s := summary(bytes, time.Duration(st.ended-st.started))
			s.Server, s.Echo, s.Tx, s.Rx, s.Bad, s.ruled = true, st.echo, st.final.tx, st.final.rx, st.final.bad, rows > 0
			if f := st.final; f.dgramsRx > 0 {
				s.udp = true
				s.Datagrams = &Datagrams{Sent: f.dgramsTx, Received: f.dgramsRx, OutOfOrder: f.outOfOrder, Duplicates: f.duplicates,
					Wrong: f.wrong, Dropped: f.dropped, Jitter: f.jitter(), Numbered: st.numbered}
			}
			_ = emit(s)
		}
		last = st
	}
}

// serverRow is one interval of a test in which d was counted.
func serverRow(d totals, start, end float64, header, udp bool) cli.Result {
	bits := float64(d.tx+d.rx) * 8 / max(end-start, 1e-9)
	if udp {
		return DatagramRow{Start: start, End: end, Tx: d.tx, Rx: d.rx, BitsPerSec: bits, Jitter: d.jitter(),
			Sent: d.dgramsTx, Received: d.dgramsRx, header: header}
	}
	return Row{Start: start, End: end, Tx: d.tx, Rx: d.rx, BitsPerSec: bits, header: header}
}
