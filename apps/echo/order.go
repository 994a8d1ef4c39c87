package echo

// order follows the numbers of datagrams as they arrive: which come late, and which
// twice. Numbers wrap around.
type order struct {
	next uint32 // one more than the highest so far
	any  bool
	seen [orderWindow / 64]uint64 // of the last orderWindow numbers before next
}

const orderWindow = 1024

// arrival is what order says of a datagram.
type arrival uint8

const (
	inOrder arrival = iota
	outOfOrder
	duplicate
)

// take takes number seq. One that is late by more than the window may be a second copy
// that passes for a late one.
func (o *order) take(seq uint32) arrival {
	bit := func(n uint32) (*uint64, uint64) { return &o.seen[n/64%(orderWindow/64)], 1 << (n % 64) }
	if !o.any {
		o.any, o.next = true, seq
	}
	d := int32(seq - o.next)
	if d >= 0 {
		if d >= orderWindow {
			clear(o.seen[:])
		} else {
			for n := o.next; n != seq; n++ {
				w, b := bit(n)
				*w &^= b
			}
		}
		w, b := bit(seq)
		*w |= b
		o.next = seq + 1
		return inOrder
	}
	if d < -orderWindow {
		return outOfOrder
	}
	w, b := bit(seq)
	if *w&b != 0 {
		return duplicate
	}
	*w |= b
	return outOfOrder
}

// transit remembers how long the last datagram of a session was under way.
type transit struct {
	last uint32 // ns, modulo 2^32, give or take a constant: the ends' clocks differ
	any  bool
}

// vary takes how long the next one was under way, and returns by how much that differs:
// D of RFC 3550 section 6.4.1, whose mean is the jitter. False for the first one.
func (t *transit) vary(ns uint32) (d uint32, ok bool) {
	d, ok = ns-t.last, t.any
	t.last, t.any = ns, true
	if int32(d) < 0 {
		d = -d
	}
	return d, ok
}
