package echo

import (
	"sync/atomic"
	"time"
	"unsafe"

	"vpphost/apps/latency"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/session"
)

const (
	// inFlight is how many opens one worker has under way at a time, and closing how many
	// closes: what the other side has not answered waits, and is sent again in vain.
	inFlight = 128
	closing  = 1024
	// stepConns is how many sessions one worker starts, looks at or closes in a Step: what
	// the scheduler lets out in one.
	stepConns = 256
	// underWay is how many sessions of a fixed number of bytes one worker has started and
	// not finished. Each holds a FIFO and memory for its bytes, however few; and what waits
	// for its acknowledgment behind too many others is sent again.
	underWay = 4096
)

// clientConn is a data session of a client: plain bytes.
type clientConn struct {
	handle session.Handle
	sent   uint64
	rcvd   uint64
	asked  int64 // when the request in flight was written
	state  connState
	bad    bool // a byte differed; say so once
}

type connState uint8

const (
	connIdle connState = iota
	connOpen
	connHeld   // done, and kept open
	connDone   // everything sent is acknowledged, and echoed if asked; closed
	connFailed // lost before that
)

// clientWorker is one worker's part of a run: its sessions, and the node that opens,
// starts, paces and closes them. Only the worker touches it, but for the tally and the
// counters below it.
type clientWorker struct {
	tally
	connected atomic.Uint64
	finished  atomic.Uint64
	lost      atomic.Uint64 // ended before they were done
	resets    atomic.Uint64 // of those, by a reset
	gone      atomic.Uint64 // closed by both sides, or lost
	turns     atomic.Uint64 // times that bytes came or were acknowledged

	run     *clientRun
	sw      *session.Worker
	alarm   *alarm
	node    *worker.Added
	account *worker.Account
	conns   []clientConn
	region  *mem.Region      // holds conns
	active  int              // so many of conns send
	next    int              // first connection not yet asked for
	begun   int              // first connection not yet started
	paced   int              // next connection that pace looks at
	paceAt  int64            // when its next round begins, ns
	stopped int              // first connection not yet looked at since sending stopped
	closed  int              // first connection not yet closed
	starved []session.Handle // those that could not write for want of memory
	rtt     rttStats
	latency latency.Histogram // of requests
	_       [64]byte
}

// usage tells what conns holds.
func (cw *clientWorker) usage() mem.Usage {
	return mem.UsageOf(int(unsafe.Sizeof(clientConn{})), int(cw.connected.Load()-cw.gone.Load()), len(cw.conns), cw.region.Bytes())
}

// Step is the worker's node while a run lasts.
func (cw *clientWorker) Step(w *worker.Worker, now int64) (work int) {
	r := cw.run
	switch phase(r.phase.Load()) {
	case phaseConnecting:
		for cw.next < len(cw.conns) && cw.next-int(cw.connected.Load()) < inFlight {
			if err := cw.sw.Connect(r.app, r.opts.proto, r.dataEP, uint64(cw.next)); err != nil {
				r.fail(w, err)
				return work
			}
			cw.next++
			work++
		}
	case phaseRunning:
		if r.opts.rate != 0 {
			work = cw.pace(now)
		} else {
			work = cw.startSome()
			cw.feed()
		}
		if r.stopSending.Load() {
			work += cw.stopSome()
		}
	case phaseClosing:
		work = cw.closeSome()
	}
	return work
}

// startSome lets the next few sessions begin to send.
func (cw *clientWorker) startSome() (n int) {
	o := cw.run.opts
	for ; cw.begun < cw.active && n < min(o.batch, stepConns); n++ {
		if o.runTime == 0 && cw.begun-int(cw.finished.Load()) >= underWay {
			break
		}
		cw.start(&cw.conns[cw.begun])
		cw.begun++
	}
	return n
}

// stopSome looks at the next few sessions once, at the end of a timed run: those with
// nothing under way are done.
func (cw *clientWorker) stopSome() (n int) {
	for ; cw.stopped < cw.active && n < stepConns; n++ {
		c := &cw.conns[cw.stopped]
		cw.stopped++
		if s := cw.sw.Get(c.handle); s != nil && c.state == connOpen {
			cw.check(s, c)
		}
	}
	return n
}

