package echo

import (
	"errors"
	"sync/atomic"
	"time"
	"unsafe"

	"vpphost/apps/latency"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// cpsConn is a place that one connection after the other takes: plain bytes.
type cpsConn struct {
	handle session.Handle
	due    int64 // ns: when it was to begin
	since  int64 // ns: when its present state began
	sent   uint64
	rcvd   uint64
	serial uint32 // counts the connections of this place: what comes of earlier ones is too late
	next   uint32 // place + 1 of the next free one
	state  cpsState
	why    reason // of a connection that failed and is not gone yet
}

type cpsState uint8

const (
	cpsFree cpsState = iota
	cpsConnecting
	cpsOpen    // sending, or waiting for the echo
	cpsClosing // all bytes are through; both sides close
	cpsFailed  // closing for another reason, which is why
)

const (
	// holdOff is how long a worker opens nothing, in ns, when there was no port or one open
	// after the other fails: in vain is not to be as fast as can be.
	holdOff = int64(time.Millisecond)
	// sweepEvery is how often places are looked at for connections that take too long, in
	// ns; sweepConns how many in one Step.
	sweepEvery = 100 * int64(time.Millisecond)
	sweepConns = 4096
)

// cpsWorker is one worker's part of the run.
type cpsWorker struct {
	tally
	started atomic.Uint64
	opened  atomic.Uint64
	done    atomic.Uint64 // closed in order, after all bytes
	noPort  atomic.Uint64
	why     [numReasons]atomic.Uint64

	run      *cpsRun
	sw       *session.Worker
	alarm    *alarm
	node     *worker.Added
	account  *worker.Account
	conns    []cpsConn
	region   *mem.Region // holds conns
	free     uint32      // place + 1 of the first free one
	left     uint64      // connections still to be started
	hz       float64     // connections due each second, 0 for as many as go
	arrivals uint64      // connections that were due and taken
	held     int64       // open nothing before, ns
	unlucky  bool        // the last connection failed
	sweepAt  int64       // when the next round of the sweep begins, ns
	swept    int         // next place of this round
	connect  latency.Histogram
	transfer latency.Histogram
	_        [64]byte
}

// usage tells what conns holds.
func (cw *cpsWorker) usage() mem.Usage {
	busy := cw.started.Load() - cw.done.Load()
	for i := range cw.why {
		busy -= cw.why[i].Load()
	}
	return mem.UsageOf(int(unsafe.Sizeof(cpsConn{})), int(busy), len(cw.conns), cw.region.Bytes())
}

// link makes all places free.
func (cw *cpsWorker) link() {
	for i := range cw.conns {
		cw.conns[i].next = uint32(i + 2)
	}
	if n := len(cw.conns); n > 0 {
		cw.conns[n-1].next = 0
		cw.free = 1
	}
}

// Step is the worker's node while a run lasts: it opens connections, and gives up those
// that take too long.
func (cw *cpsWorker) Step(w *worker.Worker, now int64) (work int) {
	if phase(cw.run.phase.Load()) != phaseRunning {
		return 0
	}
	cw.sweep(now)
	if cw.run.stopSending.Load() {
		return 0
	}
	wake := cw.sweepAt
	for work < stepConns && cw.free != 0 && cw.left > 0 {
		at := max(cw.due(now), cw.held)
		if at > now {
			wake = min(wake, at)
			break
		}
		if cw.open(now) {
			work++
		}
	}
	cw.alarm.set(wake)
	return work
}

// due is when the next connection is to begin. With a rate that is a matter of the clock
// alone (an open loop): a connection that finds no free place, or a worker that was held
// up, is late, and is as late to whoever waits for it.
func (cw *cpsWorker) due(now int64) int64 {
	if cw.hz == 0 {
		return now
	}
	return cw.run.began.Load() + int64(float64(cw.arrivals)*1e9/cw.hz)
}

// open begins a connection; false when it did not begin.
func (cw *cpsWorker) open(now int64) bool {
	r, i := cw.run, cw.free-1
	c := &cw.conns[i]
	err := cw.sw.Connect(r.app, r.opts.proto, r.dataEP, uint64(c.serial)<<32|uint64(i))
	if errors.Is(err, transport.ErrNoPort) {
		cw.noPort.Add(1)
		cw.held = now + holdOff
		return false
	}
	due := cw.due(now)
	cw.arrivals++
	cw.left--
	cw.started.Add(1)
	if err != nil {
		cw.why[reasonOf(err)].Add(1)
		cw.held = now + holdOff
		cw.tell()
		return false
	}
	cw.free = c.next
	c.due, c.since, c.sent, c.rcvd, c.state = due, now, 0, 0, cpsConnecting
	return true
}

// release makes c's place free for the next connection.
func (cw *cpsWorker) release(c *cpsConn, i uint32) {
	c.state = cpsFree
	c.serial++
	c.next = cw.free
	cw.free = i + 1
}

// succeed counts a connection that has done everything.
func (cw *cpsWorker) succeed(c *cpsConn, i uint32, now int64) {
	cw.unlucky = false
	cw.done.Add(1)
	cw.run.ended.Store(now)
	cw.release(c, i)
	cw.tell()
}

// failed counts one that has not.
func (cw *cpsWorker) failed(c *cpsConn, i uint32, why reason, now int64) {
	if cw.unlucky {
		cw.held = now + holdOff
	}
	cw.unlucky = true
	cw.why[why].Add(1)
	cw.release(c, i)
	cw.tell()
}

// tell wakes the command when it may be waiting for the last connection.
func (cw *cpsWorker) tell() {
	if cw.left == 0 || cw.run.stopSending.Load() {
		cw.sw.Notify(cw.run.note)
	}
}

// sweep gives up connections that are not open, or not through, after so long.
func (cw *cpsWorker) sweep(now int64) {
	if cw.swept == 0 {
		if now < cw.sweepAt {
			return
		}
		cw.sweepAt = now + sweepEvery
	}
	limit := int64(cw.run.opts.syn)
	turn := cw.conns[cw.swept:min(cw.swept+sweepConns, len(cw.conns))]
	for i := range turn {
		if c := &turn[i]; c.state != cpsFree && now-c.since > limit {
			why := whyTimedOut
			if c.state == cpsFailed {
				why = c.why
			}
			if s := cw.sw.Get(c.handle); s != nil && c.state != cpsConnecting {
				cw.sw.Reset(s)
			}
			cw.failed(c, uint32(cw.swept+i), why, now)
		}
	}
	if cw.swept += len(turn); cw.swept == len(cw.conns) {
		cw.swept = 0
	}
}
