package httpc

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
)

const clientName = "http_client"

type phase uint32

const (
	phaseConnecting phase = iota // opening connections, no request yet
	phaseRunning
	phaseClosing
)

// load is one load run: the handler of its connections, and what the command's goroutine
// knows of it.
type load struct {
	opts    *options
	client  *http.Client
	request *http.Request
	workers []*loadWorker
	note    *worker.Notifier // wakes the command

	stage  atomic.Uint32         // the phase
	first  atomic.Pointer[error] // that happened
	began  int64                 // when requests began, on the workers' clock, ns
	upload *upload
}

func (r *load) phase() phase { return phase(r.stage.Load()) }

// remember keeps the first error. Any worker.
func (r *load) remember(err error) {
	if r.first.Load() == nil {
		e := err // only what is kept shall escape
		r.first.CompareAndSwap(nil, &e)
	}
}

func (r *load) OnOpen(c *http.Call)                       { r.workers[c.Worker().Index].onOpen(c) }
func (r *load) OnHead(c *http.Call, h *http.ResponseHead) { r.workers[c.Worker().Index].onHead(c, h) }
func (r *load) OnBody(c *http.Call, piece []byte)         { r.workers[c.Worker().Index].onBody(c, piece) }
func (r *load) OnDone(c *http.Call, _ int64)              { r.workers[c.Worker().Index].onDone(c) }
func (r *load) OnClose(c *http.Call, err error)           { r.workers[c.Worker().Index].onClose(c, err) }

// load makes a load run and reports through emit; the result is the summary.
func (c *Client) load(ctx context.Context, o *options, emit func(cli.Result) error) (cli.Result, error) {
	if !c.busy.CompareAndSwap(false, true) {
		return nil, errRunning
	}
	defer c.busy.Store(false)
	r, err := c.newLoad(o)
	if err != nil {
		return nil, err
	}
	defer r.end()
	sum, err := r.measure(ctx, &reporter{run: r, emit: emit})
	r.disconnect()
	if sum == nil {
		return nil, err
	}
	return sum, err
}

// newLoad attaches to the session layer and puts a node on each worker.
func (c *Client) newLoad(o *options) (*load, error) {
	if err := c.layer.Enable(); err != nil {
		return nil, err
	}
	r := &load{opts: o, note: worker.NewNotifier()}
	var err error
	if r.upload, err = o.newUpload(); err != nil {
		return nil, err
	}
	r.request = o.request(o.method, o.uri, r.upload.body)
	r.client, err = c.engine.NewClient(clientName, http.ClientConfig{Handler: r, RxFIFO: o.fifo, TxFIFO: o.fifo,
		Scope: o.scope, ConnectTimeout: o.timeout, Timeout: o.timeout})
	if err != nil {
		r.upload.close()
		return nil, err
	}
	if err := r.addWorkers(c.layer.Workers(), c.alarms); err != nil {
		r.end()
		return nil, err
	}
	return r, nil
}

// addWorkers deals sessions, requests and rate out over the workers.
func (r *load) addWorkers(ws []*session.Worker, alarms []*alarm) error {
	o := r.opts
	n := uint64(len(ws))
	for i, sw := range ws {
		seats := share(uint64(o.sessions), n, uint64(i))
		lw, err := newLoadWorker(r, sw, alarms[i], int(seats))
		if err != nil {
			return err
		}
		part := float64(seats) / float64(o.sessions)
		lw.pace.rate, lw.pace.left = o.rate*part, ^uint64(0)
		r.workers = append(r.workers, lw)
	}
	if o.repeat > 0 {
		r.dealRequests(o.repeat)
	}
	for _, lw := range r.workers {
		if err := lw.sw.Do(func(w *worker.Worker) {
			lw.node = w.Add(worker.Events, "http-client", lw)
			lw.account = w.Account("http client", lw.usage)
		}); err != nil {
			return err
		}
	}
	return nil
}

// dealRequests gives each worker the requests of its seats.
func (r *load) dealRequests(n uint64) {
	seats, dealt := uint64(0), uint64(0)
	for _, lw := range r.workers {
		seats += uint64(len(lw.seats))
		hi, lo := bits.Mul64(n, seats)
		upTo, _ := bits.Div64(hi, lo, uint64(r.opts.sessions))
		lw.pace.left, dealt = upTo-dealt, upTo
	}
}

// share is the i-th of parts of n that differ by one at most.
func share(n, parts, i uint64) uint64 { return (n + parts - 1 - i) / parts }

// measure takes the run from its first connect to its last answer.
func (r *load) measure(ctx context.Context, rep *reporter) (*Summary, error) {
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	rep.start()
	if err := r.start(); err != nil {
		return nil, err
	}
	err := r.watch(ctx, rep)
	aborted := errors.Is(err, context.Canceled)
	if aborted {
		err = errAborted
	}
	sum := rep.final(aborted)
	if sum.Requests == 0 && (err == nil || errors.Is(err, errSilent)) {
		// Nothing came: say why, in one line.
		if first := r.first.Load(); first != nil {
			err = failure(*first, sum.Connections == 0)
		}
	}
	if err == nil && sum.Requests == 0 && sum.Unfinished > 0 {
		err = errSilent
	}
	return sum, err
}

