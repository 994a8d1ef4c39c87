package memif

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync/atomic"
	"testing"
	"time"

	"vpphost/dataplane/device"
	"vpphost/dataplane/dpdk"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
)

// BenchmarkThroughput sends frames from another process, pinned to CPU 1, to this one
// on CPU 0, as fast as the ring takes them. "touch" adds what a TCP stack does at
// least: the sender copies every payload from a 1 MB buffer into the frame, the
// receiver copies it out.
//
// Mpps is packets received; tx-ns and rx-ns are the median time of a burst that moved
// 8 packets or more, per packet: the slower side makes the other wait. core-ns is how long a
// cache line takes from core to core: compare only runs in which it is alike.
func BenchmarkThroughput(b *testing.B) {
	type side struct {
		name  string
		rx    Options
		tx    Options
		room  int
		sizes []int
	}
	sides := []side{
		{"slave-to-master", Options{Master: true}, Options{}, pkt.DefaultRoom, []int{64, 1514}},
		{"master-to-slave", Options{}, Options{Master: true}, pkt.DefaultRoom, []int{64, 1514}},
		{"slave-to-master", Options{Master: true}, Options{}, jumbo, []int{9014}},
	}
	rings := []int{1024}
	if os.Getenv("MEMIF_BENCH_RINGS") != "" {
		rings = []int{256, 512, 1024, 2048, 4096}
	}
	for _, s := range sides {
		for _, size := range s.sizes {
			for _, touch := range []bool{false, true} {
				for _, ring := range rings {
					name := fmt.Sprintf("%s/%d/ring=%d", s.name, size, ring)
					if touch {
						name += "/touch"
					}
					b.Run(name, func(b *testing.B) {
						s.rx.RingSize, s.tx.RingSize = ring, ring
						throughput(b, s.rx, s.tx, s.room, size, touch)
					})
				}
			}
		}
	}
}

// perRound is how many packets one iteration receives.
const perRound = 100_000

func throughput(b *testing.B, rx, tx Options, room, size int, touch bool) {
	path := socketPath(b)
	rx.SocketPath, tx.SocketPath = path, path
	core := coreLatency()
	pool := benchPool(b, room)
	d, err := Open(rx, pool)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	if err := d.Start(); err != nil {
		b.Fatal(err)
	}
	mode := "bench"
	if touch {
		mode = "bench touch"
	}
	c := peer{Mode: mode, Devices: []Options{tx}, Room: room, Size: size, CPU: 1}.start(b)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pin(0)
	defer unpin()
	dpdk.ThreadStart()
	defer dpdk.ThreadStop()
	h, err := newHost([]device.Device{d}, pool)
	if err != nil {
		b.Fatal(err)
	}
	store, err := mem.Slice[byte](1<<20 + 1<<16)
	if err != nil {
		b.Fatal(err)
	}
	within(b, 10*time.Second, "link up", func() bool { h.drain(); return d.Link().Up })
	b.ReportAllocs()
	var busy costs
	packets := 0
	begin := time.Now()
	for b.Loop() {
		for n := 0; n < perRound; {
			t := time.Now()
			k := h.rx[0].RxBurst(h.bufs)
			if k == 0 {
				continue
			}
			busy.add(time.Since(t), k)
			if touch {
				for i, x := range h.bufs[:k] {
					copy(store[(packets+n+i)*1500&(1<<20-1):], x.Data()[14:])
				}
			}
			h.cache.PutN(h.bufs[:k])
			n += k
		}
		packets += perRound
	}
	took := time.Since(begin)
	b.StopTimer()
	b.ReportMetric(float64(packets)/took.Seconds()/1e6, "Mpps")
	b.ReportMetric(float64(packets)*float64(size)*8/took.Seconds()/1e9, "Gb/s")
	b.ReportMetric(busy.median(), "rx-ns")
	b.ReportMetric(core, "core-ns")
	b.ReportMetric(0, "ns/op")
	c.in.Close()
	for end := time.Now().Add(time.Second / 5); time.Now().Before(end); {
		h.drain()
	}
	var ns float64
	if _, err := fmt.Sscan(c.line(), &ns); err == nil {
		b.ReportMetric(ns, "tx-ns")
	}
	h.close()
}

var benchPools = map[int]*dpdk.Pool{}

func benchPool(b *testing.B, room int) *dpdk.Pool {
	if benchPools[room] == nil {
		p, err := dpdk.NewPool(fmt.Sprint("bench", room), poolSize, room)
		if err != nil {
			b.Fatal(err)
		}
		benchPools[room] = p
	}
	return benchPools[room]
}

// drain throws away what comes.
func (h *host) drain() int {
	n := h.rx[0].RxBurst(h.bufs)
	h.cache.PutN(h.bufs[:n])
	return n
}

// bench sends until the input ends and returns the time in bursts per packet, in ns.
func (h *host) bench(size int, touch bool, stop *atomic.Bool) float64 {
	store, _ := mem.Slice[byte](1<<20 + 1<<16)
	var busy costs
	packets := 0
	for !stop.Load() {
		n := h.cache.GetN(h.bufs[:32])
		for i, x := range h.bufs[:n] {
			d := x.Append(size)
			copy(d, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\xb5")
			if touch {
				copy(d[14:], store[(packets+i)*1500&(1<<20-1):])
			}
		}
		for sent := 0; sent < n && !stop.Load(); {
			t := time.Now()
			k := h.tx[0].TxBurst(h.bufs[sent:n])
			if k == 0 {
				continue
			}
			busy.add(time.Since(t), k)
			sent += k
			packets += k
		}
	}
	return busy.median()
}

// costs collects what bursts cost per packet. The median leaves out those in which
// the thread was preempted.
type costs struct {
	ns []float64
	n  int
}

func (c *costs) add(d time.Duration, packets int) {
	if packets < 8 {
		return
	}
	if c.ns == nil {
		c.ns = make([]float64, 1<<16)
	}
	c.ns[c.n%len(c.ns)] = float64(d.Nanoseconds()) / float64(packets)
	c.n++
}

func (c *costs) median() float64 {
	if c.n == 0 {
		return 0
	}
	v := c.ns[:min(c.n, len(c.ns))]
	sort.Float64s(v)
	return v[len(v)/2]
}

// coreLatency is how many ns a cache line takes from CPU 0 to CPU 1: the least of many
// short tries, since either side may be preempted.
func coreLatency() float64 {
	var line struct {
		_    [64]byte
		v    atomic.Uint32
		_    [64]byte
		stop atomic.Bool
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pin(0)
	defer unpin()
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		pin(1)
		for !line.stop.Load() {
			if v := line.v.Load(); v&1 == 1 {
				line.v.Store(v + 1)
			}
		}
		unpin()
		done <- true
	}()
	const trips = 100
	best := time.Hour
	for range 200 {
		t := time.Now()
		for range trips {
			v := line.v.Load()
			line.v.Store(v + 1)
			for line.v.Load() != v+2 {
			}
		}
		best = min(best, time.Since(t))
	}
	line.stop.Store(true)
	<-done
	return float64(best.Nanoseconds()) / (2 * trips)
}
