package vdev

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device"
	"vpphost/dataplane/dpdk"
	"vpphost/dataplane/pkt"
)

// EthernetHeader is what a frame has before its IP packet, in bytes. Tagged frames are
// not sent.
const EthernetHeader = 14

// Options of a port.
type Options struct {
	// Name is DPDK's: 0000:00:05.0 for a PCI device, net_null0 for a virtual one, whose
	// beginning names the driver.
	Name string
	// Args are the arguments of a virtual device, as in --vdev: "size=64".
	Args           string
	RxQ, TxQ       int // queues, 1 when 0
	RxDesc, TxDesc int // descriptors of each, 1024 when 0
	// MTU is the largest IP packet in bytes; 0 is what fits a packet buffer on a
	// virtual device, and 1500 on a PCI device.
	MTU int
	MAC [6]byte // address to set; all zero keeps the device's own
}

// Device is a DPDK port. It is a device.Device.
type Device struct {
	Port *dpdk.Port
	info device.Info
	set  dpdk.PortConfig
}

var _ device.Device = (*Device)(nil)

// Open takes the port that EAL knows by the name, or creates the virtual device, and
// gives it its queues. It is not started.
func Open(o Options, pool *dpdk.Pool) (*Device, error) {
	if o.Name == "" {
		return nil, errors.New("vdev: a device needs a name")
	}
	virtual := !strings.Contains(o.Name, ":")
	port, err := dpdk.Find(o.Name)
	if err != nil {
		if errors.Is(err, dpdk.ErrNotInitialized) || !virtual {
			return nil, fmt.Errorf("vdev: %w", err)
		}
		if port, err = dpdk.Attach(o.Name, o.Args); err != nil {
			return nil, fmt.Errorf("vdev: %w", err)
		}
	}
	set := dpdk.PortConfig{RxQ: o.RxQ, TxQ: o.TxQ, RxDesc: o.RxDesc, TxDesc: o.TxDesc,
		Pool: pool, MTU: o.MTU, RxCsum: !virtual}
	fits := MaxMTU(pool)
	mtu := o.MTU
	switch {
	case mtu > fits:
		err = fmt.Errorf("vdev: %s: an mtu of %d needs packet buffers of %d bytes, they have %d",
			o.Name, mtu, mtu+EthernetHeader, fits+EthernetHeader)
	case virtual:
		set.MTU = 0
		if mtu == 0 {
			mtu = fits
		}
	case mtu == 0:
		mtu = min(1500, fits)
		set.MTU = mtu
	}
	var d *Device
	if err == nil {
		set.MaxFrame = mtu + EthernetHeader
		d, err = New(port, set)
	}
	if err == nil {
		err = port.HearMulticast()
	}
	if err == nil && o.MAC != [6]byte{} {
		err = d.SetMAC(o.MAC)
		d.info.MAC = o.MAC
	}
	if err != nil {
		_ = port.Close()
		return nil, err
	}
	return d, nil
}

// MaxMTU is the largest IP packet whose frame fits a buffer of the pool, in bytes.
func MaxMTU(pool *dpdk.Pool) int { return pool.Room() - pkt.Headroom - EthernetHeader }

// New makes a Device of an open port by giving it queues. The caller keeps the port
// when it fails.
func New(port *dpdk.Port, set dpdk.PortConfig) (*Device, error) {
	if err := port.Configure(set); err != nil {
		return nil, fmt.Errorf("vdev: %w", err)
	}
	rx, tx := port.Queues()
	return &Device{Port: port, set: set, info: device.Info{
		Driver: port.Driver(), Name: port.Name(), MAC: port.MAC(),
		MaxMTU: set.MaxFrame - EthernetHeader, RxQ: rx, TxQ: tx, RxCsum: port.RxCsum(),
	}}, nil
}

// Info is what the port is and can do.
func (d *Device) Info() device.Info { return d.info }

// Amend lets a driver built on Device correct its Info while it is being made.
func (d *Device) Amend(f func(*device.Info)) { f(&d.info) }

// Start makes the queues usable.
func (d *Device) Start() error { return d.Port.Start() }

// Stop ends that. No worker may be in a queue call.
func (d *Device) Stop() error { return d.Port.Stop() }

// Close stops and removes the port. No worker may be in a queue call.
func (d *Device) Close() error { return d.Port.Close() }

// Rx and Tx are the queues.
func (d *Device) Rx(queue int) device.RxQueue { return d.Port.Rx(queue) }
func (d *Device) Tx(queue int) device.TxQueue { return d.Port.Tx(queue) }

// Link is the present state of the wire.
func (d *Device) Link() device.Link {
	up, mbps := d.Port.Link()
	return device.Link{Up: up, Mbps: mbps}
}

// Counters are packets and bytes through the queues, the driver's own errors, and what
// was dropped at our edge among the errors.
func (d *Device) Counters() device.Counters {
	s := d.Port.Stats()
	return device.Counters{
		RxPackets: s.RxPackets, RxBytes: s.RxBytes, TxPackets: s.TxPackets, TxBytes: s.TxBytes,
		RxMissed: s.RxMissed, RxErrors: s.RxErrors + s.RxChained + s.RxTruncated + s.RxMalformed,
		TxErrors: s.TxErrors + s.TxOversize + s.TxChained, RxNoBufs: s.RxNoBufs,
	}
}

// SetMAC changes the port's address.
func (d *Device) SetMAC(mac [6]byte) error {
	err := d.Port.SetMAC(mac)
	if errors.Is(err, unix.ENOTSUP) {
		return fmt.Errorf("vdev: %s: set mac address: %w", d.info.Name, device.ErrUnsupported)
	}
	return err
}

// Details are the driver, the queues and the named drops, of which those that never
// happened are left out.
func (d *Device) Details() []device.Detail {
	list := []device.Detail{
		{Name: "driver", Value: d.info.Driver},
		{Name: "rx queues", Value: d.info.RxQ},
		{Name: "tx queues", Value: d.info.TxQ},
		{Name: "max frame", Value: d.set.MaxFrame},
	}
	return append(list, d.Drops()...)
}

// Drops are the reasons for which packets were dropped at this edge, with their
// numbers.
func (d *Device) Drops() []device.Detail {
	s := d.Port.Stats()
	var list []device.Detail
	for _, x := range []struct {
		name string
		n    uint64
	}{
		{"rx chained, larger than a buffer", s.RxChained},
		{"rx cut by the kernel", s.RxTruncated},
		{"rx malformed", s.RxMalformed},
		{"tx frame too long", s.TxOversize},
		{"tx chained", s.TxChained},
	} {
		if x.n != 0 {
			list = append(list, device.Detail{Name: x.name, Value: x.n})
		}
	}
	return list
}
