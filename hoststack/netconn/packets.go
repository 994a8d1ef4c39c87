package netconn

import (
	"net/netip"
	"sync/atomic"
)

// packets is datagrams on their way between a goroutine and a worker, in either
// direction. One writer, one reader, no lock. A datagram lies in one piece.
type packets struct {
	slots []packet // a power of two
	buf   []byte   // a power of two
	head  atomic.Uint32
	freed atomic.Uint64 // position in buf up to which the reader is done
	_     [48]byte
	tail  atomic.Uint32
	at    uint64 // position in buf where the next datagram goes; the writer's own
}

// packet describes one of them.
type packet struct {
	end           uint64 // position behind it
	n             int
	segment       int // for sending, see datagram.Header
	tos           uint8
	remote, local netip.AddrPort
	iface         uint32
}

func (q *packets) init(slots, bytes int) {
	q.slots, q.buf = make([]packet, slots), make([]byte, bytes)
}

// reserve is room for a datagram of n bytes; false when there is none now. commit adds
// it.
func (q *packets) reserve(n int) (b []byte, d *packet, ok bool) {
	size := uint64(len(q.buf))
	tail := q.tail.Load()
	if int(tail-q.head.Load()) == len(q.slots) || uint64(n) > size {
		return nil, nil, false
	}
	at := q.at
	if at&(size-1)+uint64(n) > size {
		at = (at | (size - 1)) + 1 // it does not fit before the end
	}
	if at+uint64(n)-q.freed.Load() > size {
		return nil, nil, false
	}
	d = &q.slots[tail&uint32(len(q.slots)-1)]
	*d = packet{end: at + uint64(n), n: n}
	from := at & (size - 1)
	return q.buf[from : from+uint64(n)], d, true
}

// commit shows the reader what was reserved.
func (q *packets) commit(d *packet) {
	q.at = d.end
	q.tail.Store(q.tail.Load() + 1)
}

// first is the next datagram; false when there is none. drop takes it out.
func (q *packets) first() (b []byte, d *packet, ok bool) {
	head := q.head.Load()
	if head == q.tail.Load() {
		return nil, nil, false
	}
	d = &q.slots[head&uint32(len(q.slots)-1)]
	from := (d.end - uint64(d.n)) & uint64(len(q.buf)-1)
	return q.buf[from : from+uint64(d.n)], d, true
}

func (q *packets) drop(d *packet) {
	q.freed.Store(d.end)
	q.head.Store(q.head.Load() + 1)
}

// len is how many datagrams are in it.
func (q *packets) len() int { return int(q.tail.Load() - q.head.Load()) }

// half tells that it is half empty, or more.
func (q *packets) half() bool { return q.len() <= len(q.slots)/2 }
