package httpc

import (
	"errors"
	"sync/atomic"
	"unsafe"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

const (
	// inFlight is how many opens one worker has under way at a time: what the other side
	// has not answered waits, and is sent again in vain.
	inFlight = 128
	// stepConns is how many connections one worker opens or closes in a Step.
	stepConns = 256
	// restTime is how long a session stays away from a server that has failed it, ns.
	restTime = int64(100e6)
	// awake is how long before a request is due its worker stays awake, ns: waking up takes
	// some 100 us, and would be measured.
	awake = int64(300e3)
)

// seat is one session of a load run: the connection that it has at the time, and the
// request that it has in hand. Plain bytes.
type seat struct {
	ref    http.ConnRef
	since  int64 // when the request in hand was due
	opened int64 // when opening began; when resting ends
	body   uint64
	served uint32 // answers on this connection
	serial uint32 // of the connection: the callbacks of an earlier one are known by it
	status uint16
	state  seatState
	why    reason // why we have reset the connection
	inHand bool   // it has a request, sent or not
	heard  bool   // part of the answer has come
	listed bool   // it is in the list of ready ones, if only by mistake
	tried  bool   // it has been told once how connecting ended
}

type seatState uint8

const (
	seatEmpty   seatState = iota // no connection: it waits in wanting, or in resting
	seatOpening                  // connecting
	seatReady                    // connected, with nothing to do
	seatBusy                     // waiting for an answer
)

// loadWorker is one worker's part of a load run: its seats, and the node that opens
// connections and sends what is due. Only the worker touches it, but for the atomics.
type loadWorker struct {
	run     *load
	sw      *session.Worker
	node    *worker.Added
	account *worker.Account
	alarm   *alarm

	seats   []seat
	region  *mem.Region // holds seats
	wanting *mem.Ring   // seats that want a connection
	resting *mem.Ring   // seats that will, in the order of the time
	ready   *mem.Ring   // seats that may be ready

	pace    pace
	opening int // connects under way
	live    int // connections that have not been told closed, those that are opening among them
	busy    int // requests in hand
	closing int // next seat to close at the end
	counts

	settled atomic.Uint32 // seats that know how their first connect ended
	linked  atomic.Bool   // one of them at least was good
	over    atomic.Bool   // no request is in hand, and none will be
	gone    atomic.Bool   // no connection is left, at the end
	_       [64]byte
}

func newLoadWorker(r *load, sw *session.Worker, a *alarm, seats int) (*loadWorker, error) {
	lw := &loadWorker{run: r, sw: sw, alarm: a}
	var err error
	if lw.seats, lw.region, err = mem.Array[seat](seats); err != nil {
		return nil, err
	}
	for _, q := range []**mem.Ring{&lw.wanting, &lw.resting, &lw.ready} {
		if *q, err = mem.NewRing(seats); err != nil {
			lw.free()
			return nil, err
		}
	}
	for i := range seats {
		lw.wanting.Push(uint32(i))
	}
	return lw, nil
}

// free unmaps the seats; nothing calls for them any more.
func (lw *loadWorker) free() {
	lw.region.Close()
	for _, q := range []*mem.Ring{lw.wanting, lw.resting, lw.ready} {
		if q != nil {
			q.Close()
		}
	}
}

// usage tells what the seats hold.
func (lw *loadWorker) usage() mem.Usage {
	return mem.UsageOf(int(unsafe.Sizeof(seat{})), lw.live, len(lw.seats), lw.region.Bytes())
}

// Step is the worker's node while a run lasts.
func (lw *loadWorker) Step(w *worker.Worker, now int64) (work int) {
	switch lw.run.phase() {
	case phaseConnecting:
		work = lw.openSome(now)
	case phaseRunning:
		work = lw.wakeRested(now) + lw.openSome(now) + lw.sendDue(now) + lw.plan(now)
		if lw.busy == 0 && lw.pace.over(now) && !lw.over.Load() {
			lw.over.Store(true)
			w.Notify(lw.run.note)
		}
	case phaseClosing:
		work = lw.closeSome()
		if lw.live == 0 && !lw.gone.Load() {
			lw.gone.Store(true)
			w.Notify(lw.run.note)
		}
	}
	return work
}

// openSome opens connections for seats that want one. When each request has a connection
// of its own there must be a request first, and its time runs while it is opened.
func (lw *loadWorker) openSome(now int64) (n int) {
	for ; n < stepConns && lw.wanting.Len() > 0 && lw.opening < inFlight; n++ {
		if lw.run.opts.fresh && !lw.take(&lw.seats[lw.wanting.Peek()], now) {
			break
		}
		i := lw.wanting.Pop()
		s := &lw.seats[i]
		s.serial++
		s.state, s.opened, s.served, s.why = seatOpening, now, 0, failNone
		if err := lw.run.client.Open(lw.sw, lw.run.opts.uri, uint64(s.serial)<<32|uint64(i)); err != nil {
			lw.fail(i, s, reasonOf(err, true), err)
			continue
		}
		lw.opening++
		lw.live++
	}
	return n
}

// take gives a seat the next request that is due, unless it has one in hand.
func (lw *loadWorker) take(s *seat, now int64) bool {
	if s.inHand {
		return true
	}
	if lw.run.phase() != phaseRunning {
		return false
	}
	if s.since, s.inHand = lw.pace.take(now); s.inHand {
		lw.busy++
	}
	return s.inHand
}

// sendDue sends what is due on connections that have nothing to do.
func (lw *loadWorker) sendDue(now int64) (n int) {
	for ; n < stepConns && lw.ready.Len() > 0; n++ {
		i := lw.ready.Peek()
		s := &lw.seats[i]
		if s.state == seatReady {
			if !lw.take(s, now) {
				break
			}
			if c := lw.run.client.Get(lw.sw, s.ref); c != nil {
				lw.send(c, s)
			} // else its OnClose is on the way
		}
		lw.ready.Pop()
		s.listed = false
	}
	return n
}

// plan sees to it that there is a Step when something is to be done.
func (lw *loadWorker) plan(now int64) (work int) {
	if lw.resting.Len() > 0 {
		lw.alarm.set(lw.seats[lw.resting.Peek()].opened)
	}
	p := &lw.pace
	if p.rate == 0 || p.over(now) || lw.ready.Len()+lw.wanting.Len() == 0 {
		return 0
	}
	if at := p.due(); at-now > awake {
		lw.alarm.set(at - awake)
		return 0
	}
	return 1
}

// wakeRested has seats whose rest is over want a connection.
func (lw *loadWorker) wakeRested(now int64) (n int) {
	for ; lw.resting.Len() > 0 && lw.seats[lw.resting.Peek()].opened <= now; n++ {
		lw.wanting.Push(lw.resting.Pop())
	}
	return n
}

// closeSome closes the next few connections that are open.
func (lw *loadWorker) closeSome() (n int) {
	for ; lw.closing < len(lw.seats) && n < stepConns; n++ {
		s := &lw.seats[lw.closing]
		lw.closing++
		if s.state != seatReady && s.state != seatBusy {
			continue
		}
		c := lw.run.client.Get(lw.sw, s.ref)
		switch {
		case c == nil:
		case s.state == seatBusy: // nobody waits for the answer any more
			c.Reset()
		default:
			c.Close()
		}
	}
	return n
}

// seatOf is the seat that c is the connection of, nil when that has another by now.
func (lw *loadWorker) seatOf(c *http.Call) (uint32, *seat) {
	o := c.Opaque()
	i := uint32(o)
	if s := &lw.seats[i]; s.serial == uint32(o>>32) {
		return i, s
	}
	return 0, nil
}

func (lw *loadWorker) onOpen(c *http.Call) {
	i, s := lw.seatOf(c)
	if s == nil {
		c.Close()
		return
	}
	now := lw.sw.Now()
	s.ref, s.state = c.Ref(), seatReady
	lw.opening--
	lw.opened++
	lw.connect.Add(now - s.opened)
	if lw.opened == 1 {
		lw.linked.Store(true)
	}
	lw.settle(s)
	if lw.run.phase() >= phaseClosing {
		c.Close()
		return
	}
	lw.next(c, i, s, now)
}

// next has a connection send what the seat has in hand or what is due, or wait.
func (lw *loadWorker) next(c *http.Call, i uint32, s *seat, now int64) {
	if lw.take(s, now) {
		lw.send(c, s)
		return
	}
	s.state = seatReady
	if !s.listed {
		s.listed = true
		lw.ready.Push(i)
	}
}

func (lw *loadWorker) send(c *http.Call, s *seat) {
	s.state, s.heard, s.body = seatBusy, false, 0
	if err := c.Send(lw.run.request); err != nil {
		s.why = reasonOf(err, false)
		lw.run.remember(err)
		c.Reset()
	}
}

func (lw *loadWorker) onHead(c *http.Call, h *http.ResponseHead) {
	_, s := lw.seatOf(c)
	if s == nil {
		return
	}
	s.heard, s.status = true, uint16(h.Status())
	lw.bytes += uint64(len(h.Raw()))
}

func (lw *loadWorker) onBody(c *http.Call, piece []byte) {
	_, s := lw.seatOf(c)
	if s == nil {
		return
	}
	lw.bytes += uint64(len(piece))
	s.body += uint64(len(piece))
	if o := lw.run.opts; o.limited && s.body > o.maxBody && s.why == failNone {
		s.why = failTooLarge
		lw.run.remember(errTooLarge)
		c.Reset()
	}
}

func (lw *loadWorker) onDone(c *http.Call) {
	i, s := lw.seatOf(c)
	if s == nil || s.state != seatBusy || s.why != failNone {
		return
	}
	now := lw.sw.Now()
	lw.done++
	lw.last = now
	lw.latency.Add(now - s.since)
	class := s.status / 100
	if class > 5 {
		class = 0
	}
	lw.class[class]++
	lw.busy--
	s.served++
	s.inHand = false
	if !lw.run.opts.fresh && c.Reusable() {
		lw.next(c, i, s, now)
		return
	}
	c.Close()
	lw.leave(i, s, now, 0)
}

// onClose: the connection is over.
func (lw *loadWorker) onClose(c *http.Call, err error) {
	lw.live--
	i, s := lw.seatOf(c)
	if s == nil {
		return
	}
	if s.state == seatOpening {
		lw.opening--
	}
	switch {
	case s.state == seatEmpty: // we have closed it
	case s.state == seatReady && s.served > 0:
		lw.leave(i, s, lw.sw.Now(), 0)
	case s.state == seatBusy && lw.mayRetry(s, err):
		lw.retried++
		lw.leave(i, s, lw.sw.Now(), 0)
	default:
		why := s.why
		if why == failNone {
			why = reasonOf(err, s.state == seatOpening)
		}
		lw.fail(i, s, why, err)
	}
}

// mayRetry tells whether the request in flight may be sent again: a server may close a
// connection at the very moment that a request is sent on it (RFC 9112 9.3.1). It goes on a
// new connection then, where this cannot happen again. All our methods but POST are
// idempotent.
func (lw *loadWorker) mayRetry(s *seat, err error) bool {
	return s.served > 0 && !s.heard && s.why == failNone && lw.run.opts.method != http.POST &&
		(err == nil || errors.Is(err, http.ErrTruncated) || errors.Is(err, transport.ErrReset))
}

// fail counts a connect that failed, or a request, or a connection that the server closed
// before it had served one, and has the seat rest.
func (lw *loadWorker) fail(i uint32, s *seat, why reason, err error) {
	if err == nil { // closed, and in order, but we had hoped for more
		err = http.ErrTruncated
	}
	lw.run.remember(err)
	if lw.run.phase() == phaseRunning {
		lw.failed[why]++
	}
	if s.inHand {
		s.inHand = false
		lw.busy--
	}
	lw.leave(i, s, lw.sw.Now(), restTime)
	lw.settle(s)
}

// leave has a seat want a new connection after some time.
func (lw *loadWorker) leave(i uint32, s *seat, now, rest int64) {
	s.state = seatEmpty
	if rest == 0 {
		lw.wanting.Push(i)
		return
	}
	s.opened = now + rest
	lw.resting.Push(i)
	lw.alarm.set(s.opened)
}

// settle notes that the first connect of a seat has ended.
func (lw *loadWorker) settle(s *seat) {
	if s.tried {
		return
	}
	s.tried = true
	if int(lw.settled.Add(1)) == len(lw.seats) {
		lw.sw.Notify(lw.run.note)
	}
}
