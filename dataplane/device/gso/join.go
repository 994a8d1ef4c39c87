package gso

import (
	"bytes"
	"encoding/binary"

	"vpphost/dataplane/pkt"
)

const (
	// MaxFrame is how long a joined frame may be: the kernel hands on what is shorter
	// than gso_max_size (64 kB) as it is.
	MaxFrame = 65535
	// MaxHead is the most that the headers of a joined frame take.
	MaxHead = etherLen + ip6Len + 60
)

// Join looks how many packets from the front of bufs can leave as one: consecutive
// segments of a TCP connection, or datagrams of a UDP flow, with the same headers, all of
// the same size but the last, which may be shorter, all with a checksum that is left to the
// device (pkt.CsumPartial). Each packet is an Ethernet frame in one buffer.
//
// It fills in h. When n is more than 1 the frame is head[:text], which Join writes, and
// of each packet what follows its first text bytes; head has room for MaxHead. When n is
// 1 the packet goes as it is. n is 0 when the first one wants a checksum and is neither
// TCP nor UDP, or is padded.
func Join(bufs []*pkt.Buf, head []byte, h *Header) (n, text int) {
	*h = Header{}
	b := bufs[0]
	if b.Flags&pkt.CsumPartial == 0 {
		return 1, 0
	}
	var l layout
	first := b.Data()
	if !l.parse(first) || l.end != len(first) {
		return 0, 0
	}
	h.Flags, h.CsumStart, h.CsumOffset = NeedsCsum, uint16(l.l4), l.sumAt()
	if l.proto == protoUDP {
		return l.joinUDP(bufs, head, h)
	}
	n, total := 1, len(first)
	size := total - l.text
	last := first
	if size > 0 && l.joinable(first) {
		seq := binary.BigEndian.Uint32(first[l.l4+tcpSeq:]) + uint32(size)
		for n < len(bufs) && last[l.l4+tcpFlags]&psh == 0 && len(last) == len(first) {
			next := bufs[n]
			d := next.Data()
			if next.Flags&pkt.CsumPartial == 0 || len(d) <= l.text || len(d) > len(first) ||
				total+len(d)-l.text > MaxFrame || !l.follows(first, d, seq) {
				break
			}
			total += len(d) - l.text
			seq += uint32(size)
			last = d
			n++
		}
	}
	if n == 1 {
		return 1, 0
	}
	h.Type = TypeTCP4
	if l.v6 {
		h.Type = TypeTCP6
	}
	h.HdrLen, h.Size = uint16(l.text), uint16(size)
	head = head[:copy(head, first[:l.text])]
	l.enlarge(head, uint16(total-len(first)))
	head[l.l4+tcpFlags] |= last[l.l4+tcpFlags]
	return n, l.text
}

// maxDatagrams is how many datagrams the kernel takes in one packet (UDP_MAX_SEGMENTS).
const maxDatagrams = 64

// joinUDP is Join for datagrams; h says already how a single one leaves. Their IPv4
// identification counts up from the first one's, whatever it was.
func (l *layout) joinUDP(bufs []*pkt.Buf, head []byte, h *Header) (n, text int) {
	first := bufs[0].Data()
	n, total := 1, len(first)
	if len(first) == l.text || !l.v6 && l.l4 != etherLen+ip4Len ||
		int(binary.BigEndian.Uint16(first[l.l4+udpTotal:])) != len(first)-l.l4 {
		return 1, 0
	}
	for last := len(first); n < min(len(bufs), maxDatagrams) && last == len(first); n++ {
		next := bufs[n]
		d := next.Data()
		last = len(d)
		if next.Flags&pkt.CsumPartial == 0 || last <= l.text || last > len(first) ||
			total+last-l.text > MaxFrame || !l.followsUDP(first, d) {
			break
		}
		total += last - l.text
	}
	if n == 1 {
		return 1, 0
	}
	h.Type, h.HdrLen, h.Size = TypeUDP, uint16(l.text), uint16(len(first)-l.text)
	l.enlarge(head[:copy(head, first[:l.text])], uint16(total-len(first)))
	return n, l.text
}

