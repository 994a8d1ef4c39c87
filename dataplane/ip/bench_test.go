package ip

import (
	"fmt"
	"net/netip"
	"testing"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// keeper is a transport that gives the packets back to the benchmark.
type keeper struct{ bufs []*pkt.Buf }

func (k *keeper) Input(_ *worker.Worker, bufs []*pkt.Buf) { k.bufs = append(k.bufs, bufs...) }
func (k *keeper) Error(*worker.Worker, *Error)            {}

// tcpFrame writes an Ethernet frame with a TCP segment of n bytes in all, from src to
// dst, to a fresh buffer.
func tcpFrame(h *host, to, from hdr.MAC, src, dst hdr.Addr, n int) *pkt.Buf {
	b := h.workers[0].Bufs.Get()
	d := b.Append(hdr.EtherLen + n)
	if src.Is4() {
		hdr.Ether(d).Put(to, from, hdr.EtherIP4)
		hdr.IP4(d[14:]).Put(&hdr.IP4Fields{TotalLen: n, TTL: 64, Proto: hdr.ProtoTCP, FlagsFrag: hdr.IP4DontFragment, Src: src, Dst: dst})
	} else {
		hdr.Ether(d).Put(to, from, hdr.EtherIP6)
		hdr.IP6(d[14:]).Put(&hdr.IP6Fields{PayloadLen: n - 40, Next: hdr.ProtoTCP, HopLimit: 64, Src: src, Dst: dst})
	}
	return b
}

func benchHosts(b *testing.B) (a, z *host, k *keeper) {
	a, z = newHost(b, 1), newHost(b, 1)
	w := wire(b, a, z, sim.Config{})
	a.up("sim0", w.End(0), "10.0.0.1/24", "2001:db8::1/64")
	z.up("sim0", w.End(1), "10.0.0.2/24", "2001:db8::2/64")
	settle(b, a, z)
	for _, to := range []string{"10.0.0.2", "2001:db8::2"} {
		if len(a.ping(to, 8, z)) != 1 {
			b.Fatal("no ping")
		}
	}
	k = &keeper{bufs: make([]*pkt.Buf, 0, 4096)}
	a.s.Handle(hdr.ProtoTCP, k)
	return a, z, k
}

// BenchmarkInput measures ethernet-input to the transport for bursts of TCP segments.
func BenchmarkInput(b *testing.B) {
	for _, v := range []struct{ name, src, dst string }{{"ip4", "10.0.0.2", "10.0.0.1"}, {"ip6", "2001:db8::2", "2001:db8::1"}} {
		for _, burst := range []int{8, 64, 256} {
			b.Run(fmt.Sprintf("%s/%d", v.name, burst), func(b *testing.B) {
				a, z, k := benchHosts(b)
				i, zi := a.ifs.ByName("sim0"), z.ifs.ByName("sim0")
				bufs, _ := mem.Slice[*pkt.Buf](burst)
				for n := range bufs {
					bufs[n] = tcpFrame(a, i.MAC(), zi.MAC(), ad(v.src), ad(v.dst), 1500)
				}
				b.ReportAllocs()
				for b.Loop() {
					k.bufs = k.bufs[:0]
					a.s.Input(a.workers[0], i, bufs)
				}
				if len(k.bufs) != burst {
					b.Fatalf("%d of %d delivered: %v", len(k.bufs), burst, a.counters())
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*burst), "ns/packet")
				a.workers[0].Bufs.PutN(bufs)
			})
		}
	}
}

// null is a device that takes everything. While keep is set it keeps nothing back: the
// benchmark sends the same buffers again.
type null struct {
	pool pkt.Pool
	keep bool
}

func (*null) Info() device.Info           { return device.Info{MAC: [6]byte{2, 0xfe, 1}, RxQ: 1, TxQ: 1} }
func (*null) Start() error                { return nil }
func (*null) Stop() error                 { return nil }
func (*null) Close() error                { return nil }
func (n *null) Rx(int) device.RxQueue     { return n }
func (n *null) Tx(int) device.TxQueue     { return n }
func (*null) Link() device.Link           { return device.Link{Up: true} }
func (*null) Counters() device.Counters   { return device.Counters{} }
func (*null) SetMAC([6]byte) error        { return nil }
func (*null) Details() []device.Detail    { return nil }
func (*null) RxBurst(bufs []*pkt.Buf) int { return 0 }
func (n *null) TxBurst(bufs []*pkt.Buf) int {
	if !n.keep {
		n.pool.Free(bufs)
	}
	return len(bufs)
}

// BenchmarkOutput measures Output, the interface's queue included.
func BenchmarkOutput(b *testing.B) {
	for _, burst := range []int{8, 64, 256} {
		b.Run(fmt.Sprint(burst), func(b *testing.B) {
			h := newHost(b, 1)
			dev := &null{pool: h.pool}
			i, err := h.ifs.Add("null0", "null", dev)
			h.ok(err)
			h.ok(h.ifs.AddAddr(i, netip.MustParsePrefix("10.0.0.1/24")))
			h.ok(h.ifs.SetUp(i, true))
			dst, w := ad("10.0.0.2"), h.workers[0]
			h.ok(h.s.Neighbors().Set(i.Index, dst, hdr.MAC{2, 0xfe, 2}, true))
			settle(b, h)
			dev.keep = true
			var p Path
			h.ok(h.s.FindPath(w, &dst, 0, &p))
			bufs, _ := mem.Slice[*pkt.Buf](burst)
			for n := range bufs {
				bufs[n] = tcpFrame(h, hdr.MAC{}, hdr.MAC{}, ad("10.0.0.1"), dst, 1460)
				bufs[n].Trim(hdr.EtherLen)
			}
			b.ReportAllocs()
			for b.Loop() {
				h.s.Output(w, &p, &dst, bufs)
				for _, x := range bufs {
					x.Trim(hdr.EtherLen)
				}
				w.Step(0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*burst), "ns/packet")
			w.Bufs.PutN(bufs)
		})
	}
}
