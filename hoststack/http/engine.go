package http

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/session"
)

// What can go wrong with an exchange or a request, besides the errors of package
// transport.
var (
	ErrTimeout   = errors.New("http timeout")
	ErrMalformed = errors.New("malformed http message")
	ErrTooLarge  = errors.New("http message too large")
	ErrTruncated = errors.New("http message ends too early")
	ErrSource    = errors.New("content is not to be had")
	// ErrGone is returned to control code when the exchange that it answers is over.
	ErrGone = errors.New("http exchange is over")
	// ErrWait is what a Source returns that has no bytes at present.
	ErrWait = errors.New("no content yet")
	// ErrBusy is returned by Call.Send while a request is in flight.
	ErrBusy = errors.New("request in flight")
	// ErrDisabled is the error of commands before the engine was used.
	ErrDisabled = errors.New("http transport disabled")
)

// Config is how the engine is made. Zero values mean the defaults.
type Config struct {
	Conns       int              // most connections of a worker, 1 Mi by default
	FIFO        uint32           // bytes of a FIFO, of servers and clients that do not say
	IdleTimeout time.Duration    // between two requests, of listeners that do not say
	Wall        func() time.Time // the time of day; time.Now
}

// Engine is the HTTP engine of an instance.
type Engine struct {
	layer  *session.Layer
	cfg    Config
	shards []*shard
	used   atomic.Bool

	mu     sync.Mutex // of control code
	owners atomic.Pointer[[]owner]
}

// owner is a Server or a Client, as its connections see it.
type owner interface {
	// timeout is called when c has waited too long. It must not call the application:
	// what it leads to is told in the next Step.
	timeout(sh *shard, i uint32, c *conn, ss *session.Session)
}

// shard is one worker's part of the engine; only that worker uses it.
type shard struct {
	e     *Engine
	sw    *session.Worker
	conns *mem.Pool[conn]
	stats Stats
	deadlines
	transfers
	x       Exchange // of the callback that runs
	call    Call     // the same, of a client
	freed   int      // bytes dropped from the receive FIFO in this callback
	buf     []byte   // a head that lies in several pieces
	path    []byte
	scratch []byte
	date    [dateLen]byte // the Date line
	dateEnd int64         // when it is old
	account *worker.Account
}

// scratchSize is the capacity of Exchange.Scratch.
const scratchSize = 8 << 10

// New makes the engine, over workers that do not run yet.
func New(l *session.Layer, c Config) (*Engine, error) {
	if c.Conns <= 0 {
		c.Conns = 1 << 20
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	e := &Engine{layer: l, cfg: c}
	e.owners.Store(&[]owner{nil})
	for _, w := range l.Workers() {
		sh := &shard{e: e, sw: w, buf: make([]byte, MaxHead+1), path: make([]byte, 0, MaxHead+1), scratch: make([]byte, 0, scratchSize)}
		var err error
		if sh.conns, err = mem.NewPool[conn](c.Conns); err != nil {
			e.Close()
			return nil, fmt.Errorf("http: worker %d: %w", w.Index, err)
		}
		sh.account = w.Account("http connections", sh.conns.Usage)
		sh.waker = w.OnTimer(func(uint64) {
			sh.timer = 0
			sh.expire()
		})
		sh.transfers.list = make([]transfer, 1, 16)
		e.shards = append(e.shards, sh)
	}
	return e, nil
}

// Close frees all memory. No worker may be running.
func (e *Engine) Close() {
	for _, sh := range e.shards {
		sh.sw.Wheel.Disarm(&sh.timer)
		sh.sw.CloseAccount(sh.account)
		sh.conns.Close()
	}
}

// adopt gives a server or a client its number.
func (e *Engine) adopt(o owner) uint32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.used.Store(true)
	list := slices.Clone(*e.owners.Load())
	i := 1
	for i < len(list) && list[i] != nil {
		i++
	}
	if i == len(list) {
		list = append(list, nil)
	}
	list[i] = o
	e.owners.Store(&list)
	return uint32(i)
}

// disown takes it back. Connections that are left, of an application that has failed, go
// when their time comes.
func (e *Engine) disown(i uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := slices.Clone(*e.owners.Load())
	list[i] = nil
	e.owners.Store(&list)
	for _, sh := range e.shards {
		_ = sh.sw.Do(func(*worker.Worker) {
			if sh.linked == 0 {
				sh.sw.Wheel.Disarm(&sh.timer)
			}
		})
	}
}

// fifoSize is what to ask the session layer for.
func (e *Engine) fifoSize(n uint32) uint32 {
	switch {
	case n != 0:
		return n
	case e.cfg.FIFO != 0:
		return e.cfg.FIFO
	}
	return session.DefaultFIFO
}

// mostHead is how long a head may be that has to wait in a FIFO of n bytes until it is
// complete. A transport may close its window before the last byte is full.
func (e *Engine) mostHead(n uint32) int { return min(int(fifo.ClampSize(n)/4*3), MaxHead) }

// alloc makes a connection.
func (sh *shard) alloc(owner uint32, st state) (uint32, *conn) {
	i, c := sh.conns.Alloc()
	if c != nil {
		c.owner, c.state = owner, st
	}
	return i, c
}

// free ends a connection.
func (sh *shard) free(i uint32, c *conn) {
	sh.endTransfer(c)
	sh.unlink(i, c)
	sh.conns.Free(i)
}

// gather copies the first n bytes that wait in rx.
func (sh *shard) gather(rx *fifo.FIFO, n int) []byte {
	n = min(n, len(sh.buf))
	for at := 0; at < n; {
		p := rx.PeekAt(at, n-at)
		if len(p) == 0 {
			return sh.buf[:at]
		}
		at += copy(sh.buf[at:], p)
	}
	return sh.buf[:n]
}

// hasLine tells whether a line ends in rx behind the first from bytes.
func hasLine(rx *fifo.FIFO, from int) bool {
	for {
		p := rx.PeekAt(from, rx.Len())
		if len(p) == 0 {
			return false
		}
		if bytes.IndexByte(p, '\n') >= 0 {
			return true
		}
		from += len(p)
	}
}

// drop consumes n received bytes.
func (sh *shard) drop(rx *fifo.FIFO, n int) {
	if n > 0 {
		rx.Drop(n)
		sh.freed += n
	}
}

// settleRx tells the stack what was consumed in this callback.
func (sh *shard) settleRx(ss *session.Session) {
	if sh.freed > 0 {
		sh.freed = 0
		sh.sw.Dropped(ss)
	}
}

const dateLen = len("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")

// today brings the Date line up to date, once a second (RFC 9110 6.6.1).
func (sh *shard) today() []byte {
	if now := sh.sw.Now(); now >= sh.dateEnd {
		wall := sh.e.cfg.Wall()
		sh.dateEnd = now + int64(time.Second) - int64(wall.Nanosecond())
		b := append(sh.date[:0], "Date: "...)
		b = AppendTime(b, wall.Unix())
		copy(sh.date[len(b):], "\r\n")
	}
	return sh.date[:]
}
