package dpdk

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Port is one Ethernet device of DPDK. Its methods are control path and may block.
type Port struct {
	id      C.uint32_t
	name    string
	driver  string
	mac     [6]byte
	hot     bool // made by Attach: Close removes the device
	ifindex int
	maxRxQ  int
	maxTxQ  int
	rxCsum  bool
	started bool
	closed  bool
	rx      []*RxQueue
	tx      []*TxQueue
	memif   *Memif
}

// PortConfig is how a port is set up.
type PortConfig struct {
	RxQ, TxQ       int // queues, 1 when 0
	RxDesc, TxDesc int // descriptors of each, 1024 when 0
	Pool           *Pool
	// MaxFrame is the longest frame in bytes, Ethernet header included, that is given
	// to the driver; longer ones are dropped and counted.
	MaxFrame int
	// MTU is asked of the driver, 0 for its default. Software drivers pass longer
	// frames all the same and refuse to be asked.
	MTU int
	// RxCsum asks the driver to verify transport checksums, if it can.
	RxCsum bool
}

// Stats are a port's counters since it was made.
type Stats struct {
	// What went through our queues; bytes of frames from the Ethernet header on.
	RxPackets, RxBytes, TxPackets, TxBytes uint64
	// What the driver counts.
	RxMissed, RxErrors, TxErrors, RxNoBufs uint64
	// Edge drops: packets of several segments that fit no buffer, packets that the
	// kernel cut, lengths that cannot be, frames too long to send, chains to send.
	RxChained, RxTruncated, RxMalformed, TxOversize, TxChained uint64
}

func openPort(id C.int, name string, hot bool) (*Port, error) {
	p := &Port{id: C.uint32_t(id), name: name, hot: hot}
	var info C.struct_dp_port_info
	if r := C.dp_port_info(p.id, &info); r != 0 {
		return nil, p.fail("read", r, nil)
	}
	p.driver = C.GoString(&info.driver[0])
	p.ifindex = int(info.ifindex)
	p.maxRxQ, p.maxTxQ = int(info.max_rxq), int(info.max_txq)
	p.mac = *(*[6]byte)(unsafe.Pointer(&info.mac))
	return p, nil
}

func (p *Port) fail(op string, r C.int, m *mark) error {
	e := &Error{Op: op + " " + p.name, Errno: unix.Errno(-r)}
	if m != nil {
		e.Detail = m.failure()
	}
	return e
}

// Name is the device's name, Driver that of its driver. Ifindex is the kernel
// interface behind it, 0 when there is none. MAC is the address at creation.
func (p *Port) Name() string   { return p.name }
func (p *Port) Driver() string { return p.driver }
func (p *Port) Ifindex() int   { return p.ifindex }
func (p *Port) MAC() [6]byte   { return p.mac }

// Configure gives the port its queues. It must be stopped and configured only once.
func (p *Port) Configure(c PortConfig) error {
	c.RxQ, c.TxQ = max(c.RxQ, 1), max(c.TxQ, 1)
	if c.RxDesc == 0 {
		c.RxDesc = 1024
	}
	if c.TxDesc == 0 {
		c.TxDesc = 1024
	}
	if p.rx != nil {
		return fmt.Errorf("dpdk: %s is configured already", p.name)
	}
	if c.RxQ > p.maxRxQ || c.TxQ > p.maxTxQ {
		return fmt.Errorf("dpdk: %s: %d receive and %d transmit queues: the driver has %d and %d",
			p.name, c.RxQ, c.TxQ, p.maxRxQ, p.maxTxQ)
	}
	control.Lock()
	defer control.Unlock()
	m := logMark()
	var csum C.bool
	if r := C.dp_port_setup(p.id, C.uint32_t(c.RxQ), C.uint32_t(c.TxQ), C.uint32_t(c.RxDesc),
		C.uint32_t(c.TxDesc), c.Pool.mp, C.uint32_t(c.MTU), C.bool(c.RxCsum), &csum); r != 0 {
		return p.fail("configure", r, m)
	}
	p.rxCsum = bool(csum)
	for i := range c.RxQ {
		p.rx = append(p.rx, newRxQueue(i, bool(csum)))
	}
	for i := range c.TxQ {
		p.tx = append(p.tx, newTxQueue(i, c.MaxFrame))
	}
	return nil
}

