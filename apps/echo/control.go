package echo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

var errControlLost = errors.New("failed: control session lost")

// control is the client's control session.
type control struct {
	closing atomic.Bool
	gone    atomic.Bool
	replies atomic.Uint32 // messages received

	mu     sync.Mutex
	handle session.Handle
	out    Config // last message sent
	in     Config // last message received
}

func (c *control) opened(w *session.Worker, s *session.Session) {
	c.mu.Lock()
	c.handle = w.Handle(s)
	c.mu.Unlock()
}

// send writes the message in out.
func (c *control) send(r *clientRun, w *session.Worker, s *session.Session) {
	var b [configSize]byte
	c.mu.Lock()
	c.out.marshal(b[:])
	c.mu.Unlock()
	if !writeFull(w.Tx(s), b[:]) {
		r.fail(w.Worker, fmt.Errorf("failed: control session: %w", transport.ErrNoMemory))
		return
	}
	w.Send(s)
}

// receive takes an answer and wakes the command.
func (c *control) receive(r *clientRun, w *session.Worker, s *session.Session) {
	var b [configSize]byte
	for readFull(w.Rx(s), b[:]) {
		var m Config
		if err := m.unmarshal(b[:]); err != nil {
			r.fail(w.Worker, fmt.Errorf("failed: invalid config received from server: %w (a plain stream needs raw)", err))
			return
		}
		c.mu.Lock()
		c.in = m
		c.mu.Unlock()
		c.replies.Add(1)
		w.Notify(r.note)
	}
	w.Dropped(s)
}

// openControl connects, agrees on the test and starts it.
func (r *clientRun) openControl(ctx context.Context) error {
	o := r.opts
	m := Config{Seq: 0, Test: testUni, Cmd: cmdSync, Sessions: uint32(o.clients),
		RxBuf: defRxBuf, TxBuf: defTxBuf, Writes: defWrites, TotalBytes: defWrites * defTxBuf}
	if o.echo {
		m.Test = testBi
	}
	if o.check {
		m.TestBytes = 1
	}
	r.ctrl.out = m
	var cerr error
	err := r.app0(func(w *session.Worker) { cerr = w.Connect(r.app, o.proto, o.ep, ctrlOpaque) })
	if err = errors.Join(err, cerr); err != nil {
		return fmt.Errorf("failed: connect failed (0 sessions connected): %w", err)
	}
	if err := r.await(ctx, 1, "connect"); err != nil {
		return err
	}
	r.ctrl.mu.Lock()
	in := r.ctrl.in
	r.ctrl.mu.Unlock()
	if in.Test != m.Test || in.RxBuf != m.RxBuf || in.TotalBytes != m.TotalBytes {
		return errors.New("failed: invalid config received from server")
	}
	return r.ask(ctx, cmdStart, m.Test)
}

// ask sends a command and waits for its answer.
func (r *clientRun) ask(ctx context.Context, cmd command, t testType) error {
	c := &r.ctrl
	n := c.replies.Load() + 1
	c.mu.Lock()
	c.out.Cmd, c.out.Test = cmd, t
	h := c.handle
	c.mu.Unlock()
	err := r.app0(func(w *session.Worker) {
		if s := w.Get(h); s != nil {
			c.send(r, w, s)
		}
	})
	if err != nil {
		return err
	}
	return r.await(ctx, n, [...]string{"sync", "start", "stop"}[cmd])
}

// await waits for the n-th answer.
func (r *clientRun) await(ctx context.Context, n uint32, what string) error {
	err := r.wait(ctx, r.opts.syn, func() bool { return r.ctrl.replies.Load() >= n })
	switch {
	case errors.Is(err, errWaited):
		return fmt.Errorf("failed: timeout while waiting for %s", what)
	case errors.Is(err, context.Canceled):
		return errAborted
	case err != nil && what == "connect" && !errors.Is(err, errControlLost):
		return fmt.Errorf("failed: connect failed (0 sessions connected): %w", err)
	}
	return err
}

// closeControl ends the test at the server and compares what it received.
func (r *clientRun) closeControl(ctx context.Context, rep *reporter) error {
	if r.ctrl.gone.Load() || ctx.Err() != nil || r.failure.Load() != nil {
		r.sayStop()
		return nil
	}
	if err := r.ask(ctx, cmdStop, r.ctrl.out.Test); err != nil {
		return err
	}
	if err := r.ask(ctx, cmdSync, testEcho); err != nil {
		return err
	}
	r.ctrl.closing.Store(true)
	r.ctrl.mu.Lock()
	rep.peerBytes = r.ctrl.in.TotalBytes
	rep.peerKnown = true
	h := r.ctrl.handle
	r.ctrl.mu.Unlock()
	return r.app0(func(w *session.Worker) {
		if s := w.Get(h); s != nil {
			w.Close(s)
		}
	})
}

// sayStop tells the server of a failed run that it is over, without waiting: it may be
// the server that has failed.
func (r *clientRun) sayStop() {
	c := &r.ctrl
	if r.opts.raw || c.gone.Load() || c.replies.Load() == 0 {
		return
	}
	c.closing.Store(true)
	c.mu.Lock()
	c.out.Cmd = cmdStop
	h := c.handle
	c.mu.Unlock()
	_ = r.app0(func(w *session.Worker) {
		if s := w.Get(h); s != nil {
			c.send(r, w, s)
			w.Close(s)
		}
	})
}