// followsUDP tells whether d, longer than the headers, is a datagram of the same flow as f
// with the same headers.
func (l *layout) followsUDP(f, d []byte) bool {
	f, d = f[:l.text], d[:len(d):len(d)]
	return l.sameIP(f, d) && same32(f, d, l.l4) && int(binary.BigEndian.Uint16(d[l.l4+udpTotal:])) == len(d)-l.l4
}

// sameIP tells whether two frames have the same headers below the transport's, but for
// lengths, and IPv4's identification and checksum; and whether d's length is right.
func (l *layout) sameIP(f, d []byte) bool {
	// Ethernet, and the first two bytes of IP.
	if !same64(f, d, 0) || !same64(f, d, 8) {
		return false
	}
	if l.v6 {
		return int(binary.BigEndian.Uint16(d[etherLen+ip6Payload:])) == len(d)-l.l4 &&
			same16(f, d, 16) && same16(f, d, 20) &&
			same64(f, d, 22) && same64(f, d, 30) && same64(f, d, 38) && same64(f, d, 46)
	}
	return int(binary.BigEndian.Uint16(d[etherLen+ip4Total:])) == len(d)-etherLen &&
		same32(f, d, etherLen+ip4Frag) && same64(f, d, etherLen+12)
}

// joinable tells whether others may follow the frame in the same packet. The IPv4 header
// has no options, and its identification no meaning.
func (l *layout) joinable(f []byte) bool {
	if l.proto != protoTCP || f[l.l4+tcpFlags]&^psh != ack || f[l.l4+tcpOff]&15 != 0 {
		return false
	}
	return l.v6 || l.l4 == etherLen+ip4Len && binary.BigEndian.Uint16(f[etherLen+ip4Frag:]) == dontFragment
}

// follows tells whether d, longer than the headers, is the segment with number seq of the
// same run as f.
func (l *layout) follows(f, d []byte, seq uint32) bool {
	f, d = f[:l.text], d[:len(d):len(d)]
	if !l.sameIP(f, d) {
		return false
	}
	tf, td := f[l.l4:], d[l.l4:l.text]
	const exceptPSH = ^uint32(psh << 8) // in memory order: offset, flags, window
	return same32(tf, td, 0) && binary.BigEndian.Uint32(td[tcpSeq:]) == seq && same32(tf, td, 8) &&
		(binary.LittleEndian.Uint32(tf[tcpOff:])^binary.LittleEndian.Uint32(td[tcpOff:]))&exceptPSH == 0 &&
		same16(tf, td, tcpUrg) && bytes.Equal(tf[tcpLen:], td[tcpLen:])
}

func same64(a, b []byte, i int) bool {
	return binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:])
}

func same32(a, b []byte, i int) bool {
	return binary.LittleEndian.Uint32(a[i:]) == binary.LittleEndian.Uint32(b[i:])
}

func same16(a, b []byte, i int) bool {
	return binary.LittleEndian.Uint16(a[i:]) == binary.LittleEndian.Uint16(b[i:])
}

// enlarge makes the headers of the first segment those of the whole, which is longer by
// more.
func (l *layout) enlarge(head []byte, more uint16) {
	ip, t := head[etherLen:], head[l.l4:]
	if l.v6 {
		binary.BigEndian.PutUint16(ip[ip6Payload:], binary.BigEndian.Uint16(ip[ip6Payload:])+more)
	} else {
		binary.BigEndian.PutUint16(ip[ip4Total:], binary.BigEndian.Uint16(ip[ip4Total:])+more)
		// RFC 1624: HC' = ~(~HC + ~m + m').
		sum := ^binary.BigEndian.Uint16(ip[ip4Sum:])
		binary.BigEndian.PutUint16(ip[ip4Sum:], ^fold(uint32(sum)+uint32(more)))
	}
	// The pseudo-header has the length in it.
	sum := t[l.sumAt():]
	binary.BigEndian.PutUint16(sum, fold(uint32(binary.BigEndian.Uint16(sum))+uint32(more)))
	if l.proto == protoUDP {
		binary.BigEndian.PutUint16(t[udpTotal:], binary.BigEndian.Uint16(t[udpTotal:])+more)
	}
}
