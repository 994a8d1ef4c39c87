package afpacket

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/netdev"
	"vpphost/dataplane/device/vdev"
	"vpphost/dataplane/dpdk"
	"vpphost/dataplane/pkt"
)

const (
	// frameOverhead is what a received packet has before it in a ring frame: the ring's
	// header, the link-layer address and alignment (TPACKET_V2).
	frameOverhead = 66
	// sendOverhead is the same for a packet to send.
	sendOverhead = 32
	minBlock     = 64 << 10
	pageSize     = 4096
)

// DPDK is one kernel interface through DPDK's driver. It is a device.Device.
type DPDK struct {
	*vdev.Device
	o      Options
	rings  dpdk.Rings
	link   *netdev.Link
	watch  *netdev.Watcher
	mu     sync.Mutex
	fds    []int // one a queue, the driver's
	missed uint64
	closed bool
}

var _ device.Device = (*DPDK)(nil)

var seq atomic.Uint32

// geometry fits ring frames to the buffers of the pool: as large as the driver accepts,
// in steps of 1 kB so that a few pages hold whole frames.
func geometry(pool *dpdk.Pool, frames int) (dpdk.Rings, error) {
	size := (pool.Room() - pkt.Headroom + sendOverhead) &^ 1023
	if size < 2048 {
		return dpdk.Rings{}, fmt.Errorf("af_packet: packet buffers of %d bytes are too small, 2016 are needed",
			pool.Room()-pkt.Headroom)
	}
	block := pageSize
	for block%size != 0 || block < minBlock {
		block += pageSize
	}
	per := block / size
	return dpdk.Rings{Frames: (frames + per - 1) / per * per, FrameSize: size, BlockSize: block}, nil
}

// OpenDPDK makes a started device of the kernel interface, by DPDK's driver, and brings
// that up. The strings are warnings about the kernel's settings, each with what to do.
func OpenDPDK(o Options, pool *dpdk.Pool) (d *DPDK, warnings []string, err error) {
	err = o.in(func() error {
		d, warnings, err = openDPDK(o, pool)
		return err
	})
	return d, warnings, err
}

func openDPDK(o Options, pool *dpdk.Pool) (*DPDK, []string, error) {
	if err := o.complete(); err != nil {
		return nil, nil, err
	}
	link, err := netdev.Find(o.Interface)
	if err != nil {
		return nil, nil, fmt.Errorf("af_packet: %w", err)
	}
	rings, err := geometry(pool, o.Frames)
	if err != nil {
		return nil, nil, err
	}
	if err := mayOpen(); err != nil {
		return nil, nil, fmt.Errorf("af_packet: %s: %w", o.Interface, err)
	}
	if err := bringUp(link); err != nil {
		return nil, nil, err
	}
	port, err := dpdk.Attach(fmt.Sprintf("net_af_packet%d", seq.Add(1)),
		fmt.Sprintf("iface=%s,qpairs=%d,framesz=%d,framecnt=%d,blocksz=%d,qdisc_bypass=1",
			o.Interface, o.Queues, rings.FrameSize, rings.Frames, rings.BlockSize))
	if err != nil {
		return nil, nil, fmt.Errorf("af_packet: %s: %w", o.Interface, err)
	}
	d := &DPDK{o: o, rings: rings, link: link}
	if err := d.build(port, pool); err != nil {
		_ = port.Close()
		return nil, nil, fmt.Errorf("af_packet: %s: %w", o.Interface, err)
	}
	return d, warnings(link), nil
}

// mayOpen says clearly what the driver only says in its log.
func mayOpen() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open packet socket: %w", err)
	}
	return unix.Close(fd)
}

// build gives the port queues, starts it and takes over its sockets: the driver closes
// them for good when a port stops, so that a device is started for as long as it exists.
func (d *DPDK) build(port *dpdk.Port, pool *dpdk.Pool) error {
	frame := min(d.rings.FrameSize-frameOverhead, d.link.MTU+vdev.EthernetHeader)
	var err error
	d.Device, err = vdev.New(port, dpdk.PortConfig{RxQ: d.o.Queues, TxQ: d.o.Queues, Pool: pool, MaxFrame: frame})
	if err != nil {
		return err
	}
	if err := port.Start(); err != nil {
		return err
	}
	if d.fds, err = port.GuardRings(d.rings); err != nil {
		return err
	}
	if d.watch, err = d.link.Watch(); err != nil {
		return err
	}
	d.Amend(func(i *device.Info) {
		i.MAC = d.o.MAC
		i.WakeFDs = d.fds
		i.RxCsum = true
	})
	return nil
}

// Start does nothing: the device is started from Open to Close.
func (d *DPDK) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fmt.Errorf("af_packet: %s: %w", d.o.Interface, os.ErrClosed)
	}
	return nil
}

// Stop does nothing.
func (d *DPDK) Stop() error { return nil }

// Close removes the device; the kernel interface stays up. No worker may be in a queue
// call, then or later.
func (d *DPDK) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	d.watch.Close()
	return d.Device.Close()
}

// Link is up while the kernel interface is up and has a carrier.
func (d *DPDK) Link() device.Link {
	d.mu.Lock()
	defer d.mu.Unlock()
	return device.Link{Up: !d.closed && d.watch.Carrier()}
}

// Counters adds to the driver's what the kernel dropped because a ring was full.
func (d *DPDK) Counters() device.Counters {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.Device.Counters()
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
func (d *DPDK) SetMAC([6]byte) error { return nil }

// Details are the kernel's side and the rings.
func (d *DPDK) Details() []device.Detail {
	list := append(hostDetails(d.link),
		device.Detail{Name: "ring frames", Value: d.rings.Frames},
		device.Detail{Name: "frame size", Value: d.rings.FrameSize})
	return append(list, d.Device.Details()...)
}
