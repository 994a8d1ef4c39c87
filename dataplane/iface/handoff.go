package iface

import (
	"sync/atomic"
	"unsafe"
	"vpphost/dataplane/device"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// ringLen is the length of a hand-off ring.
const ringLen = 1024

// ring hands frames from one worker to the one that owns a transmit queue. It has one
// producer and one consumer. To the producer it looks like a device's queue, refusals
// included, so that back-pressure passes through.
type ring struct {
	_      [64]byte
	head   atomic.Uint32 // next to take; written by the consumer
	_      [60]byte
	tail   atomic.Uint32 // next to fill; written by the producer
	_      [60]byte
	slots  []*pkt.Buf
	region *mem.Region
	owner  *worker.Worker
}

func newRing(owner *worker.Worker) (*ring, error) {
	r, err := mem.Map(ringLen * int(unsafe.Sizeof((*pkt.Buf)(nil))))
	if err != nil {
		return nil, err
	}
	return &ring{slots: unsafe.Slice((**pkt.Buf)(r.Base()), ringLen), region: r, owner: owner}, nil
}

// TxBurst puts frames in and wakes the owner.
func (r *ring) TxBurst(bufs []*pkt.Buf) int {
	tail := r.tail.Load()
	n := min(len(bufs), ringLen-int(tail-r.head.Load()))
	for k, b := range bufs[:n] {
		r.slots[(tail+uint32(k))%ringLen] = b
	}
	r.tail.Store(tail + uint32(n))
	if n > 0 {
		r.owner.Wake()
	}
	return n
}

// pop takes frames out, oldest first.
func (r *ring) pop(bufs []*pkt.Buf) int {
	head := r.head.Load()
	n := min(len(bufs), int(r.tail.Load()-head))
	for k := range n {
		bufs[k] = r.slots[(head+uint32(k))%ringLen]
	}
	r.head.Store(head + uint32(n))
	return n
}

func (r *ring) close() { r.region.Close() }

// wireTx gives every port its way out: a transmit queue of its own, or a ring to the
// worker that owns the queue. Queue q belongs to worker q.
func wireTx(i *Interface, stations []*station, ports []*port) error {
	if i.Dev == nil {
		return nil
	}
	queues := max(1, i.info.TxQ)
	for k, p := range ports {
		owner := k % queues
		if owner == k {
			p.out = i.Dev.Tx(k)
			p.copies, _ = p.out.(device.TxCopier)
			continue
		}
		r, err := newRing(stations[owner].w)
		if err != nil {
			return err
		}
		p.out, p.shared = r, true
		ports[owner].from = append(ports[owner].from, r)
	}
	return nil
}
