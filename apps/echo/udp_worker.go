package echo

import (
	"encoding/binary"
	"sync/atomic"
	"time"
	"unsafe"

	"vpphost/apps/latency"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/session"
)

const (
	// numberLen is the number that a datagram begins with, little endian. VPP's server takes
	// it for the place in the test pattern that the rest begins at, which it is too.
	numberLen = 4
	// leastNumbered is the shortest datagram that has a number: VPP echoes no shorter one.
	leastNumbered = numberLen + 1
	// stampedLen is the number and, behind it, the low 32 bits of the time in ns at which
	// the datagram was sent. For our own servers only, and without test-bytes.
	stampedLen = numberLen + 4
	// udpQueue is how many bytes of datagrams wait in a transmit FIFO: some more than the
	// scheduler sends in a Step.
	udpQueue = 512 << 10
	// udpRecord is how many bytes of payload are written as one record.
	udpRecord = 64000
	// stampEach is which datagrams are timed, and stamps how many of them at a time.
	stampEach = 4
	stamps    = 1024
)

// stamp is when a datagram was sent: the low 32 bits of the time in ns, for round trips of
// up to four seconds.
type stamp struct{ seq, at uint32 }

// udpConn is a session of a client: plain bytes.
type udpConn struct {
	handle  session.Handle
	state   udpState
	seq     uint32 // of the next datagram
	sent    uint64 // datagrams
	order   order
	transit transit
	stamps  [stamps]stamp
}

type udpState uint8

const (
	udpIdle udpState = iota
	udpSending
	udpSent // everything written has left
	udpLost
)

// udpWorker is one worker's part of the run.
type udpWorker struct {
	tally
	connected atomic.Uint64
	finished  atomic.Uint64 // have sent everything
	lost      atomic.Uint64

	run     *udpRun
	sw      *session.Worker
	alarm   *alarm
	node    *worker.Added
	account *worker.Account
	conns   []udpConn
	region  *mem.Region
	active  int
	next    int   // first connection not yet asked for
	begun   int   // first connection not yet started
	paced   int   // next connection that pace looks at
	paceAt  int64 // when its next round begins
	ended   int   // next connection that end looks at
	rtt     rttStats
	round   latency.Histogram // round trips
	_       [64]byte
}

func (cw *udpWorker) usage() mem.Usage {
	return mem.UsageOf(int(unsafe.Sizeof(udpConn{})), int(cw.connected.Load()), len(cw.conns), cw.region.Bytes())
}

// Step is the worker's node while a run lasts.
func (cw *udpWorker) Step(w *worker.Worker, now int64) (work int) {
	r := cw.run
	switch phase(r.phase.Load()) {
	case phaseConnecting:
		for ; cw.next < len(cw.conns) && work < stepConns; work++ {
			if err := cw.sw.Connect(r.app, r.opts.proto, r.dataEP, uint64(cw.next)); err != nil {
				r.fail(w, err)
				return work
			}
			cw.next++
		}
	case phaseRunning:
		stopped := r.stopSending.Load()
		switch {
		case stopped:
		case r.opts.rate != 0:
			work = cw.pace(now)
		default:
			for ; cw.begun < cw.active && work < stepConns; work++ {
				cw.begin(&cw.conns[cw.begun])
				cw.begun++
			}
		}
		if stopped || r.opts.bytes > 0 {
			cw.end(now)
			cw.alarm.set(now + int64(time.Millisecond))
		}
	}
	return work
}

// begin sends without a limit but that of the FIFO.
func (cw *udpWorker) begin(c *udpConn) {
	if s := cw.sw.Get(c.handle); s != nil && c.state == udpSending {
		cw.sw.WantWritable(s, true)
		cw.refill(s, c)
	}
}

// refill keeps the transmit FIFO as full as it is to be.
func (cw *udpWorker) refill(s *session.Session, c *udpConn) {
	o := cw.run.opts
	n := (udpQueue - cw.sw.Unacked(s)) / cw.run.size
	if o.chunk != 0 {
		n = max(o.chunk/cw.run.size, 1)
	}
	if cw.run.stopSending.Load() {
		n = 0
	}
	if left := cw.run.dgrams - c.sent; cw.run.dgrams > 0 {
		n = int(min(uint64(max(n, 0)), left))
	}
	if n > 0 && cw.send(s, c, n) == 0 && cw.sw.Unacked(s) == 0 {
		cw.sw.WantWritable(s, true) // there was no memory: again in some milliseconds
	}
}

// send writes up to n datagrams, several to a record, and returns how many.
func (cw *udpWorker) send(s *session.Session, c *udpConn, n int) (done int) {
	r := cw.run
	t := datagram.Write(cw.sw.Tx(s))
	at := uint32(cw.sw.Now())
	bytes := 0
	for done < n {
		k := max(min(n-done, udpRecord/r.size), 1)
		h := datagram.Header{Len: k * r.size, Segment: r.size}
		if r.dgrams > 0 && c.sent+uint64(k) >= r.dgrams { // the last one may be shorter
			h.Len -= r.size - r.lastSize
		}
		if !t.Begin(&h) {
			if k == 1 || done > 0 {
				break
			}
			n = 1 // at least one, in what room there is
			continue
		}
		if r.numbered {
			cw.number(&t, c, k, h.Len, at)
		}
		c.seq += uint32(k)
		t.End()
		done += k
		bytes += h.Len
		c.sent += uint64(k)
	}
	t.Commit()
	if done > 0 {
		cw.sw.Send(s)
		cw.dgrams.tx.Add(uint64(done))
		cw.tx.Add(uint64(bytes))
		cw.run.ended.Store(cw.sw.Now())
	}
	return done
}

