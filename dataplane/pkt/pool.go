package pkt

import (
	"fmt"
	"sync"
	"unsafe"

	"vpphost/dataplane/mem"
)

// Pool is a shared store of buffers. All its buffers have the same data room.
// Calls move buffers in bulk and may come from any thread.
type Pool interface {
	// Alloc fills bufs with fresh buffers (see Buf.Reset) and returns how many
	// it filled. The caller owns them.
	Alloc(bufs []*Buf) int
	// Free takes back single, unshared buffers.
	Free(bufs []*Buf)
	// FreeChain takes back one packet that may be chained or shared.
	FreeChain(b *Buf)
	// Room is the data room of each buffer in bytes, headroom included.
	Room() int
	// Usage is how many buffers exist, and how many of them are free.
	Usage() (total, avail int)
	Name() string
}

// MapPool is a Pool in plain mapped memory, for tests and devices that need no
// DPDK.
type MapPool struct {
	name   string
	room   int
	region *mem.Region
	mu     sync.Mutex
	free   []*Buf
	total  int
}

// NewMapPool makes n buffers with the given data room in bytes (headroom
// included).
func NewMapPool(name string, n, room int) (*MapPool, error) {
	stride := (mbufSize + MetaSize + room + 63) &^ 63
	r, err := mem.Map(n * stride)
	if err != nil {
		return nil, fmt.Errorf("pkt: pool %s: %w", name, err)
	}
	p := &MapPool{name: name, room: room, region: r, total: n, free: make([]*Buf, 0, n)}
	for i := n - 1; i >= 0; i-- {
		b := (*Buf)(unsafe.Add(r.Base(), uintptr(i)*uintptr(stride)))
		b.BufAddr = unsafe.Add(unsafe.Pointer(b), mbufSize+MetaSize)
		b.BufLen = uint16(room)
		b.PrivSize = MetaSize
		b.RefCnt = 1
		b.Reset()
		p.free = append(p.free, b)
	}
	return p, nil
}

func (p *MapPool) Alloc(bufs []*Buf) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(bufs), len(p.free))
	top := len(p.free) - n
	copy(bufs, p.free[top:])
	p.free = p.free[:top]
	for _, b := range bufs[:n] {
		b.Reset()
	}
	return n
}

func (p *MapPool) Free(bufs []*Buf) {
	p.mu.Lock()
	p.free = append(p.free, bufs...)
	p.mu.Unlock()
}

func (p *MapPool) FreeChain(b *Buf) {
	for b != nil {
		next := b.Next
		b.Next, b.NbSegs = nil, 1
		p.Free([]*Buf{b})
		b = next
	}
}

func (p *MapPool) Room() int    { return p.room }
func (p *MapPool) Name() string { return p.name }

func (p *MapPool) Usage() (total, avail int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total, len(p.free)
}

// Close unmaps the buffers. None may be in use.
func (p *MapPool) Close() { p.region.Close() }
