package pkt

import "vpphost/dataplane/mem"

const (
	cacheSize = 1024 // buffers a worker keeps at most
	// A quarter of them moves between cache and pool at a time.
	cacheBatches = 4
)

// olIndirect covers RTE_MBUF_F_INDIRECT and RTE_MBUF_F_EXTERNAL: buffers whose
// bytes belong to somebody else.
const olIndirect = 3 << 61

// Cache is one worker's stack of free buffers in front of a Pool. It is not
// safe for concurrent use.
type Cache struct {
	pool Pool
	n    int
	s    []*Buf // as long as the cache may be full
	// Exhausted counts buffers that were asked for in vain.
	Exhausted uint64
}

// NewCache makes an empty cache over p.
func NewCache(p Pool) (*Cache, error) {
	s, err := mem.Slice[*Buf](cacheSize)
	if err != nil {
		return nil, err
	}
	return &Cache{pool: p, s: s}, nil
}

// Share makes the cache one of n that together keep no more than half of the pool. A
// worker that only frees what others receive would else keep it all.
func (c *Cache) Share(n int) {
	total, _ := c.pool.Usage()
	c.s = c.s[:min(cacheSize, max(total/2/n, 2*cacheBatches))]
}

func (c *Cache) batch() int { return len(c.s) / cacheBatches }

// Pool is what the cache draws from.
func (c *Cache) Pool() Pool { return c.pool }

// Len is how many free buffers the cache holds.
func (c *Cache) Len() int { return c.n }

// Get returns a fresh buffer, or nil when the pool is exhausted. The caller
// owns it.
func (c *Cache) Get() *Buf {
	if c.n == 0 {
		c.n = c.pool.Alloc(c.s[:c.batch()])
		if c.n == 0 {
			c.Exhausted++
			return nil
		}
	}
	c.n--
	b := c.s[c.n]
	b.Reset()
	return b
}

// GetN fills bufs as far as it can and returns how many it filled.
func (c *Cache) GetN(bufs []*Buf) int {
	for i := range bufs {
		b := c.Get()
		if b == nil {
			return i
		}
		bufs[i] = b
	}
	return len(bufs)
}

// Put takes back one packet, chained or shared as it may be.
func (c *Cache) Put(b *Buf) {
	if b.NbSegs != 1 || b.RefCnt != 1 || b.OlFlags&olIndirect != 0 {
		c.pool.FreeChain(b)
		return
	}
	if c.n == len(c.s) {
		c.n -= c.batch()
		c.pool.Free(c.s[c.n:])
	}
	c.s[c.n] = b
	c.n++
}

// PutN takes back a burst.
func (c *Cache) PutN(bufs []*Buf) {
	for _, b := range bufs {
		c.Put(b)
	}
}

// Flush returns every cached buffer to the pool.
func (c *Cache) Flush() {
	c.pool.Free(c.s[:c.n])
	c.n = 0
}
