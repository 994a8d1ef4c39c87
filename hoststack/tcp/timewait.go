package tcp

import (
	"time"
	"unsafe"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// A connection in TIME_WAIT is 64 bytes: what it takes to answer a FIN that is sent
// again, and to tell a new connection between the same ends from an old segment. All
// last equally long, so they form a queue and share one timer.

// waiter is one of them.
type waiter struct {
	local, remote  hdr.Addr
	lport, rport   uint16
	sndNxt, rcvNxt hdr.Seq
	tsRecent       uint32
	tsOffset       uint32
	until          tick
	next, prev     uint32 // in the queue
}

const _ = uint(64 - unsafe.Sizeof(waiter{}))

const (
	waitBit   = 1 << 31 // marks a waiter's index in the flow table
	waitTimer = 1 << 40 // the wheel's value for the queue
)

func (x *waiter) is(t *tuple) bool {
	return x.rport == t.rport && x.lport == t.lport && x.remote == t.remote && x.local == t.local
}

// waits is the queue, oldest first.
type waits struct {
	pool        *mem.Pool[waiter]
	first, last uint32
	scan        uint32 // where recycle looks next, 0 for the first
	timer       worker.Timer
}

func (q *waits) init(max int) (err error) {
	q.pool, err = mem.NewPool[waiter](max)
	return err
}

func (q *waits) at(i uint32) *waiter { return q.pool.At(i &^ waitBit) }

func (q *waits) push(i uint32, x *waiter) {
	x.prev, x.next = q.last, 0
	if q.last != 0 {
		q.pool.At(q.last).next = i
	} else {
		q.first = i
	}
	q.last = i
}

func (q *waits) remove(x *waiter) {
	if q.scan != 0 && q.pool.At(q.scan) == x {
		q.scan = x.next
	}
	if x.prev != 0 {
		q.pool.At(x.prev).next = x.next
	} else {
		q.first = x.next
	}
	if x.next != 0 {
		q.pool.At(x.next).prev = x.prev
	} else {
		q.last = x.prev
	}
}

// toTimeWait acknowledges the peer's FIN, if that was not done before (CLOSING),
// remembers c as a waiter and ends it.
func (s *shard) toTimeWait(i uint32, c *Conn, now int64) {
	if c.has(fAckNow) {
		s.sendOwed(c, now)
	}
	j, x := s.waits.pool.Alloc()
	if x == nil || s.cfg.TimeWait <= 0 {
		if x != nil {
			s.waits.pool.Free(j)
		}
		s.end(i, c, causeNone)
		return
	}
	*x = waiter{local: c.local, remote: c.remote, lport: c.lport, rport: c.rport,
		sndNxt: c.sndNxt, rcvNxt: c.rcvNxt, tsOffset: c.tsOffset}
	if c.has(fTS) {
		x.tsRecent = max(c.tsRecent, 1)
	}
	hash := s.t.hasher.Hash(&c.local, &c.remote, c.lport, c.rport)
	s.flows.Replace(hash, i, j|waitBit)
	s.startWait(j, x, now)
	s.end(i, c, causeNone)
}

// startWait puts x at the end of the queue for 2 MSL.
func (s *shard) startWait(j uint32, x *waiter, now int64) {
	x.until = tickAfter(now, int64(s.cfg.TimeWait))
	s.waits.push(j, x)
	if s.waits.timer == 0 {
		s.w.Wheel.Arm(&s.waits.timer, s.waits.at(s.waits.first).until.ns(now), s.timers.User(waitTimer))
	}
}

// reap ends the waiters whose time has come.
func (s *shard) reap(now int64) {
	s.waits.timer = 0
	for n := 0; s.waits.first != 0; n++ {
		j := s.waits.first
		x := s.waits.at(j)
		if n == reapStep || !x.until.due(now) {
			s.w.Wheel.Arm(&s.waits.timer, x.until.ns(now), s.timers.User(waitTimer))
			return
		}
		s.endWait(j, x)
	}
}

// reapStep is how many waiters end in one go, or one tick of the wheel.
const reapStep = 1024

// recycleAge is how long a waiter must have waited before its port is used again, in
// ns: old segments that still travel are then older than the new timestamps.
const recycleAge = int64(time.Second)

// recycleTries bounds the search for a waiter to recycle. The next search goes on where it
// ended, as many that do not fit may stand before the first that does.
const recycleTries = 1024

// recycle ends an old connection in TIME_WAIT between the ends of x, whose local
// port it sets, so that an active open need not fail for want of ports. With pool set any
// source address of the pool is as good as x's. As RFC 6191
// section 2 has it for the passive side, timestamps keep the two connections apart:
// those of one 4-tuple never run backwards here (see isn.go). It returns the flow's hash
// and the number that the new connection must begin after; 0 when there is none.
func (s *shard) recycle(x *tuple, pool bool, now int64) (hash, after uint32) {
	q := &s.waits
	j := q.scan
	if j == 0 {
		j = q.first
	}
	whole := j == q.first // nothing stands before j
	for range recycleTries {
		if j != 0 && q.at(j).until.ns(now)-now > int64(s.cfg.TimeWait)-recycleAge {
			j = 0 // this one and all behind it are too young
		}
		if j == 0 {
			if whole {
				break
			}
			whole, j = true, q.first
			continue
		}
		w := q.at(j)
		if w.remote == x.remote && w.rport == x.rport && w.tsRecent != 0 && (w.local == x.local || pool && s.sources.has(&w.local)) {
			x.local, x.lport = w.local, w.lport
			after = max(w.sndNxt.Add(1).Val(), 1)
			q.scan = w.next
			s.endWait(j, w)
			s.ports.Take(s.t.hasher.Hash(&x.local, &x.remote, 0, x.rport), x.lport)
			return s.t.hasher.Hash(&x.local, &x.remote, x.lport, x.rport), after
		}
		j = w.next
	}
	q.scan = j
	return 0, 0
}

// endWait forgets a waiter, and frees the port that it held until now.
func (s *shard) endWait(j uint32, x *waiter) {
	s.ports.Free(s.t.hasher.Hash(&x.local, &x.remote, 0, x.rport), x.lport)
	s.flows.Delete(s.t.hasher.Hash(&x.local, &x.remote, x.lport, x.rport), j|waitBit)
	s.waits.remove(x)
	s.waits.pool.Free(j)
}

// inTimeWait takes a segment for a waiter: RFC 9293 section 3.10.7.4, TIME-WAIT.
func (s *shard) inTimeWait(i uint32, b *pkt.Buf, t *tuple, hash uint32) {
	j := i &^ waitBit
	x, seg := s.waits.at(j), &s.seg
	if why := seg.parse(b, hdr.Pseudo(&t.local, &t.remote, hdr.ProtoTCP)); why >= 0 {
		s.count(why)
		return
	}
	s.count(inTimeWait)
	now := s.w.Now()
	ts := seg.opt.has&optTS != 0 && x.tsRecent != 0
	switch {
	case seg.flags&hdr.RST != 0:
		return // RFC 1337 section 4, fix F1
	case seg.flags&(hdr.SYN|hdr.ACK|hdr.FIN) == hdr.SYN:
		// A new connection, if its SYN is surely newer (RFC 9293 section 3.6.1, MAY-2,
		// and RFC 6191 section 2).
		newer := seg.seq.After(x.rcvNxt)
		if ts {
			newer = int32(seg.opt.tsVal-x.tsRecent) > 0 || seg.opt.tsVal == x.tsRecent && newer
		}
		slot, ok := s.t.listeners.Lookup(&t.local, t.lport)
		if newer && ok {
			after := x.sndNxt.Add(1 << 16).Val()
			s.endWait(j, x)
			s.count(inSyn)
			s.passive(t, hash, slot, max(after, 1))
			return
		}
	case seg.flags&hdr.ACK == 0:
		s.count(inDispatch)
		return
	case seg.flags&hdr.FIN != 0 && seg.end() == x.rcvNxt && !(ts && int32(seg.opt.tsVal-x.tsRecent) < 0):
		// The FIN that we have taken, again: our ACK was lost. "Restart the 2 MSL
		// time-wait timeout." The peer's timer paces its FINs: there is no rate to limit,
		// and a thousand peers that close at once all need their answer.
		s.waits.remove(x)
		s.startWait(j, x, now)
		s.ackWait(x, t, now)
		return
	case seg.length() == 0 && seg.seq == x.rcvNxt:
		return // acceptable, and there is nothing in it
	}
	if !s.limit.allow(now) {
		s.snt[outUnchallenged]++
		return
	}
	s.ackWait(x, t, now)
}

// ackWait acknowledges for a waiter between t's ends.
func (s *shard) ackWait(x *waiter, t *tuple, now int64) {
	c := s.strayConn(t)
	if c == nil {
		return
	}
	c.tsOffset = x.tsOffset
	var opts []byte
	if x.tsRecent != 0 {
		opts = putTS(s.opts[:0], c.tsNow(now), x.tsRecent)
	}
	s.lone(c, hdr.ACK, x.sndNxt, x.rcvNxt, 0, opts)
}
