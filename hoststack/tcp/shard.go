package tcp

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/flow"
	"vpphost/hoststack/transport"
)

// shard is one worker's part of the transport: its connections, and the machine with
// all that it has to be bound to. Nobody else touches it.
type shard struct {
	machine
	t     *TCP
	w     *worker.Worker
	conns *mem.Pool[Conn]
	flows *flow.Table
	ports *flow.Ports
	waits waits
	handoff
	sources
	turn   int // of the sources
	timers worker.TimerOwner
	armed  int // connections with a timer on the wheel

	pending *mem.Ring            // connections that owe a segment at the end of the Step
	backlog [maxListeners]uint32 // half-open connections, by listener slot
	window  [maxListeners]uint32 // what the listener's last session could take

	rows [2][2][]uint64 // counters: IP version, input and output
	bufs []*pkt.Buf     // of the batch that is being sent
	one  []*pkt.Buf     // of a lone segment
	hdr  header
	opts [maxOptions]byte
	// stray is scratch memory: a local variable would go to the heap, as the network layer
	// is behind an interface.
	stray Conn
}

func newShard(t *TCP, w *worker.Worker, seed uint64) (s *shard, err error) {
	s = &shard{t: t, w: w}
	s.cfg = t.cfg
	n := t.cfg.MaxConns
	if s.conns, err = mem.NewPool[Conn](n); err != nil {
		return nil, err
	}
	if s.colds, err = mem.NewPool[cold](n); err != nil {
		return nil, err
	}
	if s.pending, err = mem.NewRing(n + morePending); err != nil {
		return nil, err
	}
	if s.bufs, err = mem.Slice[*pkt.Buf](pkt.MaxBurst); err != nil {
		return nil, err
	}
	if s.one, err = mem.Slice[*pkt.Buf](1); err != nil {
		return nil, err
	}
	if s.flows, err = flow.NewTable(); err != nil {
		return nil, err
	}
	if err = s.waits.init(n); err != nil {
		return nil, err
	}
	// Connections and waiters hold ports, and an open that fails for want of memory does.
	if s.ports, err = flow.NewPorts(t.cfg.MinPort, t.cfg.MaxPort, seed, 2*n+1); err != nil {
		return nil, err
	}
	s.limit.rand = seed | 1
	for v := range s.rows {
		s.rows[v] = [2][]uint64{t.groups.in[v].Row(w.Index), t.groups.out[v].Row(w.Index)}
	}
	s.version(0)
	s.timers = w.OnTimer(s.fired)
	w.Account("tcp connections", s.conns.Usage)
	w.Account("tcp loss recovery", s.colds.Usage)
	w.Account("tcp time-wait", s.waits.pool.Usage)
	w.Account("tcp flow table", s.flows.Usage)
	w.Account("tcp source ports", s.ports.Usage)
	return s, nil
}

// version selects the counters of an IP version: 0 for IPv4, 1 for IPv6.
func (s *shard) version(v int) { s.in, s.snt = s.rows[v][0], s.rows[v][1] }

// at is the connection in slot i, nil when there cannot be one.
func (s *shard) at(i uint32) *Conn {
	if !s.conns.Valid(i) {
		return nil
	}
	return s.conns.At(i)
}

// name is the Conn by which the session layer knows slot i.
func (s *shard) name(i uint32, c *Conn) transport.Conn {
	return transport.Conn{Index: i, Gen: c.gen, Worker: uint8(s.w.Index), Proto: transport.TCP}
}

// input takes one burst.
//
//  1. packets of one flow that follow each other are taken as one run
//  2. the run's connection is looked up, once
//  3. its segments go to the machine, the longest part in one call (machine.run)
//  4. the session layer is told what came of it, once (settle)
//
// Acknowledgments wait for the end of the Step (flush).
func (s *shard) input(bufs []*pkt.Buf) {
	for rest := bufs; len(rest) > 0; {
		n := s.flowRun(rest)
		rest = rest[n:]
	}
	if s.gave {
		bufs = s.keptOf(bufs)
	}
	s.w.Bufs.PutN(bufs)
}

// tuple is the ends of a run.
type tuple struct {
	local, remote hdr.Addr
	lport, rport  uint16
	// iface is the interface that answers must leave by, 0 for any: that of arrival
	// when the remote address means something on one link only (RFC 4007).
	iface uint32
}

// is tells whether c is the connection between these ends.
func (c *Conn) is(t *tuple) bool {
	return c.rport == t.rport && c.lport == t.lport && c.remote == t.remote && c.local == t.local
}

