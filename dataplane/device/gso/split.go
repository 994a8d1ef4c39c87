package gso

import "encoding/binary"

// Fault is why a packet cannot be cut.
type Fault uint8

const (
	OK        Fault = iota
	Unknown         // of a type that we do not know
	Malformed       // the frame is not what the Header says
	TooLong         // a segment does not fit the room
)

// Splitter cuts one large packet into segments. The zero value holds none.
type Splitter struct {
	head []byte // all headers
	text []byte // what has not been given out
	size int    // text of a segment
	l    layout
	seq  uint32 // TCP: of the next segment
	id   uint16 // IPv4: of the next segment
	sum  uint32 // of the IPv4 header without length, identification and checksum
}

// Begin takes a frame that h tells to be large; its bytes must stay until the last
// segment is out. No segment may be longer than room.
func (s *Splitter) Begin(h *Header, f []byte, room int) Fault {
	s.text = nil
	var want struct {
		proto uint8
		v6    bool
	}
	switch h.Type &^ TypeECN {
	case TypeTCP4:
		want.proto = protoTCP
	case TypeTCP6:
		want.proto, want.v6 = protoTCP, true
	case TypeUDP:
		want.proto, want.v6 = protoUDP, len(f) > 12 && f[12] == 0x86
	default:
		return Unknown
	}
	l := &s.l
	if !l.parse(f) || l.proto != want.proto || l.v6 != want.v6 || h.Size == 0 || l.text == l.end {
		return Malformed
	}
	if l.proto == protoTCP && f[l.l4+tcpFlags]&(syn|rst) != 0 {
		return Malformed
	}
	s.size = int(h.Size)
	if l.text+min(s.size, l.end-l.text) > room {
		return TooLong
	}
	s.head, s.text = f[:l.text], f[l.text:l.end]
	if l.proto == protoTCP {
		s.seq = binary.BigEndian.Uint32(f[l.l4+tcpSeq:])
	}
	if !l.v6 {
		ip := f[etherLen:l.l4]
		s.id = binary.BigEndian.Uint16(ip[ip4ID:])
		s.sum = 0
		for i := 0; i < len(ip); i += 2 {
			if i != ip4Total && i != ip4ID && i != ip4Sum {
				s.sum += uint32(binary.BigEndian.Uint16(ip[i:]))
			}
		}
	}
	return OK
}

// More tells whether segments are left.
func (s *Splitter) More() bool { return len(s.text) > 0 }

// Drop forgets the segments that are left.
func (s *Splitter) Drop() { s.text = nil }

// Size is how long the next segment is.
func (s *Splitter) Size() int { return len(s.head) + min(s.size, len(s.text)) }

// Next writes the next segment to d, which has Size bytes. Its transport checksum is
// that of the large packet, which says nothing.
func (s *Splitter) Next(d []byte) {
	l := &s.l
	n := len(d) - l.text
	copy(d, s.head)
	copy(d[l.text:], s.text[:n])
	s.text = s.text[n:]
	ip := d[etherLen:l.l4]
	if l.v6 {
		binary.BigEndian.PutUint16(ip[ip6Payload:], uint16(len(d)-l.l4))
	} else {
		total := uint16(len(d) - etherLen)
		binary.BigEndian.PutUint16(ip[ip4Total:], total)
		binary.BigEndian.PutUint16(ip[ip4ID:], s.id)
		binary.BigEndian.PutUint16(ip[ip4Sum:], ^fold(s.sum+uint32(total)+uint32(s.id)))
		s.id++
	}
	t := d[l.l4:]
	if l.proto == protoUDP {
		binary.BigEndian.PutUint16(t[udpTotal:], uint16(len(t)))
		return
	}
	binary.BigEndian.PutUint32(t[tcpSeq:], s.seq)
	s.seq += uint32(n)
	if len(s.text) > 0 {
		// They belong to the last byte.
		t[tcpFlags] &^= fin | psh
	}
	// The first segment tells of the reduced window (RFC 3168 section 6.1.2).
	s.head[l.l4+tcpFlags] &^= cwr
}