// closeSome closes the next few sessions that are still open.
func (cw *clientWorker) closeSome() (n int) {
	for ; cw.closed < len(cw.conns) && n < stepConns && cw.closed-int(cw.gone.Load()) < closing; n++ {
		c := &cw.conns[cw.closed]
		cw.closed++
		if c.state != connOpen && c.state != connHeld {
			continue
		}
		c.state = connDone
		if s := cw.sw.Get(c.handle); s != nil {
			cw.sw.Close(s)
		}
	}
	return n
}

// start begins to send on c.
func (cw *clientWorker) start(c *clientConn) {
	if c.state != connOpen {
		return
	}
	if s := cw.sw.Get(c.handle); s != nil {
		cw.sw.WantWritable(s, true)
		cw.produce(s, c)
	}
}

// feed gives sessions that found no memory another turn, the oldest first.
func (cw *clientWorker) feed() {
	n := min(len(cw.starved), cw.run.opts.batch)
	if n == 0 {
		return
	}
	turn := cw.starved[:n:n]
	cw.starved = cw.starved[n:]
	for _, h := range turn {
		if s := cw.sw.Get(h); s != nil {
			if c := &cw.conns[s.Opaque]; c.state == connOpen {
				cw.produce(s, c)
			}
		}
	}
}

// produce fills the session's transmit FIFO as far as the options allow, and
// finishes the session when nothing is left to do.
func (cw *clientWorker) produce(s *session.Session, c *clientConn) {
	tx, queued := cw.sw.Tx(s), cw.sw.Unacked(s)
	left := cw.allowance(c, queued)
	switch {
	case left > 0 && tx != nil && cw.write(s, c, tx, left) > 0:
	case left > 0 && queued == 0:
		// No memory, and no acknowledgement will come to try again at.
		cw.starved = append(cw.starved, c.handle)
	default:
		cw.check(s, c)
	}
}

// write puts up to left bytes into the transmit FIFO and returns how many. Unless the
// bytes are checked they are not written: the FIFO's tail moves over what its memory
// holds, as in VPP, so that the figure is the stack's and not the pattern's.
func (cw *clientWorker) write(s *session.Session, c *clientConn, tx *fifo.FIFO, left int) int {
	n := 0
	for n < left {
		p := tx.ReserveAt(n, left-n)
		if len(p) == 0 {
			break
		}
		if cw.run.pattern {
			fill(p, c.sent+uint64(n))
		}
		n += len(p)
	}
	if n > 0 {
		tx.Commit(n)
		c.sent += uint64(n)
		cw.tx.Add(uint64(n))
		cw.sw.Send(s)
	}
	return n
}

// allowance is how many bytes may be written now.
func (cw *clientWorker) allowance(c *clientConn, queued int) int {
	o := cw.run.opts
	room := txTarget - queued
	switch {
	case o.request != 0:
		room = cw.ask(c)
	case o.chunk != 0:
		room = o.chunk
	}
	switch {
	case room <= 0 || cw.run.stopSending.Load():
		return 0
	case o.runTime == 0:
		return int(min(uint64(room), o.bytes-c.sent))
	}
	return room
}

// ask is how many bytes of the next request may be written now: none while one is on its
// way. A request that found no memory for all its bytes is gone on with.
func (cw *clientWorker) ask(c *clientConn) int {
	size := uint64(cw.run.opts.request)
	rest := c.sent % size
	switch {
	case rest > 0:
		return int(size - rest)
	case c.rcvd < c.sent:
		return 0
	}
	c.asked = cw.sw.Now()
	return int(size)
}

// txTarget is how many bytes a client keeps waiting in a transmit FIFO: enough for a
// burst of the largest size to find data, little enough to stay in the cache.
const txTarget = 2 << 20

// check finishes c when all that it sent is acknowledged, and has come back.
func (cw *clientWorker) check(s *session.Session, c *clientConn) {
	r := cw.run
	if c.state != connOpen || cw.sw.Unacked(s) > 0 {
		return
	}
	if r.opts.runTime > 0 && !r.stopSending.Load() || c.sent < r.opts.bytes {
		return
	}
	if r.opts.echo && c.rcvd < c.sent {
		return
	}
	c.state = connHeld
	cw.sw.WantWritable(s, false)
	cw.rtt.add(cw.sw.RTT(s))
	cw.finished.Add(1)
	if cw.sumFinished() >= r.opts.active {
		r.ended.CompareAndSwap(0, cw.sw.Now())
		cw.sw.Notify(r.note)
	}
	if r.opts.hold == 0 {
		// Closing begins only now, so that the figures are of the transfer alone.
		c.state = connDone
		cw.sw.Close(s)
	}
}

