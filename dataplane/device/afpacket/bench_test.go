package afpacket

import (
	"fmt"
	"runtime"
	"testing"
	"time"

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

// stream puts a run of full TCP segments into n buffers of h. Nobody in the kernel takes
// them.
func stream(h *host, n int) {
	s := nettest.Stream{SrcMAC: ourMAC, DstMAC: [6]byte{2, 9, 9, 9, 9, 9}, Options: 12}
	for _, x := range h.bufs[:h.cache.GetN(h.bufs[:n])] {
		f := s.Segment(1448, 0x10, 0)
		copy(x.Append(len(f)), f)
		x.Flags = pkt.CsumPartial
	}
}

// BenchmarkStream: TCP segments in bursts of 180, from one end of a veth to the other. Ours
// are joined and cut; before DPDK's receiver the kernel cuts them. The time is that of the
// sender, or of the receiver, alone.
func BenchmarkStream(b *testing.B) {
	const burst = 180
	for _, by := range []driver{native, dpdks} {
		for _, receive := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/receive=%v", by.name, receive), func(b *testing.B) {
				w := newWire(b, 1500)
				pool := newPool(b, pkt.DefaultRoom)
				h := w.open(by, pool, Options{})
				from, to := h, h
				if receive {
					if from = w.openPeer(pool); by.name == dpdks.name {
						w.ethtool("tx off")
					}
				}
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				var busy time.Duration
				for b.Loop() {
					stream(from, burst)
					t := time.Now()
					for k := 0; k < burst; {
						k += from.tx[0].TxBurst(from.bufs[k:burst])
					}
					if receive {
						t = time.Now()
						for n, k := 0, 0; n < burst; n += k {
							k = to.rx[0].RxBurst(to.bufs)
							to.cache.PutN(to.bufs[:k])
						}
					}
					busy += time.Since(t)
				}
				b.ReportMetric(float64(busy.Nanoseconds())/float64(b.N)/burst, "ns/segment")
			})
		}
	}
}
