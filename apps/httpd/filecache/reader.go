package filecache

import (
	"sync/atomic"

	"vpphost/dataplane/mem"
)

// How long what is known of a file is good, in ns.
const (
	freshFor = int64(1e9)  // it is used without a look at the disk
	staleFor = int64(2e9)  // it is used, and looked at in the background
	lateFor  = int64(10e9) // it is used while somebody is looking: a disk or a core may be busy
	// usedEvery is how exactly the time of last use is kept: workers share it.
	usedEvery = int64(100e6)
)

// Reader is one worker's way into a Cache. Only that worker may use it.
type Reader struct {
	c      *Cache
	pins   []atomic.Uint32 // by entry: how often the worker holds it. Others look
	region *mem.Region
}

func newReader(c *Cache, entries int) (*Reader, error) {
	r := &Reader{c: c}
	var err error
	r.pins, r.region, err = mem.Array[atomic.Uint32](entries)
	return r, err
}

// Get finds the file of a Key and holds it until Release; nil when it is not in the cache, or must be
// looked at on the disk before it may be used: a goroutine calls Cache.Open then. check asks
// the caller to have Cache.Check called, and is true only once for many requests. now is the
// worker's time, in ns.
func (r *Reader) Get(key []byte, enc Encoding, now int64) (e *Entry, check bool) {
	hash := hashOf(key, enc)
	if e = r.find(key, enc, hash); e == nil {
		return nil, false
	}
	age := now - e.checked.Load()
	if age >= freshFor {
		if age >= lateFor || age >= staleFor && e.checking.Load() == 0 {
			r.Release(e)
			return nil, false
		}
		check = e.checking.CompareAndSwap(0, 1)
	}
	if now-e.used.Load() >= usedEvery {
		e.used.Store(now)
	}
	return e, check
}

// find finds an entry and holds it.
func (r *Reader) find(key []byte, enc Encoding, hash uint32) *Entry {
	t := r.c.table
	p := hash & t.mask
	for range t.slots {
		v := t.slots[p].Load()
		if v == 0 {
			break
		}
		if uint32(v>>32) == hash {
			e := &r.c.entries[uint32(v)]
			r.pins[e.index].Add(1)
			// Pinned first, looked at then: a live entry stays now.
			if e.state.Load() == live && e.is(key, enc) {
				return e
			}
			r.Release(e)
		}
		p = (p + 1) & t.mask
	}
	return nil
}

// Take makes what Cache.Open has handed over the worker's.
func (r *Reader) Take(e *Entry) {
	r.pins[e.index].Add(1)
	r.c.Drop(e)
}

// Release ends what Get or Take have begun.
func (r *Reader) Release(e *Entry) { r.pins[e.index].Add(^uint32(0)) }
