package tcp

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/hoststack/transport"
)

// peer plays the other end of a host by hand, segment by segment.
type peer struct {
	t    testing.TB
	h    *host
	now  int64
	addr netip.Addr
	port uint16 // ours
	to   uint16 // the host's
	ts   bool   // put timestamps on segments
	tsv  uint32
	ecr  uint32

	iss, irs uint32 // of the peer, of the host
	sent     []sentSeg
}

// sentSeg is a segment that the host has sent, its numbers relative to the initial
// ones.
type sentSeg struct {
	flags    hdr.TCPFlags
	seq, ack uint32
	wnd      uint16
	text     []byte
	opt      options
	at       int64
	port     uint16
}

func (s sentSeg) String() string {
	f := s.flags.String()
	out := fmt.Sprintf("%s %d:%d ack %d win %d", f, s.seq, s.seq+uint32(len(s.text)), s.ack, s.wnd)
	for _, b := range s.opt.sack[:s.opt.nsack] {
		out += fmt.Sprintf(" sack %d:%d", b.from.Val(), b.to.Val())
	}
	return out
}

func newPeer(t testing.TB, opts ...option) *peer {
	t.Helper()
	o := setup{cfg: Default(), mtu: 1500, size: 1 << 20}
	o.cfg.MaxConns = 1 << 10
	for _, f := range opts {
		f(&o)
	}
	p := &peer{t: t, now: 1e9, addr: netip.MustParseAddr("10.0.0.9"), port: 5000, to: 80, iss: 1000}
	p.h = newHost(t, "h", "10.0.0.1", &o, &wire{}, &wire{})
	p.h.out.filter = func(i int, data []byte) bool { p.take(data); return false }
	p.now = 1e9
	p.h.w.Step(p.now)
	return p
}

// take notes a packet of the host.
func (p *peer) take(data []byte) {
	ipl := hdr.IP4(data).HeaderLen()
	src, dst := hdr.IP4(data).Src(), hdr.IP4(data).Dst()
	h := hdr.TCP(data[ipl:])
	if !hdr.IP4(data).Valid() || !h.Valid() || !hdr.IP4(data).GoodChecksum() {
		p.t.Fatalf("the host sent a malformed packet % x", data)
	}
	if !hdr.Checksum(h, hdr.Pseudo(&src, &dst, hdr.ProtoTCP)+hdr.Sum(len(h))).Good() {
		p.t.Fatal("the host sent a bad checksum")
	}
	if h.Flags()&hdr.SYN != 0 {
		p.irs = h.Seq().Val()
		p.to = h.SrcPort()
	}
	s := sentSeg{flags: h.Flags(), seq: h.Seq().Val() - p.irs, wnd: h.Window(),
		text: bytes.Clone(h.Payload()), at: p.h.w.Now(), port: h.DstPort()}
	if s.flags&hdr.ACK != 0 {
		s.ack = h.Ack().Val() - p.iss
	}
	if s.flags&hdr.RST != 0 && s.flags&hdr.ACK == 0 && p.irs == 0 {
		s.seq = h.Seq().Val()
	}
	if !s.opt.parse(h.Options()) {
		p.t.Fatal("the host sent bad options")
	}
	for i, b := range s.opt.sack[:s.opt.nsack] {
		s.opt.sack[i] = span{hdr.SeqOf(b.from.Val() - p.iss), hdr.SeqOf(b.to.Val() - p.iss)}
	}
	if s.opt.has&optTS != 0 {
		p.ecr = s.opt.tsVal
	}
	p.sent = append(p.sent, s)
}

// seg is a segment for the host; numbers are relative to the initial ones.
type seg struct {
	flags hdr.TCPFlags
	seq   uint32
	ack   uint32
	wnd   uint16
	text  []byte
	opts  []byte
	noTS  bool
	tsv   uint32 // instead of the peer's clock
	raw   bool   // numbers are absolute
	bad   bool   // checksum
	// pairs of numbers of SACK blocks
	blocks []uint32
}

