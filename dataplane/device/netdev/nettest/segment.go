package nettest

import (
	"encoding/binary"
	"net/netip"
)

// Stream makes the TCP segments of one connection: Ethernet frames whose checksum is left
// to the device, which finds the sum of the pseudo-header in its place.
type Stream struct {
	V6             bool
	SrcMAC, DstMAC [6]byte
	Options        int // bytes
	ID             uint16
	Seq            uint32 // of the next byte
}

var (
	stream4 = [2]netip.Addr{netip.MustParseAddr("10.99.0.2"), netip.MustParseAddr("10.99.0.3")}
	stream6 = [2]netip.Addr{netip.MustParseAddr("fd00:99::2"), netip.MustParseAddr("fd00:99::3")}
)

// Segment is the frame of the next n bytes of text, which count up from fill.
func (s *Stream) Segment(n int, flags, fill byte) []byte {
	ipLen, addrs := 20, stream4
	if s.V6 {
		ipLen, addrs = 40, stream6
	}
	th := 20 + s.Options
	f := make([]byte, 14+ipLen+th+n)
	copy(f, s.DstMAC[:])
	copy(f[6:], s.SrcMAC[:])
	ip, t := f[14:14+ipLen], f[14+ipLen:]
	if s.V6 {
		f[12], f[13] = 0x86, 0xdd
		ip[0], ip[3], ip[6], ip[7] = 0x60, 9, 6, 64
		binary.BigEndian.PutUint16(ip[4:], uint16(len(t)))
		copy(ip[8:], addrs[0].AsSlice())
		copy(ip[24:], addrs[1].AsSlice())
	} else {
		f[12] = 0x08
		ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, 64, 6 // not to be fragmented
		binary.BigEndian.PutUint16(ip[2:], uint16(ipLen+len(t)))
		binary.BigEndian.PutUint16(ip[4:], s.ID)
		copy(ip[12:], addrs[0].AsSlice())
		copy(ip[16:], addrs[1].AsSlice())
		binary.BigEndian.PutUint16(ip[10:], ^uint16(sum(ip, 0)))
		s.ID++
	}
	binary.BigEndian.PutUint32(t, 1234<<16|80)
	binary.BigEndian.PutUint32(t[4:], s.Seq)
	binary.BigEndian.PutUint32(t[8:], 7777)
	t[12], t[13], t[14] = uint8(th/4)<<4, flags, 0x20
	for i := range s.Options {
		t[20+i] = 1 // no operation
	}
	for i := range n {
		t[th+i] = fill + byte(i)
	}
	binary.BigEndian.PutUint16(t[16:], uint16(sum(pseudo(f), uint32(6+len(t)))))
	s.Seq += uint32(n)
	return f
}

// pseudo is the addresses of an IP packet without options.
func pseudo(f []byte) []byte {
	if f[12] == 0x86 {
		return f[22:54]
	}
	return f[26:34]
}

// SegmentSumOK tells whether the checksum of a frame such as Segment makes is complete and
// right.
func SegmentSumOK(f []byte) bool {
	t := f[34:]
	if f[12] == 0x86 {
		t = f[54:]
	}
	return sum(t, sum(pseudo(f), uint32(6+len(t)))) == 0xffff
}
