package sim

import (
	"sync"
	"sync/atomic"

	"vpphost/dataplane/device"
	"vpphost/dataplane/pkt"
)

// End is one end of a wire: a device with one queue each way. A burst call after Close, or
// with a packet of several buffers, panics, to show the bug.
type End struct {
	wire *Wire
	side int
	name string
	pool pkt.Pool
	cfg  Config
	out  *lane
	in   *lane

	mu     sync.Mutex
	mac    [6]byte
	closed atomic.Bool
}

var _ device.Device = (*End)(nil)

// Info describes the end; see Config for what it offers.
func (e *End) Info() device.Info {
	return device.Info{Driver: "sim", Name: e.name, MAC: e.MAC(), MaxMTU: e.cfg.MTU, RxQ: 1, TxQ: 1,
		TxCsum: e.cfg.Offload, RxCsum: e.cfg.Offload, TSO: e.cfg.Offload}
}

// MAC is the present address.
func (e *End) MAC() [6]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mac
}

// SetMAC changes the address; the wire itself does not look at it.
func (e *End) SetMAC(mac [6]byte) error {
	e.mu.Lock()
	e.mac = mac
	e.mu.Unlock()
	return nil
}

// Start and Stop have nothing to do.
func (e *End) Start() error { return nil }
func (e *End) Stop() error  { return nil }

// Close ends the use of this end. The other end finds its wire pulled.
func (e *End) Close() error {
	e.closed.Store(true)
	e.wire.SetUp(false)
	return nil
}

// Link tells whether the wire is plugged in.
func (e *End) Link() device.Link {
	return device.Link{Up: !e.wire.down.Load(), Mbps: uint32(e.cfg.Links[e.side].Rate / 1e6)}
}

// Rx and Tx are the queues; there is only queue 0.
func (e *End) Rx(int) device.RxQueue { return e }
func (e *End) Tx(int) device.TxQueue { return e }

// RxBurst hands out what has arrived.
func (e *End) RxBurst(bufs []*pkt.Buf) int {
	e.check()
	return e.in.receive(e.pool, bufs)
}

// TxBurst sends what the wire takes.
func (e *End) TxBurst(bufs []*pkt.Buf) int {
	e.check()
	for _, b := range bufs {
		if b.NbSegs != 1 {
			panic("sim: " + e.name + " is to send a packet of several buffers, which no driver takes")
		}
	}
	n := e.out.send(bufs)
	e.pool.Free(bufs[:n])
	return n
}

func (e *End) check() {
	if e.closed.Load() {
		panic("sim: " + e.name + " is used after Close")
	}
}

// Counters of this end.
func (e *End) Counters() device.Counters {
	out, in := e.wire.Stats(e.side), e.wire.Stats(1-e.side)
	return device.Counters{TxPackets: out.Sent, TxBytes: out.Bytes, RxPackets: in.Received,
		RxErrors: in.TooLong, RxNoBufs: in.NoBuffer}
}

// Details are the wire's settings and counters.
func (e *End) Details() []device.Detail {
	s := e.wire.Stats(e.side)
	return []device.Detail{{Name: "sent", Value: s.Sent}, {Name: "passed", Value: s.Fates[Passed]},
		{Name: "lost", Value: s.Fates[Lost]}, {Name: "queue full", Value: s.Fates[QueueFull]}}
}
