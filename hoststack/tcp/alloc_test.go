package tcp

import (
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/hoststack/transport"
)

// The packet path must not allocate on the Go heap.

func TestNoAllocations(t *testing.T) {
	x := newWorld(t, func(o *setup) { o.size = 4 << 20 })
	a, r := x.pair()
	r.slow = true
	x.run(1e6)
	x.a.tcp.net, x.b.tcp.net = swallow{x.a}, swallow{x.b}
	c := a.c()
	text := make([]byte, 1000)
	bufs := make([]*pkt.Buf, 32)
	rx := x.b.RxFIFO(x.b.w, 0)
	f := a.fifo()
	big := make([]byte, 60000)

	check := func(name string, fn func()) {
		t.Helper()
		fn()
		if n := testing.AllocsPerRun(50, fn); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	check("receive in order", func() {
		x.makeRun(c, bufs, text)
		x.b.tcp.Input(x.b.w, bufs)
		rx.Drop(rx.Len())
		x.b.tcp.RxSpace(x.b.w, r.conn)
		x.b.tcp.shards[0].flush(x.now)
	})
	check("receive out of order", func() {
		x.makeRun(c, bufs, text)
		for i := 0; i+1 < len(bufs); i += 2 {
			bufs[i], bufs[i+1] = bufs[i+1], bufs[i]
		}
		x.b.tcp.Input(x.b.w, bufs)
		rx.Drop(rx.Len())
		x.b.tcp.RxSpace(x.b.w, r.conn)
		x.b.tcp.shards[0].flush(x.now)
	})
	p := r.c()
	acked := c.sndNxt
	c.sndUna = acked
	check("send and take ACKs", func() {
		f.Write(big)
		x.a.tcp.Send(x.a.w, a.conn, 256)
		una := c.sndUna
		b := bufs[:4]
		for i := range b {
			una = una.Add(c.flight() / 4)
			var opts [tsOptLen]byte
			var h header
			h.build(p, hdr.ACK, una, 60000, putTS(opts[:0], p.tsNow(x.now), p.tsRecent), false)
			q := x.a.w.Bufs.Get()
			q.SetLen(h.n)
			h.put(q.Data(), p.sndNxt, 0, 0, 0)
			h.finish(q, 0, p.pseudo)
			b[i] = q
		}
		x.a.tcp.Input(x.a.w, b)
	})
	check("a timeout and recovery", func() {
		f.Write(big)
		x.a.tcp.Send(x.a.w, a.conn, 256)
		s := x.a.tcp.shards[0]
		s.begin(c)
		c.rtxAt = tickAfter(0, 1)
		s.expire(c, x.now)
		s.settle(a.conn.Index, c, x.now)
		x.a.tcp.Send(x.a.w, a.conn, 256)
		s.begin(c)
		s.ackNew(c, c.sndNxt, 0, 0, x.now)
		s.settle(a.conn.Index, c, x.now)
	})
}

// TestNoAllocationsOpening: nor must connections that come and go.
func TestNoAllocationsOpening(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.h.tcp.net = swallow{p.h}
	syn, rst := p.frame(seg{flags: hdr.SYN, wnd: 500, opts: modern()}), p.frame(seg{flags: hdr.RST, seq: 1})
	bufs := make([]*pkt.Buf, 1)
	put := func(f []byte) {
		bufs[0] = p.h.load(frame{data: f})
		p.h.tcp.Input(p.h.w, bufs)
		p.h.tcp.shards[0].flush(p.now)
	}
	fn := func() { put(syn); put(rst) }
	fn()
	if n := testing.AllocsPerRun(100, fn); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if p.h.counter("input", inSyn) < 100 {
		t.Error("no SYN was taken")
	}
}

// TestNoAllocationsConnecting: nor must active opens.
func TestNoAllocationsConnecting(t *testing.T) {
	p := newPeer(t)
	p.h.tcp.net = swallow{p.h}
	s := &sess{h: p.h}
	p.h.sessions = append(p.h.sessions, s)
	ep := transport.Endpoint{Addr: netip.AddrPortFrom(p.addr, p.port)}
	fn := func() {
		c, err := p.h.tcp.Connect(p.h.w, ep, 0)
		if err != nil {
			t.Fatal(err)
		}
		p.h.tcp.shards[0].flush(p.now)
		p.h.tcp.Reset(p.h.w, c)
		p.h.tcp.shards[0].flush(p.now)
	}
	fn()
	if n := testing.AllocsPerRun(100, fn); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestNoAllocationsStray: nor must segments for nobody, or for a connection in TIME_WAIT:
// of these anybody may send as many as he likes.
func TestNoAllocationsStray(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	p.close(s)
	fin := p.frame(seg{flags: hdr.FIN | hdr.ACK, seq: 1, ack: 2, wnd: 500})
	p.to = 81
	nobody := p.frame(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
	p.h.tcp.net = swallow{p.h}
	bufs := make([]*pkt.Buf, 1)
	for name, f := range map[string][]byte{"TIME_WAIT": fin, "nobody": nobody} {
		fn := func() {
			bufs[0] = p.h.load(frame{data: f})
			p.h.tcp.Input(p.h.w, bufs)
		}
		fn()
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if p.h.counter("input", inTimeWait) < 100 || p.h.counter("output", outRst) < 100 {
		t.Error("no segment was answered")
	}
}