// flowRun takes the packets at the front of bufs that belong to one flow and returns
// how many.
func (s *shard) flowRun(bufs []*pkt.Buf) (n int) {
	b := bufs[0]
	v := int(b.Flags & pkt.V6)
	s.version(v)
	if !complete(b) {
		s.count(inLength)
		return 1
	}
	var t tuple
	h3, h4 := b.At(b.L3), b.At(b.L4)
	ports := binary.LittleEndian.Uint32(h4)
	if v == 0 {
		ends := binary.LittleEndian.Uint64(h3[12:20])
		for n = 1; n < len(bufs); n++ {
			x := bufs[n]
			if !complete(x) || binary.LittleEndian.Uint64(x.At(x.L3)[12:20]) != ends ||
				binary.LittleEndian.Uint32(x.At(x.L4)) != ports {
				break
			}
		}
		t.remote, t.local = hdr.Addr4(h3[12:16]), hdr.Addr4(h3[16:20])
	} else {
		ends := *(*[32]byte)(h3[8:40])
		for n = 1; n < len(bufs); n++ {
			x := bufs[n]
			if !complete(x) || *(*[32]byte)(x.At(x.L3)[8:40]) != ends ||
				binary.LittleEndian.Uint32(x.At(x.L4)) != ports {
				break
			}
		}
		t.remote, t.local = hdr.Addr6(h3[8:24]), hdr.Addr6(h3[24:40])
		if t.remote[0] == 0xfe && t.remote[1]&0xc0 == 0x80 {
			t.iface = b.Iface
		}
	}
	t.rport, t.lport = binary.BigEndian.Uint16(h4[0:]), binary.BigEndian.Uint16(h4[2:])
	hash := s.t.hasher.Hash(&t.local, &t.remote, t.lport, t.rport)
	for run := bufs[:n]; len(run) > 0; {
		switch i := s.lookup(hash, &t); {
		case i == 0 && s.t.where != nil && s.elsewhere(run, hash):
			run = nil
		case i == 0:
			s.orphan(run[0], &t, hash)
			run = run[1:]
		case i&waitBit != 0:
			s.inTimeWait(i, run[0], &t, hash)
			run = run[1:]
		default:
			run = run[s.segments(i, run):]
		}
	}
	return n
}

// complete tells whether the packet holds the TCP header that its lengths promise.
func complete(b *pkt.Buf) bool {
	return b.L4Len >= hdr.TCPLen && int(b.L4)+int(b.L4Len) <= int(b.DataLen)
}

// lookup is the index of the connection between t's ends, with waitBit when it is in
// TIME_WAIT, 0 when there is none.
func (s *shard) lookup(hash uint32, t *tuple) uint32 {
	for cur := s.flows.Find(hash); ; {
		i := cur.Next()
		switch {
		case i == 0:
			return 0
		case i&waitBit != 0:
			if s.waits.at(i).is(t) {
				return i
			}
		case s.conns.At(i).is(t):
			return i
		}
	}
}

// begin prepares the machine for c.
func (s *shard) begin(c *Conn) {
	s.version(b2i(!c.is4()))
	s.out = output{}
	s.rx, s.tx = nil, nil
	if c.has(fAttached) && (c.flight() > 0 || c.has(fPersist)) {
		s.tx = s.t.upper.TxFIFO(s.w, c.session)
	}
}

// segments feeds a run to connection i and returns how many packets it took: fewer
// than all when the connection ended.
func (s *shard) segments(i uint32, run []*pkt.Buf) (took int) {
	c := s.conns.At(i)
	now := s.w.Now()
	s.begin(c)
	text := hasText(run) || c.cold != 0 && s.colds.At(c.cold).held.n > 0
	for took < len(run) {
		// The first segment of a run may be the one that opens the connection.
		if text && s.rx == nil && c.has(fAttached) && !c.has(fDeaf) {
			s.rx = s.t.upper.RxFIFO(s.w, c.session)
		}
		if c.state == Established && !c.has(fDeaf|fFinNoted) && (c.cold == 0 || s.colds.At(c.cold).held.n == 0) {
			took += s.run(c, run[took:], now)
			if took == len(run) {
				break
			}
		}
		s.segment(i, c, run[took], now)
		took++
		if s.out.events&(evGone|evTimeWait) != 0 {
			break
		}
	}
	s.settle(i, c, now)
	return took
}

// hasText tells whether a run carries data.
func hasText(run []*pkt.Buf) bool {
	for _, b := range run {
		if int(b.L4Len) > hdr.TCP(b.At(b.L4)).HeaderLen() {
			return true
		}
	}
	return false
}

