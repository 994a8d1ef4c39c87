package datagram

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"vpphost/dataplane/hdr"
)

// The most bytes of payload that a datagram takes over IPv4 and over IPv6 (RFC 768: the
// length field, less its header and that of IP).
const (
	MaxLen  = 65507
	MaxLen6 = 65527
)

const (
	headLen = 8
	endsLen = 40
	align   = 8
	maxText = 65535 // of a record, the length has 16 bits
)

// Header describes a datagram.
type Header struct {
	// Len is the bytes of payload.
	Len int
	// Segment, when positive, has the payload sent as datagrams of so many bytes, of which
	// the last may be shorter. A Reader has none.
	Segment int
	// TOS is the traffic class that the datagram came with: DSCP and ECN. Of one that is
	// sent only the ECN bits count, the low two; the DSCP is the session's.
	TOS uint8
	// Remote is from whom it came, or to whom it is to go, in sessions without connection;
	// in others it is not valid. Local is our end: the address that it was sent to, or the
	// source to send from, unspecified for any.
	Remote, Local netip.AddrPort
	// Iface is the interface that it came in by. It is the one to leave by when the remote
	// is a link-local address or a group, which mean nothing without; 0 for any. Sessions
	// without connection only.
	Iface uint32
}

// Ends are the addresses of a record as they lie in it.
type Ends struct {
	Remote, Local         hdr.Addr
	RemotePort, LocalPort uint16
	Iface                 uint32
}

const _ = uint(endsLen-unsafe.Sizeof(Ends{})) + uint(unsafe.Sizeof(Ends{})-endsLen)

// bytes is e as it lies in memory, which is how it is written.
func (e *Ends) bytes() []byte { return (*[endsLen]byte)(unsafe.Pointer(e))[:] }

// ends are those of h.
func (h *Header) ends() Ends {
	return Ends{Remote: hdr.AddrOf(h.Remote.Addr()), RemotePort: h.Remote.Port(),
		Local: hdr.AddrOf(h.Local.Addr()), LocalPort: h.Local.Port(), Iface: h.Iface}
}

// setEnds is the opposite.
func (h *Header) setEnds(e *Ends) {
	h.Remote = netip.AddrPortFrom(e.Remote.Netip(), e.RemotePort)
	h.Local = netip.AddrPortFrom(e.Local.Netip(), e.LocalPort)
	h.Iface = e.Iface
}

// head is the first word of a record.
type head uint64

const addressed = 1 // a flag: ends follow the head

func makeHead(n, segment int, tos, flags uint8) head {
	if segment < 0 || segment >= n { // it is one datagram
		segment = 0
	}
	return head(n) | head(segment)<<32 | head(tos)<<48 | head(flags)<<56
}

func readHead(b []byte) head      { return head(binary.LittleEndian.Uint64(b)) }
func (h head) put(b []byte)       { binary.LittleEndian.PutUint64(b, uint64(h)) }
func (h head) len() int           { return int(uint16(h)) }
func (h head) done() int          { return int(uint16(h >> 16)) }
func (h head) segment() int       { return int(uint16(h >> 32)) }
func (h head) tos() uint8         { return uint8(h >> 48) }
func (h head) addressed() bool    { return h>>56&addressed != 0 }
func (h head) setDone(n int) head { return h&^(0xffff<<16) | head(n)<<16 }

// text is where the payload begins, size how long the record is.
func (h head) text() int {
	if h.addressed() {
		return headLen + endsLen
	}
	return headLen
}

func (h head) size() int { return (h.text() + h.len() + align - 1) &^ (align - 1) }

// valid tells whether h can be the head of a record.
func (h head) valid() bool {
	return h.done() <= h.len() && (h.done() < h.len() || h.done() == 0)
}
