package netconn

import "sync/atomic"

// pieces is how many pieces of a FIFO are lent at a time: a power of two.
const pieces = 16

// loan is received bytes that the worker lends to the reading goroutine, where they lie
// in the receive FIFO. One writer, one reader, no lock:
//
//	FIFO   head                                   tail
//	        │◄───eaten───►│◄──lent, unread──►│      │
//	        │   worker drops    reader copies     not lent yet: more
//
// The FIFO's own head moves when the worker comes by and drops what was eaten, so what is
// lent stays where it is.
type loan struct {
	piece [pieces][]byte
	put   atomic.Uint32 // pieces lent so far; by the worker
	more  atomic.Bool   // there are bytes that were not lent for want of a place; by the worker
	seen  atomic.Uint32 // how much of eaten the worker has dropped
	eof   atomic.Bool   // nothing comes after what is in the FIFO

	_     [40]byte
	got   atomic.Uint32 // pieces read to their end; by the reader
	eaten atomic.Uint32 // bytes read, free-running
	at    int           // bytes of piece got that were read; the reader's own
	asked uint32        // eaten when the worker was called last; the reader's own
}

// take copies lent bytes.
func (l *loan) take(p []byte) (n int) {
	put, got := l.put.Load(), l.got.Load()
	for got != put && n < len(p) {
		b := l.piece[got%pieces][l.at:]
		k := copy(p[n:], b)
		n += k
		if k < len(b) {
			l.at += k
			break
		}
		l.at = 0
		got++
	}
	if n > 0 {
		l.got.Store(got)
		l.eaten.Store(l.eaten.Load() + uint32(n))
	}
	return n
}

// empty tells that nothing is lent; over that nothing will be. The order of the loads
// matters: the worker stores put, more and eof in this order.
func (l *loan) empty() (empty, over bool) {
	eof, more := l.eof.Load(), l.more.Load()
	empty = l.put.Load() == l.got.Load()
	return empty, empty && eof && !more
}

// due tells whether the worker should come by though there is still something to read:
// when much can be dropped, so that the window opens, or the next pieces be lent.
func (l *loan) due(quota uint32) bool {
	since := l.eaten.Load() - l.asked
	return since >= quota || since > 0 && l.more.Load() && l.put.Load()-l.got.Load() <= pieces/2
}

// owing tells whether there is something for the worker to drop.
func (l *loan) owing() bool { return l.eaten.Load() != l.seen.Load() }
