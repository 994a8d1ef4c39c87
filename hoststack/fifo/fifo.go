package fifo

// FIFO is one direction of a session: a stream of bytes with one producer and one
// consumer. Positions are free-running 32-bit counters: head is the first byte not
// yet dropped, tail the first not yet committed, and tail-head never exceeds Size.
//
// The methods here are for code on the worker that owns the session, be it the
// stack or a builtin application. Consumer methods accept a nil *FIFO and find it
// empty.
type FIFO struct{ _ [64]byte }

// Size is the most bytes that the FIFO holds.
func (f *FIFO) Size() int { return 0 }

// Len is how many committed bytes wait for the consumer.
func (f *FIFO) Len() int { return 0 }

// Free is how many bytes the producer may still commit.
func (f *FIFO) Free() int { return 0 }

// ReserveAt returns writable memory for at most n bytes that begin off bytes
// beyond the tail: one contiguous piece, which may be shorter than n where a chunk
// ends (call again with a larger off), and empty when the FIFO is full there or
// memory has run out. Nothing is visible to the consumer before Commit, so bytes
// that arrive out of order are written at their place and committed later.
func (f *FIFO) ReserveAt(off, n int) []byte { return nil }

// Commit moves the tail over n bytes that were written before.
func (f *FIFO) Commit(n int) {}

// PeekAt returns at most n committed bytes that begin off bytes beyond the head:
// one contiguous piece, which may be shorter than n, empty at the end of the data.
// It is valid until Drop.
func (f *FIFO) PeekAt(off, n int) []byte { return nil }

// Drop consumes n bytes and gives back the chunks they leave empty.
func (f *FIFO) Drop(n int) {}