// connect opens the sessions before the clock starts, so that the figures are those of
// requests. It is enough that some can be opened.
func (r *load) connect(ctx context.Context) error {
	if r.opts.fresh {
		return nil
	}
	r.wake()
	err := errWaited
	for before := -1; errors.Is(err, errWaited); {
		n := r.tried()
		if n == before { // none has ended for as long as one may take
			break
		}
		before = n
		err = r.wait(ctx, r.opts.timeout+graceTime, r.settled)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return errAborted
	case err != nil && !errors.Is(err, errWaited):
		return err
	case r.linked():
		return nil
	}
	if first := r.first.Load(); first != nil {
		return failure(*first, true)
	}
	return errors.New("error: failed to connect: timeout")
}

// start lets requests begin.
func (r *load) start() error {
	lead := r.workers[0].sw
	if err := lead.Do(func(*worker.Worker) { r.began = lead.Now() }); err != nil {
		return err
	}
	for i, lw := range r.workers {
		err := lw.sw.Do(func(*worker.Worker) {
			p := &lw.pace
			p.begin = r.began
			if r.opts.rate > 0 { // workers take turns
				p.begin += int64(float64(i) * 1e9 / r.opts.rate)
			}
			if r.opts.duration > 0 {
				p.end = r.began + int64(r.opts.duration)
			}
		})
		if err != nil {
			return err
		}
	}
	r.stage.Store(uint32(phaseRunning))
	r.wake()
	return nil
}

// graceTime is how long answers may still come when the time is up, and how much longer
// than a request's time-out a whole run may be silent.
const graceTime = time.Second

// errSilent: no answer has come for longer than a request may take.
var errSilent = errors.New("error: timeout")

// look is how often a run is looked at when no row is due.
const look = time.Second

// watch prints rows until the run is over.
func (r *load) watch(ctx context.Context, rep *reporter) error {
	o := r.opts
	defer rep.lastRow()
	patience := o.timeout + graceTime
	if o.rate > 0 {
		patience += time.Duration(2e9 / o.rate)
	}
	end := rep.begin.Add(o.duration) // of a timed run
	stopped := false
	quiet, done := rep.begin, uint64(0)
	for {
		step := min(look, time.Until(rep.nextRow()))
		if o.duration > 0 {
			step = min(step, time.Until(end))
		}
		if err := r.wait(ctx, step, func() bool { return r.over() || r.hopeless() }); !errors.Is(err, errWaited) {
			return err
		}
		now := time.Now()
		if o.duration > 0 && !now.Before(end) {
			if stopped {
				return nil // what has not come by now is cut off
			}
			stopped, end = true, now.Add(min(graceTime, o.timeout))
			r.wake() // workers know the time themselves, once they are awake
		}
		c := r.sum()
		if !now.Before(rep.nextRow()) {
			rep.row(c)
		}
		if c.done > done {
			done, quiet = c.done, now
		}
		if o.duration == 0 && now.Sub(quiet) > patience {
			return errSilent
		}
	}
}

// hopeless tells whether every session has tried to connect, and none could.
func (r *load) hopeless() bool { return r.settled() && !r.linked() }

func (r *load) settled() bool { return r.tried() == r.opts.sessions }
func (r *load) over() bool    { return r.all(func(lw *loadWorker) bool { return lw.over.Load() }) }
func (r *load) gone() bool    { return r.all(func(lw *loadWorker) bool { return lw.gone.Load() }) }
func (r *load) linked() bool  { return !r.all(func(lw *loadWorker) bool { return !lw.linked.Load() }) }

// tried is how many sessions know how their first connect has ended.
func (r *load) tried() (n int) {
	for _, lw := range r.workers {
		n += int(lw.settled.Load())
	}
	return n
}

func (r *load) all(is func(*loadWorker) bool) bool {
	for _, lw := range r.workers {
		if !is(lw) {
			return false
		}
	}
	return true
}

// sum is what all workers have counted so far.
func (r *load) sum() *counts {
	c := new(counts)
	for _, lw := range r.workers {
		_ = lw.sw.Do(func(*worker.Worker) { c.merge(&lw.counts) })
	}
	return c
}

// freeze ends the requests and is the last sum.
func (r *load) freeze() (c *counts, now int64) {
	c = new(counts)
	for _, lw := range r.workers {
		_ = lw.sw.Do(func(*worker.Worker) {
			now = max(now, lw.sw.Now())
			lw.pace.stop(lw.sw.Now())
			lw.missed, lw.cut = lw.pace.missed(lw.sw.Now()), uint64(lw.busy)
			c.merge(&lw.counts)
		})
	}
	return c, now
}

// settleTime is how long disconnect waits for the servers to close.
const settleTime = 2 * time.Second

// disconnect closes all connections, and gives them time to close in order: what is left
// is reset.
func (r *load) disconnect() {
	r.stage.Store(uint32(phaseClosing))
	r.wake()
	_ = r.wait(context.Background(), settleTime, r.gone)
}

// end takes the run off the workers.
func (r *load) end() {
	_ = r.client.Close()
	for _, lw := range r.workers {
		_ = lw.sw.Do(func(w *worker.Worker) {
			if lw.node != nil {
				w.Remove(lw.node)
				w.CloseAccount(lw.account)
			}
			lw.alarm.stop()
		})
		lw.free()
	}
	r.upload.close()
}

// wake ends the sleep of idle workers.
func (r *load) wake() {
	for _, lw := range r.workers {
		lw.sw.Post(func(*worker.Worker) {})
	}
}

// errWaited says that the time given to wait has passed.
var errWaited = errors.New("time has passed")

// wait blocks until done, the end of d (errWaited), or that of ctx.
func (r *load) wait(ctx context.Context, d time.Duration, done func() bool) error {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		if done() {
			return nil
		}
		if !r.client.Attached() {
			return fmt.Errorf("error: %w", session.ErrNotAttached)
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
