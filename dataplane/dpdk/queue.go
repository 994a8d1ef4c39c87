package dpdk

// #include "shim.h"
// #cgo noescape dp_rx
// #cgo nocallback dp_rx
// #cgo noescape dp_tx
// #cgo nocallback dp_tx
// #cgo noescape dp_fill
// #cgo nocallback dp_fill
// #cgo noescape dp_copy
// #cgo nocallback dp_copy
// #cgo noescape dp_memif_arm
// #cgo nocallback dp_memif_arm
import "C"

import (
	"unsafe"

	"vpphost/dataplane/pkt"
)

// RxQueue is one receive queue, polled by one worker.
type RxQueue struct {
	q     C.uintptr_t // the same as c, as a number
	c     *C.struct_dp_rxq
	index int
	memif bool
}

// TxQueue is one transmit queue, fed by one worker.
type TxQueue struct {
	q     C.uintptr_t
	c     *C.struct_dp_txq
	index int
}

// RxBurst fills bufs, which must be off-heap and no longer than pkt.MaxBurst, from the
// front and returns how many packets came. Each is one segment with a clean Meta; the
// caller owns them.
func (q *RxQueue) RxBurst(bufs []*pkt.Buf) int {
	if len(bufs) == 0 {
		return 0
	}
	return int(C.dp_rx(q.q, address(bufs), C.uint32_t(len(bufs))))
}

// TxBurst takes the first n buffers, n being its result; the caller keeps the rest.
// The order of bufs may have changed where a frame was refused and freed: what is to
// be tried again is bufs[n:] afterwards.
func (q *TxQueue) TxBurst(bufs []*pkt.Buf) int {
	if len(bufs) == 0 {
		return 0
	}
	return int(C.dp_tx(q.q, address(bufs), C.uint32_t(len(bufs))))
}

// Fill receives into bufs, fresh buffers of the caller (pkt.Cache.Get), and returns how
// many of them, from the front, hold packets with a clean Meta now. All stay the caller's.
// Only queues that copy frames can: memif's.
func (q *RxQueue) Fill(bufs []*pkt.Buf) int {
	if len(bufs) == 0 {
		return 0
	}
	return int(C.dp_fill(q.q, address(bufs), C.uint32_t(len(bufs))))
}

// Copy sends copies of the first n frames, n being its result; those that cannot be sent
// are counted and among the n. All buffers stay the caller's. Only queues that copy frames
// can: memif's.
func (q *TxQueue) Copy(bufs []*pkt.Buf) int {
	if len(bufs) == 0 {
		return 0
	}
	return int(C.dp_copy(q.q, address(bufs), C.uint32_t(len(bufs))))
}

// Arm asks the other side to signal when it sends. It returns false when packets wait
// already: then the worker must not sleep. Only memif queues know it; for others it
// returns true.
func (q *RxQueue) Arm() bool {
	return !q.memif || bool(C.dp_memif_arm(q.q))
}

func newRxQueue(index int, csum bool) *RxQueue {
	c := C.dp_rxq_new(C.bool(csum))
	return &RxQueue{q: C.uintptr_t(uintptr(unsafe.Pointer(c))), c: c, index: index}
}

func newTxQueue(index, maxFrame int) *TxQueue {
	c := C.dp_txq_new(C.uint32_t(maxFrame))
	return &TxQueue{q: C.uintptr_t(uintptr(unsafe.Pointer(c))), c: c, index: index}
}

// bind points the queue at the driver of a started port.
func (q *RxQueue) bind(p *Port) {
	if p.memif == nil {
		C.dp_rxq_bind(q.c, p.id, C.uint32_t(q.index))
	} else {
		C.dp_memif_bind_rx(p.memif.c, q.c, C.uint32_t(q.index))
		q.memif = true
	}
}

func (q *TxQueue) bind(p *Port) {
	if p.memif == nil {
		C.dp_txq_bind(q.c, p.id, C.uint32_t(q.index))
	} else {
		C.dp_memif_bind_tx(p.memif.c, q.c, C.uint32_t(q.index))
	}
}

func (q *RxQueue) free() { C.dp_rxq_free(q.c); q.c, q.q = nil, 0 }
func (q *TxQueue) free() { C.dp_txq_free(q.c); q.c, q.q = nil, 0 }