func (cw *clientWorker) sumFinished() int {
	n := 0
	for _, x := range cw.run.workers {
		n += int(x.finished.Load())
	}
	return n
}

// paceConns is how many sessions pace looks at in a Step.
const paceConns = 4096

// pace lets every session send its share of the total rate.
func (cw *clientWorker) pace(now int64) (work int) {
	r := cw.run
	if cw.paced == 0 {
		if now < cw.paceAt {
			cw.alarm.set(cw.paceAt)
			return 0
		}
		cw.paceAt = now + int64(100*time.Microsecond)
	}
	due := r.opts.due(now - r.began.Load())
	turn := cw.conns[cw.paced:min(cw.paced+paceConns, cw.active)]
	if cw.paced += len(turn); cw.paced == cw.active {
		cw.paced = 0
	}
	for i := range turn {
		c := &turn[i]
		if c.state != connOpen {
			continue
		}
		want := due
		if r.opts.runTime == 0 {
			want = min(due, r.opts.bytes)
		}
		s := cw.sw.Get(c.handle)
		if s == nil {
			continue
		}
		// Small rates go out in whole segments, not byte by byte.
		d := int(min(max(want, c.sent)-c.sent, txTarget))
		if d < 1400 && want != r.opts.bytes || r.stopSending.Load() {
			d = 0
		}
		if tx := cw.sw.Tx(s); tx != nil && cw.write(s, c, tx, d) > 0 {
			cw.sw.WantWritable(s, true)
			work++
		} else {
			cw.check(s, c)
		}
	}
	return work
}

// due is how many bytes a session should have sent so many ns after the beginning, which
// is the first worker's: others may be a little before it.
func (o *options) due(ns int64) uint64 {
	share := float64(o.rate) / float64(o.active)
	return uint64(share * float64(max(ns, 0)) / 1e9)
}

// receive takes what came back.
func (cw *clientWorker) receive(s *session.Session, c *clientConn) {
	rx := cw.sw.Rx(s)
	n := rx.Len()
	if cw.run.opts.check && cw.run.opts.echo {
		for off := 0; off < n && !c.bad; {
			p := rx.PeekAt(off, n-off)
			if i := mismatch(p, c.rcvd+uint64(off)); i >= 0 {
				c.bad = true
				cw.bad.Add(1)
				cw.run.badAt.CompareAndSwap(0, c.rcvd+uint64(off+i)+1)
			}
			off += len(p)
		}
	}
	rx.Drop(n)
	cw.sw.Dropped(s)
	c.rcvd += uint64(n)
	cw.rx.Add(uint64(n))
	if cw.run.opts.request == 0 || c.state != connOpen || c.rcvd < c.sent {
		cw.check(s, c)
		return
	}
	// The clock is the Step's, for the answer and for the next request alike: the times
	// add up to that of the test, and nothing is left out.
	if c.sent%uint64(cw.run.opts.request) == 0 || c.sent == cw.run.opts.bytes {
		cw.latency.Add(cw.sw.Now() - c.asked)
	}
	cw.produce(s, c)
}

// rttStats gathers round-trip times, in ns.
type rttStats struct {
	n        int
	sum      int64
	min, max int64
}

func (t *rttStats) add(ns int64) {
	if ns <= 0 {
		return
	}
	if t.n == 0 || ns < t.min {
		t.min = ns
	}
	t.max = max(t.max, ns)
	t.sum += ns
	t.n++
}

// mean is in ms.
func (t *rttStats) mean() float64 { return ms(t.sum) / float64(max(t.n, 1)) }

func (t *rttStats) merge(u rttStats) {
	if u.n == 0 {
		return
	}
	if t.n == 0 || u.min < t.min {
		t.min = u.min
	}
	t.max = max(t.max, u.max)
	t.sum += u.sum
	t.n += u.n
}
