package tcp

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/transport"
)

// The rig of these tests: hosts with a TCP each, on virtual time, joined by a wire
// that delays, loses, reorders, duplicates and corrupts as told. The session layer and
// the network layer are a few lines of fake.

// frame is a packet on the wire, from its IP header on.
type frame struct {
	at   int64
	data []byte
	csum bool // left to the device
}

// wire is one direction.
type wire struct {
	delay  int64
	q      []frame
	r      *rand.Rand
	loss   float64
	dup    float64
	swap   float64                       // delayed by another delay
	bad    float64                       // a byte is changed
	filter func(i int, data []byte) bool // false: lost; i counts
	n      int
	log    func(data []byte)
}

func (l *wire) put(now int64, data []byte, csum bool) {
	i := l.n
	l.n++
	if l.log != nil {
		l.log(data)
	}
	if l.filter != nil && !l.filter(i, data) {
		return
	}
	if l.r == nil {
		l.q = append(l.q, frame{now + l.delay, data, csum})
		return
	}
	if l.r.Float64() < l.loss {
		return
	}
	at := now + l.delay
	if l.r.Float64() < l.swap {
		at += 1 + l.r.Int64N(2*l.delay+1)
	}
	if l.r.Float64() < l.bad {
		data = bytes.Clone(data)
		data[l.r.IntN(len(data))] ^= 1 << l.r.IntN(8)
	}
	l.q = append(l.q, frame{at, data, csum})
	if l.r.Float64() < l.dup {
		l.q = append(l.q, frame{at + l.r.Int64N(l.delay+1), data, csum})
	}
}

// due takes out at most n frames whose time has come, in the order they were put
// unless delayed.
func (l *wire) due(now int64, n int) (out []frame) {
	var rest []frame
	for _, f := range l.q {
		if f.at <= now && len(out) < n {
			out = append(out, f)
		} else {
			rest = append(rest, f)
		}
	}
	l.q = rest
	return out
}

// host is one end.
type host struct {
	t          testing.TB
	name       string
	addr       netip.Addr
	w          *worker.Worker
	tcp        *TCP
	pool       *pkt.MapPool
	out        *wire
	in         *wire
	mtu        uint16
	room       int
	everywhere bool
	noPath     bool
	iface      uint32              // that packets arrive on
	more       map[netip.Addr]bool // further addresses

	store    *fifo.Store
	sessions []*sess
	accepts  int
	refuse   bool
	size     uint32 // of FIFOs
	slow     bool   // sessions do not read by themselves
	set      stats.Set
}

// sess is a session and its application.
type sess struct {
	h          *host
	conn       transport.Conn
	rx, tx     fifo.Ref
	got        []byte // read by the application
	fed        int    // written by it
	want       int    // to be written
	slow       bool
	open       bool
	peerClosed bool
	gone       bool
	why        error
	err        error // of Connected
	wantTx     bool
	paced      int64
	closeAfter bool // close when all is written
	delivered  int
	calls      int
}

func (h *host) Accepted(w *worker.Worker, c transport.Conn, l uint32) (transport.Attach, error) {
	if h.refuse {
		return transport.Attach{}, transport.ErrAppRefused
	}
	h.accepts++
	s := &sess{h: h, conn: c, open: true, slow: h.slow}
	h.sessions = append(h.sessions, s)
	return transport.Attach{Session: uint32(len(h.sessions) - 1), RxSize: h.size, TxSize: h.size}, nil
}

func (h *host) Connected(w *worker.Worker, c transport.Conn, opaque uint32, err error) (transport.Attach, error) {
	s := h.sessions[opaque]
	if s.err = err; err != nil {
		s.gone, s.why = true, err
		return transport.Attach{}, err
	}
	if h.refuse {
		return transport.Attach{}, transport.ErrAppRefused
	}
	s.open, s.conn = true, c
	return transport.Attach{Session: opaque, RxSize: h.size, TxSize: h.size}, nil
}

func (h *host) RxFIFO(w *worker.Worker, i uint32) *fifo.FIFO {
	s := h.sessions[i]
	if s.rx == 0 {
		s.rx, _ = h.store.New(h.size)
	}
	return h.store.At(s.rx)
}

func (h *host) TxFIFO(w *worker.Worker, i uint32) *fifo.FIFO { return h.store.At(h.sessions[i].tx) }

func (h *host) Delivered(w *worker.Worker, i uint32, n int) {
	h.sessions[i].delivered += n
	h.sessions[i].calls++
}
func (h *host) Acked(w *worker.Worker, i uint32, n int) { h.sessions[i].feed() }
func (h *host) PeerClosed(w *worker.Worker, i uint32)   { h.sessions[i].peerClosed = true }
func (h *host) WantTx(w *worker.Worker, i uint32)       { h.sessions[i].wantTx = true }
func (h *host) Gone(w *worker.Worker, i uint32, why error) {
	s := h.sessions[i]
	if s.gone {
		h.t.Errorf("%s: Gone twice", h.name)
	}
	s.gone, s.why = true, why
	if s.rx != 0 && h.store.At(s.rx).Len() > 0 && !s.slow {
		s.read(1 << 30)
	}
}

// pattern is byte i of every stream.
func pattern(i int) byte { return byte(i*7 + i>>8*13 + i>>16*5) }

func (s *sess) fifo() *fifo.FIFO {
	if s.tx == 0 {
		s.tx, _ = s.h.store.New(s.h.size)
	}
	return s.h.store.At(s.tx)
}

