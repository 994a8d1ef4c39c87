package hdr

import "encoding/binary"

// ARPLen is the length of an ARP packet for IPv4 over Ethernet.
const ARPLen = 28

// ARP operations (RFC 826).
const (
	ARPRequest uint16 = 1
	ARPReply   uint16 = 2
)

// ARP is an ARP packet for IPv4 over Ethernet. Check Valid before using the
// accessors.
type ARP []byte

// Valid tells whether the packet is complete and maps IPv4 to Ethernet.
func (h ARP) Valid() bool {
	return len(h) >= ARPLen && h.HardwareType() == 1 && h.ProtocolType() == EtherIP4 &&
		h[4] == 6 && h[5] == 4
}

// HardwareType and ProtocolType need 4 bytes only: they tell why Valid fails.
func (h ARP) HardwareType() uint16    { return binary.BigEndian.Uint16(h[0:]) }
func (h ARP) ProtocolType() EtherType { return EtherType(binary.BigEndian.Uint16(h[2:])) }

func (h ARP) Op() uint16      { return binary.BigEndian.Uint16(h[6:]) }
func (h ARP) SenderMAC() MAC  { return MAC(h[8:14]) }
func (h ARP) SenderIP() Addr  { return Addr4(h[14:18]) }
func (h ARP) TargetMAC() MAC  { return MAC(h[18:24]) }
func (h ARP) TargetIP() Addr  { return Addr4(h[24:28]) }
func (h ARP) Payload() []byte { return h[ARPLen:] }

// Put writes the whole packet. Both addresses must be IPv4.
func (h ARP) Put(op uint16, senderMAC MAC, senderIP *Addr, targetMAC MAC, targetIP *Addr) {
	binary.BigEndian.PutUint16(h[0:], 1)
	binary.BigEndian.PutUint16(h[2:], uint16(EtherIP4))
	h[4], h[5] = 6, 4
	binary.BigEndian.PutUint16(h[6:], op)
	copy(h[8:14], senderMAC[:])
	copy(h[14:18], senderIP.V4())
	copy(h[18:24], targetMAC[:])
	copy(h[24:28], targetIP.V4())
}
