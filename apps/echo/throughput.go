package echo

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
)

// clientRun is the throughput test: all sessions are opened, then they send.
type clientRun struct {
	testRun
	pattern bool // write the pattern, not just move the tail
	workers []*clientWorker
	badAt   atomic.Uint64 // stream position of the first wrong byte, + 1
}

func newClientRun(c *Client, o *options) *clientRun {
	r := &clientRun{pattern: o.check || o.raw}
	r.init(c, o)
	return r
}

// phases takes the run from the control session to its end.
func (r *clientRun) phases(ctx context.Context, emit func(cli.Result) error) (cli.Result, error) {
	rep := newReporter(r, emit)
	if !r.opts.raw {
		if err := r.openControl(ctx); err != nil {
			return nil, err
		}
	}
	for _, step := range []func(context.Context, *reporter) error{r.connectAll, r.transfer, r.hold} {
		if err := step(ctx, rep); err != nil {
			r.sayStop()
			return nil, err
		}
	}
	r.closeAll(ctx, rep)
	peer, err := r.closeControl(ctx)
	if err != nil {
		return nil, err
	}
	if peer != nil {
		rep.peerKnown, rep.peerBytes = true, peer.TotalBytes
	}
	return rep.final(), nil
}

// connectAll opens the data sessions and waits until all are open.
func (r *clientRun) connectAll(ctx context.Context, rep *reporter) error {
	start := time.Now()
	r.phase.Store(uint32(phaseConnecting))
	r.wakeWorkers()
	wait := r.patiently
	if r.opts.synGiven {
		wait = r.wait
	}
	err := wait(ctx, r.opts.syn, func() bool { return r.sum().connected >= uint64(r.opts.clients) })
	n := r.sum().connected
	took := time.Since(start)
	switch {
	case errors.Is(err, errWaited):
		_ = rep.line(fmt.Sprintf("Timeout with only %d sessions active...", n))
		return fmt.Errorf("failed: syn timeout with %d sessions", n)
	case errors.Is(err, context.Canceled):
		return errAborted
	case err != nil:
		return fmt.Errorf("failed: connect failed (%d sessions connected): %w", n, err)
	}
	rep.connected(r.opts.clients, took)
	return nil
}

// transfer lets the sessions send and prints rows until they are done.
func (r *clientRun) transfer(ctx context.Context, rep *reporter) error {
	o := r.opts
	rep.start()
	if err := r.app0(func(w *session.Worker) { r.began.Store(w.Now()) }); err != nil {
		return err
	}
	r.phase.Store(uint32(phaseRunning))
	r.wakeWorkers()

	limit := o.timeout
	if o.runTime > 0 {
		limit = o.runTime
	}
	done := func() bool { return int(r.sum().finished) >= o.active }
	var progress func() uint64
	moved := func() uint64 { t := r.sum(); return t.tx + t.finished + t.turns }
	if o.patient {
		progress = moved
	}
	err := r.during(ctx, &rep.pulse, limit, progress, done)
	if errors.Is(err, errWaited) && o.runTime > 0 {
		// Time is up: what is under way may still arrive.
		r.stopSending.Store(true)
		r.wakeWorkers()
		err = r.during(ctx, &rep.pulse, drainTime, moved, done)
	}
	rep.finish()
	t := r.sum()
	switch {
	case err == nil && t.bad > 0:
		return fmt.Errorf("failed: test bytes: %d sessions received wrong bytes, the first at byte %d", t.bad, r.badAt.Load()-1)
	case errors.Is(err, errWaited):
		active := uint64(o.active) - t.finished
		_ = rep.line(fmt.Sprintf("Timeout at %.6f with %d sessions still active...", seconds64(worker.Monotonic()), active))
		if o.echo {
			_ = rep.line(fmt.Sprintf("Received %d bytes out of %d sent (%d target)", t.rx, t.tx, o.bytes*uint64(o.active)))
		}
		return errors.New("failed: test timeout")
	case errors.Is(err, context.Canceled):
		rep.partial()
		return errAborted
	case err != nil:
		_ = rep.line("aborted")
		return err
	}
	return nil
}

// hold keeps the sessions open for as long as was asked for.
func (r *clientRun) hold(ctx context.Context, rep *reporter) error {
	if r.opts.hold == 0 {
		return nil
	}
	r.phase.Store(uint32(phaseHolding))
	rep.holding(r.opts.clients, r.opts.hold)
	switch err := r.wait(ctx, r.opts.hold, func() bool { return false }); {
	case errors.Is(err, context.Canceled):
		rep.partial()
		return errAborted
	case !errors.Is(err, errWaited):
		return err
	}
	return nil
}

// closeAll closes what is still open, and gives the sessions time to close in order:
// Detach resets what is left.
func (r *clientRun) closeAll(ctx context.Context, rep *reporter) {
	start := time.Now()
	r.phase.Store(uint32(phaseClosing))
	r.wakeWorkers()
	_ = r.patiently(ctx, settleTime, func() bool { return r.sum().gone >= uint64(r.opts.clients) })
	if r.opts.hold > 0 {
		rep.closed(int(r.sum().gone), time.Since(start))
	}
}

// settleTime is how long closeAll waits for the next session to end: the peer may never
// close.
const settleTime = 3 * time.Second

// drainTime is how long a timed run waits at its end for what is still under way, from
// the last of it that arrived.
const drainTime = 5 * time.Second

// patiently is wait, but as long as sessions come or go, d begins anew.
func (r *clientRun) patiently(ctx context.Context, d time.Duration, done func() bool) error {
	for moved := ^uint64(0); ; {
		t := r.sum()
		if t.connected+t.gone == moved {
			return errWaited
		}
		moved = t.connected + t.gone
		if err := r.wait(ctx, d, done); !errors.Is(err, errWaited) {
			return err
		}
	}
}

// counts is the sum over all workers.
type counts struct {
	totals
	connected, finished, lost, resets, gone, turns uint64
}

func (r *clientRun) sum() (c counts) {
	for _, x := range r.workers {
		c.add(&x.tally)
		c.connected += x.connected.Load()
		c.finished += x.finished.Load()
		c.lost += x.lost.Load()
		c.resets += x.resets.Load()
		c.gone += x.gone.Load()
		c.turns += x.turns.Load()
	}
	return c
}

// addWorkers deals the sessions out over the workers and puts a node on each.
func (r *clientRun) addWorkers() error {
	for i, sw := range r.layer {
		cw := &clientWorker{run: r, sw: sw, alarm: r.alarms[i], active: r.share(r.opts.active, i)}
		var err error
		if cw.conns, cw.region, err = mem.Array[clientConn](r.share(r.opts.clients, i)); err != nil {
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

func (r *clientRun) removeWorkers() {
	for _, cw := range r.workers {
		_ = cw.sw.Do(func(w *worker.Worker) {
			if cw.node != nil {
				w.Remove(cw.node)
			}
			cw.alarm.clear()
		})
	}
}

// free unmaps what callbacks use, once detached: none begins any more, and none runs when
// its worker has been visited.
func (r *clientRun) free() {
	for _, cw := range r.workers {
		if cw.sw.Do(func(w *worker.Worker) { w.CloseAccount(cw.account) }) == nil {
			cw.region.Close()
		}
	}
}
