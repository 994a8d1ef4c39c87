package worker

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
)

// Ring hands packets from one worker to another: one producer, one consumer, no lock and
// no allocation. To both it looks like a device's queue, refusals included, so that
// back-pressure passes through.
type Ring struct {
	_      [64]byte
	head   atomic.Uint32 // next to take; written by the consumer
	_      [60]byte
	tail   atomic.Uint32 // next to fill; written by the producer
	seen   uint32        // head as the producer saw it last: its line is not read for each burst
	moved  int64         // when it was seen to move, or not to have to; see crowded
	_      [48]byte
	slots  []*pkt.Buf // a power of two
	mask   uint32
	to     *Worker
	region *mem.Region
}

// NewRing makes a ring of n packets at least, which worker to takes out.
func NewRing(to *Worker, n int) (*Ring, error) {
	n = 1 << bits.Len(uint(max(n, 1)-1))
	r, err := mem.Map(n * int(unsafe.Sizeof((*pkt.Buf)(nil))))
	if err != nil {
		return nil, err
	}
	return &Ring{slots: unsafe.Slice((**pkt.Buf)(r.Base()), n), mask: uint32(n - 1), to: to, region: r}, nil
}

// TxBurst puts packets in, wakes the consumer, and returns how many there was room for.
// Those belong to the consumer now.
func (r *Ring) TxBurst(bufs []*pkt.Buf) int {
	tail := r.tail.Load()
	room := len(r.slots) - int(tail-r.seen)
	if room < len(bufs) {
		r.seen = r.head.Load()
		room = len(r.slots) - int(tail-r.seen)
	}
	n := min(len(bufs), room)
	if n == 0 {
		return 0
	}
	for k, b := range bufs[:n] {
		r.slots[(tail+uint32(k))&r.mask] = b
	}
	r.tail.Store(tail + uint32(n))
	r.to.Wake()
	return n
}

// RxBurst takes packets out, oldest first. They belong to the caller.
func (r *Ring) RxBurst(bufs []*pkt.Buf) int {
	head := r.head.Load()
	n := min(len(bufs), int(r.tail.Load()-head))
	if n == 0 {
		return 0
	}
	for k := range bufs[:n] {
		bufs[k] = r.slots[(head+uint32(k))&r.mask]
	}
	r.head.Store(head + uint32(n))
	return n
}

const (
	// crowdedBelow is how little room makes a ring crowded: less than a burst that is
	// received, and what may join it on its way (reassembled packets).
	crowdedBelow = 2 * pkt.MaxBurst
	// patience is how long, in ns, a producer waits for a consumer that takes nothing out:
	// longer than one that shares its core with others waits for its turn.
	patience = int64(100e6)
)

// crowded tells the producer to wait: the ring is nearly full, and the consumer, though
// behind, does take packets out.
func (r *Ring) crowded(now int64) bool {
	if len(r.slots)-int(r.tail.Load()-r.seen) >= crowdedBelow {
		r.moved = now
		return false
	}
	if head := r.head.Load(); head != r.seen {
		r.seen, r.moved = head, now
	}
	return len(r.slots)-int(r.tail.Load()-r.seen) < crowdedBelow && now-r.moved < patience
}

// HandsOver tells that this worker receives packets for others, which it gives them
// through r. On a worker that does not run yet.
func (w *Worker) HandsOver(r *Ring) { w.outgoing = append(w.outgoing, r) }

// Held tells that packets had better stay in the device: a worker that they may be for has
// fallen behind. What it cannot take would be lost, and a device pushes back.
func (w *Worker) Held() bool {
	for _, r := range w.outgoing {
		if r.crowded(w.now) {
			return true
		}
	}
	return false
}

// Len is how many packets are in it, for the consumer.
func (r *Ring) Len() int { return int(r.tail.Load() - r.head.Load()) }

// Cap is how many packets fit; 0 when the ring is closed.
func (r *Ring) Cap() int { return len(r.slots) }

// Close unmaps the ring, which must be empty and in nobody's hands.
func (r *Ring) Close() {
	r.slots = nil
	r.region.Close()
}