// Start makes the queues usable.
func (p *Port) Start() error {
	control.Lock()
	defer control.Unlock()
	m := logMark()
	if r := C.dp_port_start(p.id); r != 0 {
		return p.fail("start", r, m)
	}
	p.started = true
	for _, q := range p.rx {
		q.bind(p)
	}
	for _, q := range p.tx {
		q.bind(p)
	}
	return nil
}

// Stop ends the use of the queues: they give and take nothing afterwards. No worker
// may be in one of them.
func (p *Port) Stop() error {
	control.Lock()
	defer control.Unlock()
	if !p.started {
		return nil
	}
	for _, q := range p.rx {
		C.dp_rxq_unbind(q.c)
	}
	for _, q := range p.tx {
		C.dp_txq_unbind(q.c)
	}
	return p.stop()
}

func (p *Port) stop() error {
	m := logMark()
	r := C.dp_port_stop(p.id)
	p.started = false
	if r != 0 {
		return p.fail("stop", r, m)
	}
	return nil
}

// Close stops the port and, when Attach made it, removes the device. No worker may be
// in one of its queues, then or later.
func (p *Port) Close() error {
	if p.closed {
		return nil
	}
	err := p.Stop()
	control.Lock()
	defer control.Unlock()
	p.closed = true
	p.memif.free(p)
	m := logMark()
	if p.hot {
		cname := C.CString(p.name)
		defer C.free(unsafe.Pointer(cname))
		if r := C.dp_port_detach(cname); r != 0 {
			err = p.fail("remove", r, m)
		}
	} else if r := C.dp_port_close(p.id); r != 0 {
		err = p.fail("close", r, m)
	}
	for _, q := range p.rx {
		q.free()
	}
	for _, q := range p.tx {
		q.free()
	}
	p.rx, p.tx = nil, nil
	return err
}

// Rx and Tx are the queues made by Configure.
func (p *Port) Rx(i int) *RxQueue { return p.rx[i] }
func (p *Port) Tx(i int) *TxQueue { return p.tx[i] }

// Queues is how many there are.
func (p *Port) Queues() (rx, tx int) { return len(p.rx), len(p.tx) }

// RxCsum tells whether received packets carry the driver's checksum verdict.
func (p *Port) RxCsum() bool { return p.rxCsum }

// Link tells whether the wire is up, and its speed in Mb/s, 0 when unknown.
func (p *Port) Link() (up bool, mbps uint32) {
	if p.closed {
		return false, 0
	}
	var m C.uint32_t
	r := C.dp_port_link(p.id, &m)
	return r == 1, uint32(m)
}

// SetMAC changes the port's address.
func (p *Port) SetMAC(mac [6]byte) error {
	control.Lock()
	defer control.Unlock()
	m := logMark()
	if r := C.dp_port_set_mac(p.id, (*C.uint8_t)(unsafe.Pointer(&mac))); r != 0 {
		return p.fail("set mac address of", r, m)
	}
	p.mac = mac
	return nil
}

// HearMulticast makes the port receive frames for groups, which IPv6 needs, or all frames
// when it cannot choose.
func (p *Port) HearMulticast() error {
	control.Lock()
	defer control.Unlock()
	m := logMark()
	if r := C.dp_port_hear(p.id); r != 0 {
		return p.fail("receive multicast on", r, m)
	}
	return nil
}

// Stats reads the counters.
func (p *Port) Stats() (s Stats) {
	if p.closed {
		return s
	}
	var d C.struct_dp_port_stats
	if C.dp_port_stats(p.id, &d) == 0 {
		s = Stats{RxMissed: uint64(d.rx_missed), RxErrors: uint64(d.rx_errors),
			TxErrors: uint64(d.tx_errors), RxNoBufs: uint64(d.rx_no_bufs)}
	}
	var c C.struct_dp_queue_stats
	for _, q := range p.rx {
		C.dp_rxq_stats(q.c, &c)
		s.RxPackets += uint64(c.packets)
		s.RxBytes += uint64(c.bytes)
		s.RxChained += uint64(c.chained)
		s.RxTruncated += uint64(c.truncated)
		s.RxMalformed += uint64(c.malformed)
	}
	for _, q := range p.tx {
		C.dp_txq_stats(q.c, &c)
		s.TxPackets += uint64(c.packets)
		s.TxBytes += uint64(c.bytes)
		s.TxOversize += uint64(c.oversize)
		s.TxChained += uint64(c.chained)
	}
	return s
}
