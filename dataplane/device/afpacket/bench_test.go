package afpacket

import (
	"fmt"
	"runtime"
	"testing"

	"vpphost/dataplane/device/netdev/nettest"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
)

// BenchmarkSend: datagrams that the kernel's end of a veth drops. They are never joined.
func BenchmarkSend(b *testing.B) {
	for _, by := range []driver{native, dpdks} {
		for _, size := range []int{22, 1458} {
			b.Run(fmt.Sprintf("%s/%d", by.name, size+42), func(b *testing.B) {
				w := newWire(b, 1500)
				h := w.open(by, newPool(b, pkt.DefaultRoom), Options{})
				p := nettest.Pattern(size, 1)
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				b.ReportAllocs()
				for b.Loop() {
					n := h.cache.GetN(h.bufs[:32])
					for _, x := range h.bufs[:n] {
						w.build(x, 7, 9, p)
					}
					for k := 0; k < n; {
						k += h.tx[0].TxBurst(h.bufs[k:n])
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/pkt")
			})
		}
	}
}

func BenchmarkEmptyPoll(b *testing.B) {
	for _, by := range []driver{native, dpdks} {
		b.Run(by.name, func(b *testing.B) {
			w := newWire(b, 1500)
			h := w.open(by, newPool(b, pkt.DefaultRoom), Options{})
			bufs, _ := mem.Slice[*pkt.Buf](256)
			for b.Loop() {
				h.rx[0].RxBurst(bufs)
			}
		})
	}
}
