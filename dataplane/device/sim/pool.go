package sim

import (
	"fmt"
	"sync"
	"unsafe"

	"vpphost/dataplane/pkt"
)

// poison fills freed buffers: whoever still reads one sees it.
const poison = 0xdb

// Pool is a pkt.MapPool that catches misuse: it fills freed buffers with poison, and
// panics when a buffer is freed twice or was never handed out. Workers keep freed
// buffers in a cache of their own, so that a mistake there shows only when the cache
// overflows or is flushed.
type Pool struct {
	*pkt.MapPool
	mu  sync.Mutex
	out map[*pkt.Buf]bool // handed out now
}

// NewPool makes n buffers with the given data room in bytes (headroom included).
func NewPool(name string, n, room int) (*Pool, error) {
	p, err := pkt.NewMapPool(name, n, room)
	if err != nil {
		return nil, err
	}
	return &Pool{MapPool: p, out: make(map[*pkt.Buf]bool, n)}, nil
}

// Alloc hands out buffers; see pkt.Pool.
func (p *Pool) Alloc(bufs []*pkt.Buf) int {
	n := p.MapPool.Alloc(bufs)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range bufs[:n] {
		if p.out[b] {
			panic(fmt.Sprintf("sim: pool %s hands out buffer %p twice", p.Name(), b))
		}
		p.out[b] = true
	}
	return n
}

// Free takes buffers back; see pkt.Pool.
func (p *Pool) Free(bufs []*pkt.Buf) {
	p.take(bufs)
	p.MapPool.Free(bufs)
}

// FreeChain takes a packet back; see pkt.Pool.
func (p *Pool) FreeChain(b *pkt.Buf) {
	for b != nil {
		next := b.Next
		b.Next, b.NbSegs = nil, 1
		p.Free([]*pkt.Buf{b})
		b = next
	}
}

func (p *Pool) take(bufs []*pkt.Buf) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range bufs {
		if b == nil || !p.out[b] {
			panic(fmt.Sprintf("sim: pool %s gets buffer %p back, which is not in use", p.Name(), b))
		}
		p.out[b] = false
		room := unsafe.Slice((*byte)(b.BufAddr), int(b.BufLen))
		for i := range room {
			room[i] = poison
		}
	}
}

// Leaked is how many buffers are in use. When all workers have flushed their caches
// and no packet is held anywhere it must be 0.
func (p *Pool) Leaked() int {
	total, free := p.Usage()
	return total - free
}
