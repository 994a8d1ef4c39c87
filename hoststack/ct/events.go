package ct

import (
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

// A turn of the scheduler is counted in segments, so that one that has moved much gives
// way to others. Here a segment is 16 KiB.
const segmentShift = 14

// Send tells the other end what c has written. The first Send of a server opens the
// pair, one Step after Accepted: its application has been asked by then, and had it
// refused there would be no pair.
func (t *CT) Send(w *worker.Worker, c transport.Conn, budget int) transport.Sent {
	p, side := t.find(w, c)
	if p == nil {
		return transport.Sent{}
	}
	if !p.open {
		if p.step == w.Steps() {
			return transport.Sent{Segments: 1, Verdict: transport.Again} // 1: nothing is in the way
		}
		if !t.openPair(w, c, p) {
			return transport.Sent{Segments: 1}
		}
	}
	n := t.tell(w, p, side)
	return transport.Sent{Segments: min(budget, 1+n>>segmentShift)}
}

// openPair tells the client that it is connected. False: it has gone.
func (t *CT) openPair(w *worker.Worker, c transport.Conn, p *pair) bool {
	if _, err := t.up.Connected(w, t.shards[w.Index].name(w, c.Index>>1, client), p.end[client].session, nil); err != nil {
		t.up.Gone(w, p.end[server].session, transport.ErrReset)
		t.free(w, c)
		return false
	}
	p.open = true
	return true
}

// tell tells the other end what this one has written since it was told last, and that
// it writes no more. It returns how many bytes that are.
func (t *CT) tell(w *worker.Worker, p *pair, side int) (n int) {
	if !p.open {
		return 0
	}
	me, other := &p.end[side], &p.end[1-side]
	if tx := t.up.TxFIFO(w, me.session); tx != nil {
		_, tail := tx.Positions()
		n = int(tail - me.told)
		me.told = tail
		me.bytes += uint64(n)
		if n > 0 && tx.Len() > 0 { // else the reader was faster
			t.up.Delivered(w, other.session, n)
		}
	}
	if me.fin && !me.finTold {
		me.finTold = true
		t.up.PeerClosed(w, other.session)
	}
	return n
}

// RxSpace: c has read, so the other end may write.
func (t *CT) RxSpace(w *worker.Worker, c transport.Conn) {
	p, side := t.find(w, c)
	if p == nil {
		return
	}
	writer := &p.end[1-side]
	head := writer.told // all is read when the FIFO has been given back
	if tx := t.up.TxFIFO(w, writer.session); tx != nil {
		head, _ = tx.Positions()
	}
	if n := int(int32(head - writer.acked)); n > 0 {
		writer.acked = head
		t.up.Acked(w, writer.session, n)
		t.endIfDone(w, c, p)
	}
}

// HalfClose: the other end reads what is in the FIFO, and then the end.
func (t *CT) HalfClose(w *worker.Worker, c transport.Conn) {
	if p, side := t.find(w, c); p != nil {
		p.end[side].fin = true
		t.tell(w, p, side)
		t.endIfDone(w, c, p)
	}
}

// Close is HalfClose, and c reads no more: the session layer throws away what comes. What
// c has not read before is lost, which the other end must know.
func (t *CT) Close(w *worker.Worker, c transport.Conn) {
	p, side := t.find(w, c)
	if p == nil {
		return
	}
	if !p.open && side == client || t.unread(w, p, 1-side) > 0 {
		t.Reset(w, c)
		return
	}
	t.HalfClose(w, c)
}

// Reset ends the pair at once. Of a server that has not accepted it is the refusal.
func (t *CT) Reset(w *worker.Worker, c transport.Conn) {
	p, side := t.find(w, c)
	if p == nil {
		return
	}
	why := [2]error{transport.ErrReset, transport.ErrReset}
	if !p.open {
		why[client] = transport.ErrRefused
	}
	why[side] = transport.ErrAborted
	t.end(w, c, p, why)
}

// unread is how many bytes the other end has not read of what side has written.
func (t *CT) unread(w *worker.Worker, p *pair, side int) int {
	return t.up.TxFIFO(w, p.end[side].session).Len()
}

// endIfDone ends a pair both of whose ends write no more, once all is read.
func (t *CT) endIfDone(w *worker.Worker, c transport.Conn, p *pair) {
	for side := range p.end {
		if !p.end[side].finTold || t.unread(w, p, side) > 0 {
			return
		}
	}
	t.end(w, c, p, [2]error{})
}

// end tells both ends that their pair is over.
func (t *CT) end(w *worker.Worker, c transport.Conn, p *pair, why [2]error) {
	t.up.Gone(w, p.end[server].session, why[server])
	if p.open {
		t.up.Gone(w, p.end[client].session, why[client])
	} else {
		_, _ = t.up.Connected(w, c, p.end[client].session, why[client])
	}
	t.free(w, c)
}

func (t *CT) free(w *worker.Worker, c transport.Conn) {
	s, i := t.shards[w.Index], c.Index>>1
	s.gens[i]++
	s.pool.Free(i)
}
