package hdr

import "encoding/binary"

// TCPLen is the length of a TCP header without options.
const TCPLen = 20

// TCPFlags are the control bits (RFC 9293 section 3.1).
type TCPFlags uint8

const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// TCP option kinds.
const (
	TCPOptMSS       uint8 = 2
	TCPOptWScale    uint8 = 3
	TCPOptSACKPerm  uint8 = 4
	TCPOptSACK      uint8 = 5
	TCPOptTimestamp uint8 = 8
	TCPOptFastOpen  uint8 = 34
)

// String lists the flags as VPP prints them: "SYN ACK".
func (f TCPFlags) String() string {
	var b []byte
	for i, name := range [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if f&(1<<i) != 0 {
			if b != nil {
				b = append(b, ' ')
			}
			b = append(b, name...)
		}
	}
	return string(b)
}

// TCP is a segment from its header on. Check Valid before using the accessors.
type TCP []byte

// Valid tells whether the header is complete, options included.
func (h TCP) Valid() bool {
	return len(h) >= TCPLen && h.HeaderLen() >= TCPLen && h.HeaderLen() <= len(h)
}

func (h TCP) SrcPort() uint16  { return binary.BigEndian.Uint16(h[0:]) }
func (h TCP) DstPort() uint16  { return binary.BigEndian.Uint16(h[2:]) }
func (h TCP) Seq() Seq         { return SeqOf(binary.BigEndian.Uint32(h[4:])) }
func (h TCP) Ack() Seq         { return SeqOf(binary.BigEndian.Uint32(h[8:])) }
func (h TCP) HeaderLen() int   { return int(h[12]>>4) * 4 }
func (h TCP) Flags() TCPFlags  { return TCPFlags(h[13]) }
func (h TCP) Window() uint16   { return binary.BigEndian.Uint16(h[14:]) }
func (h TCP) Checksum() uint16 { return binary.BigEndian.Uint16(h[16:]) }
func (h TCP) Urgent() uint16   { return binary.BigEndian.Uint16(h[18:]) }

// Options and Payload need Valid.
func (h TCP) Options() Options { return Options(h[TCPLen:h.HeaderLen()]) }
func (h TCP) Payload() []byte  { return h[h.HeaderLen():] }

func (h TCP) SetSrcPort(v uint16)  { binary.BigEndian.PutUint16(h[0:], v) }
func (h TCP) SetDstPort(v uint16)  { binary.BigEndian.PutUint16(h[2:], v) }
func (h TCP) SetSeq(s Seq)         { binary.BigEndian.PutUint32(h[4:], s.Val()) }
func (h TCP) SetAck(s Seq)         { binary.BigEndian.PutUint32(h[8:], s.Val()) }
func (h TCP) SetFlags(f TCPFlags)  { h[13] = uint8(f) }
func (h TCP) SetWindow(v uint16)   { binary.BigEndian.PutUint16(h[14:], v) }
func (h TCP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(h[16:], v) }
func (h TCP) SetUrgent(v uint16)   { binary.BigEndian.PutUint16(h[18:], v) }

// SetHeaderLen takes bytes, a multiple of 4.
func (h TCP) SetHeaderLen(n int) { h[12] = uint8(n/4) << 4 }
