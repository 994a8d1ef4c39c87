package dpdk

// #include <stdlib.h>
// #include "shim.h"
// #cgo noescape dp_pool_get
// #cgo nocallback dp_pool_get
// #cgo noescape dp_pool_put
// #cgo nocallback dp_pool_put
// #cgo noescape dp_free_chain
// #cgo nocallback dp_free_chain
import "C"

import (
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/pkt"
)

// poolCache is how many buffers a registered thread keeps inside the mempool: the
// most that DPDK allows, and two of our bursts.
const poolCache = 512

// Pool is a pkt.Pool over a DPDK mempool. Its calls may come from any thread;
// registered ones (ThreadStart) go through a cache of their own.
type Pool struct {
	mp   unsafe.Pointer // struct rte_mempool
	p    C.uintptr_t    // the same, as a number
	name string
	room int
	n    int
}

var _ pkt.Pool = (*Pool)(nil)

// NewPool makes n buffers with the given data room in bytes (headroom included, at
// most 65535). Every frame must fit one buffer: the room decides the largest MTU.
func NewPool(name string, n, room int) (*Pool, error) {
	if !Running() {
		return nil, ErrNotInitialized
	}
	if room < pkt.Headroom+64 || room > math.MaxUint16 || n < 1 {
		return nil, fmt.Errorf("dpdk: pool %s: %d buffers of %d bytes cannot be", name, n, room)
	}
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	cache := min(poolCache, n*2/3)
	m := logMark()
	var errno C.int
	mp := C.dp_pool_new(cname, C.uint32_t(n), C.uint32_t(cache), pkt.MetaSize, C.uint32_t(room), &errno)
	if mp == nil {
		return nil, &Error{Op: fmt.Sprintf("pool %s of %d buffers of %d bytes (%d MiB)",
			name, n, room, n*bufferSize(room)>>20), Errno: unix.Errno(errno), Detail: m.failure()}
	}
	return &Pool{mp: mp, p: C.uintptr_t(uintptr(mp)), name: name, room: room, n: n}, nil
}

// Alloc fills bufs (off-heap) and returns how many it filled.
func (p *Pool) Alloc(bufs []*pkt.Buf) int {
	if len(bufs) == 0 {
		return 0
	}
	n := int(C.dp_pool_get(p.p, address(bufs), C.uint32_t(len(bufs))))
	for _, b := range bufs[:n] {
		b.Reset()
	}
	return n
}

// Free takes back single, unshared buffers, their Next nil. bufs must be off-heap.
func (p *Pool) Free(bufs []*pkt.Buf) {
	if len(bufs) != 0 {
		C.dp_pool_put(p.p, address(bufs), C.uint32_t(len(bufs)))
	}
}

// FreeChain takes back one packet that may be chained or shared.
func (p *Pool) FreeChain(b *pkt.Buf) { C.dp_free_chain(C.uintptr_t(uintptr(unsafe.Pointer(b)))) }

// Room is the data room of each buffer in bytes, headroom included.
func (p *Pool) Room() int { return p.room }

// Name is the name of the mempool.
func (p *Pool) Name() string { return p.name }

// Usage is how many buffers exist and how many of them are free, those in the caches
// of threads included.
func (p *Pool) Usage() (total, avail int) {
	return p.n, int(C.dp_pool_avail(p.mp))
}

// Close gives the memory back to EAL. No buffer may be in use, no port may refer to
// the pool.
func (p *Pool) Close() {
	C.dp_pool_free(p.mp)
	p.mp = nil
}

// address passes a burst array to C as a number: the array is off-heap and does not
// move, and cgo would otherwise look at it on every call.
func address(bufs []*pkt.Buf) C.uintptr_t {
	return C.uintptr_t(uintptr(unsafe.Pointer(unsafe.SliceData(bufs))))
}
