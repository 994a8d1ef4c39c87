package datagram

import "vpphost/hoststack/fifo"

// Writer puts datagrams into a FIFO. Nobody sees them before Commit. It is a value for the
// stack of who writes, good until Commit or until the FIFO is used otherwise.
type Writer struct {
	f    *fifo.FIFO
	at   int    // end of the records that are complete, from the FIFO's tail
	text int    // payload of the present one, from the FIFO's tail
	n    int    // bytes of that
	size int    // of the present record
	buf  []byte // its payload, when that lies in one piece
	open bool   // begun and not ended
	none bool   // memory has run out
	done int    // complete ones
}

// Write begins to write to f, which may be nil: it has no room then.
func Write(f *fifo.FIFO) Writer { return Writer{f: f} }

// Begin makes room for a datagram of h.Len bytes, which are then to be written, see Piece.
// False: there is no room now, or there can never be; nothing has happened. One that was
// begun and not ended is given up.
func (t *Writer) Begin(h *Header) bool {
	if !h.Remote.IsValid() {
		return t.begin(makeHead(h.Len, h.Segment, h.TOS, 0), h.Len, nil)
	}
	e := h.ends()
	return t.begin(makeHead(h.Len, h.Segment, h.TOS, addressed), h.Len, &e)
}

// BeginRaw is Begin with the addresses as they are to lie in the record; nil for none.
func (t *Writer) BeginRaw(n int, tos uint8, e *Ends) bool {
	if e == nil {
		return t.begin(makeHead(n, 0, tos, 0), n, nil)
	}
	return t.begin(makeHead(n, 0, tos, addressed), n, e)
}

func (t *Writer) begin(h head, n int, e *Ends) bool {
	size := h.size()
	if uint(n) > maxText || size > t.f.Free()-t.at {
		return false
	}
	b := t.f.ReserveAt(t.at, size)
	t.open = true
	if len(b) < headLen || len(b) < size && !t.reserve(t.at+len(b), size-len(b)) {
		t.none = true
		return false
	}
	h.put(b)
	t.text, t.n, t.size = t.at+h.text(), n, size
	t.buf = nil
	if len(b) == size {
		t.buf = b[h.text():][:n]
		if e != nil {
			copy(b[headLen:], e.bytes())
		}
	} else if e != nil {
		t.put(t.at+headLen, e.bytes())
	}
	return true
}

// Starved tells that Begin has failed because memory has run out, not because the FIFO is
// full.
func (t *Writer) Starved() bool { return t.none }

// reserve sees to it that there is memory for n bytes from off on.
func (t *Writer) reserve(off, n int) bool {
	for n > 0 {
		k := len(t.f.ReserveAt(off, n))
		if k == 0 {
			return false
		}
		off += k
		n -= k
	}
	return true
}

// put writes p to off.
func (t *Writer) put(off int, p []byte) {
	for len(p) > 0 {
		n := copy(t.f.ReserveAt(off, len(p)), p)
		if n == 0 {
			return
		}
		off += n
		p = p[n:]
	}
}

// Piece is where the payload of the present datagram is to be written from off on, as far
// as that lies in one piece: call again with a larger off until Len is reached.
func (t *Writer) Piece(off int) []byte {
	if t.buf != nil {
		return t.buf[off:]
	}
	return t.f.ReserveAt(t.text+off, t.n-off)
}

// End completes the present datagram.
func (t *Writer) End() {
	if t.open {
		t.open = false
		t.at += t.size
		t.done++
	}
}

// Put adds a datagram with payload p, whatever h.Len says; false when there is no room.
func (t *Writer) Put(h *Header, p []byte) bool {
	h.Len = len(p)
	if !t.Begin(h) {
		return false
	}
	if t.buf != nil {
		copy(t.buf, p)
	} else {
		t.put(t.text, p)
	}
	t.End()
	return true
}

// Copy adds the present datagram of r, with its addresses: in a session without connection
// it goes back to where it came from. False when there is no room.
func (t *Writer) Copy(r *Reader) bool {
	h := r.Header
	h.Segment = 0
	if !t.Begin(&h) {
		return false
	}
	for off := 0; off < h.Len; {
		n := copy(t.Piece(off), r.Piece(off))
		if n == 0 {
			return false
		}
		off += n
	}
	t.End()
	return true
}

// Commit shows the reader all datagrams that are complete, and returns how many. The Writer
// must not be used afterwards.
func (t *Writer) Commit() int {
	if t.at > 0 {
		t.f.Commit(t.at)
	}
	if t.open || t.f.Held() > 0 { // what was given up holds memory
		t.f.Discard()
	}
	return t.done
}

// Room is how many datagrams of n bytes f has room for, with or without addresses.
func Room(f *fifo.FIFO, n int, addresses bool) int {
	flags := uint8(0)
	if addresses {
		flags = addressed
	}
	if uint(n) > maxText {
		return 0
	}
	return f.Free() / makeHead(n, 0, 0, flags).size()
}
