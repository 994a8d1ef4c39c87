package tcp

import (
	"vpphost/dataplane/mem"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/tcp/cc"
)

// machine is the protocol: it changes connections by what segments and the time
// say, and leaves in out what is to be done about it. It reads no clock, knows no
// device and calls nobody; a worker has one and feeds it.
type machine struct {
	cfg   Config
	colds *mem.Pool[cold]
	stats WorkerStats
	limit limiter // of challenge ACKs

	// The FIFOs of the connection in hand. rx is set when its segments carry data,
	// tx when something of ours is in flight or waits.
	rx, tx *fifo.FIFO

	in, snt []uint64 // counters of the IP version in hand
	seg     segment
	ecr     uint32 // TSecr of the last segment, 0 for none
	out     output
	ack     cc.Ack
	loss    cc.Loss
	idle    cc.Idle
	plan    [maxPlan]xmit
	plans   int
}

// output is what a run of segments, or a timer, has led to. The caller clears it
// before and carries it out after.
type output struct {
	events    events
	why       cause // of evGone
	delivered int   // bytes committed to the receive FIFO
	acked     int   // bytes dropped from the transmit FIFO
	reset     reset // to be sent when evReset
}

// events are things that a connection's caller must see to.
type events uint8

const (
	evOpened   events = 1 << iota // the handshake is complete: tell the session layer, then take the segment again
	evPeerFin                     // the peer sends no more
	evGone                        // the connection is over, for why
	evTimeWait                    // as evGone, but TIME_WAIT is left to be kept
	evReset                       // send reset
	evTx                          // something can be sent
)

// count adds to a counter of the input node.
func (m *machine) count(reason int) { m.in[reason]++ }

// cold returns c's recovery record, nil when it has none.
func (m *machine) cold(c *Conn) *cold {
	if c.cold == 0 {
		return nil
	}
	return m.colds.At(c.cold)
}

// needCold returns c's recovery record, which it makes if need be. There are as
// many as connections, so there always is one.
func (m *machine) needCold(c *Conn) *cold {
	if c.cold == 0 {
		i, k := m.colds.Alloc()
		c.cold = i
		k.highRxt = c.sndUna
		return k
	}
	return m.colds.At(c.cold)
}

// dropCold gives the recovery record back once it says nothing.
func (m *machine) dropCold(c *Conn, k *cold) {
	if k.mode == open && k.board.n == 0 && k.held.n == 0 && !c.has(fFinNoted) {
		m.colds.Free(c.cold)
		c.cold = 0
	}
}

// gone ends c.
func (m *machine) gone(c *Conn, why cause) {
	c.state = Closed
	m.out.why = why
	m.out.events |= evGone
}

// progress restarts the limit of a state that the peer's acknowledgments prolong.
func (m *machine) progress(c *Conn, now int64) {
	if c.stateAt != 0 && c.has(fFinPending) {
		m.limitState(c, now)
	}
}
