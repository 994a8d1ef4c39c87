package afpacket

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/netdev"
	"vpphost/dataplane/device/vdev"
	"vpphost/dataplane/pkt"
)

// Device is one kernel interface through our own driver. It is a device.Device and a
// device.Ringer.
type Device struct {
	o     Options
	link  *netdev.Link
	info  device.Info
	watch *netdev.Watcher
	rx    []*rxQueue
	tx    []*txQueue

	mu     sync.Mutex
	fds    []int
	missed uint64
	closed bool
}

var (
	_ device.Device = (*Device)(nil)
	_ device.Ringer = (*Device)(nil)
)

// Open makes a started device of the kernel interface and brings that up.
func Open(o Options, pool pkt.Pool) (d *Device, err error) {
	err = o.in(func() error {
		d, err = open(o, pool)
		return err
	})
	return d, err
}

func open(o Options, pool pkt.Pool) (*Device, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	link, err := netdev.Find(o.Interface)
	if err != nil {
		return nil, fmt.Errorf("af_packet: %w", err)
	}
	room := pool.Room() - pkt.Headroom
	if room < vdev.EthernetHeader+minMTU {
		return nil, fmt.Errorf("af_packet: packet buffers of %d bytes are too small, %d are needed", room, vdev.EthernetHeader+minMTU)
	}
	frame := min(room, link.MTU+vdev.EthernetHeader)
	d := &Device{o: o, link: link, info: device.Info{Driver: "af_packet", Name: o.Interface, MAC: o.MAC,
		MaxMTU: frame - vdev.EthernetHeader, RxQ: o.Queues, TxQ: o.Queues, TxCsum: !o.NoOffload, RxCsum: true}}
	// A socket that is bound to an interface that is down begins with an error.
	if err := bringUp(link); err != nil {
		return nil, err
	}
	if err := d.build(pool, frame); err != nil {
		return nil, errors.Join(fmt.Errorf("af_packet: %s: %w", o.Interface, err), d.Close())
	}
	return d, nil
}

// minMTU is what every host takes: without it IPv6 is not to be had (RFC 8200 section 5).
const minMTU = 1280

func (d *Device) build(pool pkt.Pool, frame int) error {
	group := -1
	fanout := &group
	if d.o.Queues == 1 {
		fanout = nil
	}
	for range d.o.Queues {
		fd, err := openSocket(d.link, &d.o, fanout)
		if err != nil {
			return err
		}
		d.fds = append(d.fds, fd)
		rx, err := newRxQueue(fd, pool)
		if err != nil {
			return err
		}
		d.rx = append(d.rx, rx)
		tx, err := newTxQueue(fd, pool, frame, &d.o)
		if err != nil {
			return err
		}
		d.tx = append(d.tx, tx)
	}
	var err error
	d.watch, err = d.link.Watch()
	return err
}

// Info is what the device is and can do.
func (d *Device) Info() device.Info { return d.info }

// Start does nothing: the device is started from Open to Close.
func (d *Device) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fmt.Errorf("af_packet: %s: %w", d.o.Interface, os.ErrClosed)
	}
	return nil
}

// Stop does nothing.
func (d *Device) Stop() error { return nil }

// Close removes the device; the kernel interface stays up. No worker may be in a queue
// call, then or later.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	if d.watch != nil {
		d.watch.Close()
	}
	for _, fd := range d.fds {
		_ = unix.Close(fd)
	}
	for _, q := range d.rx {
		q.close()
	}
	for _, q := range d.tx {
		q.close()
	}
	return nil
}

// Rx and Tx are the queues.
func (d *Device) Rx(queue int) device.RxQueue { return d.rx[queue] }
func (d *Device) Tx(queue int) device.TxQueue { return d.tx[queue] }

// Bells are the sockets, one for each receive queue.
func (d *Device) Bells() []int { return d.fds }

// Link is up while the kernel interface is up and has a carrier.
func (d *Device) Link() device.Link {
	d.mu.Lock()
	defer d.mu.Unlock()
	return device.Link{Up: !d.closed && d.watch.Carrier()}
}

// Counters are packets and bytes through the queues, in the stack's segments, and what was
// dropped. Missed is what the kernel had no room to keep for us.
func (d *Device) Counters() (c device.Counters) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.rx {
		c.RxPackets += q.packets.Load()
		c.RxBytes += q.bytes.Load()
		for i := range q.drops {
			c.RxErrors += q.drops[i].Load()
		}
	}
	for _, q := range d.tx {
		c.TxPackets += q.sent.Load()
		c.TxBytes += q.bytes.Load()
		for i := range q.drops {
			c.TxErrors += q.drops[i].Load()
		}
	}
	if !d.closed {
		for _, fd := range d.fds {
			// Reading sets the kernel's counter to zero.
			if s, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
				d.missed += uint64(s.Drops)
			}
		}
	}
	c.RxMissed = d.missed
	return c
}

// SetMAC needs nothing of the kernel: the interface is promiscuous.
func (d *Device) SetMAC([6]byte) error { return nil }

// Details are the kernel's side, the sockets, how many large packets went through them,
// and the reasons for which packets were dropped, of which those that never happened are
// left out.
func (d *Device) Details() []device.Detail {
	offload := "checksum and segmentation"
	switch {
	case d.o.NoOffload:
		offload = "off"
	case d.tx[0].alone.Load():
		offload = "checksum"
	}
	list := append(hostDetails(d.link),
		device.Detail{Name: "rx queues", Value: d.info.RxQ},
		device.Detail{Name: "tx queues", Value: d.info.TxQ},
		device.Detail{Name: "max frame", Value: d.info.MaxMTU + vdev.EthernetHeader},
		device.Detail{Name: "tx offload", Value: offload})
	add := func(name string, n uint64, always bool) {
		if n != 0 || always {
			list = append(list, device.Detail{Name: name, Value: n})
		}
	}
	var rxLarge, txLarge uint64
	var rx [rxReasons]uint64
	var tx [txReasons]uint64
	for _, q := range d.rx {
		rxLarge += q.larges.Load()
		for i := range rx {
			rx[i] += q.drops[i].Load()
		}
	}
	for _, q := range d.tx {
		txLarge += q.larges.Load()
		for i := range tx {
			tx[i] += q.drops[i].Load()
		}
	}
	add("rx large packets", rxLarge, true)
	add("tx large packets", txLarge, true)
	for i, n := range rx {
		add(rxNames[i], n, false)
	}
	for i, n := range tx {
		add(txNames[i], n, false)
	}
	return list
}
