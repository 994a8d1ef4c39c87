package mem

import "unsafe"

// Ring is a queue of slots' indexes, first in first out. It has room for as many as it was
// made for; memory is used only as far as the queue was ever long since it was empty.
type Ring struct {
	ring       []uint32
	region     *Region
	head, tail uint32
}

// ringKeep is how many places stay in memory when a queue has run empty.
const ringKeep = 1 << 16

// NewRing makes a queue for n indexes.
func NewRing(n int) (*Ring, error) {
	size := 1
	for size <= n {
		size <<= 1
	}
	r, err := Map(4 * size)
	if err != nil {
		return nil, err
	}
	return &Ring{ring: unsafe.Slice((*uint32)(r.Base()), size), region: r}, nil
}

// Len is how many are in the queue; Full tells that no other may be.
func (q *Ring) Len() int   { return int(q.tail - q.head) }
func (q *Ring) Full() bool { return q.Len() == len(q.ring) }

// Push puts i at the end. The queue must not be full.
func (q *Ring) Push(i uint32) {
	q.ring[q.tail&uint32(len(q.ring)-1)] = i
	q.tail++
}

// Peek is the first, which stays. The queue must not be empty.
func (q *Ring) Peek() uint32 { return q.ring[q.head&uint32(len(q.ring)-1)] }

// Pop takes the first. The queue must not be empty.
func (q *Ring) Pop() uint32 {
	i := q.ring[q.head&uint32(len(q.ring)-1)]
	q.head++
	if q.head == q.tail {
		if q.tail > ringKeep {
			q.region.Release(4*ringKeep, q.region.Size())
		}
		q.head, q.tail = 0, 0 // short queues stay in few pages
	}
	return i
}

// Close unmaps the queue.
func (q *Ring) Close() { q.region.Close() }
