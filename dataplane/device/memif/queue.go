package memif

import (
	"vpphost/dataplane/device"
	"vpphost/dataplane/dpdk"
	"vpphost/dataplane/pkt"
)

// rxQueue is a receive queue: it copies frames, and can ask the peer to ring.
type rxQueue struct {
	q    *dpdk.RxQueue
	bell *bell
	pool *dpdk.Pool
}

// txQueue is a transmit queue, which copies frames.
type txQueue struct {
	q    *dpdk.TxQueue
	pool *dpdk.Pool
}

var (
	_ device.RxCopier = (*rxQueue)(nil)
	_ device.Bell     = (*rxQueue)(nil)
	_ device.TxCopier = (*txQueue)(nil)
)

// Rx and Tx are the queues.
func (d *Device) Rx(i int) device.RxQueue { return &rxQueue{d.Port.Rx(i), d.bells[i], d.pool} }
func (d *Device) Tx(i int) device.TxQueue { return &txQueue{d.Port.Tx(i), d.pool} }

func (q *rxQueue) RxCopy(bufs []*pkt.Buf) int { return q.q.Fill(bufs) }
func (q *txQueue) TxCopy(bufs []*pkt.Buf) int { return q.q.Copy(bufs) }

// RxBurst is RxCopy for those who have no buffers at hand.
func (q *rxQueue) RxBurst(bufs []*pkt.Buf) int {
	n := q.pool.Alloc(bufs)
	got := q.q.Fill(bufs[:n])
	q.pool.Free(bufs[got:n])
	return got
}

// TxBurst is TxCopy for those who want to be rid of their buffers.
func (q *txQueue) TxBurst(bufs []*pkt.Buf) int {
	n := q.q.Copy(bufs)
	for _, b := range bufs[:n] {
		q.pool.FreeChain(b)
	}
	return n
}
