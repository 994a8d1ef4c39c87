package dpdk

// #include <stdlib.h>
// #include <rte_dev.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Port is one Ethernet device of DPDK. Its methods are control path and may block.
type Port struct {
	id      C.uint16_t
	name    string
	driver  string
	mac     [6]byte
	hot     bool // made by Attach: Close removes the device
	ifindex int
	maxRxQ  int
	maxTxQ  int
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

func openPort(id uint16, name string, hot bool) (*Port, error) {
	p := &Port{id: C.uint16_t(id), name: name, hot: hot}
	var info C.struct_rte_eth_dev_info
	if r := C.dp_port_info(p.id, &info); r != 0 {
		return nil, p.fail("read", r, nil)
	}
	p.driver = C.GoString(info.driver_name)
	p.ifindex = int(info.if_index)
	p.maxRxQ, p.maxTxQ = int(info.max_rx_queues), int(info.max_tx_queues)
	var mac C.struct_rte_ether_addr
	if r := C.rte_eth_macaddr_get(p.id, &mac); r != 0 {
		return nil, p.fail("read mac address", r, nil)
	}
	p.mac = *(*[6]byte)(unsafe.Pointer(&mac))
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
	if r := C.dp_port_setup(p.id, C.uint16_t(c.RxQ), C.uint16_t(c.TxQ), C.uint16_t(c.RxDesc),
		C.uint16_t(c.TxDesc), c.Pool.mp, C.uint16_t(c.MTU), C.bool(c.RxCsum), &csum); r != 0 {
		return p.fail("configure", r, m)
	}
	for i := range c.RxQ {
		q := newRxQueue(i)
		q.c.csum = csum
		p.rx = append(p.rx, q)
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
	if r := C.rte_eth_dev_start(p.id); r != 0 {
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
	r := C.rte_eth_dev_stop(p.id)
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
		bus, cname := C.CString("vdev"), C.CString(p.name)
		defer C.free(unsafe.Pointer(bus))
		defer C.free(unsafe.Pointer(cname))
		if r := C.rte_eal_hotplug_remove(bus, cname); r != 0 {
			err = p.fail("remove", r, m)
		}
	} else if r := C.rte_eth_dev_close(p.id); r != 0 {
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
func (p *Port) RxCsum() bool { return len(p.rx) > 0 && bool(p.rx[0].c.csum) }

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
	a := *(*C.struct_rte_ether_addr)(unsafe.Pointer(&mac))
	if r := C.rte_eth_dev_default_mac_addr_set(p.id, &a); r != 0 {
		return p.fail("set mac address of", r, m)
	}
	p.mac = mac
	return nil
}

// SetPromiscuous makes the port receive frames for all addresses.
func (p *Port) SetPromiscuous(on bool) error {
	control.Lock()
	defer control.Unlock()
	m := logMark()
	var r C.int
	if on {
		r = C.rte_eth_promiscuous_enable(p.id)
	} else {
		r = C.rte_eth_promiscuous_disable(p.id)
	}
	if r != 0 {
		return p.fail("set promiscuous mode of", r, m)
	}
	return nil
}

// Stats reads the counters.
func (p *Port) Stats() (s Stats) {
	if p.closed {
		return s
	}
	var c C.struct_rte_eth_stats
	if C.rte_eth_stats_get(p.id, &c) != 0 {
		return s
	}
	s = Stats{RxMissed: uint64(c.imissed), RxErrors: uint64(c.ierrors),
		TxErrors: uint64(c.oerrors), RxNoBufs: uint64(c.rx_nombuf)}
	for _, q := range p.rx {
		s.RxPackets += uint64(q.c.packets)
		s.RxBytes += uint64(q.c.bytes)
		s.RxChained += uint64(q.c.chained)
		s.RxTruncated += uint64(q.c.truncated)
		s.RxMalformed += uint64(q.c.malformed)
	}
	for _, q := range p.tx {
		s.TxPackets += uint64(q.c.packets)
		s.TxBytes += uint64(q.c.bytes)
		s.TxOversize += uint64(q.c.oversize)
		s.TxChained += uint64(q.c.chained)
	}
	return s
}
