package session

import (
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/transport"
)

// Sessions of a Datagram service have records in their FIFOs: see package datagram.

// Service tells what is in the FIFOs of s: a stream of bytes, or datagrams.
func (w *Worker) Service(s *Session) transport.Service {
	t := w.transportOf(s)
	if sub, ok := t.(transport.Substitute); ok && s.flags&fTransportGone == 0 {
		if p := sub.For(w.Worker, s.conn); w.l.transports[p] != nil {
			t = w.l.transports[p]
		}
	}
	return t.Service()
}

// SendDatagram sends p to the other end of s; false when there is no room for it now, or p
// is longer than any FIFO or protocol takes: nothing has happened then.
func (w *Worker) SendDatagram(s *Session, p []byte) bool {
	var h datagram.Header
	return w.SendDatagramTo(s, &h, p)
}

// SendDatagramTo is SendDatagram with what h says of it: to whom, in a session without
// connection. h.Len is set.
func (w *Worker) SendDatagramTo(s *Session, h *datagram.Header, p []byte) bool {
	t := datagram.Write(w.Tx(s))
	ok := t.Put(h, p)
	if t.Commit() > 0 {
		w.Send(s)
	}
	return ok
}

// RoomDatagrams is how many datagrams of n bytes there is room for now.
func (w *Worker) RoomDatagrams(s *Session, n int) int {
	return datagram.Room(w.Tx(s), n, s.flags&fConnectionless != 0)
}

// MaxDatagram is how many bytes a datagram of s may have: to go in one packet on the present
// path (without a path: over any), and at most.
func (w *Worker) MaxDatagram(s *Session) (whole, most int) {
	if s.flags&(fTransportGone|fDead) != 0 || s.state < Accepting {
		return 0, 0
	}
	if t, ok := w.transportOf(s).(transport.Sized); ok {
		return t.MaxDatagram(w.Worker, s.conn)
	}
	return datagram.MaxLen, datagram.MaxLen
}
