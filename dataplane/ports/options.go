package ports

import (
	"fmt"
	"net/netip"

	"vpphost/dataplane/hdr"
)

// Defaults are VPP's.
const (
	defaultRingSize = 1024 // memif
	maxRingSize     = 1 << 14
	defaultTapRing  = 256
	maxTapRing      = 1 << 15
	maxQueues       = 255
	maxSecret       = 23
	maxIfName       = 15 // of a Linux network interface
	maxTapID        = 1 << 16
)

// MemifOptions are those of "create interface memif".
type MemifOptions struct {
	ID         uint32  `json:"id"`
	SocketID   uint32  `json:"socketId"`
	SocketPath string  `json:"socketPath"` // filled in by Manager.Memif
	Master     bool    `json:"master"`
	RingSize   int     `json:"ringSize"`   // descriptors, a power of two
	BufferSize int     `json:"bufferSize"` // bytes, 0 for what fits a packet buffer
	Secret     string  `json:"-"`
	MAC        hdr.MAC `json:"mac"` // zero: the device chooses
	RxQueues   int     `json:"rxQueues"`
	TxQueues   int     `json:"txQueues"`
}

func (o *MemifOptions) name() string { return fmt.Sprintf("memif%d/%d", o.SocketID, o.ID) }

// HostOptions are those of "create host-interface".
type HostOptions struct {
	Name     string  `json:"hostIfName"` // of the Linux network interface
	MAC      hdr.MAC `json:"mac"`        // zero: the device chooses
	RxQueues int     `json:"rxQueues"`
	TxQueues int     `json:"txQueues"`
	RxSize   int     `json:"rxSize"` // frames of each ring, 0 for the default
	TxSize   int     `json:"txSize"`
	// NoQdiscBypass sends through the kernel's queueing discipline; NoOffload leaves
	// checksum and segmentation offload with the kernel alone.
	NoQdiscBypass bool `json:"noQdiscBypass"`
	NoOffload     bool `json:"noOffload"`
	// DPDK takes DPDK's driver in the place of ours.
	DPDK bool `json:"dpdk"`
}

func (o *HostOptions) name() string { return "host-" + o.Name }

// TapOptions are those of "create tap". What begins with Host concerns the kernel's end.
type TapOptions struct {
	ID          int          `json:"id"`
	IfName      string       `json:"ifName"` // of our interface, empty for tap<id>
	MAC         hdr.MAC      `json:"mac"`    // zero: the device chooses
	RxQueues    int          `json:"rxQueues"`
	TxQueues    int          `json:"txQueues"`
	RxRing      int          `json:"rxRing"` // descriptors, a power of two
	TxRing      int          `json:"txRing"`
	GSO         bool         `json:"gso"`
	GROCoalesce bool         `json:"groCoalesce"`
	Csum        bool         `json:"csumOffload"`
	HostName    string       `json:"hostIfName"` // empty for tap<id>
	HostNS      string       `json:"hostNs"`
	HostBridge  string       `json:"hostBridge"`
	HostMAC     hdr.MAC      `json:"hostMac"`
	HostIP4     netip.Prefix `json:"hostIp4"`
	HostIP6     netip.Prefix `json:"hostIp6"`
	HostGW4     netip.Addr   `json:"hostIp4Gw"`
	HostGW6     netip.Addr   `json:"hostIp6Gw"`
	HostMTU     int          `json:"hostMtu"` // 0 leaves it
	Persist     bool         `json:"persist"` // the kernel's interface outlives ours
	Attach      bool         `json:"attach"`  // to a kernel interface that exists
}

func (o *TapOptions) name() string {
	if o.IfName != "" {
		return o.IfName
	}
	return fmt.Sprintf("tap%d", o.ID)
}
