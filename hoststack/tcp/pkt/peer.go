package pkt

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"vpphost/dataplane/hdr"
)

// peer is the script's side of one connection: what it must remember to translate a
// script's numbers into those on the wire and back.
type peer struct {
	local, remote hdr.Addr // the peer's, the stack's
	port, rport   uint16
	iss           uint32 // the peer's initial sequence number
	irs           uint32 // the stack's
	gotSYN        bool
	tsBase        uint32 // the stack's first TSval
	gotTS         bool
	tsLatest      uint32 // the stack's latest TSval: what a lone ts echoes
	tsStart       int64  // when the peer's clock began, ns
}

// peerTSBase is the first TSval of the peer.
const peerTSBase = 1000000

// ttl of the peer's packets.
const ttl = 64

// build makes the IP packet of a segment that the peer sends.
func (p *peer) build(g *Segment, now int64) []byte {
	opts := p.options(g.Opts, now)
	tcpLen := hdr.TCPLen + len(opts) + int(g.Len)
	b := make([]byte, 40+tcpLen)
	tcp := b[40:]
	be := binary.BigEndian
	be.PutUint16(tcp[0:], p.port)
	be.PutUint16(tcp[2:], p.rport)
	be.PutUint32(tcp[4:], p.iss+g.Seq)
	if g.HasAck {
		be.PutUint32(tcp[8:], p.irs+g.Ack)
	}
	tcp[12] = uint8(hdr.TCPLen+len(opts)) / 4 << 4
	for _, c := range g.Flags {
		if i := strings.IndexRune(flagLetters, c); i >= 0 {
			tcp[13] |= flagBits[i]
		}
	}
	if g.Win >= 0 {
		be.PutUint16(tcp[14:], uint16(g.Win))
	} else {
		be.PutUint16(tcp[14:], 65535)
	}
	be.PutUint16(tcp[18:], g.Urg)
	copy(tcp[20:], opts)
	off := g.Seq - 1
	if strings.Contains(g.Flags, "S") {
		off = g.Seq // data on a SYN begins after it
	}
	Fill(tcp[20+len(opts):], off)
	sum := hdr.Checksum(tcp, hdr.Pseudo(&p.local, &p.remote, hdr.ProtoTCP).Long(uint32(tcpLen)))
	be.PutUint16(tcp[16:], sum.Fold())
	if g.BadSum {
		tcp[17] ^= 1
	}
	ecn := uint8(max(g.ECN, 0))
	hops := uint8(ttl)
	if g.TTL >= 0 {
		hops = uint8(g.TTL)
	}
	return p.putIP(b, hdr.ProtoTCP, ecn, hops)
}

// flagBits of flagLetters.
var flagBits = [...]uint8{1, 2, 4, 8, 16, 32, 64, 128}

// putIP writes the IP header in front of what begins at b[40] and returns the packet.
func (p *peer) putIP(b []byte, proto, tos, hops uint8) []byte {
	n := len(b) - 40
	if p.local.Is4() {
		b = b[20:]
		hdr.IP4(b).Put(&hdr.IP4Fields{TOS: tos, TotalLen: 20 + n, FlagsFrag: hdr.IP4DontFragment, TTL: hops,
			Proto: proto, Src: p.local, Dst: p.remote})
		return b
	}
	hdr.IP6(b).Put(&hdr.IP6Fields{Class: tos, PayloadLen: n, Next: proto, HopLimit: hops,
		Src: p.local, Dst: p.remote})
	return b
}

func (p *peer) options(opts []Option, now int64) []byte {
	var b []byte
	for _, o := range opts {
		switch {
		case o.Raw != nil:
			b = append(b, o.Raw...)
		case o.Kind == hdr.TCPOptMSS:
			b = binary.BigEndian.AppendUint16(append(b, o.Kind, 4), uint16(o.N))
		case o.Kind == hdr.TCPOptWScale:
			b = append(b, o.Kind, 3, uint8(o.N))
		case o.Kind == hdr.TCPOptSACKPerm:
			b = append(b, o.Kind, 2)
		case o.Kind == hdr.TCPOptTimestamp:
			val, ecr := uint32((now-p.tsStart)/1e6), p.tsLatest
			if o.HasVal {
				val = o.Val
			}
			if o.HasEcr {
				ecr = p.tsBase + o.Ecr
			}
			b = append(b, o.Kind, 10)
			b = binary.BigEndian.AppendUint32(b, peerTSBase+val)
			b = binary.BigEndian.AppendUint32(b, ecr)
		case o.Kind == hdr.TCPOptSACK:
			b = append(b, o.Kind, uint8(2+8*len(o.Blocks)))
			for _, k := range o.Blocks {
				b = binary.BigEndian.AppendUint32(b, p.irs+k[0])
				b = binary.BigEndian.AppendUint32(b, p.irs+k[1])
			}
		}
	}
	for len(b)%4 != 0 {
		b = append(b, 1)
	}
	return b
}