// segment takes one packet by the slow path.
func (s *shard) segment(i uint32, c *Conn, b *pkt.Buf, now int64) {
	seg := &s.seg
	if why := seg.parse(b, hdr.Sum(c.pseudo)); why >= 0 {
		s.count(why)
		return
	}
	switch dispatch[c.state][seg.flags&flagMask] {
	case vSynSent:
		s.synSent(c, now)
	case vSync:
		s.sync(c, now)
	default:
		s.count(inDispatch)
	}
	if s.out.events&evReset != 0 && s.out.events&evGone == 0 {
		s.sendReset(c)
		s.out.events &^= evReset
	}
	if s.out.events&evOpened != 0 {
		s.out.events &^= evOpened
		if s.opened(i, c, now) && seg.flags&hdr.SYN == 0 {
			if len(seg.payload) > 0 {
				s.rx = s.t.upper.RxFIFO(s.w, c.session)
			}
			s.established(c, now)
			if s.out.events&(evReset|evGone) == evReset {
				s.sendReset(c)
				s.out.events &^= evReset
			}
		}
	}
}

// settle carries out what the machine has left in out, and makes sure that c's timer
// and its place on the pending list are right.
func (s *shard) settle(i uint32, c *Conn, now int64) {
	o := s.out
	s.out = output{}
	up, w := s.t.upper, s.w
	if c.has(fAttached) {
		if o.delivered > 0 {
			up.Delivered(w, c.session, o.delivered)
		}
		if o.acked > 0 {
			s.t.net.Confirm(w, &c.path)
			up.Acked(w, c.session, o.acked)
		}
		if o.events&evPeerFin != 0 {
			up.PeerClosed(w, c.session)
		}
		if o.events&evTx != 0 && c.state != Closed {
			up.WantTx(w, c.session)
		}
	}
	if c.has(fGone) {
		return // one of these calls has reset it: flush ends it
	}
	switch {
	case o.events&evGone != 0:
		if o.events&evReset != 0 {
			s.out.reset = o.reset
			s.sendReset(c)
		}
		s.end(i, c, o.why)
	case o.events&evTimeWait != 0:
		s.toTimeWait(i, c, now)
	default:
		if c.has(fAckNow | fSynOwed) {
			s.queue(i, c)
		}
		s.arm(i, c, now)
	}
}

// endCall is settle for a call of the session layer: Gone must not come before the
// call returns, so flush does it.
func (s *shard) endCall(i uint32, c *Conn) {
	if s.out.events&evGone == 0 {
		s.settle(i, c, s.w.Now())
		return
	}
	if s.out.events&evReset != 0 {
		if s.t.net.Room(s.w, &c.path) > 0 {
			s.sendReset(c)
		} else {
			c.set(fRstOwed)
			c.stateAt = tickAfter(s.w.Now(), resetPatience)
		}
	}
	c.stats.softErr = s.out.why
	c.set(fGone)
	s.out = output{}
	s.unlink(i, c)
	s.queue(i, c)
}

// end tells the session layer that c is over and frees it.
func (s *shard) end(i uint32, c *Conn, why cause) {
	s.unlink(i, c)
	switch {
	case c.has(fAttached):
		s.t.upper.Gone(s.w, c.session, why.err())
	case !c.has(fPassive):
		// An active open that failed.
		_, _ = s.t.upper.Connected(s.w, s.name(i, c), c.session, why.err())
	}
	s.free(i, c)
}

// unlink takes c out of the flow table and off the wheel; nothing finds it any more.
func (s *shard) unlink(i uint32, c *Conn) {
	hash := s.t.hasher.Hash(&c.local, &c.remote, c.lport, c.rport)
	if s.flows.Delete(hash, i) && c.has(fPort) {
		s.ports.Free(s.t.hasher.Hash(&c.local, &c.remote, 0, c.rport), c.lport)
	}
	s.armed -= b2i(c.timer != 0)
	s.w.Wheel.Disarm(&c.timer)
	s.leaveBacklog(c)
}

// free gives slot i back. Conns that name it are stale from now on.
func (s *shard) free(i uint32, c *Conn) {
	if c.cold != 0 {
		s.colds.Free(c.cold)
	}
	c.state, c.flags, c.cold = Closed, c.flags&fQueued, 0
	s.conns.Free(i)
}

