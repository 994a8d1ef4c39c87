package tcp

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/flow"
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
	t      testing.TB
	name   string
	addr   netip.Addr
	w      *worker.Worker
	tcp    *TCP
	pool   *pkt.MapPool
	out    *wire
	in     *wire
	mtu    uint16
	room   int
	noPath bool
	iface  uint32              // that packets arrive on
	more   map[netip.Addr]bool // further addresses

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
func (h *host) IsLocal(w *worker.Worker, a *hdr.Addr) bool {
	return a.Netip() == h.addr || h.more[a.Netip()]
}
func (h *host) Room(w *worker.Worker, p *ip.Path) int { return h.room }
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

// world is two hosts and the time.
type world struct {
	t    testing.TB
	now  int64
	a, b *host
	tick int64
}

type option func(*setup)

type setup struct {
	cfg   Config
	mtu   uint16
	size  uint32
	delay int64
	v6    bool
	tick  int64
}

func newWorld(t testing.TB, opts ...option) *world {
	t.Helper()
	o := setup{cfg: Default(), mtu: 1500, size: 1 << 20, delay: 100e3, tick: 20e3}
	o.cfg.MaxConns = 1 << 12
	for _, f := range opts {
		f(&o)
	}
	ab, ba := &wire{delay: o.delay}, &wire{delay: o.delay}
	addrs := []string{"10.0.0.1", "10.0.0.2"}
	if o.v6 {
		addrs = []string{"fd00::1", "fd00::2"}
	}
	x := &world{t: t, now: 1e9, tick: o.tick}
	x.a = newHost(t, "a", addrs[0], &o, ab, ba)
	x.b = newHost(t, "b", addrs[1], &o, ba, ab)
	return x
}

func newHost(t testing.TB, name, addr string, o *setup, out, in *wire) *host {
	t.Helper()
	pool, err := pkt.NewMapPool(name, 2048, max(pkt.DefaultRoom, pkt.Headroom+int(o.mtu)+64))
	if err != nil {
		t.Fatal(err)
	}
	seg, err := fifo.NewSegment(256 << 20)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, name: name, addr: netip.MustParseAddr(addr), pool: pool, out: out, in: in, mtu: o.mtu, room: 1 << 20, size: o.size}
	if h.store, err = fifo.NewStore(seg, 1<<14); err != nil {
		t.Fatal(err)
	}
	if h.w, err = worker.New(worker.Config{Pool: pool, CPU: -1, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	if h.tcp, err = New(o.cfg, h, h, flow.NewHasher(7), []*worker.Worker{h.w}, &h.set); err != nil {
		t.Fatal(err)
	}
	h.w.Add(worker.Input, "in", worker.NodeFunc(h.receive))
	h.w.Add(worker.Output, "sched", worker.NodeFunc(h.schedule))
	h.tcp.Start()
	t.Cleanup(func() {
		h.checkBuffers()
		h.w.Stop()
		h.store.Close()
		pool.Close()
	})
	return h
}

// checkBuffers reports leaked buffers.
func (h *host) checkBuffers() {
	h.w.Bufs.Flush()
	if total, avail := h.pool.Usage(); total != avail {
		h.t.Errorf("%s: %d buffers are missing", h.name, total-avail)
	}
}

// step lets one tick pass.
func (x *world) step() {
	x.now += x.tick
	x.a.w.Step(x.now)
	x.b.w.Step(x.now)
	x.a.check()
	x.b.check()
}

// run lets d nanoseconds pass.
func (x *world) run(d int64) {
	for end := x.now + d; x.now < end; {
		x.step()
	}
}

// until runs until f holds, and fails after d nanoseconds.
func (x *world) until(d int64, what string, f func() bool) {
	x.t.Helper()
	for end := x.now + d; x.now < end; {
		if f() {
			return
		}
		x.step()
		// Nothing happens for a while: skip it.
		if len(x.a.in.q) == 0 && len(x.b.in.q) == 0 && !x.a.busy() && !x.b.busy() {
			next := min(x.a.w.Wheel.Next(), x.b.w.Wheel.Next(), end)
			for _, h := range []*host{x.a, x.b} {
				for _, s := range h.sessions {
					if s.paced != 0 {
						next = min(next, s.paced)
					}
				}
			}
			x.now = max(x.now, next-x.tick)
		}
	}
	if !f() {
		x.t.Fatalf("%s: not after %v ms\n%s", what, d/1e6, x.dump())
	}
}

func (h *host) busy() bool {
	for _, s := range h.sessions {
		if s.wantTx && !s.gone {
			return true
		}
	}
	return h.tcp.shards[0].npending > 0
}

// check looks at the invariants of all connections.
func (h *host) check() {
	s := h.tcp.shards[0]
	s.flows.Each(func(i uint32) bool {
		if i&waitBit != 0 {
			return true
		}
		c := s.conns.At(i)
		if err := c.invariants(s); err != nil {
			h.t.Fatalf("%s: %v\n%s", h.name, err, dumpConn(s, i, c))
		}
		return true
	})
}

// invariants that hold between Steps.
func (c *Conn) invariants(s *shard) error {
	switch {
	case c.state == Closed || c.state == Listen || c.state == TimeWait:
		return fmt.Errorf("in the flow table in state %v", c.state)
	case c.sndUna.After(c.sndNxt):
		return errors.New("snd.una > snd.nxt")
	case c.flight() > 1<<30:
		return errors.New("absurd flight")
	case c.rcvAdv.Before(c.rcvNxt) && c.state != SynSent:
		return errors.New("the window is negative")
	case c.flight() > 0 && c.rtxAt == 0:
		return errors.New("in flight without timer")
	case c.state.in(synchronized) && (c.cong.Cwnd == 0 || c.mss == 0):
		return errors.New("no congestion window")
	case c.has(fFinSent) && !c.state.in(setOf(FinWait1, FinWait2, LastAck, Closing)):
		return fmt.Errorf("FIN sent in %v", c.state)
	case c.nextDeadline() != 0 && (c.timer == 0 || c.nextDeadline().before(c.armedAt)):
		return fmt.Errorf("a deadline that no timer knows: %d %d %d, armed %d, timer %d, now %d", c.rtxAt, c.ackAt, c.stateAt, c.armedAt, c.timer, s.w.Now()>>tickShift)
	}
	if k := s.cold(c); k != nil {
		if k.board.n > 0 && (k.board.r[0].from.Before(c.sndUna) || k.board.top(c.sndUna).After(c.sndNxt)) {
			return errors.New("scoreboard out of flight")
		}
		if k.held.n > 0 && k.held.r[0].from.AtOrBefore(c.rcvNxt) {
			return errors.New("island at or before rcv.nxt")
		}
		if p := s.pipe(c, k); p < 0 {
			return errors.New("negative pipe")
		}
		if k.mode == open && k.board.n == 0 && k.held.n == 0 && !c.has(fFinNoted) && c.dupAcks < dupThresh {
			return errors.New("an empty recovery record")
		}
	}
	return nil
}

func dumpConn(s *shard, i uint32, c *Conn) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v %v:%d->%v:%d flags %#x\n", c.state, c.local, c.lport, c.remote, c.rport, c.flags)
	for _, l := range s.text2(i, c, s.w.Now()) {
		fmt.Fprintln(&b, l)
	}
	return b.String()
}

