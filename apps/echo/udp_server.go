package echo

import (
	"encoding/binary"
	"time"

	"vpphost/hoststack/datagram"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// serverFlow is what a server keeps of a session of datagrams. Nobody tells when a remote
// has gone: the session ends when it was idle for long, and begins anew with a new test.
type serverFlow struct {
	test    uint32 // number of the test that the rest belongs to
	mode    uint32
	order   order
	transit transit
}

// flowIdle is how long a session of datagrams lives without one.
const flowIdle = 10 * time.Second

// flowBit in Session.Opaque marks a session of datagrams; the rest is its place.
const flowBit = 1 << 63

// acceptFlow takes a session of datagrams.
func (r *serverRun) acceptFlow(sw *serverWorker, s *session.Session) error {
	i, f := sw.flows.Alloc()
	if f == nil {
		return transport.ErrNoMemory
	}
	f.mode, f.test = r.mode.Load(), r.tests.Load()
	s.Opaque = flowBit | uint64(i)
	return nil
}

// datagrams counts, checks and sends back what has come in. What there is no room for in
// the transmit FIFO is dropped: waiting for room would fill the receive FIFO, and the
// worker would do nothing but receive what is thrown away there.
func (r *serverRun) datagrams(w *session.Worker, s *session.Session, sw *serverWorker) {
	f := sw.flows.At(uint32(s.Opaque))
	if n := r.tests.Load(); f.test != n {
		*f = serverFlow{test: n, mode: r.mode.Load()}
	}
	in := datagram.Read(w.Rx(s))
	var out datagram.Writer
	echo := f.mode&modeEcho != 0
	if echo {
		out = datagram.Write(w.Tx(s))
	}
	now := w.Now()
	n, bytes, sent := 0, 0, 0
	for in.Step() {
		if f.mode&(modeNumbered|modeCheck) != 0 && !r.look(sw, f, &in, now) {
			continue // to the client, one with wrong bytes is lost
		}
		n++
		bytes += in.Len
		if echo && in.Len > 0 {
			if !out.Copy(&in) {
				sw.dgrams.dropped.Add(1)
				continue
			}
			sent += in.Len
		}
	}
	if echo {
		if k := out.Commit(); k > 0 {
			w.Send(s)
			sw.dgrams.tx.Add(uint64(k))
			sw.tx.Add(uint64(sent))
		}
	}
	if sw.varied > 0 {
		sw.dgrams.varied.Add(sw.varied)
		sw.dgrams.variation.Add(sw.variation)
		sw.varied, sw.variation = 0, 0
	}
	in.Done()
	w.Dropped(s)
	sw.dgrams.rx.Add(uint64(n))
	sw.rx.Add(uint64(bytes))
}

// look follows the number of a datagram and compares its bytes; false when they are wrong.
func (r *serverRun) look(sw *serverWorker, f *serverFlow, in *datagram.Reader, now int64) bool {
	seq, ok := numberOf(in)
	if !ok {
		return true
	}
	if f.mode&modeNumbered != 0 {
		switch f.order.take(seq) {
		case outOfOrder:
			sw.dgrams.outOfOrder.Add(1)
		case duplicate:
			sw.dgrams.duplicates.Add(1)
		}
	}
	if f.mode&modeStamped != 0 {
		if at, ok := stampOf(in); ok {
			if d, ok := f.transit.vary(uint32(now) - at); ok {
				sw.varied++
				sw.variation += uint64(d)
			}
		}
	}
	if f.mode&modeCheck != 0 && !intact(in, seq) {
		sw.dgrams.wrong.Add(1)
		return false
	}
	return true
}

// stampOf is when the present datagram was sent, by the sender's clock; false when it is
// too short to say.
func stampOf(in *datagram.Reader) (at uint32, ok bool) {
	if in.Len < stampedLen {
		return 0, false
	}
	var b [4]byte
	for n := 0; n < len(b); {
		p := in.Piece(numberLen + n)
		if len(p) == 0 {
			return 0, false
		}
		n += copy(b[n:], p)
	}
	return binary.LittleEndian.Uint32(b[:]), true
}