func (p *peer) frame(s seg) []byte {
	c := Conn{local: hdr.AddrOf(p.addr), remote: hdr.AddrOf(p.h.addr), lport: p.port, rport: p.to}
	c.pseudo = uint32(hdr.Pseudo(&c.local, &c.remote, hdr.ProtoTCP))
	opts := s.opts
	if p.ts && !s.noTS {
		v := p.tsv + uint32(p.now/1e6)
		if s.tsv != 0 {
			v = s.tsv
		}
		opts = append(putTS(nil, v, p.ecr), opts...)
	}
	if len(s.blocks) > 0 {
		var l []span
		for i := 0; i < len(s.blocks); i += 2 {
			l = append(l, span{hdr.SeqOf(s.blocks[i] + p.irs), hdr.SeqOf(s.blocks[i+1] + p.irs)})
		}
		opts = putSACK(bytes.Clone(opts), l)
	}
	seq, ack := s.seq, s.ack
	if !s.raw {
		seq, ack = seq+p.iss, ack+p.irs
	}
	if s.flags&hdr.ACK == 0 {
		ack = 0
	}
	var h header
	h.build(&c, s.flags, hdr.SeqOf(ack), s.wnd, opts, false)
	data := make([]byte, h.n+len(s.text))
	h.put(data, hdr.SeqOf(seq), len(s.text), 0, hdr.CopyChecksum(data[h.n:], s.text, 0))
	if s.bad {
		data[len(data)-1] ^= 0x55
	}
	return data
}

// send gives the host segments, all in one burst, and lets it answer.
func (p *peer) send(segs ...seg) {
	for _, s := range segs {
		p.h.in.q = append(p.h.in.q, frame{data: p.frame(s)})
	}
	p.step(0)
}

// step lets d ns pass and the host work.
func (p *peer) step(d int64) {
	p.now += max(d, 10e3)
	p.h.w.Step(p.now)
	p.h.check()
}

// pass lets d ns pass, in small steps as long as anything is under way.
func (p *peer) pass(d int64) {
	for end := p.now + d; p.now < end; {
		p.step(min(1e6, end-p.now))
		if !p.h.busy() {
			p.now = max(p.now, min(p.h.next(), end)-10e3)
		}
	}
}

// expect checks what the host has sent since the last time, each given as
// sentSeg.String writes it, without the window unless it is given.
func (p *peer) expect(want ...string) {
	p.t.Helper()
	var got []string
	for i, s := range p.sent {
		g := s.String()
		if i < len(want) && !strings.Contains(want[i], " win ") {
			a, b, _ := strings.Cut(g, " win ")
			_, rest, _ := strings.Cut(b, " ")
			g = strings.TrimSpace(a + " " + rest)
		}
		got = append(got, g)
	}
	p.sent = nil
	if fmt.Sprint(got) != fmt.Sprint(want) {
		p.t.Fatalf("the host sent\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func (p *peer) last() sentSeg {
	p.t.Helper()
	if len(p.sent) == 0 {
		p.t.Fatal("the host sent nothing")
	}
	return p.sent[len(p.sent)-1]
}

func mssOpt(n uint16) []byte { return putMSS(nil, n) }

// modern are the options of a SYN that has everything but timestamps.
func modern() []byte { return putSACKPerm(putWScale(putMSS(nil, 1000), 7)) }

func bytesOf(from, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = pattern(from + i)
	}
	return b
}

// listen has the host listen on port 80.
func (p *peer) listen() {
	p.t.Helper()
	if err := p.h.tcp.StartListen(p.h.ep(80), 1); err != nil {
		p.t.Fatal(err)
	}
}

// accept has the host accept a connection whose SYN carries opts. Segments hold 1000
// bytes.
func (p *peer) accept(opts []byte) *sess {
	p.t.Helper()
	p.listen()
	p.send(seg{flags: hdr.SYN, wnd: 60000, opts: opts})
	p.expect("SYN ACK 0:0 ack 1")
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 60000})
	if len(p.h.sessions) != 1 {
		p.t.Fatal("not accepted")
	}
	p.sent = nil
	return p.h.sessions[0]
}

// dial has the host connect to the peer.
func (p *peer) dial() *sess {
	p.t.Helper()
	s := &sess{h: p.h}
	p.h.sessions = append(p.h.sessions, s)
	c, err := p.h.tcp.Connect(p.h.w, transport.Endpoint{Addr: netip.AddrPortFrom(p.addr, p.port)}, uint32(len(p.h.sessions)-1))
	if err != nil {
		p.t.Fatal(err)
	}
	s.conn = c
	p.step(0)
	return s
}

func (p *peer) state(s *sess, want State) {
	p.t.Helper()
	if got := s.state(); got != want {
		p.t.Fatalf("state %v, want %v", got, want)
	}
}