// number writes the numbers of k datagrams, and what follows them when it is looked at.
func (cw *udpWorker) number(t *datagram.Writer, c *udpConn, k, n int, at uint32) {
	size := cw.run.size
	for i := range k {
		seq, off := c.seq+uint32(i), i*size
		end := min(off+size, n)
		var b [numberLen]byte
		binary.LittleEndian.PutUint32(b[:], seq)
		put(t, off, b[:])
		if cw.run.stamped && end-off >= stampedLen {
			binary.LittleEndian.PutUint32(b[:], at)
			put(t, off+numberLen, b[:])
		}
		if cw.run.pattern {
			for pos := off + numberLen; pos < end; {
				p := t.Piece(pos)
				p = p[:min(len(p), end-pos)]
				if len(p) == 0 {
					break
				}
				fill(p, uint64(seq)+uint64(pos-off-numberLen))
				pos += len(p)
			}
		}
		if seq%stampEach == 0 {
			c.stamps[seq/stampEach%stamps] = stamp{seq, at}
		}
	}
}

// put writes p at off of the present datagram.
func put(t *datagram.Writer, off int, p []byte) {
	for len(p) > 0 {
		n := copy(t.Piece(off), p)
		if n == 0 {
			return
		}
		p, off = p[n:], off+n
	}
}

// numberOf is the number of the present datagram; false when it is too short for one.
func numberOf(r *datagram.Reader) (seq uint32, ok bool) {
	if r.Len < leastNumbered {
		return 0, false
	}
	if p := r.Piece(0); len(p) >= numberLen {
		return binary.LittleEndian.Uint32(p), true
	}
	var b [numberLen]byte
	r.CopyTo(b[:])
	return binary.LittleEndian.Uint32(b[:]), true
}

// intact tells whether the pattern of the present datagram, whose number is seq, is right.
func intact(r *datagram.Reader, seq uint32) bool {
	for off := numberLen; off < r.Len; {
		p := r.Piece(off)
		if len(p) == 0 || mismatch(p, uint64(seq)+uint64(off-numberLen)) >= 0 {
			return false
		}
		off += len(p)
	}
	return true
}

// pace lets every session send its share of the total rate, in whole datagrams.
func (cw *udpWorker) pace(now int64) (work int) {
	r := cw.run
	if cw.paced == 0 {
		if now < cw.paceAt {
			cw.alarm.set(cw.paceAt)
			return 0
		}
		cw.paceAt = now + int64(100*time.Microsecond)
	}
	due := r.opts.due(now-r.began.Load()) / uint64(r.size)
	if r.dgrams > 0 {
		due = min(due, r.dgrams)
	}
	turn := cw.conns[cw.paced:min(cw.paced+paceConns, cw.active)]
	if cw.paced += len(turn); cw.paced == cw.active {
		cw.paced = 0
	}
	for i := range turn {
		c := &turn[i]
		if c.state != udpSending || due <= c.sent {
			continue
		}
		if s := cw.sw.Get(c.handle); s != nil {
			room := (udpQueue*4 - cw.sw.Unacked(s)) / r.size
			if n := min(due-c.sent, uint64(max(room, 0))); n > 0 {
				work += cw.send(s, c, int(n))
			}
		}
	}
	cw.alarm.set(cw.paceAt)
	return work
}

// end looks at the next few sessions for those that have sent everything.
func (cw *udpWorker) end(now int64) {
	turn := cw.conns[cw.ended:min(cw.ended+paceConns, cw.active)]
	if cw.ended += len(turn); cw.ended == cw.active {
		cw.ended = 0
	}
	stopped := cw.run.stopSending.Load()
	for i := range turn {
		c := &turn[i]
		if c.state != udpSending || !stopped && c.sent < cw.run.dgrams {
			continue
		}
		if s := cw.sw.Get(c.handle); s == nil || cw.sw.Unacked(s) == 0 {
			c.state = udpSent
			cw.finished.Add(1)
			cw.sw.Notify(cw.run.note)
		}
	}
}

// receive takes what came back.
func (cw *udpWorker) receive(s *session.Session, c *udpConn) {
	r := datagram.Read(cw.sw.Rx(s))
	check := cw.run.opts.check
	now := cw.sw.Now()
	n, bytes := 0, 0
	for r.Step() {
		if cw.run.numbered {
			if seq, ok := numberOf(&r); ok {
				switch c.order.take(seq) {
				case duplicate:
					cw.dgrams.duplicates.Add(1)
					continue
				case outOfOrder:
					cw.dgrams.outOfOrder.Add(1)
				}
				if x := &c.stamps[seq/stampEach%stamps]; seq%stampEach == 0 && x.seq == seq {
					trip := uint32(now) - x.at
					cw.round.Add(int64(trip))
					cw.rtt.add(max(int64(trip), 1))
					if d, ok := c.transit.vary(trip); ok {
						cw.dgrams.varied.Add(1)
						cw.dgrams.variation.Add(uint64(d))
					}
				}
				if check && !intact(&r, seq) {
					cw.dgrams.wrong.Add(1)
				}
			}
		}
		n++
		bytes += r.Len
	}
	r.Done()
	cw.sw.Dropped(s)
	cw.dgrams.rx.Add(uint64(n))
	cw.rx.Add(uint64(bytes))
	cw.run.ended.Store(now)
	if cw.run.stopSending.Load() { // this may be the last one
		cw.sw.Notify(cw.run.note)
	}
}
