package udp

import (
	"fmt"
	"testing"

	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
)

func benchReceive(b *testing.B, size int, connectionless bool) {
	const run = 64
	h := newHost(b)
	h.size = 4 << 20
	h.listen(us4, 7, datagram.Options{Connectionless: connectionless})
	p := packet(at(them4, 99), at(us4, 7), pattern(size))
	h.take(p)
	s := h.last()
	s.read()
	bufs := make([]*pkt.Buf, run)
	b.ReportAllocs()
	var ns int64
	for b.Loop() {
		for i := range bufs {
			bufs[i] = h.load(p, 0)
		}
		t := worker.Monotonic()
		h.udp.Input(h.w, bufs)
		ns += worker.Monotonic() - t
		s.rx.Drop(s.rx.Len())
	}
	b.ReportMetric(float64(ns)/float64(b.N*run), "ns/datagram")
}

// BenchmarkReceive feeds runs of 64 datagrams, with no device: look-up, headers, copy and
// checksum.
func BenchmarkReceive(b *testing.B) {
	for _, n := range []int{1472, 64, 1} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) { benchReceive(b, n, false) })
	}
	b.Run("connectionless", func(b *testing.B) { benchReceive(b, 1472, true) })
}

// BenchmarkSend sends batches of 64 datagrams: headers, copy and checksum.
func BenchmarkSend(b *testing.B) {
	const batch = 64
	run := func(b *testing.B, size int, connectionless bool) {
		h := newHost(b)
		h.size, h.swallow = 4<<20, true
		var d datagram.Header
		s := h.connect(them4, 53)
		if connectionless {
			h.listen(us4, 7, datagram.Options{Connectionless: true})
			s, d.Remote = h.last(), at(them4, 9)
		}
		text := pattern(size)
		b.ReportAllocs()
		var ns int64
		for b.Loop() {
			for range batch {
				h.write(s, d, text)
			}
			t := worker.Monotonic()
			h.udp.Send(h.w, s.conn, 1<<20)
			ns += worker.Monotonic() - t
		}
		if s.tx.Len() != 0 {
			b.Fatal("not sent")
		}
		b.ReportMetric(float64(ns)/float64(b.N*batch), "ns/datagram")
	}
	for _, n := range []int{1472, 64, 1} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) { run(b, n, false) })
	}
	b.Run("connectionless", func(b *testing.B) { run(b, 1472, true) })
	b.Run("fragments", func(b *testing.B) { run(b, 4000, false) })
}
