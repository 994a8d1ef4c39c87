package httpc

import (
	"math/bits"
	"sync/atomic"

	"vpphost/dataplane/mem"
)

// pipe carries bytes from a worker to a goroutine: a ring with one writer and one reader,
// off the Go heap. The writer never waits: it leaves off while the pipe is low on room.
type pipe struct {
	region *mem.Region
	ring   []byte
	_      [64]byte
	head   atomic.Uint64 // the reader's: bytes taken
	_      [56]byte
	tail   atomic.Uint64 // the writer's: bytes put
	_      [56]byte
}

// leastPipe is the smallest ring, in bytes.
const leastPipe = 1 << 20

// newPipe makes a pipe for what comes out of a FIFO of the given size. Pieces are chunks of
// that FIFO at most, which are a thirty-first of it or 4 KiB; when there is room the pipe
// takes several.
func newPipe(fifo uint32) (*pipe, error) {
	size := max(uint64(leastPipe), 1<<bits.Len64(uint64(fifo)/4))
	r, err := mem.Map(int(size))
	if err != nil {
		return nil, err
	}
	return &pipe{region: r, ring: r.Bytes()[:size]}, nil
}

func (p *pipe) close() { p.region.Close() }

// put copies b into the pipe; false, and nothing, when it does not fit. Writer.
func (p *pipe) put(b []byte) bool {
	t := p.tail.Load()
	if len(b) > len(p.ring)-int(t-p.head.Load()) {
		return false
	}
	at := int(t) & (len(p.ring) - 1)
	n := copy(p.ring[at:], b)
	copy(p.ring, b[n:])
	p.tail.Store(t + uint64(len(b)))
	return true
}

// low tells whether the pipe is more than half full: time to leave off. Either side.
func (p *pipe) low() bool { return int(p.tail.Load()-p.head.Load()) > len(p.ring)/2 }

// peek is what has come, as far as it lies in one piece; valid until drop. Reader.
func (p *pipe) peek() []byte {
	h := p.head.Load()
	at := int(h) & (len(p.ring) - 1)
	n := min(int(p.tail.Load()-h), len(p.ring)-at)
	return p.ring[at : at+n]
}

// drop gives n bytes of room back. Reader.
func (p *pipe) drop(n int) { p.head.Add(uint64(n)) }