func (x *world) dump() string {
	var b bytes.Buffer
	for _, h := range []*host{x.a, x.b} {
		fmt.Fprintf(&b, "host %s at %d\n", h.name, x.now)
		s := h.tcp.shards[0]
		s.flows.Each(func(i uint32) bool {
			if i&waitBit == 0 {
				b.WriteString(dumpConn(s, i, s.conns.At(i)))
			}
			return true
		})
		for _, g := range h.set.Groups() {
			for i, n := range g.Row(0) {
				if n != 0 {
					fmt.Fprintf(&b, "  %s: %d %s\n", g.Node, n, g.Reasons[i].Text)
				}
			}
		}
	}
	return b.String()
}

func (h *host) ep(port uint16) transport.Endpoint {
	return transport.Endpoint{Addr: netip.AddrPortFrom(h.addr, port)}
}

// connect begins an active open from a to b's port.
func (x *world) connect(port uint16) *sess {
	x.t.Helper()
	h := x.a
	s := &sess{h: h, slow: h.slow}
	h.sessions = append(h.sessions, s)
	c, err := h.tcp.Connect(h.w, x.b.ep(port), uint32(len(h.sessions)-1))
	if err != nil {
		x.t.Fatal(err)
	}
	s.conn = c
	return s
}

// pair opens a connection and returns both ends.
func (x *world) pair() (a, b *sess) {
	x.t.Helper()
	n := len(x.b.sessions)
	if n == 0 {
		if err := x.b.tcp.StartListen(x.b.ep(80), 5); err != nil {
			x.t.Fatal(err)
		}
	}
	a = x.connect(80)
	x.until(60e9, "handshake", func() bool { return a.open && len(x.b.sessions) > n })
	return a, x.b.sessions[n]
}

// c is the connection of a session.
func (s *sess) c() *Conn {
	_, c := s.h.tcp.find(s.h.w, s.conn)
	if c == nil {
		s.h.t.Helper()
		s.h.t.Fatalf("%s: the connection is gone", s.h.name)
	}
	return c
}

func (s *sess) state() State {
	if _, c := s.h.tcp.find(s.h.w, s.conn); c != nil {
		return c.state
	}
	return Closed
}

// checkGot compares what was received with the pattern.
func (s *sess) checkGot(n int) {
	s.h.t.Helper()
	if len(s.got) != n {
		s.h.t.Fatalf("%s: received %d bytes, want %d", s.h.name, len(s.got), n)
	}
	for i, c := range s.got {
		if c != pattern(i) {
			s.h.t.Fatalf("%s: byte %d is %#x, want %#x", s.h.name, i, c, pattern(i))
		}
	}
}

// counter reads a counter of both IP versions.
func (h *host) counter(node string, reason int) (n uint64) {
	for _, g := range h.set.Groups() {
		if g.Node == "tcp4-"+node || g.Node == "tcp6-"+node {
			n += g.Row(0)[reason]
		}
	}
	return n
}

// swallow is a network layer that sends nothing.
type swallow struct{ *host }

func (s swallow) Output(w *worker.Worker, p *ip.Path, dst *hdr.Addr, bufs []*pkt.Buf) {
	w.Bufs.PutN(bufs)
}

func nanotime() int64 { return worker.Monotonic() }
