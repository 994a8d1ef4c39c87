package pkt

import "unsafe"

const (
	// Headroom is what lies before the data of a fresh buffer, in bytes: room
	// for headers to be put in front.
	Headroom = 128
	// DefaultRoom is the data room of a buffer (headroom included) when nothing
	// else is configured: VPP's 2048 plus headroom.
	DefaultRoom = 2048 + Headroom
	// MaxBurst is the most packets that one receive or transmit call moves.
	MaxBurst = 256
	// MetaSize is the mbuf private area that Meta occupies.
	MetaSize = 64
	// mbufSize is sizeof(struct rte_mbuf), checked against C at start-up.
	mbufSize = 128
)

// Buf is an rte_mbuf (DPDK 22.11, 64-bit) followed by our Meta. Field order and
// types are fixed by C. It never lives on the Go heap.
type Buf struct {
	BufAddr    unsafe.Pointer // first byte of the data room
	BufIova    uint64
	DataOff    uint16 // offset of the data from BufAddr
	RefCnt     uint16
	NbSegs     uint16
	Port       uint16
	OlFlags    uint64
	PacketType uint32
	PktLen     uint32 // bytes in the whole chain
	DataLen    uint16 // bytes in this buffer
	VlanTCI    uint16
	RSS        uint32 // receive hash, when the device gives one
	hashHi     uint32
	VlanOuter  uint16
	BufLen     uint16         // bytes from BufAddr to the end of the room
	Pool       unsafe.Pointer // struct rte_mempool
	Next       *Buf           // next segment of a chained packet
	TxOffload  uint64
	ShInfo     unsafe.Pointer
	PrivSize   uint16
	TimeSync   uint16
	dynfield   [9]uint32

	Meta
}

// Meta is what we know of a packet while it is inside the stack. Offsets count
// from the first byte of the data (see Data), as they stood when set.
type Meta struct {
	Arrived int64  // time stamp of the burst it came in, ns
	Iface   uint32 // index of the interface it came from
	Hash    uint32 // symmetric flow hash, 0 when not computed
	Trace   uint32 // trace record, 0 when the packet is not traced
	Conn    uint32 // scratch for the transport: connection index, 0 when none
	L3      uint16 // offset of the IP header
	L4      uint16 // offset of the transport header
	L4Len   uint16 // transport header and payload, in bytes (from the IP lengths)
	Flags   Flags
	Proto   uint8 // IP protocol number of the transport header
	_       [7]byte
	Scratch [2]uint64 // owned by the stage that holds the packet
}

// Flags describe a packet.
type Flags uint16

const (
	V6          Flags = 1 << iota // network layer is IPv6
	L4Good                        // TCP or UDP checksum verified by the device
	Broadcast                     // sent to all at the link layer
	Multicast                     // sent to a group at the link layer
	MoreFrags                     // an IP fragment
	CsumPartial                   // transport checksum is left to the device
)

const (
	_ = uint(MetaSize - unsafe.Sizeof(Meta{}))
	_ = uint(unsafe.Offsetof(Buf{}.Meta) - mbufSize)
	_ = uint(mbufSize - unsafe.Offsetof(Buf{}.Meta))
)

// Data is the packet's bytes in this buffer. The slice is valid while the
// caller owns the buffer.
func (b *Buf) Data() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(b.BufAddr, uintptr(b.DataOff))), int(b.DataLen))
}

// At is the bytes from offset off of the data to its end; empty when off is
// beyond it.
func (b *Buf) At(off uint16) []byte {
	if off > b.DataLen {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Add(b.BufAddr, uintptr(b.DataOff)+uintptr(off))), int(b.DataLen-off))
}

// Room is how many bytes can still be appended.
func (b *Buf) Room() int { return int(b.BufLen) - int(b.DataOff) - int(b.DataLen) }

// SetLen makes the data n bytes long, from its present start. n must fit the
// buffer (see Room).
func (b *Buf) SetLen(n int) {
	b.DataLen = uint16(n)
	b.PktLen = uint32(n)
}

// Prepend grows the data by n bytes at the front and returns them. It returns
// nil, and changes nothing, when the headroom is used up.
func (b *Buf) Prepend(n int) []byte {
	if n > int(b.DataOff) {
		return nil
	}
	b.DataOff -= uint16(n)
	b.DataLen += uint16(n)
	b.PktLen += uint32(n)
	return b.Data()[:n]
}

// Trim drops n bytes from the front. n must not exceed DataLen.
func (b *Buf) Trim(n int) {
	b.DataOff += uint16(n)
	b.DataLen -= uint16(n)
	b.PktLen -= uint32(n)
}

// Append grows the data by n bytes at the end and returns them; nil when they
// do not fit.
func (b *Buf) Append(n int) []byte {
	if n > b.Room() {
		return nil
	}
	l := int(b.DataLen)
	b.SetLen(l + n)
	return b.Data()[l:]
}

// Reset makes b an empty single buffer with full headroom, as DPDK's
// rte_pktmbuf_reset does. Meta is left for the next owner to fill.
func (b *Buf) Reset() {
	b.DataOff = Headroom
	b.DataLen = 0
	b.PktLen = 0
	b.NbSegs = 1
	b.Port = 0xffff
	b.OlFlags = 0
	b.PacketType = 0
	b.TxOffload = 0
	b.Next = nil
	b.Flags = 0
	b.Trace = 0
}
