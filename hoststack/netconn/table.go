package netconn

import (
	"sync"
	"sync/atomic"
)

const (
	chunkBits = 10
	maxChunks = 1 << 11 // two million connections
)

// entry is what the table keeps: a connection, or the session of a packet socket.
type entry struct {
	id      uint32
	conn    *Conn
	port    *port
	next    *entry // in table.gone
	removed atomic.Bool
}

// table finds entries by the number that their session carries as Opaque. Goroutines put
// them in and make room; workers find them and take them out, without a lock.
type table struct {
	chunks [maxChunks]atomic.Pointer[[1 << chunkBits]atomic.Pointer[entry]]
	gone   atomic.Pointer[entry] // entries whose numbers are free again

	mu    sync.Mutex
	free  []uint32
	top   uint32 // numbers from 1 to top were given out at some time
	conns int
}

// add gives e a number; false when there are too many.
func (t *table) add(e *entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reap()
	if n := len(t.free); n > 0 {
		e.id, t.free = t.free[n-1], t.free[:n-1]
	} else {
		if t.top+1 >= maxChunks<<chunkBits {
			return false
		}
		t.top++
		e.id = t.top
		if at := &t.chunks[e.id>>chunkBits]; at.Load() == nil {
			at.Store(new([1 << chunkBits]atomic.Pointer[entry]))
		}
	}
	if e.conn != nil {
		t.conns++
	}
	t.slot(e.id).Store(e)
	return true
}

func (t *table) slot(id uint32) *atomic.Pointer[entry] {
	return &t.chunks[id>>chunkBits].Load()[id&(1<<chunkBits-1)]
}

// get is the entry with a number. On a worker, for a session of its own.
func (t *table) get(id uint64) *entry {
	if id == 0 || id >= unboundEOF {
		return nil
	}
	return t.slot(uint32(id)).Load()
}

// remove takes out an entry that no session names any more. Any thread.
func (t *table) remove(e *entry) {
	if e.removed.Swap(true) {
		return
	}
	t.slot(e.id).Store(nil)
	for {
		first := t.gone.Load()
		e.next = first
		if t.gone.CompareAndSwap(first, e) {
			return
		}
	}
}

// reap takes back the numbers of those removed. Under mu.
func (t *table) reap() {
	for e := t.gone.Swap(nil); e != nil; e = e.next {
		t.free = append(t.free, e.id)
		if e.conn != nil {
			t.conns--
			e.conn.forget()
		}
	}
}

// live is how many connections there are.
func (t *table) live() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reap()
	return t.conns
}

// each calls f for every entry that is there all the while. Any goroutine.
func (t *table) each(f func(*entry)) {
	t.mu.Lock()
	top := t.top
	t.mu.Unlock()
	for id := uint32(1); id <= top; id++ {
		if e := t.slot(id).Load(); e != nil {
			f(e)
		}
	}
}

// all lists the entries.
func (t *table) all() (list []*entry) {
	t.each(func(e *entry) { list = append(list, e) })
	return list
}
