package netconn

import (
	"sync"
	"sync/atomic"
)

// Sizes of rings, in bytes: of a connection that writes little at a time, and of one that
// has had to wait.
const (
	smallRing = 4 << 10
	largeRing = 128 << 10
)

// ring is bytes on their way from the writing goroutine to the worker, which copies them
// into the transmit FIFO. One writer, one reader, no lock.
type ring struct {
	buf  []byte        // a power of two
	head atomic.Uint32 // first byte not yet in the FIFO; by the worker
	_    [60]byte
	tail atomic.Uint32 // first byte not yet written; by the goroutine
}

var (
	smallRings = sync.Pool{New: func() any { return &ring{buf: make([]byte, smallRing)} }}
	largeRings = sync.Pool{New: func() any { return &ring{buf: make([]byte, largeRing)} }}
)

func newRing(large bool) *ring {
	if large {
		return largeRings.Get().(*ring)
	}
	return smallRings.Get().(*ring)
}

// recycle gives back a ring that nobody holds any more.
func (r *ring) recycle() {
	r.head.Store(0)
	r.tail.Store(0)
	if len(r.buf) == smallRing {
		smallRings.Put(r)
	} else {
		largeRings.Put(r)
	}
}

// queued is how many bytes are in it.
func (r *ring) queued() int { return int(r.tail.Load() - r.head.Load()) }

// room is how many bytes fit.
func (r *ring) room() int { return len(r.buf) - r.queued() }

// piece is where to write at most n bytes, off bytes beyond the tail: shorter where the
// ring wraps or is full.
func (r *ring) piece(off, n int) []byte {
	n = min(n, r.room()-off)
	at := (int(r.tail.Load()) + off) & (len(r.buf) - 1)
	return r.buf[at:min(at+n, len(r.buf))]
}

// fill copies as much of p as there is room for, without committing it.
func (r *ring) fill(p []byte) (n int) {
	n = copy(r.piece(0, len(p)), p)
	if n < len(p) {
		n += copy(r.piece(n, len(p)-n), p[n:])
	}
	return n
}

// commit makes n bytes visible to the worker.
func (r *ring) commit(n int) { r.tail.Store(r.tail.Load() + uint32(n)) }
