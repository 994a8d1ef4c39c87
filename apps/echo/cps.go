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

// cpsRun is the test of connections per second: each opens, transfers its bytes and
// closes, and another takes its place, until time is up or so many were made.
type cpsRun struct {
	testRun
	workers []*cpsWorker
	total   uint64 // connections to make, 0 for as many as go
	hz      float64
	gentle  bool // close only when all bytes are acknowledged
}

func newCPSRun(c *Client, o *options) *cpsRun {
	r := &cpsRun{total: o.connections, hz: o.perSecond}
	r.init(c, o)
	r.ext = extPassing
	return r
}

// cpsDrain is how long the end of a run waits for the next connection to finish.
const cpsDrain = 2 * time.Second

// phases takes the run from the control session to its end.
func (r *cpsRun) phases(ctx context.Context, emit func(cli.Result) error) (cli.Result, error) {
	if !r.opts.raw {
		if err := r.openControl(ctx); err != nil {
			return nil, err
		}
		// VPP's server closes when it hears of the end, and resets when there are bytes that
		// it has not read then: it must not hear of both at once.
		r.gentle = !r.ours()
	}
	rep := newCPSReporter(r, emit)
	err := r.load(ctx, rep)
	rep.finish()
	s := rep.summary()
	peer, perr := r.closeControl(ctx)
	switch {
	case err != nil:
		return s, err
	case perr != nil:
		return s, perr
	case s.Connections == 0:
		return s, fmt.Errorf("failed: no connection succeeded%s", s.why())
	}
	if peer != nil {
		s.PeerBytes = &peer.TotalBytes
	}
	return s, nil
}

// load opens connections until it is time to stop, and waits for those under way.
func (r *cpsRun) load(ctx context.Context, rep *cpsReporter) error {
	if err := r.app0(func(w *session.Worker) { r.began.Store(w.Now()) }); err != nil {
		return err
	}
	rep.start()
	r.phase.Store(uint32(phaseRunning))
	r.wakeWorkers()
	done := func() bool { c := r.sum(); return r.total > 0 && c.done+c.failed() >= r.total }
	moved := func() uint64 { c := r.sum(); return c.opened + c.done }
	limit, progress := r.opts.runTime, (func() uint64)(nil)
	if limit == 0 {
		if limit = r.opts.timeout; r.opts.patient {
			progress = moved
		}
	}
	err := r.during(ctx, &rep.pulse, limit, progress, done)
	timedOut := errors.Is(err, errWaited) && r.opts.runTime == 0
	if errors.Is(err, errWaited) {
		err = nil
	}
	r.stop()
	rep.stopped()
	if err == nil {
		err = r.during(ctx, &rep.pulse, cpsDrain, moved, func() bool { return r.sum().inFlight() == 0 })
	}
	switch {
	case errors.Is(err, context.Canceled):
		return errAborted
	case err != nil && !errors.Is(err, errWaited):
		return err
	case timedOut:
		return fmt.Errorf("failed: test timeout with %d of %d connections made", r.sum().done, r.total)
	}
	return nil
}

// stop has no connection begun from now on, also by a worker that is in a Step just now.
func (r *cpsRun) stop() {
	r.stopSending.Store(true)
	for _, w := range r.layer {
		_ = w.Do(func(*worker.Worker) {})
	}
}

// cpsCounts is the sum over all workers.
type cpsCounts struct {
	totals
	started, opened, done uint64
	why                   [numReasons]uint64
	noPort                uint64 // opens put off for want of a port
}

// failed is how many connections have failed, whatever the reason.
func (c *cpsCounts) failed() (n uint64) {
	for _, k := range c.why {
		n += k
	}
	return n
}

func (c cpsCounts) inFlight() uint64 { return c.started - c.done - c.failed() }

func (r *cpsRun) sum() (c cpsCounts) {
	for _, x := range r.workers {
		// What ends a connection is read first: never are more ended than were started.
		for i := range x.why {
			c.why[i] += x.why[i].Load()
		}
		c.done += x.done.Load()
		c.opened += x.opened.Load()
		c.started += x.started.Load()
		c.noPort += x.noPort.Load()
		c.add(&x.tally)
	}
	return c
}

// times are the distributions of all workers.
func (r *cpsRun) times() (connect, transfer latency.Percentiles) {
	a, b := new(latency.Histogram), new(latency.Histogram)
	for _, cw := range r.workers {
		_ = cw.sw.Do(func(*worker.Worker) {
			a.Merge(&cw.connect)
			b.Merge(&cw.transfer)
		})
	}
	return a.Percentiles(), b.Percentiles()
}

// addWorkers deals the places out over the workers and puts a node on each.
func (r *cpsRun) addWorkers() error {
	for i, sw := range r.layer {
		cw := &cpsWorker{run: r, sw: sw, alarm: r.alarms[i], left: ^uint64(0)}
		if r.total > 0 {
			n := uint64(len(r.layer))
			cw.left = (r.total + n - 1 - uint64(i)) / n
		}
		cw.hz = r.hz / float64(len(r.layer))
		var err error
		if cw.conns, cw.region, err = mem.Array[cpsConn](r.share(r.opts.clients, i)); err != nil {
			return err
		}
		cw.link()
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

func (r *cpsRun) removeWorkers() {
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
func (r *cpsRun) free() {
	for _, cw := range r.workers {
		if cw.sw.Do(func(w *worker.Worker) { w.CloseAccount(cw.account) }) == nil {
			cw.region.Close()
		}
	}
}