// icmp makes the IP packet of an ICMP error about a segment of the stack.
func (p *peer) icmp(c *ICMP) []byte {
	// The offending packet, as the stack sent it: its headers are enough.
	q := &peer{local: p.remote, remote: p.local}
	quoted := make([]byte, 40+hdr.TCPLen)
	tcp := quoted[40:]
	binary.BigEndian.PutUint16(tcp[0:], p.rport)
	binary.BigEndian.PutUint16(tcp[2:], p.port)
	binary.BigEndian.PutUint32(tcp[4:], p.irs+c.Seq)
	tcp[12], tcp[13] = 5<<4, 0x10
	quoted = q.putIP(quoted, hdr.ProtoTCP, 0, ttl)

	b := make([]byte, 40+8+len(quoted))
	m := b[40:]
	copy(m[8:], quoted)
	if p.local.Is4() {
		m[0] = 3
		switch c.Kind {
		case "host":
			m[1] = 1
		case "proto":
			m[1] = 2
		case "port":
			m[1] = 3
		case "prohibited":
			m[1] = 13
		case "toobig":
			m[1] = 4
			binary.BigEndian.PutUint16(m[6:], uint16(c.MTU))
		case "time":
			m[0] = 11
		}
		binary.BigEndian.PutUint16(m[2:], hdr.Checksum(m, 0).Fold())
		return p.putIP(b, hdr.ProtoICMP, 0, ttl)
	}
	m[0] = 1
	switch c.Kind {
	case "host":
		m[1] = 3
	case "proto": // RFC 4443 section 3.4: unrecognized next header
		m[0], m[1] = 4, 1
		binary.BigEndian.PutUint32(m[4:], 6)
	case "port":
		m[1] = 4
	case "prohibited":
		m[1] = 1
	case "toobig":
		m[0] = 2
		binary.BigEndian.PutUint32(m[4:], c.MTU)
	case "time":
		m[0] = 3
	}
	sum := hdr.Checksum(m, hdr.Pseudo(&p.local, &p.remote, hdr.ProtoICMPv6).Long(uint32(len(m))))
	binary.BigEndian.PutUint16(m[2:], sum.Fold())
	return p.putIP(b, hdr.ProtoICMPv6, 0, ttl)
}

// seen is a segment that the stack has sent.
type seen struct {
	tcp hdr.TCP
	ecn int
	ttl int
	src netip.Addr
}

// decode takes a packet of the stack apart. It checks what is true of every packet:
// lengths, checksums, and that options can be read.
func decode(b []byte) (s seen, err error) {
	if len(b) == 0 {
		return s, fmt.Errorf("empty packet")
	}
	var src, dst hdr.Addr
	var proto uint8
	switch b[0] >> 4 {
	case 4:
		ip := hdr.IP4(b)
		if !ip.Valid() || !ip.GoodChecksum() {
			return s, fmt.Errorf("bad IPv4 header % x", b)
		}
		src, dst, proto = ip.Src(), ip.Dst(), ip.Proto()
		s.ecn, s.ttl, s.tcp = int(ip.TOS()&3), int(ip.TTL()), hdr.TCP(ip.Payload())
	case 6:
		ip := hdr.IP6(b)
		if !ip.Valid() {
			return s, fmt.Errorf("bad IPv6 header % x", b)
		}
		src, dst, proto = ip.Src(), ip.Dst(), ip.Next()
		s.ecn, s.ttl, s.tcp = int(ip.Class()&3), int(ip.HopLimit()), hdr.TCP(ip.Payload())
	default:
		return s, fmt.Errorf("not IP: % x", b)
	}
	if proto != hdr.ProtoTCP {
		return s, fmt.Errorf("IP protocol %d: % x", proto, b)
	}
	if !s.tcp.Valid() {
		return s, fmt.Errorf("bad TCP header % x", s.tcp)
	}
	if !hdr.Checksum(s.tcp, hdr.Pseudo(&src, &dst, hdr.ProtoTCP).Long(uint32(len(s.tcp)))).Good() {
		return s, fmt.Errorf("bad TCP checksum: % x", s.tcp)
	}
	s.src = src.Netip()
	return s, nil
}
