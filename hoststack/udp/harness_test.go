package udp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/flow"
	"vpphost/hoststack/transport"
)

// host is a UDP with a network layer and a session layer of a few lines around it.
type host struct {
	t     testing.TB
	w     *worker.Worker
	udp   *UDP
	set   stats.Set
	pool  *pkt.MapPool
	store *fifo.Store
	now   int64
	size  uint32 // of FIFOs

	// The network layer.
	mtu     uint16
	room    int
	flags   ip.PathFlags
	epoch   uint32
	noRoute bool
	via     uint32     // interface of the last path that was asked for
	source  netip.Addr // ours, when not the usual
	out     [][]byte   // IP packets that were sent, unless swallow
	partial int        // of them, with a checksum left to the device
	swallow bool
	refused int // datagrams answered with port unreachable

	// The session layer.
	sessions []*sess // by number, from 1
	refuse   bool    // further sessions
}

// sess is a session.
type sess struct {
	conn     transport.Conn
	listener uint32
	rx, tx   *fifo.FIFO
	told     int // calls of Delivered
	acked    int
	wantTx   bool
	gone     bool
	why      error
}

var (
	us4, them4 = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	us6, them6 = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
)

func newHost(t testing.TB, change ...func(*Config)) *host {
	t.Helper()
	h := &host{t: t, mtu: 1500, room: 1 << 20, epoch: 1, now: 1e9, size: 256 << 10}
	var err error
	must := func() {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	h.pool, err = pkt.NewMapPool("test", 2048, pkt.DefaultRoom)
	must()
	seg, err := fifo.NewSegment(256 << 20)
	must()
	h.store, err = fifo.NewStore(seg, 1<<12)
	must()
	h.w, err = worker.New(worker.Config{Pool: h.pool, CPU: -1, Seed: 1})
	must()
	cfg := Default()
	cfg.MaxConns, cfg.Seed = 1<<12, 1
	for _, f := range change {
		f(&cfg)
	}
	h.udp, err = New(cfg, h, h, flow.NewHasher(7), []*worker.Worker{h.w}, &h.set)
	must()
	h.udp.Start()
	h.w.Step(h.now)
	t.Cleanup(func() {
		h.w.Bufs.Flush()
		if total, avail := h.pool.Usage(); total != avail {
			t.Errorf("%d buffers are missing", total-avail)
		}
		h.w.Stop()
		h.store.Close()
		h.pool.Close()
	})
	return h
}

// pass lets ns pass.
func (h *host) pass(ns int64) {
	h.now += ns
	h.w.Step(h.now)
}

func (h *host) FindPath(_ *worker.Worker, dst *hdr.Addr, iface uint32, p *ip.Path) error {
	if h.noRoute {
		return ip.ErrNoRoute
	}
	h.via = iface
	*p = ip.Path{Adj: 1, Epoch: h.epoch, Iface: max(iface, 1), MTU: h.mtu, Flags: h.flags}
	return nil
}

func (h *host) Renew(w *worker.Worker, p *ip.Path, dst *hdr.Addr) error {
	if p.Epoch == h.epoch {
		return nil
	}
	return h.FindPath(w, dst, 0, p)
}

func (h *host) Source(_ *worker.Worker, _ *ip.Path, dst *hdr.Addr) (hdr.Addr, error) {
	switch {
	case h.source.IsValid():
		return hdr.AddrOf(h.source), nil
	case dst.Is4():
		return hdr.AddrOf(us4), nil
	}
	return hdr.AddrOf(us6), nil
}

func (h *host) IsLocal(_ *worker.Worker, a *hdr.Addr) bool {
	return *a == hdr.AddrOf(us4) || *a == hdr.AddrOf(us6)
}
func (h *host) Everywhere(uint32) bool                       { return true }
func (h *host) Room(*worker.Worker, *ip.Path) int            { return h.room }
func (h *host) DeviceRoom(*worker.Worker, *ip.Path) int      { return h.room }
func (h *host) PortUnreachable(w *worker.Worker, b *pkt.Buf) { h.refused++; w.Bufs.Put(b) }

func (h *host) Output(w *worker.Worker, p *ip.Path, dst *hdr.Addr, bufs []*pkt.Buf) {
	for _, b := range bufs {
		if b.PktLen > uint32(p.MTU) {
			h.t.Errorf("a packet of %d bytes on a path of %d", b.PktLen, p.MTU)
		}
		if !h.swallow {
			if b.Flags&pkt.CsumPartial != 0 {
				h.partial++
			}
			h.out = append(h.out, append([]byte(nil), b.Data()...))
		}
	}
	w.Bufs.PutN(bufs)
}

func (h *host) add(c transport.Conn) (transport.Attach, error) {
	if h.refuse {
		return transport.Attach{}, transport.ErrAppRefused
	}
	h.sessions = append(h.sessions, &sess{conn: c})
	return transport.Attach{Session: uint32(len(h.sessions)), RxSize: h.size, TxSize: h.size}, nil
}

func (h *host) s(i uint32) *sess { return h.sessions[i-1] }
func (h *host) last() *sess      { return h.sessions[len(h.sessions)-1] }

func (h *host) Accepted(_ *worker.Worker, c transport.Conn, listener uint32) (transport.Attach, error) {
	a, err := h.add(c)
	if err == nil {
		h.last().listener = listener
	}
	return a, err
}

func (h *host) Connected(_ *worker.Worker, c transport.Conn, opaque uint32, err error) (transport.Attach, error) {
	if err != nil {
		return transport.Attach{}, err
	}
	return h.add(c)
}

func (h *host) RxFIFO(_ *worker.Worker, i uint32) *fifo.FIFO {
	s := h.s(i)
	if s.rx == nil {
		_, s.rx = h.store.New(h.size)
	}
	return s.rx
}

func (h *host) TxFIFO(_ *worker.Worker, i uint32) *fifo.FIFO { return h.s(i).tx }
func (h *host) Delivered(_ *worker.Worker, i uint32, _ int)  { h.s(i).told++ }
func (h *host) Acked(_ *worker.Worker, i uint32, n int)      { h.s(i).acked += n }
func (h *host) PeerClosed(*worker.Worker, uint32)            { h.t.Error("UDP knows no end of the peer") }
func (h *host) WantTx(_ *worker.Worker, i uint32)            { h.s(i).wantTx = true }
func (h *host) Gone(_ *worker.Worker, i uint32, why error) {
	s := h.s(i)
	if s.gone {
		h.t.Error("gone twice")
	}
	s.gone, s.why = true, why
}

// write puts a datagram into the transmit FIFO of s.
func (h *host) write(s *sess, d datagram.Header, p []byte) {
	h.t.Helper()
	if s.tx == nil {
		_, s.tx = h.store.New(h.size)
	}
	w := datagram.Write(s.tx)
	if !w.Put(&d, p) {
		h.t.Fatalf("no room for %d bytes", len(p))
	}
	w.Commit()
}

// send has everything sent.
func (h *host) send(s *sess) transport.Sent { return h.udp.Send(h.w, s.conn, 1<<20) }

// read takes everything from the receive FIFO of s.
func (s *sess) read() (list []message) {
	r := datagram.Read(s.rx)
	for r.Next() {
		p := make([]byte, r.Len)
		r.CopyTo(p)
		list = append(list, message{r.Header, p})
	}
	r.Done()
	return list
}

type message struct {
	datagram.Header
	text []byte
}

// connect opens a connection to them.
func (h *host) connect(to netip.Addr, port uint16, opts ...any) *sess {
	h.t.Helper()
	ep := transport.Endpoint{Addr: netip.AddrPortFrom(to, port)}
	if len(opts) > 0 {
		ep.Ext = opts[0]
	}
	if _, err := h.udp.Connect(h.w, ep, 9); err != nil {
		h.t.Fatal(err)
	}
	return h.last()
}

func (h *host) listen(a netip.Addr, port uint16, opts datagram.Options) {
	h.t.Helper()
	if err := h.udp.StartListen(transport.Endpoint{Addr: netip.AddrPortFrom(a, port), Ext: opts}, 5); err != nil {
		h.t.Fatal(err)
	}
}

// packet is an IP packet with a datagram, complete.
func packet(from, to netip.AddrPort, text []byte) []byte {
	src, dst := hdr.AddrOf(from.Addr()), hdr.AddrOf(to.Addr())
	hl := hdr.IP6Len
	if src.Is4() {
		hl = hdr.IP4Len
	}
	n := hdr.UDPLen + len(text)
	b := make([]byte, hl+n)
	if src.Is4() {
		hdr.IP4(b).Put(&hdr.IP4Fields{TotalLen: len(b), TTL: 9, Proto: hdr.ProtoUDP, Src: src, Dst: dst})
	} else {
		hdr.IP6(b).Put(&hdr.IP6Fields{PayloadLen: n, Next: hdr.ProtoUDP, HopLimit: 9, Src: src, Dst: dst})
	}
	u := hdr.UDP(b[hl:])
	copy(u[hdr.UDPLen:], text)
	u.Put(from.Port(), to.Port(), n, 0)
	sum := hdr.Checksum(u, hdr.Pseudo(&src, &dst, hdr.ProtoUDP).Long(uint32(n)))
	binary.BigEndian.PutUint16(u[6:], hdr.UDPChecksum(sum))
	return b
}

// load puts an IP packet into a buffer, or into several of at most piece bytes.
func (h *host) load(p []byte, piece int) *pkt.Buf {
	h.t.Helper()
	b := h.w.Bufs.Get()
	n := len(p)
	if piece > 0 {
		n = min(n, piece)
	}
	copy(b.Append(n), p)
	last, rest := b, p[n:]
	for len(rest) > 0 {
		c := h.w.Bufs.Get()
		n := min(len(rest), piece)
		copy(c.Append(n), rest)
		rest = rest[n:]
		last.Next, last = c, c
		b.NbSegs++
	}
	b.PktLen = uint32(len(p))
	b.Meta = pkt.Meta{Iface: 1, L4: hdr.IP4Len, Proto: hdr.ProtoUDP}
	if p[0]>>4 == 6 {
		b.Flags, b.L4 = pkt.V6, hdr.IP6Len
	}
	b.L4Len = uint16(len(p) - int(b.L4))
	return b
}

// take gives packets to UDP, in one burst.
func (h *host) take(packets ...[]byte) {
	var bufs []*pkt.Buf
	for _, p := range packets {
		bufs = append(bufs, h.load(p, 0))
	}
	h.udp.Input(h.w, bufs)
}

// counter reads a counter of both IP versions.
func (h *host) counter(node string, reason int) (n uint64) {
	for _, g := range h.set.Groups() {
		if g.Node == "udp4-"+node || g.Node == "udp6-"+node {
			n += g.Row(0)[reason]
		}
	}
	return n
}

func (h *host) count(node string, reason int, want uint64) {
	h.t.Helper()
	if n := h.counter(node, reason); n != want {
		h.t.Errorf("%s counter %d is %d, want %d", node, reason, n, want)
	}
}

// sent are the datagrams in what was sent, fragments put together, after a thorough look.
func (h *host) sent() (list [][]byte) {
	h.t.Helper()
	var whole []byte
	for _, p := range h.out {
		d, more, off := h.fragment(p)
		if off != len(whole) {
			h.t.Fatalf("a fragment at %d, not at %d", off, len(whole))
		}
		whole = append(whole, d...)
		if more {
			continue
		}
		u := hdr.UDP(whole)
		if !u.Valid() || u.Length() != len(u) {
			h.t.Fatalf("length %d in %d bytes", u.Length(), len(u))
		}
		src, dst := ends(p)
		if h.partial == 0 && !hdr.Checksum(u, hdr.Pseudo(&src, &dst, hdr.ProtoUDP).Long(uint32(len(u)))).Good() {
			h.t.Fatalf("a bad checksum in a datagram of %d bytes", len(u))
		}
		list = append(list, u.Payload())
		whole = nil
	}
	if whole != nil {
		h.t.Fatal("a fragment is missing")
	}
	h.out = nil
	return list
}

func ends(p []byte) (src, dst hdr.Addr) {
	if p[0]>>4 == 4 {
		return hdr.IP4(p).Src(), hdr.IP4(p).Dst()
	}
	return hdr.IP6(p).Src(), hdr.IP6(p).Dst()
}

// fragment is the IP payload of a packet, and where it belongs.
func (h *host) fragment(p []byte) (d []byte, more bool, off int) {
	h.t.Helper()
	if p[0]>>4 == 4 {
		x := hdr.IP4(p)
		if !x.Valid() || x.TotalLen() != len(p) || !x.GoodChecksum() || x.Proto() != hdr.ProtoUDP {
			h.t.Fatalf("a bad header % x", p[:hdr.IP4Len])
		}
		return x.Payload(), x.MoreFragments(), x.FragOffset()
	}
	x := hdr.IP6(p)
	if !x.Valid() || x.TotalLen() != len(p) {
		h.t.Fatalf("a bad header % x", p[:hdr.IP6Len])
	}
	if x.Next() == hdr.ExtFragment {
		f := hdr.Frag6(p[hdr.IP6Len:])
		if f.Next() != hdr.ProtoUDP {
			h.t.Fatal("not UDP in fragments")
		}
		return p[hdr.IP6Len+hdr.Frag6Len:], f.More(), f.Offset()
	}
	if x.Next() != hdr.ProtoUDP {
		h.t.Fatal("not UDP")
	}
	return p[hdr.IP6Len:], false, 0
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}
