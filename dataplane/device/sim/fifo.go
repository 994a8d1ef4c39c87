package sim

// fifo is a queue of values in a ring that grows to what is needed and stays.
type fifo[T any] struct {
	ring       []T // a power of two long
	head, tail uint32
}

func (q *fifo[T]) len() int { return int(q.tail - q.head) }

// at is the i-th oldest value.
func (q *fifo[T]) at(i int) *T { return &q.ring[(q.head+uint32(i))&uint32(len(q.ring)-1)] }

func (q *fifo[T]) push(v T) {
	if n := q.len(); n == len(q.ring) {
		ring := make([]T, max(64, 2*n))
		for i := range n {
			ring[i] = *q.at(i)
		}
		q.ring, q.head, q.tail = ring, 0, uint32(n)
	}
	q.tail++
	*q.at(q.len() - 1) = v
}

func (q *fifo[T]) pop() T {
	v := *q.at(0)
	q.head++
	return v
}
