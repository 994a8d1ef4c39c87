package afpacket

import (
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/netdev"
)

// Options of an af_packet device.
type Options struct {
	Interface string // of the kernel: eth0
	NetNS     string // where it is (see netdev.In); ours when empty
	MAC       [6]byte
	Queues    int // pairs of a receive and a transmit queue, 1 when 0
	// Frames is how many packets wait for us in the kernel, a queue; 1024 when 0. To the
	// kernel that is memory (see bytesPerFrame): more of them when they are small. A ring
	// of DPDK's driver takes Frames times the room of a packet buffer.
	Frames int
	// QueueingDiscipline sends through that of the kernel interface. NoOffload sends
	// packets as they are, with complete checksums. Both are for our own driver.
	QueueingDiscipline, NoOffload bool
}

// complete fills in the defaults.
func (o *Options) complete() error {
	if o.Queues == 0 {
		o.Queues = 1
	}
	if o.Frames == 0 {
		o.Frames = 1024
	}
	if o.Queues < 1 || o.Queues > 64 || o.Frames < 8 || o.Frames > 1<<16 {
		return fmt.Errorf("af_packet: %s: %d queues of %d frames", o.Interface, o.Queues, o.Frames)
	}
	if o.MAC == [6]byte{} {
		// A locally administered address, 02:fe: as VPP's are.
		_, _ = rand.Read(o.MAC[2:])
		o.MAC[0], o.MAC[1] = 0x02, 0xfe
	}
	return nil
}

// in runs f in the interface's network namespace.
func (o *Options) in(f func() error) error {
	err := netdev.In(o.NetNS, f)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		err = fmt.Errorf("%w (this needs the capabilities net_raw and net_admin)", err)
	}
	return err
}

func bringUp(l *netdev.Link) error {
	if l.Up {
		return nil
	}
	if err := l.SetUp(true); err != nil {
		return fmt.Errorf("af_packet: %w", err)
	}
	return nil
}

// hostDetails are the kernel's side of a device.
func hostDetails(l *netdev.Link) []device.Detail {
	kind := l.Kind
	if kind == "" {
		kind = "physical"
	}
	return []device.Detail{
		{Name: "host interface", Value: l.Name},
		{Name: "kind", Value: kind},
		{Name: "ifindex", Value: l.Index},
	}
}
