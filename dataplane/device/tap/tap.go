package tap

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/netdev"
	"vpphost/dataplane/device/vdev"
	"vpphost/dataplane/dpdk"
)

// Options of a tap device.
type Options struct {
	ID         uint32       // names the host interface tapN unless HostIfName does
	MAC        [6]byte      // ours; random when all zero
	HostIfName string       // of the kernel's end
	HostNS     string       // its namespace (see netdev.In); ours when empty
	HostMAC    [6]byte      // random when all zero
	HostIP4    netip.Prefix // its addresses, when valid
	HostIP6    netip.Prefix
	HostGW     netip.Addr // the kernel's default gateway, when valid
	HostGW6    netip.Addr
	HostMTU    int // largest IP packet of the kernel's end; 1500 when 0
	Queues     int // pairs of queues, 1 when 0
}

const (
	// maxMTU is the driver's limit on what we send.
	maxMTU    = 1500
	maxQueues = 16
)

// Device is one tap. It is a device.Device.
type Device struct {
	*vdev.Device
	o      Options
	link   *netdev.Link
	mu     sync.Mutex
	watch  *netdev.Watcher
	closed bool
}

var _ device.Device = (*Device)(nil)

var seq atomic.Uint32

// Open makes a started device and the kernel's end of it, which is up when Open
// returns.
func Open(o Options, pool *dpdk.Pool) (*Device, error) {
	if err := o.complete(pool); err != nil {
		return nil, err
	}
	var d *Device
	err := netdev.In(o.HostNS, func() (err error) {
		d, err = open(o, pool)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("tap: %s: %w", o.HostIfName, err)
	}
	return d, nil
}

// complete checks o and fills in defaults.
func (o *Options) complete(pool *dpdk.Pool) error {
	if o.HostIfName == "" {
		o.HostIfName = fmt.Sprintf("tap%d", o.ID)
	}
	if len(o.HostIfName) >= unix.IFNAMSIZ || strings.ContainsAny(o.HostIfName, "/,=[]: \t%") {
		return fmt.Errorf("tap: %q cannot be the name of a host interface", o.HostIfName)
	}
	if o.HostMTU == 0 {
		o.HostMTU = min(maxMTU, vdev.MaxMTU(pool))
	}
	// The driver reads a packet into the buffer behind 4 bytes of its own.
	if most := min(65535, vdev.MaxMTU(pool)); o.HostMTU < 68 || o.HostMTU > most {
		return fmt.Errorf("tap: %s: host mtu %d: must be between 68 and %d, what a packet buffer holds",
			o.HostIfName, o.HostMTU, most)
	}
	o.Queues = max(o.Queues, 1)
	if o.Queues > maxQueues {
		return fmt.Errorf("tap: %s: %d queues: at most %d", o.HostIfName, o.Queues, maxQueues)
	}
	if o.HostIP4.IsValid() && !o.HostIP4.Addr().Is4() || o.HostIP6.IsValid() && !o.HostIP6.Addr().Is6() {
		return fmt.Errorf("tap: %s: host addresses %s and %s are of the wrong kind", o.HostIfName, o.HostIP4, o.HostIP6)
	}
	for _, mac := range []*[6]byte{&o.MAC, &o.HostMAC} {
		if *mac == [6]byte{} {
			_, _ = rand.Read(mac[2:])
			mac[0], mac[1] = 0x02, 0xfe
		}
	}
	return nil
}

// open runs in the host's namespace: the descriptors that the driver opens stay in it.
func open(o Options, pool *dpdk.Pool) (*Device, error) {
	if err := mayOpen(); err != nil {
		return nil, err
	}
	if _, err := netdev.Find(o.HostIfName); err == nil {
		// The driver would take over a tap of this name.
		return nil, fmt.Errorf("host interface: %w", os.ErrExist)
	} else if !errors.Is(err, netdev.ErrNoInterface) {
		return nil, err
	}
	port, err := dpdk.Attach(fmt.Sprintf("net_tap%d", seq.Add(1)),
		fmt.Sprintf("iface=%s,mac=%s", o.HostIfName, net.HardwareAddr(o.HostMAC[:])))
	if err != nil {
		return nil, err
	}
	d := &Device{o: o}
	if err := d.build(port, pool); err != nil {
		d.release()
		_ = port.Close()
		return nil, err
	}
	return d, nil
}

// mayOpen says clearly what the driver only says in its log.
func mayOpen() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	_ = unix.Close(fd)
	var caps [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &caps[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	if caps[0].Effective&(1<<unix.CAP_NET_ADMIN) == 0 {
		return fmt.Errorf("make a host interface: %w (this needs the capability net_admin)", unix.EPERM)
	}
	return nil
}

func (d *Device) build(port *dpdk.Port, pool *dpdk.Pool) error {
	frame := min(maxMTU, vdev.MaxMTU(pool)) + vdev.EthernetHeader
	var err error
	// One descriptor: the driver would chain as many buffers for each packet.
	d.Device, err = vdev.New(port, dpdk.PortConfig{RxQ: d.o.Queues, TxQ: d.o.Queues, RxDesc: 1, TxDesc: 1,
		Pool: pool, MaxFrame: frame})
	if err != nil {
		return err
	}
	fds, err := port.TapFDs()
	if err != nil {
		return err
	}
	d.Amend(func(i *device.Info) {
		i.MAC = d.o.MAC
		i.WakeFDs = fds
	})
	if err := d.setUpHost(); err != nil {
		return err
	}
	if err := port.Start(); err != nil {
		return err
	}
	port.SparsePolls()
	return d.check()
}

// setUpHost gives the kernel's end what was asked for. It goes up with the port.
func (d *Device) setUpHost() (err error) {
	o := &d.o
	if d.link, err = netdev.Find(o.HostIfName); err != nil {
		return err
	}
	if d.watch, err = d.link.Watch(); err != nil {
		return err
	}
	if err := d.link.SetMTU(o.HostMTU); err != nil {
		return err
	}
	if err := d.link.SetUp(true); err != nil {
		return err
	}
	for _, a := range []netip.Prefix{o.HostIP4, o.HostIP6} {
		if a.IsValid() {
			if err := d.link.AddAddr(a); err != nil {
				return err
			}
		}
	}
	for _, g := range []netip.Addr{o.HostGW, o.HostGW6} {
		if g.IsValid() {
			if err := d.link.AddDefaultRoute(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// check reads the kernel's end again: the driver, too, has set it up.
func (d *Device) check() error {
	l, err := netdev.Find(d.o.HostIfName)
	if err != nil {
		return err
	}
	d.link = l
	if l.MTU != d.o.HostMTU {
		return l.SetMTU(d.o.HostMTU)
	}
	return nil
}

func (d *Device) release() {
	if d.watch != nil {
		d.watch.Close()
		d.watch = nil
	}
}

// Start does nothing: the device is started from Open to Close.
func (d *Device) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fmt.Errorf("tap: %s: %w", d.o.HostIfName, os.ErrClosed)
	}
	return nil
}

// Stop does nothing.
func (d *Device) Stop() error { return nil }

// Close removes the device and the kernel's end. No worker may be in a queue call, then
// or later.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	d.release()
	return d.Device.Close()
}

// Options are those the device was made with, defaults filled in.
func (d *Device) Options() Options { return d.o }

// Link is up while the kernel's end is up.
func (d *Device) Link() device.Link {
	d.mu.Lock()
	defer d.mu.Unlock()
	return device.Link{Up: !d.closed && d.watch.Carrier()}
}

// SetMAC needs nothing of the kernel: all frames of its end come to us.
func (d *Device) SetMAC([6]byte) error { return nil }

// Details are the kernel's end.
func (d *Device) Details() []device.Detail {
	ns := d.o.HostNS
	if ns == "" {
		ns = "(ours)"
	}
	list := []device.Detail{
		{Name: "host interface", Value: d.link.Name},
		{Name: "host namespace", Value: ns},
		{Name: "host mac", Value: net.HardwareAddr(d.link.MAC[:]).String()},
		{Name: "host mtu", Value: d.o.HostMTU},
	}
	return append(list, d.Device.Details()...)
}
