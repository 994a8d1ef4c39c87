package fifo

import (
	"fmt"

	"vpphost/dataplane/mem"
)

// Ref names a FIFO of one Store; 0 is none.
type Ref uint32

// Store is one worker's pool of FIFOs.
type Store struct {
	pool *mem.Pool[FIFO]
	seg  *Segment
}

// NewStore makes a store of at most max FIFOs whose bytes live in seg.
func NewStore(seg *Segment, max int) (*Store, error) {
	p, err := mem.NewPool[FIFO](max)
	if err != nil {
		return nil, fmt.Errorf("fifo: store: %w", err)
	}
	return &Store{pool: p, seg: seg}, nil
}

// Segment is where the bytes live.
func (s *Store) Segment() *Segment { return s.seg }

// Used is how many FIFOs exist; Max is how many may.
func (s *Store) Used() int { return s.pool.Used() }
func (s *Store) Max() int  { return s.pool.Max() }

// Usage tells what the FIFOs hold, without their bytes.
func (s *Store) Usage() mem.Usage { return s.pool.Usage() }

// New makes an empty local FIFO for size bytes (see ClampSize); 0 and nil when
// there are too many. It holds no chunk before the first byte.
func (s *Store) New(size uint32) (Ref, *FIFO) { return s.NewAt(size, 0) }

// NewAt is New with the position to begin at, so that a FIFO that was freed while
// empty goes on counting.
func (s *Store) NewAt(size, pos uint32) (Ref, *FIFO) { return s.NewGrowing(size, size, pos) }

// NewGrowing is NewAt for a FIFO that may grow to most bytes (FIFO.Grow): its chunks are
// as large as for one of that size.
func (s *Store) NewGrowing(size, most, pos uint32) (Ref, *FIFO) {
	i, f := s.pool.Alloc()
	if f == nil {
		return 0, nil
	}
	size = ClampSize(size)
	f.head, f.tail, f.held, f.size = pos, pos, pos, size
	f.shift = chunkShift(ClampSize(max(size, most)))
	f.mask = 1<<f.shift - 1
	f.a, f.base = s.seg.a, s.seg.a.base
	return Ref(i), f
}

// At is the FIFO named r, nil for 0.
func (s *Store) At(r Ref) *FIFO {
	if r == 0 {
		return nil
	}
	return s.pool.At(uint32(r))
}

// Join gives r one more holder, at the other end of the FIFO and on the same worker. Each
// holder calls Free.
func (s *Store) Join(r Ref) Ref {
	if f := s.At(r); f != nil {
		f.more++
	}
	return r
}

// Joined tells whether r has more than one holder.
func (s *Store) Joined(r Ref) bool {
	f := s.At(r)
	return f != nil && f.more > 0
}

// Free ends a FIFO, empty or not, when its last holder calls it, and gives back all it
// holds. A Remote at its other end must have let go, or be of no concern.
func (s *Store) Free(r Ref) {
	f := s.At(r)
	if f == nil {
		return
	}
	if f.more > 0 {
		f.more--
		return
	}
	for i := range f.table {
		f.releaseSlot(uint32(i))
	}
	if f.hdr != 0 {
		f.a.release(f.hdr, headerShift)
	}
	s.pool.Free(uint32(r))
}

// Close unmaps the store. Its segment stays.
func (s *Store) Close() { s.pool.Close() }
