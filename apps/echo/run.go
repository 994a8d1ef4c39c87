package echo

import (
	"context"
	"errors"
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
	layer  *session.Layer
	alarms []*alarm // by worker
	busy   atomic.Bool
}

// NewClient makes the client. Before the workers run.
func NewClient(l *session.Layer) *Client {
	c := &Client{layer: l}
	for _, w := range l.Workers() {
		c.alarms = append(c.alarms, newAlarm(w.Worker))
	}
	return c
}

type phase uint32

const (
	phaseControl    phase = iota // waiting for the control session
	phaseConnecting              // opening data sessions
	phaseRunning                 // sending
	phaseHolding                 // done; all stay open
	phaseClosing                 // both sides close
	phaseOver
)

// test is one kind of test: streams that stay open (throughput.go), connections that come
// and go (cps.go) or datagrams (udp.go). Its callbacks and nodes run on the workers, its
// phases on the goroutine of the command.
type test interface {
	session.App
	shared() *testRun
	addWorkers() error
	removeWorkers() // the nodes; callbacks may come until the application is detached
	free()
	phases(ctx context.Context, emit func(cli.Result) error) (cli.Result, error)
}

// testRun is what the kinds of tests share.
type testRun struct {
	session.NopApp
	opts   *options
	dataEP transport.Endpoint
	app    *session.AppHandle
	layer  []*session.Worker
	alarms []*alarm         // by worker: what goes by the clock
	note   *worker.Notifier // wakes the command

	phase       atomic.Uint32
	stopSending atomic.Bool
	began       atomic.Int64 // ns, worker time
	ended       atomic.Int64
	failure     atomic.Pointer[error]

	ext  uint32 // of the control messages
	ctrl control
}

func (r *testRun) shared() *testRun { return r }

// init makes r ready for o.
func (r *testRun) init(c *Client, o *options) {
	r.opts, r.dataEP = o, o.ep
	r.layer, r.alarms, r.note = c.layer.Workers(), c.alarms, worker.NewNotifier()
	if !o.raw {
		r.dataEP = dataEndpoint(o.ep)
	}
}

// newTest makes the test that o asks for.
func (c *Client) newTest(o *options) test {
	switch {
	case o.cps:
		return newCPSRun(c, o)
	case o.proto == transport.UDP:
		return newUDPRun(c, o)
	}
	return newClientRun(c, o)
}

// errAborted ends a run at Ctrl-C.
var errAborted = errors.New("failed: aborted")

// fail records the first error and wakes the command. Any worker.
func (r *testRun) fail(w *worker.Worker, err error) {
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
	t := c.newTest(o)
	app, err := c.layer.Attach(clientName, t, session.Options{
		Scope: o.scope, RxFIFO: uint32(o.fifo), TxFIFO: uint32(o.fifo)})
	if err != nil {
		return nil, err
	}
	r := t.shared()
	r.app = app
	defer func() {
		if app.Detach() == nil {
			t.free()
		}
	}()
	if err := t.addWorkers(); err != nil {
		return nil, err
	}
	defer t.removeWorkers()

	res, err := t.phases(ctx, emit)
	r.phase.Store(uint32(phaseOver))
	if err != nil {
		if res != nil {
			_ = emit(res)
		}
		_ = emit(cli.Text("test failed\n"))
		return nil, err
	}
	return res, nil
}

// share is worker i's part of n.
func (r *testRun) share(n, i int) int { return (n + len(r.layer) - 1 - i) / len(r.layer) }

// during waits like wait, for limit, and calls for rows and samples meanwhile. With
// progress, which only grows, the limit counts from the last of it: a test that takes
// long because there is much to do is not a failure.
func (r *testRun) during(ctx context.Context, p *pulse, limit time.Duration, progress func() uint64, done func() bool) error {
	deadline := time.Now().Add(limit)
	moved := uint64(0)
	for {
		step := time.Until(deadline)
		if progress != nil {
			if m := progress(); m != moved {
				moved, deadline = m, time.Now().Add(limit)
			}
			step = min(time.Until(deadline), time.Second)
		}
		step = min(step, p.until())
		err := r.wait(ctx, step, done)
		if !errors.Is(err, errWaited) || !time.Now().Before(deadline) {
			return err
		}
		p.beat()
	}
}

// errWaited says that the time given to wait has passed.
var errWaited = errors.New("time has passed")

// wait blocks until done, a failure, the end of d (errWaited) or of ctx.
func (r *testRun) wait(ctx context.Context, d time.Duration, done func() bool) error {
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

// wakeWorkers ends the sleep of idle workers, so that a new phase begins at once.
func (r *testRun) wakeWorkers() {
	for _, w := range r.layer {
		w.Post(func(*worker.Worker) {})
	}
}

// app0 runs f on the first worker.
func (r *testRun) app0(f func(w *session.Worker)) error {
	sw := r.layer[0]
	return sw.Do(func(*worker.Worker) { f(sw) })
}

func seconds64(ns int64) float64 { return float64(ns) / 1e9 }
