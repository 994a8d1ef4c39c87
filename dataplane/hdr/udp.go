package hdr

import "encoding/binary"

// UDPLen is the length of a UDP header.
const UDPLen = 8

// UDP is a datagram from its header on (RFC 768). Check Valid before using the
// accessors.
type UDP []byte

// Valid tells whether the header is complete and its length fits the bytes that
// are there.
func (h UDP) Valid() bool {
	return len(h) >= UDPLen && h.Length() >= UDPLen && h.Length() <= len(h)
}

func (h UDP) SrcPort() uint16  { return binary.BigEndian.Uint16(h[0:]) }
func (h UDP) DstPort() uint16  { return binary.BigEndian.Uint16(h[2:]) }
func (h UDP) Length() int      { return int(binary.BigEndian.Uint16(h[4:])) } // header included
func (h UDP) Checksum() uint16 { return binary.BigEndian.Uint16(h[6:]) }

// Payload needs Valid.
func (h UDP) Payload() []byte { return h[UDPLen:h.Length()] }

// Put writes the whole header; length includes it.
func (h UDP) Put(src, dst uint16, length int, checksum uint16) {
	binary.BigEndian.PutUint16(h[0:], src)
	binary.BigEndian.PutUint16(h[2:], dst)
	binary.BigEndian.PutUint16(h[4:], uint16(length))
	binary.BigEndian.PutUint16(h[6:], checksum)
}

// UDPChecksum turns a folded sum into the field's value: a computed zero is sent as
// all ones, because zero says that there is none (RFC 768).
func UDPChecksum(s Sum) uint16 {
	if v := s.Fold(); v != 0 {
		return v
	}
	return 0xffff
}
