package hdr

import (
	"encoding/binary"
	"math/bits"
)

// IP4Len is the length of an IPv4 header without options.
const IP4Len = 20

// IP protocol numbers, the same in IPv4 and IPv6.
const (
	ProtoICMP   uint8 = 1
	ProtoIGMP   uint8 = 2
	ProtoTCP    uint8 = 6
	ProtoUDP    uint8 = 17
	ProtoICMPv6 uint8 = 58
	ProtoSCTP   uint8 = 132
)

// Bits of the word that holds flags and fragment offset.
const (
	IP4DontFragment  uint16 = 0x4000
	IP4MoreFragments uint16 = 0x2000
	IP4OffsetMask    uint16 = 0x1fff // in units of 8 bytes
)

// IP4 is a packet from its IPv4 header on (RFC 791). Check Valid before using
// the accessors.
type IP4 []byte

// Valid tells whether the header is complete, of version 4, and consistent with
// the bytes that are there. The checksum is not looked at.
func (h IP4) Valid() bool {
	if len(h) < IP4Len || h[0]>>4 != 4 {
		return false
	}
	n, total := h.HeaderLen(), h.TotalLen()
	return n >= IP4Len && n <= total && total <= len(h)
}

func (h IP4) Version() int       { return int(h[0] >> 4) }
func (h IP4) HeaderLen() int     { return int(h[0]&15) * 4 }
func (h IP4) TOS() uint8         { return h[1] }
func (h IP4) TotalLen() int      { return int(binary.BigEndian.Uint16(h[2:])) }
func (h IP4) ID() uint16         { return binary.BigEndian.Uint16(h[4:]) }
func (h IP4) FlagsFrag() uint16  { return binary.BigEndian.Uint16(h[6:]) }
func (h IP4) TTL() uint8         { return h[8] }
func (h IP4) Proto() uint8       { return h[9] }
func (h IP4) Checksum() uint16   { return binary.BigEndian.Uint16(h[10:]) }
func (h IP4) Src() Addr          { return Addr4(h[12:16]) }
func (h IP4) Dst() Addr          { return Addr4(h[16:20]) }
func (h IP4) DontFragment() bool { return h[6]&0x40 != 0 }

// FragOffset is where the payload belongs in the whole datagram, in bytes.
// IsFragment tells whether the packet is only a part of one.
func (h IP4) FragOffset() int     { return int(h.FlagsFrag()&IP4OffsetMask) * 8 }
func (h IP4) MoreFragments() bool { return h[6]&0x20 != 0 }
func (h IP4) IsFragment() bool    { return h.FlagsFrag()&^(IP4DontFragment|0x8000) != 0 }

// Options is what lies between the fixed header and the payload; Payload is what
// follows the header, up to TotalLen. Both need Valid.
func (h IP4) Options() Options { return Options(h[IP4Len:h.HeaderLen()]) }
func (h IP4) Payload() []byte  { return h[h.HeaderLen():h.TotalLen()] }

// GoodChecksum verifies the header checksum. It needs Valid.
func (h IP4) GoodChecksum() bool { return Checksum(h[:h.HeaderLen()], 0).Good() }

// IP4Fields are the fields of a header that differ between packets.
type IP4Fields struct {
	TOS       uint8
	TotalLen  int
	ID        uint16
	FlagsFrag uint16 // IP4DontFragment and so on
	TTL       uint8
	Proto     uint8
	Src, Dst  Addr
}

// Put writes a header without options, checksum included.
func (h IP4) Put(f *IP4Fields) {
	_ = h[19]
	h[0], h[1] = 0x45, f.TOS
	binary.BigEndian.PutUint16(h[2:], uint16(f.TotalLen))
	binary.BigEndian.PutUint16(h[4:], f.ID)
	binary.BigEndian.PutUint16(h[6:], f.FlagsFrag)
	h[8], h[9] = f.TTL, f.Proto
	copy(h[12:16], f.Src.V4())
	copy(h[16:20], f.Dst.V4())
	h.SetChecksum()
}

// SetChecksum computes the header checksum anew.
func (h IP4) SetChecksum() {
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], Checksum(h[:h.HeaderLen()], 0).Fold())
}

// DecTTL lowers the time to live by one and adapts the checksum (RFC 1624).
func (h IP4) DecTTL() {
	h[8]--
	s := Sum(^h.Checksum()).Word(^uint16(0x0100)) // HC' = ~(~HC + ~m + m')
	binary.BigEndian.PutUint16(h[10:], s.Fold())
}

// IP4Words are the first 20 bytes of an IPv4 header in three words, in memory order. The
// input path looks at a header this way: three loads serve all its checks.
type IP4Words struct {
	A, B uint64
	C    uint32
}

// Words loads them; h must have 20 bytes.
func (h IP4) Words() IP4Words {
	return IP4Words{binary.LittleEndian.Uint64(h), binary.LittleEndian.Uint64(h[8:]), binary.LittleEndian.Uint32(h[16:])}
}

// Common tells that the header is of version 4 and has no options.
func (w IP4Words) Common() bool { return uint8(w.A) == 0x45 }

// Good verifies the checksum of a header without options. It sums in memory order (RFC
// 1071 section 2 (B)): the sum is right when it is a multiple of 0xffff, and as a header
// is never all zero the sum is not either.
func (w IP4Words) Good() bool {
	return (w.A>>32+w.A&0xffffffff+w.B>>32+w.B&0xffffffff+uint64(w.C))%0xffff == 0
}

func (w IP4Words) TotalLen() int    { return int(bits.ReverseBytes16(uint16(w.A >> 16))) }
func (w IP4Words) IsFragment() bool { return w.A>>48&0xff3f != 0 }
func (w IP4Words) Proto() uint8     { return uint8(w.B >> 8) }

// Src and Dst are addresses in memory order, good for comparing.
func (w IP4Words) Src() uint32 { return uint32(w.B >> 32) }
func (w IP4Words) Dst() uint32 { return w.C }
