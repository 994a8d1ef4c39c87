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

// ctrlOpaque marks the control session among a client's opens.
const ctrlOpaque = ^uint64(0)

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
func (c *control) send(r *testRun, w *session.Worker, s *session.Session) {
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
func (c *control) receive(r *testRun, w *session.Worker, s *session.Session) {
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

// connected tells that the control session is open.
func (c *control) connected(r *testRun, w *session.Worker, s *session.Session) {
	s.Opaque = ctrlOpaque
	c.opened(w, s)
	c.send(r, w, s)
}

// lost tells that the control session has ended, which ends the run unless it is over.
func (c *control) lost(r *testRun, w *session.Worker, why error) {
	c.gone.Store(true)
	if c.closing.Load() || phase(r.phase.Load()) == phaseOver {
		return
	}
	if why == nil {
		why = errors.New("closed by the server")
	}
	r.fail(w.Worker, fmt.Errorf("%w: %w", errControlLost, why))
}

// openControl connects, agrees on the test and starts it.
func (r *testRun) openControl(ctx context.Context) error {
	o := r.opts
	m := Config{Seq: 0, Test: testUni, Cmd: cmdSync, Sessions: uint32(o.clients),
		RxBuf: defRxBuf, TxBuf: defTxBuf, Writes: defWrites, TotalBytes: defWrites * defTxBuf, Ext: r.ext}
	if o.echo {
		m.Test = testBi
	}
	if o.check || o.echo && o.proto == transport.UDP { // as VPP has it
		m.TestBytes = 1
	}
	r.ctrl.out = m
	var cerr error
	err := r.app0(func(w *session.Worker) { cerr = w.Connect(r.app, transport.TCP, o.ep, ctrlOpaque) })
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

// ours tells whether the server has answered that it knows Config.Ext.
func (r *testRun) ours() bool {
	r.ctrl.mu.Lock()
	defer r.ctrl.mu.Unlock()
	return r.ctrl.in.Ext&extKnown != 0
}

// ask sends a command and waits for its answer.
func (r *testRun) ask(ctx context.Context, cmd command, t testType) error {
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
func (r *testRun) await(ctx context.Context, n uint32, what string) error {
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

// closeControl ends the test at the server and returns what it has counted, nil when
// that is not known.
func (r *testRun) closeControl(ctx context.Context) (*Config, error) {
	if r.opts.raw || r.ctrl.gone.Load() || ctx.Err() != nil || r.failure.Load() != nil {
		r.sayStop()
		return nil, nil
	}
	if err := r.ask(ctx, cmdStop, r.ctrl.out.Test); err != nil {
		return nil, err
	}
	if err := r.ask(ctx, cmdSync, testEcho); err != nil {
		return nil, err
	}
	r.ctrl.closing.Store(true)
	r.ctrl.mu.Lock()
	in, h := r.ctrl.in, r.ctrl.handle
	r.ctrl.mu.Unlock()
	return &in, r.app0(func(w *session.Worker) {
		if s := w.Get(h); s != nil {
			w.Close(s)
		}
	})
}

// sayStop tells the server of a failed run that it is over, without waiting: it may be
// the server that has failed.
func (r *testRun) sayStop() {
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
