package device

import (
	"errors"

	"vpphost/dataplane/pkt"
)

// ErrUnsupported is returned for what a device cannot do.
var ErrUnsupported = errors.New("not supported by this device")

// Device is one port. Everything here is control path and may block.
type Device interface {
	Info() Info
	// Start makes the queues usable; Stop ends that. No worker may be in a queue
	// call while Stop or Close runs.
	Start() error
	Stop() error
	Close() error
	Rx(queue int) RxQueue
	Tx(queue int) TxQueue
	Link() Link
	// Counters reads the device's own statistics.
	Counters() Counters
	SetMAC(mac [6]byte) error
	// Details are the driver's own lines for "show hardware-interfaces" and for
	// "show memif" and its like: name and value, in print order.
	Details() []Detail
}

// RxQueue is polled by one worker. RxBurst never blocks and never allocates Go
// memory; it fills bufs from the front and returns how many it filled. The caller
// owns them. bufs must be off-heap (see mem.Slice) and no longer than pkt.MaxBurst.
type RxQueue interface {
	RxBurst(bufs []*pkt.Buf) int
}

// TxQueue is fed by one worker. TxBurst takes ownership of the first n buffers, n
// being its result, and never blocks; the caller keeps the rest. bufs as above; each
// packet is in one buffer.
type TxQueue interface {
	TxBurst(bufs []*pkt.Buf) int
}

// RxCopier is a receive queue that copies frames out of memory of its own, and so needs
// buffers to copy them into: RxCopy fills the first n of bufs, n being its result. All of
// bufs must be fresh buffers (see pkt.Cache.Get) and stay the caller's. Who polls uses
// RxCopy instead of RxBurst: buffers that the same worker has just freed are in its cache.
type RxCopier interface {
	RxQueue
	RxCopy(bufs []*pkt.Buf) int
}

// TxCopier is a transmit queue that copies frames into memory of its own. TxCopy is done
// with the first n buffers, n being its result; all of bufs stay the caller's.
type TxCopier interface {
	TxQueue
	TxCopy(bufs []*pkt.Buf) int
}

// Info is what a port is and can do; it does not change while the port exists.
type Info struct {
	Driver string  // DPDK's or our own name of the driver
	Name   string  // the device's own name, net_memif0
	MAC    [6]byte // at creation
	MaxMTU int     // largest IP packet, 0 when not limited
	RxQ    int     // queues, as created
	TxQ    int
	// WakeFDs become readable when packets wait (epoll); empty when the device
	// cannot wake a sleeping worker.
	WakeFDs []int
	// TxCsum and TSO tell that the device completes transport checksums and cuts
	// large segments (pkt.CsumPartial).
	TxCsum, TSO bool
	// RxCsum tells that the device sets pkt.L4Good on packets it has verified.
	RxCsum bool
}

// Link is the present state of the wire.
type Link struct {
	Up   bool
	Mbps uint32 // 0 when unknown
}

// Counters of the device itself.
type Counters struct {
	RxPackets, RxBytes, TxPackets, TxBytes uint64
	RxMissed, RxErrors, TxErrors, RxNoBufs uint64
}

// Detail is one printable fact.
type Detail struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}
