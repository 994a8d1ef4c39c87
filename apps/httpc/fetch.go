package httpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
)

// fetch gets one resource: the handler of its connection, which runs on a worker, and what
// the command's goroutine does with the answer.
//
// The worker writes the fields in front of stage, then stage, and wakes the goroutine,
// which reads the ones that the stage tells of. Body bytes go through the pipe.
type fetch struct {
	http.NopClient
	client  *http.Client
	request *http.Request
	pipe    *pipe
	note    *worker.Notifier
	timeout time.Duration

	sw      *session.Worker // that has the connection
	ref     http.ConnRef
	status  int
	length  int64  // of the body, -1 when it is not known
	head    []byte // status line and fields
	heads   [headRoom]byte
	latency int64 // from the request to the end of the answer, ns
	err     error

	stage  atomic.Uint32
	moved  atomic.Uint64 // counts callbacks: progress
	paused atomic.Bool   // the worker has left off for want of room
	gone   atomic.Bool   // the connection is over
}

// Stages of a fetch.
const (
	fetchOpening uint32 = iota
	fetchAsking
	fetchBody
	fetchDone   // the answer is complete
	fetchFailed // err tells why
)

const headRoom = 64 << 10

func (f *fetch) reach(stage uint32, w *session.Worker) {
	f.moved.Add(1)
	f.stage.Store(stage)
	w.Notify(f.note)
}

func (f *fetch) OnOpen(c *http.Call) {
	f.sw, f.ref = c.Worker(), c.Ref()
	if err := c.Send(f.request); err != nil {
		f.fail(c, err)
		return
	}
	f.reach(fetchAsking, c.Worker())
}

func (f *fetch) OnHead(c *http.Call, h *http.ResponseHead) {
	if f.stage.Load() != fetchAsking {
		return
	}
	f.status, f.length = h.Status(), h.ContentLength()
	f.head = f.heads[:copy(f.heads[:], h.Raw())]
	f.reach(fetchBody, c.Worker())
}

func (f *fetch) OnBody(c *http.Call, piece []byte) {
	if f.stage.Load() != fetchBody {
		return
	}
	if !f.pipe.put(piece) {
		f.fail(c, errPipe)
		return
	}
	if f.pipe.low() {
		f.paused.Store(true)
		c.Pause()
	}
	f.moved.Add(1)
	c.Worker().Notify(f.note)
}

// errPipe is a failure of ours: a piece came though the connection was paused.
var errPipe = errors.New("no room for a piece of the body")

func (f *fetch) OnDone(c *http.Call, latency int64) {
	if f.stage.Load() != fetchBody {
		return
	}
	f.latency = latency
	f.reach(fetchDone, c.Worker())
	c.Close()
}

func (f *fetch) OnClose(c *http.Call, err error) {
	f.gone.Store(true)
	c.Worker().Notify(f.note)
	if f.stage.Load() < fetchDone {
		if err == nil {
			err = http.ErrTruncated
		}
		f.err = failure(err, f.stage.Load() == fetchOpening)
		f.reach(fetchFailed, c.Worker())
	}
}

// fail ends the fetch from a callback.
func (f *fetch) fail(c *http.Call, err error) {
	f.err = failure(err, false)
	f.reach(fetchFailed, c.Worker())
	c.Reset()
}

// await blocks until the fetch has reached a stage, and returns its error when it fails
// before. It gives up when nothing moves for the time-out.
func (f *fetch) await(ctx context.Context, stage uint32) error {
	return f.loop(ctx, func() (bool, error) { return f.stage.Load() >= stage, nil })
}

// loop calls step whenever something may have happened, until it says that it is over, or
// fails, or the fetch does.
func (f *fetch) loop(ctx context.Context, step func() (bool, error)) error {
	t := time.NewTimer(f.timeout)
	defer t.Stop()
	for moved := f.moved.Load(); ; {
		over, err := step()
		if over || err != nil {
			return err
		}
		if f.stage.Load() == fetchFailed {
			return f.err
		}
		if m := f.moved.Load(); m != moved {
			moved = m
			t.Reset(f.timeout)
		}
		select {
		case <-f.note.C:
		case <-t.C:
			if f.moved.Load() == moved {
				if f.stage.Load() == fetchOpening {
					return errors.New("error: failed to connect: timeout")
				}
				return errors.New("error: timeout")
			}
			t.Reset(f.timeout)
		case <-ctx.Done():
			return errAborted
		}
	}
}

// farewell gives the connection of a complete answer time to close in order.
func (f *fetch) farewell() {
	t := time.NewTimer(farewellTime)
	defer t.Stop()
	for f.stage.Load() == fetchDone && !f.gone.Load() {
		select {
		case <-f.note.C:
		case <-t.C:
			return
		}
	}
}

const farewellTime = 300 * time.Millisecond

// body writes the body to w as it comes, and returns how long it was. At most limit bytes
// are taken, 0 for any number.
func (f *fetch) body(ctx context.Context, w io.Writer, limit uint64) (n uint64, err error) {
	err = f.loop(ctx, func() (bool, error) {
		// The stage first: when it is done, all bytes are in the pipe.
		stage := f.stage.Load()
		for b := f.pipe.peek(); len(b) > 0; b = f.pipe.peek() {
			if limit > 0 && n+uint64(len(b)) > limit {
				return false, fmt.Errorf("error: %w", errTooLarge)
			}
			if _, err := w.Write(b); err != nil {
				return false, err
			}
			n += uint64(len(b))
			f.pipe.drop(len(b))
			f.moved.Add(1)
			f.resume()
			if ctx.Err() != nil {
				return false, errAborted
			}
		}
		f.resume()
		return stage == fetchDone, nil
	})
	return n, err
}

// resume has the worker go on when there is room again.
func (f *fetch) resume() {
	if !f.paused.Load() || f.pipe.low() {
		return
	}
	f.paused.Store(false)
	f.moved.Add(1)
	f.sw.Post(func(*worker.Worker) {
		if c := f.client.Get(f.sw, f.ref); c != nil {
			c.Unpause()
		}
	})
}
