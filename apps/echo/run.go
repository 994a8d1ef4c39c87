package echo

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"vpphost/cli"
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
	phaseClosing                 // done; both sides close
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
	defer func() { _ = app.Detach() }()
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
	r.settle(ctx)
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
	err := r.wait(ctx, r.opts.syn, func() bool { return r.sum().connected >= uint64(r.opts.clients) })
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
	done := func() bool { return int(r.sum().finished) >= o.clients }
	err := r.rows(ctx, rep, limit, o.patient, done)
	if errors.Is(err, errWaited) && o.runTime > 0 {
		// Time is up: what is under way may still arrive.
		r.stopSending.Store(true)
		r.kick()
		err = r.rows(ctx, rep, drainTime, true, done)
	}
	rep.finish()
	t := r.sum()
	switch {
	case err == nil && t.bad > 0:
		return fmt.Errorf("failed: test bytes: %d sessions received wrong bytes, the first at byte %d", t.bad, r.badAt.Load()-1)
	case errors.Is(err, errWaited):
		active := uint64(o.clients) - t.finished
		_ = rep.line(fmt.Sprintf("Timeout at %.6f with %d sessions still active...", seconds64(worker.Monotonic()), active))
		if o.echo {
			_ = rep.line(fmt.Sprintf("Received %d bytes out of %d sent (%d target)", t.rx, t.tx, o.bytes*uint64(o.clients)))
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

// settle gives the sessions a moment to close in order: Detach resets what is left.
func (r *clientRun) settle(ctx context.Context) {
	r.phase.Store(uint32(phaseClosing))
	_ = r.wait(ctx, settleTime, func() bool { return r.sum().gone >= uint64(r.opts.clients) })
}

// settleTime bounds settle: the peer may never close.
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
			if m := t.rx + t.tx + t.finished - r.unacked(); m != moved {
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

// unacked is how many bytes the sessions have written that the peer has not
// acknowledged.
func (r *clientRun) unacked() (n uint64) {
	for _, cw := range r.workers {
		_ = cw.sw.Do(func(*worker.Worker) {
			for i := range cw.conns {
				if c := &cw.conns[i]; c.state == connOpen {
					if s := cw.sw.Get(c.handle); s != nil {
						n += uint64(cw.sw.Unacked(s))
					}
				}
			}
		})
	}
	return n
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
	connected, finished, lost, resets, gone uint64
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
	}
	return c
}

// addWorkers deals the sessions out over the workers and puts a node on each.
func (r *clientRun) addWorkers(ws []*session.Worker) error {
	for i, sw := range ws {
		n := r.opts.clients / len(ws)
		if i < r.opts.clients%len(ws) {
			n++
		}
		cw := &clientWorker{run: r, sw: sw, conns: make([]clientConn, n)}
		r.workers = append(r.workers, cw)
	}
	for _, cw := range r.workers {
		if err := cw.sw.Do(func(w *worker.Worker) { cw.node = w.Add(worker.Events, "echo-clients", cw) }); err != nil {
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

// wakeWorkers ends the sleep of idle workers, so that a new phase begins at once.
func (r *clientRun) wakeWorkers() {
	for _, cw := range r.workers {
		cw.sw.Post(func(*worker.Worker) {})
	}
}

// kick looks at every open session once: at the end of a timed run those with
// nothing under way are done.
func (r *clientRun) kick() {
	for _, cw := range r.workers {
		cw.sw.Post(func(*worker.Worker) {
			for i := range cw.conns {
				c := &cw.conns[i]
				if c.state != connOpen {
					continue
				}
				if s := cw.sw.Get(c.handle); s != nil {
					cw.check(s, c)
				}
			}
		})
	}
}

// app0 runs f on the first worker.
func (r *clientRun) app0(f func(w *session.Worker)) error {
	sw := r.workers[0].sw
	return sw.Do(func(*worker.Worker) { f(sw) })
}

func seconds64(ns int64) float64 { return float64(ns) / 1e9 }
