package tcp

import (
	"encoding/binary"
	"errors"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/hoststack/transport"
)

// icmp gives the host an error about the segment of c at seq.
func (p *peer) icmp(c *Conn, kind ip.ErrorKind, mtu uint32, seq hdr.Seq) {
	q := make([]byte, 8)
	binary.BigEndian.PutUint16(q[0:], c.lport)
	binary.BigEndian.PutUint16(q[2:], c.rport)
	binary.BigEndian.PutUint32(q[4:], seq.Val())
	p.h.tcp.Error(p.h.w, &ip.Error{Local: c.local, Remote: c.remote, Kind: kind, MTU: mtu, Quoted: q})
}

func (p *peer) tooBig(c *Conn, mtu uint32, seq hdr.Seq) { p.icmp(c, ip.TooBig, mtu, seq) }

// TestUnreachable: RFC 9293 section 3.9.2.2, RFC 5927: hard errors end only what is not
// synchronized; soft ones explain why it ended.
func TestUnreachable(t *testing.T) {
	p := newPeer(t)
	s := p.dial()
	c := s.c()
	p.icmp(c, ip.PortUnreachable, 0, c.sndUna.Add(77)) // about nothing that was sent
	p.icmp(c, ip.HostUnreachable, 0, c.sndUna)         // soft
	p.step(0)
	p.state(s, SynSent)
	p.icmp(c, ip.PortUnreachable, 0, c.sndUna)
	p.step(0)
	if !errors.Is(s.err, transport.ErrRefused) {
		t.Fatalf("ended with %v", s.err)
	}
}

func TestUnreachableIsSoftLater(t *testing.T) {
	p := newPeer(t)
	s := p.open10(modern())
	c := s.c()
	p.icmp(c, ip.PortUnreachable, 0, c.sndUna)
	p.icmp(c, ip.HostUnreachable, 0, c.sndUna)
	p.step(0)
	p.state(s, Established)
	p.pass(200e9)
	if !errors.Is(s.why, transport.ErrNoRoute) {
		t.Errorf("ended with %v", s.why)
	}
}

func TestSoftErrorExplainsTimeout(t *testing.T) {
	p := newPeer(t)
	s := p.dial()
	p.icmp(s.c(), ip.HostUnreachable, 0, s.c().sndUna)
	p.pass(61e9)
	if !errors.Is(s.err, transport.ErrNoRoute) {
		t.Errorf("ended with %v", s.err)
	}
}

func TestErrorQuotesTooLittle(t *testing.T) {
	p := newPeer(t)
	p.h.tcp.Error(p.h.w, &ip.Error{Local: hdr.AddrOf(p.h.addr), Remote: hdr.AddrOf(p.addr), Kind: ip.TooBig, Quoted: []byte{1, 2}})
	p.h.tcp.Error(p.h.w, &ip.Error{Local: hdr.AddrOf(p.h.addr), Remote: hdr.AddrOf(p.addr), Kind: ip.TooBig, Quoted: make([]byte, 8)})
	if p.h.counter("input", inICMP) != 1 {
		t.Error("not counted")
	}
}
