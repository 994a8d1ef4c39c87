package echo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vpphost/apps/latency"
	"vpphost/cli"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
)

// udpRun is the test of datagrams: how many get through, and with echo-bytes back, and how
// long they take.
type udpRun struct {
	testRun
	workers  []*udpWorker
	size     int    // payload of a datagram, bytes
	dgrams   uint64 // of each session; 0 in a timed run
	lastSize int    // payload of the last of them
	numbered bool   // each begins with its number
	stamped  bool   // and goes on with when it was sent
	pattern  bool   // or with the pattern
}

// udpSize is the payload of a datagram unless another is asked for: with IPv4 VPP's.
func udpSize(is4 bool) int {
	if is4 {
		return 1460
	}
	return 1440
}

func newUDPRun(c *Client, o *options) *udpRun {
	r := &udpRun{size: o.dgram}
	if r.size == 0 {
		r.size = udpSize(o.ep.Addr.Addr().Is4())
	}
	if o.chunk != 0 {
		r.size = min(r.size, o.chunk)
	}
	r.numbered = (o.echo || o.check || !o.raw) && r.size >= leastNumbered
	r.lastSize = r.size
	if o.bytes > 0 {
		n := uint64(r.size)
		r.dgrams = (o.bytes + n - 1) / n
		if rest := int(o.bytes % n); rest > 0 {
			r.lastSize = rest
			if r.numbered {
				r.lastSize = max(rest, leastNumbered)
			}
		}
	}
	r.pattern = o.check
	r.init(c, o)
	if r.numbered {
		r.ext = extNumbered
		if !o.check {
			r.ext |= extStamped
		}
	}
	return r
}

// udpDrain is how long the end of a run waits for the next datagram: the rest is lost.
const udpDrain = time.Second

// phases takes the run from the control session to its end.
func (r *udpRun) phases(ctx context.Context, emit func(cli.Result) error) (cli.Result, error) {
	o := r.opts
	if !o.raw {
		if err := r.openControl(ctx); err != nil {
			return nil, err
		}
		ours := r.ours()
		// VPP looks at what follows the number in every echo, and says so for each byte.
		r.pattern = r.pattern || o.echo && !ours
		r.stamped = r.numbered && !r.pattern && ours
	}
	rep := newUDPReporter(r, emit)
	err := r.exchange(ctx, rep)
	if err != nil && !errors.Is(err, errAborted) {
		r.sayStop()
		return nil, err
	}
	rep.finish()
	r.phase.Store(uint32(phaseClosing))
	peer, perr := r.closeControl(ctx)
	if err == nil {
		err = perr
	}
	s := rep.summary(peer)
	if err == nil && r.sum().wrong > 0 {
		err = fmt.Errorf("failed: test bytes: %d datagrams came back with wrong bytes", r.sum().wrong)
	}
	return s, err
}

// exchange opens the sessions, sends and receives.
func (r *udpRun) exchange(ctx context.Context, rep *udpReporter) error {
	o := r.opts
	r.phase.Store(uint32(phaseConnecting))
	r.wakeWorkers()
	err := r.wait(ctx, o.syn, func() bool { return r.sum().connected >= uint64(o.clients) })
	switch {
	case errors.Is(err, errWaited):
		return fmt.Errorf("failed: syn timeout with %d sessions", r.sum().connected)
	case errors.Is(err, context.Canceled):
		return errAborted
	case err != nil:
		return fmt.Errorf("failed: connect failed (%d sessions connected): %w", r.sum().connected, err)
	}
	if err := r.app0(func(w *session.Worker) { r.began.Store(w.Now()) }); err != nil {
		return err
	}
	rep.start()
	r.phase.Store(uint32(phaseRunning))
	r.wakeWorkers()
	// The first part ends when everything is sent, or time is up.
	limit, moved := o.runTime, (func() uint64)(nil)
	progress := func() uint64 { c := r.sum(); return c.dgramsTx + c.dgramsRx + c.finished }
	if limit == 0 {
		if limit = o.timeout; o.patient {
			moved = progress
		}
	}
	sent := func() bool { return r.sum().finished >= uint64(o.active) }
	back := func() bool { c := r.sum(); return sent() && (!o.echo || c.dgramsRx >= c.dgramsTx) }
	err = r.during(ctx, &rep.pulse, limit, moved, sent)
	timedOut := errors.Is(err, errWaited) && o.runTime == 0
	rep.stopped()
	if err == nil || errors.Is(err, errWaited) {
		r.stopSending.Store(true)
		r.wakeWorkers()
		err = r.during(ctx, &rep.pulse, udpDrain, progress, back)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return errAborted
	case err != nil && !errors.Is(err, errWaited):
		return err
	case timedOut && !sent():
		return errors.New("failed: test timeout")
	}
	return nil
}

// udpCounts is the sum over all workers.
type udpCounts struct {
	totals
	connected, finished, lost uint64
}

func (r *udpRun) sum() (c udpCounts) {
	for _, x := range r.workers {
		c.add(&x.tally)
		c.connected += x.connected.Load()
		c.finished += x.finished.Load()
		c.lost += x.lost.Load()
	}
	return c
}

// trips are the round trips so far.
func (r *udpRun) trips() (t rttStats, p latency.Percentiles) {
	h := new(latency.Histogram)
	for _, cw := range r.workers {
		_ = cw.sw.Do(func(*worker.Worker) {
			t.merge(cw.rtt)
			h.Merge(&cw.round)
		})
	}
	return t, h.Percentiles()
}

// addWorkers deals the sessions out over the workers and puts a node on each.
func (r *udpRun) addWorkers() error {
	for i, sw := range r.layer {
		cw := &udpWorker{run: r, sw: sw, alarm: r.alarms[i], active: r.share(r.opts.active, i)}
		var err error
		if cw.conns, cw.region, err = mem.Array[udpConn](r.share(r.opts.clients, i)); err != nil {
			return err
		}
		r.workers = append(r.workers, cw)
	}
	for _, cw := range r.workers {
		if err := cw.sw.Do(func(w *worker.Worker) {
			cw.node = w.Add(worker.Events, "echo-clients", cw)
			cw.account = w.Account("echo clients", cw.usage)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (r *udpRun) removeWorkers() {
	for _, cw := range r.workers {
		_ = cw.sw.Do(func(w *worker.Worker) {
			if cw.node != nil {
				w.Remove(cw.node)
			}
			cw.alarm.clear()
		})
	}
}

// free unmaps what callbacks use, once detached: see clientRun.free.
func (r *udpRun) free() {
	for _, cw := range r.workers {
		if cw.sw.Do(func(w *worker.Worker) { w.CloseAccount(cw.account) }) == nil {
			cw.region.Close()
		}
	}
}
