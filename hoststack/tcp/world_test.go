package tcp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/flow"
	"vpphost/hoststack/transport"
)

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
		x.skip(end)
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
		x.skip(end)
	}
	if !f() {
		x.t.Fatalf("%s: not after %v ms\n%s", what, d/1e6, x.dump())
	}
}

// skip goes to where the next thing happens, or to end, when nothing is under way.
func (x *world) skip(end int64) {
	if len(x.a.in.q) > 0 || len(x.b.in.q) > 0 || x.a.busy() || x.b.busy() {
		return
	}
	x.now = max(x.now, min(x.a.next(), x.b.next(), end)-x.tick)
}

// next is a time before which h does nothing by itself.
func (h *host) next() int64 {
	next := h.w.Wheel.Next()
	for _, s := range h.sessions {
		if s.paced != 0 {
			next = min(next, s.paced)
		}
	}
	return next
}

func (h *host) busy() bool {
	for _, s := range h.sessions {
		if s.wantTx && !s.gone {
			return true
		}
	}
	return h.tcp.shards[0].pending.Len() > 0
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
