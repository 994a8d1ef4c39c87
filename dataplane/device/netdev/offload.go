package netdev

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offloads are what an interface leaves to others: those that change what arrives at
// a socket or at the other end of a veth.
type Offloads struct {
	TxCsum bool // sends packets whose transport checksum is not filled in
	TSO    bool // sends TCP segments larger than the MTU
	GSO    bool // the same for UDP and others
	GRO    bool // joins received segments into larger ones
	LRO    bool // the same in the device
	VLAN   bool // takes the VLAN tag out of received frames
}

// The legacy ethtool requests, one word each, which every kernel answers
// (include/uapi/linux/ethtool.h).
const (
	ethtoolGTxCsum = 0x16
	ethtoolGTSO    = 0x1e
	ethtoolGGSO    = 0x23
	ethtoolGFlags  = 0x25
	ethtoolGGRO    = 0x2b

	flagRxVLAN = 1 << 8
	flagLRO    = 1 << 15
)

// Offloads reads the interface's settings. What the driver does not know is off.
func (l *Link) Offloads() (Offloads, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Offloads{}, fmt.Errorf("interface %s: %w", l.Name, err)
	}
	defer unix.Close(fd)
	get := func(cmd uint32) uint32 {
		v := struct{ cmd, data uint32 }{cmd: cmd}
		var req struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}
		copy(req.name[:unix.IFNAMSIZ-1], l.Name)
		req.data = unsafe.Pointer(&v)
		if ioctl(fd, unix.SIOCETHTOOL, unsafe.Pointer(&req)) != nil {
			return 0
		}
		return v.data
	}
	flags := get(ethtoolGFlags)
	return Offloads{TxCsum: get(ethtoolGTxCsum) != 0, TSO: get(ethtoolGTSO) != 0,
		GSO: get(ethtoolGGSO) != 0, GRO: get(ethtoolGGRO) != 0,
		LRO: flags&flagLRO != 0, VLAN: flags&flagRxVLAN != 0}, nil
}