// alloc makes a connection between t's ends and enters it into the flow table; nil
// when there is no memory.
func (s *shard) alloc(t *tuple, hash uint32) (uint32, *Conn) {
	i, c := s.conns.Alloc()
	if c == nil {
		return 0, nil
	}
	c.local, c.remote, c.lport, c.rport = t.local, t.remote, t.lport, t.rport
	c.gen = s.conns.Gen(i)
	c.ccID = s.cfg.Algorithm
	c.pseudo = uint32(hdr.Pseudo(&c.local, &c.remote, hdr.ProtoTCP))
	c.rto = initRTO
	if s.flows.Insert(hash, i) != nil {
		s.free(i, c)
		return 0, nil
	}
	return i, c
}

// morePending is room on the pending list for connections that came and went in one
// Step.
const morePending = 1 << 16

// queue puts c on the list of those that owe a segment at the end of this Step.
func (s *shard) queue(i uint32, c *Conn) {
	if !c.has(fQueued) && !s.pending.Full() {
		c.set(fQueued)
		s.pending.Push(i)
	}
}

// arm has the wheel fire in time for c's next deadline. A later deadline than the
// one that the wheel knows is left to be found when that fires.
func (s *shard) arm(i uint32, c *Conn, now int64) {
	d := c.nextDeadline()
	if d == 0 || c.state == Closed || c.timer != 0 && !d.before(c.armedAt) {
		return
	}
	if s.wake(i, c, d.ns(now)) {
		c.armedAt = d
	}
}

// wake has the wheel fire for c at a time (ns); false when it has no room.
func (s *shard) wake(i uint32, c *Conn, at int64) bool {
	before := c.timer
	ok := s.w.Wheel.Arm(&c.timer, at, s.timers.User(uint64(i)))
	s.armed += b2i(ok && before == 0)
	return ok
}

// fired is the wheel's call.
func (s *shard) fired(v uint64) {
	now := s.w.Now()
	if v == waitTimer {
		s.reap(now)
		return
	}
	i := uint32(v)
	c := s.conns.At(i)
	c.timer = 0
	s.armed--
	if c.state == Closed {
		return
	}
	s.begin(c)
	s.expire(c, now)
	s.settle(i, c, now)
}

// retryOwed is how long the worker may sleep, in ns, while a connection owes a segment
// that could not be sent.
const retryOwed = int64(1e6)

// resetPatience is how long a reset waits for room, in ns: an application that ends resets
// more connections at once than a device takes, and a peer that hears nothing of it may
// keep its end for ever. A device that takes nothing at all must not keep ours.
const resetPatience = int64(500e6)

// sendOwedReset sends the reset of a connection that is gone, or gives it up; false while
// it is to wait.
func (s *shard) sendOwedReset(c *Conn, now int64) bool {
	if s.t.net.Room(s.w, &c.path) <= 0 && !c.stateAt.due(now) {
		return false
	}
	s.version(b2i(!c.is4()))
	s.out.reset = c.abort()
	s.sendReset(c)
	s.out = output{}
	return true
}

// maxBlocked connections whose segment cannot be sent, one after the other, mean that the
// device pushes back. The others are not asked: there may be a million.
const maxBlocked = 64

// flushStep is how many connections are looked at in a Step; the next goes on.
const flushStep = 1024

// flush sends what is owed at the end of a Step: acknowledgments that no data has
// carried, SYNs; and it ends connections that the session layer has let go.
func (s *shard) flush(now int64) (work int) {
	blocked := 0
	for n := min(s.pending.Len(), flushStep); n > 0 && blocked < maxBlocked; n-- {
		i := s.pending.Pop()
		c := s.conns.At(i)
		if !c.has(fQueued) {
			continue // freed, and the slot is another's, since it was queued
		}
		c.clear(fQueued)
		if c.has(fGone) {
			if c.has(fRstOwed) && !s.sendOwedReset(c, now) {
				s.queue(i, c)
				if blocked == 0 { // one of them wakes the worker for all
					s.wake(i, c, now+retryOwed)
				}
				blocked++
				continue
			}
			blocked = 0
			s.end(i, c, c.stats.softErr)
			continue
		}
		if c.state == Closed || !c.has(fAckNow|fSynOwed) {
			continue // carried by data, or freed
		}
		s.version(b2i(!c.is4()))
		if !s.sendOwed(c, now) {
			// No room, no buffer: the next Step tries again, and comes soon.
			blocked++
			s.queue(i, c)
			if t := tickAfter(now, retryOwed); c.ackAt == 0 || t.before(c.ackAt) {
				c.ackAt = t
			}
			s.arm(i, c, now)
			continue
		}
		blocked = 0
		work++
		s.arm(i, c, now)
	}
	if blocked < maxBlocked && s.pending.Len() > blocked {
		work++ // there is more to do: do not sleep
	}
	return work
}
