package datagram

import (
	"net/netip"

	"vpphost/hoststack/fifo"
)

// Reader goes over the datagrams of a FIFO, in order, without dropping them; Done drops
// them. It is a value for the stack of who reads, good until Done or until the FIFO is
// used otherwise.
type Reader struct {
	Header // of the present datagram, after Next

	f    *fifo.FIFO
	head head
	at   int // of the record, from the FIFO's head
	size int // of the record, 0 when there is none
	text int // of the present datagram's payload, from the FIFO's head
	left int // payload of the record from there on
	n    int // datagrams gone over
	keep bool
	bad  bool
}

// Read begins to read f, which may be nil: it is empty then.
func Read(f *fifo.FIFO) Reader { return Reader{f: f} }

// Next goes to the next datagram; false at the end.
func (r *Reader) Next() bool {
	if !r.Step() {
		return false
	}
	if r.head.addressed() {
		var e Ends
		r.Ends(&e)
		r.setEnds(&e)
	} else if r.Remote.IsValid() {
		r.Remote, r.Local, r.Iface = netip.AddrPort{}, netip.AddrPort{}, 0
	}
	return true
}

// Step is Next for those who do not need Remote, Local and Iface, or ask Ends.
func (r *Reader) Step() bool {
	if more := r.left - r.Len; more > 0 { // the record is several datagrams
		r.text += r.Len
		r.left = more
		r.Len = min(r.Len, more)
		r.n++
		return true
	}
	at := r.at + r.size
	r.at, r.size, r.left, r.Len = at, 0, 0, 0
	b := r.f.PeekAt(at, headLen)
	if len(b) < headLen {
		r.bad = r.bad || len(b) > 0
		return false
	}
	h := readHead(b)
	size := h.size()
	if !h.valid() || size > r.f.Len()-at {
		r.bad = true
		return false
	}
	r.head, r.size = h, size
	r.text = at + h.text() + h.done()
	r.left = h.len() - h.done()
	r.Len = r.left
	if s := h.segment(); s > 0 && s < r.Len {
		r.Len = s
	}
	r.TOS = h.tos()
	r.n++
	return true
}

// Ends reads the addresses of the present datagram; false when it has none.
func (r *Reader) Ends(e *Ends) bool {
	if !r.head.addressed() {
		return false
	}
	at := r.at + headLen
	for b := e.bytes(); len(b) > 0; {
		p := r.f.PeekAt(at, len(b))
		if len(p) == 0 {
			return false
		}
		n := copy(b, p)
		at += n
		b = b[n:]
	}
	return true
}

// Piece is the payload from off on, as far as it lies in one piece: call again with a
// larger off while there is more. Valid until Done.
func (r *Reader) Piece(off int) []byte { return r.f.PeekAt(r.text+off, r.Len-off) }

// CopyTo copies the payload to p, as far as it fits, and returns how much.
func (r *Reader) CopyTo(p []byte) (n int) {
	for n < len(p) {
		b := r.Piece(n)
		if len(b) == 0 {
			break
		}
		n += copy(p[n:], b)
	}
	return n
}

// Keep has the present datagram stay in the FIFO: reading ends before it.
func (r *Reader) Keep() {
	if r.size > 0 && !r.keep {
		r.keep = true
		r.n--
	}
}

// Bad tells that what is in the FIFO are no records. Done throws it away.
func (r *Reader) Bad() bool { return r.bad }

// Done drops the datagrams that Next has gone over, and returns how many they were, and how
// many bytes of the FIFO have become free. The Reader must not be used afterwards.
func (r *Reader) Done() (n, bytes int) {
	switch {
	case r.bad:
		bytes = r.f.Len()
	case r.size == 0:
		bytes = r.at
	default:
		done := r.head.len() - r.left
		if !r.keep {
			done += r.Len
		}
		switch {
		case !r.keep && done == r.head.len():
			bytes = r.at + r.size
		default:
			bytes = r.at
			if done != r.head.done() {
				r.head.setDone(done).put(r.f.PeekAt(r.at, headLen))
			}
		}
	}
	r.f.Drop(bytes)
	return r.n, bytes
}