// write has the application write n more bytes of the pattern.
func (s *sess) write(n int) *sess {
	s.want += n
	s.feed()
	return s
}

func (s *sess) feed() {
	f := s.fifo()
	for s.fed < s.want {
		b := f.ReserveAt(0, s.want-s.fed)
		if len(b) == 0 {
			break
		}
		for i := range b {
			b[i] = pattern(s.fed + i)
		}
		f.Commit(len(b))
		s.fed += len(b)
		s.wantTx = true
	}
	if s.closeAfter && s.fed == s.want {
		s.closeAfter = false
		s.h.tcp.Close(s.h.w, s.conn)
	}
}

// read has the application read at most n bytes.
func (s *sess) read(n int) {
	if s.rx == 0 {
		return
	}
	f := s.h.store.At(s.rx)
	before := len(s.got)
	for len(s.got)-before < n {
		b := f.PeekAt(0, n-(len(s.got)-before))
		if len(b) == 0 {
			break
		}
		s.got = append(s.got, b...)
		f.Drop(len(b))
	}
	if len(s.got) > before && !s.gone {
		s.h.tcp.RxSpace(s.h.w, s.conn)
	}
}

// FindPath and what follows are the network layer.
func (h *host) FindPath(w *worker.Worker, dst *hdr.Addr, iface uint32, p *ip.Path) error {
	if h.noPath {
		return ip.ErrNoRoute
	}
	*p = ip.Path{Adj: 1, MTU: h.mtu, Iface: iface}
	return nil
}
func (h *host) Source(w *worker.Worker, p *ip.Path, dst *hdr.Addr) (hdr.Addr, error) {
	return hdr.AddrOf(h.addr), nil
}
func (h *host) AddSpan(s hdr.Span) error {
	for i := range s.Len() {
		if a := s.At(i).Netip(); a != h.addr && !h.more[a] {
			return ip.ErrNoSource
		}
	}
	return nil
}
func (h *host) RemoveSpan(hdr.Span)                   {}
func (h *host) Room(w *worker.Worker, p *ip.Path) int { return h.room }
func (h *host) Everywhere(uint32) bool                { return h.everywhere }
func (h *host) Confirm(w *worker.Worker, p *ip.Path)  {}
func (h *host) Output(w *worker.Worker, p *ip.Path, dst *hdr.Addr, bufs []*pkt.Buf) {
	for _, b := range bufs {
		if int(b.DataLen) > int(h.mtu) {
			h.t.Errorf("%s: a packet of %d bytes, MTU %d", h.name, b.DataLen, h.mtu)
		}
		h.out.put(w.Now(), bytes.Clone(b.Data()), b.Flags&pkt.CsumPartial != 0)
	}
	h.w.Bufs.PutN(bufs)
}

// receive is the input node.
func (h *host) receive(w *worker.Worker, now int64) int {
	frames := h.in.due(now, pkt.MaxBurst)
	for v := range 2 {
		var bufs []*pkt.Buf
		for _, f := range frames {
			if len(f.data) < 20 || int(f.data[0]>>4) != 4+2*v {
				continue
			}
			if b := h.load(f); b != nil {
				bufs = append(bufs, b)
			}
		}
		if len(bufs) > 0 {
			h.tcp.Input(w, bufs)
		}
	}
	return len(frames)
}

// load makes a buffer of a frame as the network layer hands it up; nil when the
// network layer would drop it.
func (h *host) load(f frame) *pkt.Buf {
	b := h.w.Bufs.Get()
	if b == nil {
		h.t.Fatalf("%s: out of buffers", h.name)
	}
	copy(b.Append(len(f.data)), f.data)
	d := b.Data()
	b.L3, b.Proto, b.Flags, b.Iface = 0, hdr.ProtoTCP, 0, h.iface
	if d[0]>>4 == 4 {
		p := hdr.IP4(d)
		if !p.Valid() || !p.GoodChecksum() || p.Proto() != hdr.ProtoTCP || p.Dst().Netip() != h.addr {
			h.w.Bufs.Put(b)
			return nil
		}
		b.L4, b.L4Len = uint16(p.HeaderLen()), uint16(p.TotalLen()-p.HeaderLen())
	} else {
		p := hdr.IP6(d)
		if !p.Valid() || p.Next() != hdr.ProtoTCP || p.Dst().Netip() != h.addr {
			h.w.Bufs.Put(b)
			return nil
		}
		b.L4, b.L4Len, b.Flags = hdr.IP6Len, uint16(p.PayloadLen()), pkt.V6
	}
	if f.csum {
		b.Flags |= pkt.L4Good
	}
	return b
}

// schedule is the session layer's scheduler and the applications.
func (h *host) schedule(w *worker.Worker, now int64) (work int) {
	for _, s := range h.sessions {
		if !s.slow {
			s.read(1 << 30)
		}
		if !s.open || s.gone {
			continue
		}
		if s.paced != 0 && now >= s.paced {
			s.paced, s.wantTx = 0, true
		}
		if !s.wantTx {
			continue
		}
		s.wantTx = false
		r := h.tcp.Send(w, s.conn, 256)
		work += r.Segments
		switch r.Verdict {
		case transport.Again:
			s.wantTx = true
		case transport.Paced:
			if r.Until <= now {
				h.t.Errorf("paced until %d, now %d", r.Until, now)
			}
			s.paced = r.Until
		}
	}
	return work
}
