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
	"vpphost/hoststack/transport"
)

const clientName = "echo_client"

// Client is the "test echo client" of an instance: one run at a time.
type Client struct {
	layer *session.Layer
	busy  atomic.Bool
}

// NewClient makes the client.
func NewClient(l *session.Layer) *Client { return &Client{layer: l} }

type phase uint32

const (
	phaseControl    phase = iota // waiting for the control session
	phaseConnecting              // opening data sessions
	phaseRunning                 // sending
	phaseHolding                 // done; all stay open
	phaseClosing                 // both sides close
	phaseOver
)

// clientRun is one run of the client: the application that its sessions call.
type clientRun struct {
	session.NopApp
	opts    *options
	pattern bool // write the pattern, not just move the tail
	dataEP  transport.Endpoint
	app     *session.AppHandle
	workers []*clientWorker
	note    *worker.Notifier // wakes the command

	phase       atomic.Uint32
	stopSending atomic.Bool
	began       atomic.Int64 // ns, worker time
	ended       atomic.Int64
	failure     atomic.Pointer[error]
	badAt       atomic.Uint64 // stream position of the first wrong byte, + 1
	lastPace    [worker.MaxWorkers]int64

	ctrl control
}

// errAborted ends a run at Ctrl-C.
var errAborted = errors.New("failed: aborted")

// fail records the first error and wakes the command. Any worker.
func (r *clientRun) fail(w *worker.Worker, err error) {
	if r.failure.CompareAndSwap(nil, &err) {
		w.Notify(r.note)
	}
}

// run makes one test and reports through emit; the result is the final report.
func (c *Client) run(ctx context.Context, o *options, emit func(cli.Result) error) (cli.Result, error) {
	if !c.busy.CompareAndSwap(false, true) {
		return nil, errors.New("failed: already running!")
	}
	defer c.busy.Store(false)
	if err := c.layer.Enable(); err != nil {
		return nil, err
	}
	r := &clientRun{opts: o, pattern: o.check || o.raw, dataEP: o.ep, note: worker.NewNotifier()}
	if !o.raw {
		r.dataEP = dataEndpoint(o.ep)
	}
	app, err := c.layer.Attach(clientName, r, session.Options{
		Scope: o.scope, RxFIFO: uint32(o.fifo), TxFIFO: uint32(o.fifo)})
	if err != nil {
		return nil, err
	}
	r.app = app
	defer func() {
		if app.Detach() == nil {
			r.free()
		}
	}()
	if err := r.addWorkers(c.layer.Workers()); err != nil {
		return nil, err
	}
	defer r.removeWorkers()

	rep := &reporter{run: r, emit: emit}
	err = r.phases(ctx, rep)
	r.phase.Store(uint32(phaseOver))
	if err != nil {
		_ = rep.line("test failed")
		return nil, err
	}
	return rep.final(), nil
}

// phases takes the run from the control session to its end.
func (r *clientRun) phases(ctx context.Context, rep *reporter) error {
	o := r.opts
	if !o.raw {
		if err := r.openControl(ctx); err != nil {
			return err
		}
	}
	if err := r.connectAll(ctx, rep); err != nil {
		r.sayStop()
		return err
	}
	if err := r.transfer(ctx, rep); err != nil {
		r.sayStop()
		return err
	}
	if err := r.hold(ctx, rep); err != nil {
		r.sayStop()
		return err
	}
	r.closeAll(ctx, rep)
	if o.raw {
		return nil
	}
	return r.closeControl(ctx, rep)
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
	err := r.rows(ctx, rep, limit, o.patient, done)
	if errors.Is(err, errWaited) && o.runTime > 0 {
		// Time is up: what is under way may still arrive.
		r.stopSending.Store(true)
		r.wakeWorkers()
		err = r.rows(ctx, rep, drainTime, true, done)
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

// rows waits like wait, for limit, and prints a row every interval. When it is patient
// the limit counts from the last progress: a test that takes long because there is much
// to do is not a failure.
func (r *clientRun) rows(ctx context.Context, rep *reporter, limit time.Duration, patient bool, done func() bool) error {
	deadline := time.Now().Add(limit)
	moved := uint64(0)
	for {
		if patient {
			t := r.sum()
			if m := t.tx + t.finished + t.turns; m != moved {
				moved, deadline = m, time.Now().Add(limit)
			}
		}
		step := time.Until(deadline)
		if patient {
			step = min(step, time.Second)
		}
		if r.opts.interval > 0 {
			step = min(step, time.Until(rep.nextRow()))
		}
		err := r.wait(ctx, step, done)
		if !errors.Is(err, errWaited) || !time.Now().Before(deadline) {
			return err
		}
		if r.opts.interval > 0 && !time.Now().Before(rep.nextRow()) {
			rep.row()
		}
	}
}

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

// errWaited says that the time given to wait has passed.
var errWaited = errors.New("time has passed")

// wait blocks until done, a failure, the end of d (errWaited) or of ctx.
func (r *clientRun) wait(ctx context.Context, d time.Duration, done func() bool) error {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		if done() {
			return nil
		}
		if p := r.failure.Load(); p != nil {
			return *p
		}
		select {
		case <-r.note.C:
		case <-t.C:
			if done() {
				return nil
			}
			return errWaited
		case <-ctx.Done():
			return context.Canceled
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
		c.rx += x.rx.Load()
		c.tx += x.tx.Load()
		c.bad += x.bad.Load()
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
func (r *clientRun) addWorkers(ws []*session.Worker) error {
	share := func(n, i int) int { return (n + len(ws) - 1 - i) / len(ws) }
	for i, sw := range ws {
		cw := &clientWorker{run: r, sw: sw, active: share(r.opts.active, i)}
		var err error
		if cw.conns, cw.region, err = mem.Array[clientConn](share(r.opts.clients, i)); err != nil {
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

// wakeWorkers ends the sleep of idle workers, so that a new phase begins at once.
func (r *clientRun) wakeWorkers() {
	for _, cw := range r.workers {
		cw.sw.Post(func(*worker.Worker) {})
	}
}

// app0 runs f on the first worker.
func (r *clientRun) app0(f func(w *session.Worker)) error {
	sw := r.workers[0].sw
	return sw.Do(func(*worker.Worker) { f(sw) })
}

func seconds64(ns int64) float64 { return float64(ns) / 1e9 }
