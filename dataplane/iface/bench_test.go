package iface

import (
	"encoding/binary"
	"testing"

	"vpphost/dataplane/device"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// bounce is a device that costs nothing: what is sent to it is received from it.
type bounce struct {
	held [pkt.MaxBurst]*pkt.Buf
	n    int
}

func (d *bounce) Info() device.Info {
	return device.Info{Driver: "bounce", RxQ: 1, TxQ: 1, MAC: [6]byte{2}}
}
func (d *bounce) Start() error              { return nil }
func (d *bounce) Stop() error               { return nil }
func (d *bounce) Close() error              { return nil }
func (d *bounce) Rx(int) device.RxQueue     { return d }
func (d *bounce) Tx(int) device.TxQueue     { return d }
func (d *bounce) Link() device.Link         { return device.Link{Up: true} }
func (d *bounce) Counters() device.Counters { return device.Counters{} }
func (d *bounce) SetMAC([6]byte) error      { return nil }
func (d *bounce) Details() []device.Detail  { return nil }

func (d *bounce) RxBurst(bufs []*pkt.Buf) int {
	n := copy(bufs, d.held[:d.n])
	d.n = copy(d.held[:], d.held[n:d.n])
	return n
}

func (d *bounce) TxBurst(bufs []*pkt.Buf) int {
	n := copy(d.held[d.n:], bufs)
	d.n += n
	return n
}

// What the interface layer itself costs to receive a burst and send it again.
func BenchmarkRxTx(b *testing.B) {
	for _, burst := range []int{1, 32, 256} {
		b.Run(map[int]string{1: "burst=1", 32: "burst=32", 256: "burst=256"}[burst], func(b *testing.B) {
			pool, err := pkt.NewMapPool("bench", 2048, pkt.DefaultRoom)
			if err != nil {
				b.Fatal(err)
			}
			w, err := worker.New(worker.Config{CPU: -1, Pool: pool})
			if err != nil {
				b.Fatal(err)
			}
			m, err := New([]*worker.Worker{w}, nil)
			if err != nil {
				b.Fatal(err)
			}
			m.SetInput(forward{m})
			d := &bounce{}
			i, err := m.Add("bounce0", "bounce", d)
			if err != nil {
				b.Fatal(err)
			}
			if err := m.SetUp(i, true); err != nil {
				b.Fatal(err)
			}
			for range burst {
				x := w.Bufs.Get()
				binary.BigEndian.PutUint16(x.Append(60)[12:], 0x0800)
				d.held[d.n] = x
				d.n++
			}
			now := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				now += 1000
				w.Step(now)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(burst), "ns/packet")
			c, _ := m.Counters(i)
			if c.RxPackets != uint64(b.N*burst) || c.TxPackets != c.RxPackets {
				b.Fatalf("counters %+v after %d Steps", c, b.N)
			}
		})
	}
}

type forward struct{ m *Manager }

func (f forward) Input(w *worker.Worker, i *Interface, bufs []*pkt.Buf) { f.m.Tx(w, i.Index, bufs) }

func TestPacketPathAllocatesNothing(t *testing.T) {
	h := newHost(t, 1)
	l, err := h.m.AddLoopback(-1)
	h.ok(err)
	h.ok(h.m.SetUp(l, true))
	h.m.SetInput(forward{h.m})
	h.send(0, l, 0, 64, 60)
	if n := testing.AllocsPerRun(1000, func() { h.step() }); n != 0 {
		t.Errorf("%v allocations a Step", n)
	}
}
