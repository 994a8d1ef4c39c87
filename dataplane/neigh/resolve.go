package neigh

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

const (
	second = int64(1e9)
	// retryTime and maxProbes: RFC 4861 section 10 (RETRANS_TIMER, MAX_*_SOLICIT).
	// One request a second to one neighbour is also what RFC 1122 section 2.3.2.1
	// allows.
	retryTime = second
	maxProbes = 3
	// reachableTime is the mean; each neighbour gets between half and one and a half
	// of it, so that they do not all expire together (RFC 4861 section 6.3.2).
	reachableTime = 30 * second
	delayTime     = 5 * second // DELAY_FIRST_PROBE_TIME
	// staleTime is how long an unused neighbour is kept, idleTime one that was never
	// sent to.
	staleTime = 20 * 60 * second
	idleTime  = 60 * second
)

func (t *Table) arm(i uint32, e *Entry, after int64) {
	// When the wheel is full the entry stays as it is; it is small and can be
	// replaced.
	t.w.Wheel.Arm(&e.timer, t.w.Now()+after, t.timers.User(uint64(i)))
}

func (t *Table) setReachable(i uint32, e *Entry) {
	e.State, e.probes = Reachable, 0
	t.arm(i, e, reachableTime/2+int64(t.w.Rand()%uint64(reachableTime)))
}

func (t *Table) setStale(i uint32, e *Entry) {
	e.State, e.probes = Stale, 0
	t.arm(i, e, staleTime)
}

// Send sends IP packets to the neighbour with index i, or keeps them while it is
// asked for. It owns the buffers. Use it when the entry is not Ready.
func (t *Table) Send(i uint32, bufs []*pkt.Buf) {
	e := t.entries.At(i)
	switch e.State {
	case Idle:
		e.State, e.probes = Incomplete, 0
		t.wait(e, bufs)
		t.ask(i, e)
		return
	case Incomplete:
		t.wait(e, bufs)
		return
	case Stale:
		// RFC 4861 section 7.3.3: use it, and see whether a confirmation comes.
		e.State = Delay
		t.arm(i, e, delayTime)
	}
	t.transmit(e, bufs)
}

// transmit puts the Ethernet header in front of packets and sends them.
func (t *Table) transmit(e *Entry, bufs []*pkt.Buf) {
	for _, b := range bufs {
		copy(b.Prepend(hdr.EtherLen), e.Rewrite[:])
	}
	t.host.Tx(e.Iface, bufs)
}

// Confirm tells that a higher layer has heard from the neighbour: what was sent has
// arrived (RFC 4861 section 7.3.1).
func (t *Table) Confirm(i uint32) {
	if e := t.entries.At(i); e.State == Delay || e.State == Probe || e.State == Stale {
		t.setReachable(i, e)
	}
}

// wait keeps packets until the neighbour is known.
func (t *Table) wait(e *Entry, bufs []*pkt.Buf) {
	if e.waiting == 0 {
		e.waiting, _ = t.queues.Alloc()
	}
	for _, b := range bufs {
		if e.waiting == 0 || t.held == maxWaitingAll {
			t.w.Bufs.Put(b)
			t.c.ask(e)[waitDropped]++
			continue
		}
		q := t.queues.At(e.waiting)
		if q.n == MaxWaiting {
			t.w.Bufs.Put(q.bufs[0])
			copy(q.bufs[:], q.bufs[1:])
			q.n--
			t.held--
			t.c.ask(e)[waitDropped]++
		}
		q.bufs[q.n] = b
		q.n++
		t.held++
	}
}

// takeWaiting empties the queue of e. The result is valid until the next packet
// waits.
func (t *Table) takeWaiting(e *Entry) []*pkt.Buf {
	if e.waiting == 0 {
		return nil
	}
	q := t.queues.At(e.waiting)
	t.queues.Free(e.waiting)
	e.waiting = 0
	t.held -= q.n
	return q.bufs[:q.n]
}

// known is called when e has got an address: what waited goes out.
func (t *Table) known(i uint32, e *Entry) {
	if e.waiting == 0 {
		return
	}
	q := t.takeWaiting(e)
	if e.State == Stale {
		e.State = Delay
		t.arm(i, e, delayTime)
	}
	t.transmit(e, q)
}

// ask sends one request and waits for its answer.
func (t *Table) ask(i uint32, e *Entry) {
	e.probes++
	if len(t.peers) > 0 {
		t.asking.ask(question(e.Iface, &e.Addr))
	}
	t.request(e)
	t.arm(i, e, retryTime)
}

// expire is called when the timer of entry i fires.
func (t *Table) expire(i uint32) {
	e := t.entries.At(i)
	e.timer = 0
	switch e.State {
	case Idle, Stale:
		t.free(i)
	case Group:
		t.free(i)
	case Reachable:
		t.setStale(i, e)
	case Delay:
		e.State, e.probes = Probe, 0
		t.ask(i, e)
	case Incomplete, Probe:
		if e.probes < maxProbes {
			t.ask(i, e)
			return
		}
		t.fail(i, e)
	}
}

// fail gives a neighbour up.
func (t *Table) fail(i uint32, e *Entry) {
	row, iface := t.c.ask(e), e.Iface
	row[resolveFailed]++
	// Queue and entry are freed before the packets are reported: whoever is told may
	// look the neighbour up again.
	n := copy(t.failed, t.takeWaiting(e))
	t.free(i)
	if n > 0 {
		row[waitDropped] += uint64(n)
		t.host.Unreachable(iface, t.failed[:n])
	}
}

// Room is how many packets may still wait for the neighbour with index i before older
// ones give way. For one that is known it is as many as anybody asks for.
func (t *Table) Room(i uint32) int {
	switch e := t.entries.At(i); {
	case e.Known():
		return pkt.MaxBurst
	case e.waiting == 0:
		return MaxWaiting
	default:
		return MaxWaiting - t.queues.At(e.waiting).n
	}
}
