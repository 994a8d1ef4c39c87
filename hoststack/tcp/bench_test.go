package tcp

import (
	"fmt"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

// Only the call in question is timed: ns/segment. ns/op covers the making of packets
// as well.

// BenchmarkReceive feeds runs of 64 segments in order to a connection, with no device:
// look-up, headers, copy and checksum. The application reads after each run.
func BenchmarkReceive(b *testing.B) {
	for _, n := range []int{1448, 1} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) { benchReceive(b, n) })
	}
}

func benchReceive(b *testing.B, size int) {
	const run = 64
	x := newWorld(b, func(o *setup) { o.size = 4 << 20 })
	a, r := x.pair()
	r.slow = true
	x.run(1e6)
	c := a.c()
	text := make([]byte, size)
	bufs := make([]*pkt.Buf, run)
	rx := x.b.RxFIFO(x.b.w, 0)
	x.b.tcp.net = swallow{x.b}
	b.ReportAllocs()
	var ns int64
	for b.Loop() {
		x.makeRun(c, bufs, text)
		t := nanotime()
		x.b.tcp.Input(x.b.w, bufs)
		ns += nanotime() - t
		rx.Drop(rx.Len())
		x.b.tcp.RxSpace(x.b.w, r.conn)
		x.b.tcp.shards[0].flush(x.now)
	}
	if rc := r.c(); rc.stats.dataSegsIn != uint32(b.N*run) {
		b.Fatalf("%d segments taken of %d", rc.stats.dataSegsIn, b.N*run)
	}
	b.ReportMetric(float64(ns)/float64(b.N*run), "ns/segment")
}

// makeRun fills bufs with the next segments that a's connection c would send to b.
func (x *world) makeRun(c *Conn, bufs []*pkt.Buf, text []byte) {
	var opts [tsOptLen]byte
	var h header
	h.build(c, hdr.ACK, c.rcvNxt, 1000, putTS(opts[:0], c.tsNow(x.now), c.tsRecent), false)
	for k := range bufs {
		p := x.b.w.Bufs.Get()
		p.SetLen(h.n + len(text))
		h.put(p.Data(), c.sndNxt, len(text), 0, hdr.CopyChecksum(p.Data()[h.n:], text, 0))
		h.finish(p, len(text), c.pseudo)
		c.sndNxt = c.sndNxt.Add(len(text))
		bufs[k] = p
	}
}

// BenchmarkSend sends batches of 64 full segments: plan, headers, copy and checksum.
func BenchmarkSend(b *testing.B) {
	const batch = 64
	x := newWorld(b, func(o *setup) { o.size = 4 << 20 })
	a, _ := x.pair()
	x.run(1e6)
	h := x.a
	c := a.c()
	f := a.fifo()
	n := int(c.mss) * batch
	h.tcp.net = swallow{h}
	text := make([]byte, n)
	b.ReportAllocs()
	var ns int64
	for b.Loop() {
		f.Write(text)
		c.sndWnd, c.cong.Cwnd = 1<<30, 1<<30
		t := nanotime()
		r := h.tcp.Send(h.w, a.conn, 256)
		ns += nanotime() - t
		if r.Segments != batch {
			b.Fatalf("sent %d segments", r.Segments)
		}
		c.sndUna = c.sndNxt
		f.Drop(n)
	}
	b.ReportMetric(float64(ns)/float64(b.N*batch), "ns/segment")
}

// BenchmarkAcks feeds runs of 16 pure ACKs, each for four segments, and sends as much
// again.
func BenchmarkAcks(b *testing.B) {
	const acks, each = 16, 4
	x := newWorld(b, func(o *setup) { o.size = 4 << 20 })
	a, r := x.pair()
	x.run(1e6)
	c, p := a.c(), r.c()
	f := a.fifo()
	n := int(c.mss) * acks * each
	x.a.tcp.net = swallow{x.a}
	text := make([]byte, n)
	bufs := make([]*pkt.Buf, acks)
	b.ReportAllocs()
	var ns int64
	for b.Loop() {
		f.Write(text)
		c.sndWnd, c.cong.Cwnd = 1<<30, 1<<30
		if s := x.a.tcp.Send(x.a.w, a.conn, 256); s.Segments != acks*each {
			b.Fatalf("sent %d segments", s.Segments)
		}
		var opts [tsOptLen]byte
		var h header
		una := c.sndUna
		for k := range bufs {
			q := x.a.w.Bufs.Get()
			una = una.Add(each * int(c.mss))
			h.build(p, hdr.ACK, una, 60000, putTS(opts[:0], p.tsNow(x.now), p.tsRecent), false)
			q.SetLen(h.n)
			h.put(q.Data(), p.sndNxt, 0, 0, 0)
			h.finish(q, 0, p.pseudo)
			bufs[k] = q
		}
		t := nanotime()
		x.a.tcp.Input(x.a.w, bufs)
		ns += nanotime() - t
		if c.flight() != 0 {
			b.Fatal("not acknowledged")
		}
	}
	b.ReportMetric(float64(ns)/float64(b.N*acks), "ns/ack")
}
