package dpdk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
)

func newPool(t testing.TB, n, room int) *Pool {
	t.Helper()
	p, err := NewPool(fmt.Sprintf("p%d", poolSeq.Add(1)), n, room)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var poolSeq atomic.Int32

func TestPool(t *testing.T) {
	const n = 1000
	p := newPool(t, n, 4096+pkt.Headroom)
	defer p.Close()
	bufs, err := mem.Slice[*pkt.Buf](n + 100)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Alloc(bufs[:n+100]); got != n {
		t.Fatalf("allocated %d of %d buffers", got, n)
	}
	if total, avail := p.Usage(); total != n || avail != 0 {
		t.Fatalf("usage %d %d", total, avail)
	}
	seen := map[*pkt.Buf]bool{}
	for _, b := range bufs[:n] {
		if seen[b] {
			t.Fatal("a buffer was given out twice")
		}
		seen[b] = true
		if b.Room() != 4096 || b.DataOff != pkt.Headroom || b.NbSegs != 1 || b.RefCnt != 1 || b.Next != nil {
			t.Fatalf("not fresh: %+v", b)
		}
		if int(b.PrivSize) != pkt.MetaSize {
			t.Fatalf("private size %d", b.PrivSize)
		}
		copy(b.Append(4096), bytes.Repeat([]byte{0xa5}, 4096))
		b.Meta = pkt.Meta{Arrived: -1, Hash: ^uint32(0), Scratch: [2]uint64{1, 2}}
	}
	// A chain of three goes back whole.
	a, b, c := bufs[0], bufs[1], bufs[2]
	a.Next, a.NbSegs, b.Next = b, 3, c
	p.FreeChain(a)
	p.Free(bufs[3:n])
	if _, avail := p.Usage(); avail != n {
		t.Fatalf("%d buffers are free, want %d", avail, n)
	}
	if got := p.Alloc(bufs[:n]); got != n {
		t.Fatalf("second time: %d", got)
	}
	for _, b := range bufs[:n] {
		if b.Next != nil || b.NbSegs != 1 || b.DataLen != 0 {
			t.Fatalf("not fresh: %+v", b)
		}
	}
	p.Free(bufs[:n])
}

func TestPoolErrors(t *testing.T) {
	if _, err := NewPool("big", 1<<20, 9000); err == nil || !strings.Contains(err.Error(), "pool big") {
		t.Errorf("a pool larger than the memory: %v", err)
	}
	if _, err := NewPool("room", 10, 70000); err == nil {
		t.Error("a room over 65535 was accepted")
	}
	p := newPool(t, 64, pkt.DefaultRoom)
	defer p.Close()
	if _, err := NewPool(p.Name(), 64, pkt.DefaultRoom); err == nil {
		t.Error("two pools of one name")
	}
}

func TestPoolFromManyThreads(t *testing.T) {
	p := newPool(t, 8192, 256+pkt.Headroom)
	defer p.Close()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread()
			if i%2 == 0 {
				ThreadStart()
				defer ThreadStop()
				if Lcore() < 0 {
					t.Error("not registered")
				}
			}
			bufs, _ := mem.Slice[*pkt.Buf](256)
			for range 2000 {
				n := p.Alloc(bufs)
				for _, b := range bufs[:n] {
					if b.RefCnt != 1 {
						t.Error("buffer in use twice")
					}
					b.RefCnt = 1
				}
				p.Free(bufs[:n])
			}
		}()
	}
	wg.Wait()
	if total, avail := p.Usage(); total != avail {
		t.Fatalf("%d of %d buffers came back", avail, total)
	}
}

func openNull(t testing.TB, p *Pool, args string) *Port {
	t.Helper()
	port, err := Attach(fmt.Sprintf("net_null%d", poolSeq.Add(1)), args)
	if err != nil {
		t.Fatal(err)
	}
	if err := port.Configure(PortConfig{Pool: p, MaxFrame: 1514}); err != nil {
		t.Fatal(err)
	}
	if err := port.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := port.Close(); err != nil {
			t.Error(err)
		}
	})
	return port
}

func TestBurst(t *testing.T) {
	p := newPool(t, 4096, pkt.DefaultRoom)
	port := openNull(t, p, "size=1000")
	bufs, _ := mem.Slice[*pkt.Buf](pkt.MaxBurst)
	// Dirty Meta of a former life must not show.
	n := p.Alloc(bufs)
	for _, b := range bufs[:n] {
		b.Meta = pkt.Meta{Hash: 1, Trace: 2, Conn: 3, Flags: ^pkt.Flags(0), Proto: 6}
	}
	p.Free(bufs[:n])
	n = port.Rx(0).RxBurst(bufs)
	if n != pkt.MaxBurst {
		t.Fatalf("received %d", n)
	}
	for _, b := range bufs[:n] {
		if b.Meta != (pkt.Meta{}) {
			t.Fatalf("meta is not clean: %+v", b.Meta)
		}
		if b.DataLen != 1000 || b.PktLen != 1000 || b.NbSegs != 1 {
			t.Fatalf("length %d", b.DataLen)
		}
	}
	if got := port.Tx(0).TxBurst(bufs[:n]); got != n {
		t.Fatalf("sent %d of %d", got, n)
	}
	s := port.Stats()
	if s.RxPackets != uint64(n) || s.TxPackets != uint64(n) {
		t.Fatalf("stats %+v", s)
	}
	if up, _ := port.Link(); !up {
		t.Error("link is down")
	}
	if port.RxCsum() {
		t.Error("net_null verifies checksums?")
	}
}

func TestTxRefusesWhatWouldHarm(t *testing.T) {
	p := newPool(t, 256, 4096+pkt.Headroom)
	port := openNull(t, p, "")
	bufs, _ := mem.Slice[*pkt.Buf](8)
	if p.Alloc(bufs) != 8 {
		t.Fatal("no buffers")
	}
	for i, b := range bufs {
		b.Append(100 + i)
	}
	bufs[1].SetLen(1515) // too long
	last := bufs[7]      // will be chained
	bufs[4].Next, bufs[4].NbSegs = last, 2
	bufs[4].PktLen += uint32(last.DataLen)
	before := port.Stats()
	if n := port.Tx(0).TxBurst(bufs[:7]); n != 7 {
		t.Fatalf("took %d of 7", n)
	}
	s := port.Stats()
	if s.TxOversize != 1 || s.TxChained != 1 || s.TxPackets-before.TxPackets != 5 {
		t.Fatalf("stats %+v", s)
	}
	if total, avail := p.Usage(); total != avail {
		t.Fatalf("%d of %d buffers came back", avail, total)
	}
	// All of them refused.
	p.Alloc(bufs[:2])
	bufs[0].SetLen(2000)
	bufs[1].SetLen(2000)
	if n := port.Tx(0).TxBurst(bufs[:2]); n != 2 {
		t.Fatalf("took %d of 2", n)
	}
}

// TestTxKeepsOrderOfTheRest fills a ring whose other end is not read, with a refused
// frame in front of it: the caller must keep exactly what was not taken.
func TestTxKeepsOrderOfTheRest(t *testing.T) {
	p := newPool(t, 4096, 2048+pkt.Headroom)
	port, err := Attach(fmt.Sprintf("net_ring%d", poolSeq.Add(1)), "")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if err := port.Configure(PortConfig{Pool: p, MaxFrame: 1514}); err != nil {
		t.Fatal(err)
	}
	if err := port.Start(); err != nil {
		t.Fatal(err)
	}
	bufs, _ := mem.Slice[*pkt.Buf](64)
	seq := byte(0)
	sent := 0
	for range 100 { // the ring of net_ring holds 1023
		n := p.Alloc(bufs)
		for i, b := range bufs[:n] {
			b.Append(64)[0] = seq + byte(i)
		}
		bufs[5].SetLen(1600)
		taken := port.Tx(0).TxBurst(bufs[:n])
		sent += taken
		if taken < n {
			if taken < 1 {
				t.Fatal("the refused frame was not taken")
			}
			for i, b := range bufs[taken:n] {
				// With frame 5 gone the tail still ends with the last one.
				if want := seq + byte(taken+i); b.Data()[0] != want {
					t.Fatalf("kept frame %d, want %d", b.Data()[0], want)
				}
			}
			p.Free(bufs[taken:n])
			break
		}
		seq += byte(n)
	}
	got := 0
	for {
		n := port.Rx(0).RxBurst(bufs)
		if n == 0 {
			break
		}
		got += n
		p.Free(bufs[:n])
	}
	if s := port.Stats(); uint64(got)+s.TxOversize != uint64(sent) || s.TxOversize == 0 {
		t.Fatalf("sent %d, received %d, refused %d", sent, got, s.TxOversize)
	}
}

func TestHotplugWhilePolling(t *testing.T) {
	p := newPool(t, 4096, pkt.DefaultRoom)
	port := openNull(t, p, "")
	ready, stop, done := make(chan bool), make(chan bool), make(chan uint64)
	go func() {
		runtime.LockOSThread()
		ThreadStart()
		defer ThreadStop()
		bufs, _ := mem.Slice[*pkt.Buf](32)
		polled := uint64(port.Rx(0).RxBurst(bufs))
		port.Tx(0).TxBurst(bufs[:polled])
		ready <- true
		for {
			select {
			case <-stop:
				done <- polled
				return
			default:
			}
			for range 100 {
				n := port.Rx(0).RxBurst(bufs)
				polled += uint64(n)
				port.Tx(0).TxBurst(bufs[:n])
			}
		}
	}()
	<-ready
	before := len(Ports())
	fds := countFDs(t)
	for i := range 50 {
		q, err := Attach(fmt.Sprintf("net_null_hot%d", i), "")
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Configure(PortConfig{Pool: p, MaxFrame: 1514, RxQ: 1, TxQ: 1}); err != nil {
			t.Fatal(err)
		}
		if err := q.Start(); err != nil {
			t.Fatal(err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	stop <- true
	if n := <-done; n == 0 {
		t.Error("the poller received nothing")
	}
	if n := len(Ports()); n != before {
		t.Errorf("%d ports, want %d", n, before)
	}
	if n := countFDs(t); n > fds {
		t.Errorf("%d descriptors, want %d", n, fds)
	}
	if _, avail := p.Usage(); avail != 4096 {
		t.Errorf("%d buffers are free, want all", avail)
	}
}

func countFDs(t *testing.T) int {
	t.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

func TestAttachErrors(t *testing.T) {
	for range 40 { // more than EAL has room for, should failures leak
		_, err := Attach("net_nosuchdriver0", "")
		var e *Error
		if !errors.As(err, &e) || e.Errno == 0 {
			t.Fatalf("got %v", err)
		}
	}
	for i := range 40 {
		if _, err := Attach(fmt.Sprintf("net_memif_bad%d", i), "role=server,id=0,socket=/nonexistent/x,socket-abstract=no"); err == nil {
			t.Fatal("a socket in no directory was accepted")
		} else if i == 0 {
			t.Log(err)
		}
	}
	p := newPool(t, 256, pkt.DefaultRoom)
	port := openNull(t, p, "")
	if _, err := Attach(port.Name(), ""); !errors.Is(err, unix.EEXIST) {
		t.Errorf("a name used twice: %v", err)
	}
	if err := port.Configure(PortConfig{Pool: p}); err == nil {
		t.Error("configured twice")
	}
	if _, err := Find("nosuchport"); err == nil {
		t.Error("found a port that is not there")
	}
	if q, err := Find(port.Name()); err != nil || q.Driver() != port.Driver() {
		t.Errorf("find: %v", err)
	}
}

func TestLogIsKept(t *testing.T) {
	_, _ = Attach("net_memif_log", "role=nonsense")
	log := strings.Join(Log(), "\n")
	if !strings.Contains(log, "nonsense") {
		t.Fatalf("log:\n%s", log)
	}
}

func TestNoAllocation(t *testing.T) {
	p := newPool(t, 4096, pkt.DefaultRoom)
	port := openNull(t, p, "")
	bufs, _ := mem.Slice[*pkt.Buf](32)
	if n := testing.AllocsPerRun(1000, func() {
		n := port.Rx(0).RxBurst(bufs)
		port.Tx(0).TxBurst(bufs[:n])
		n = p.Alloc(bufs)
		p.Free(bufs[:n])
	}); n != 0 {
		t.Fatalf("%v allocations a burst", n)
	}
}

func BenchmarkPool(b *testing.B) {
	p := newPool(b, 8192, pkt.DefaultRoom)
	defer p.Close()
	bufs, _ := mem.Slice[*pkt.Buf](256)
	for _, n := range []int{1, 32, 256} {
		b.Run(fmt.Sprintf("burst=%d", n), func(b *testing.B) {
			defer registered()()
			b.ReportAllocs()
			for b.Loop() {
				p.Free(bufs[:p.Alloc(bufs[:n])])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/buf")
		})
	}
	b.Run("worker cache", func(b *testing.B) {
		defer registered()()
		c, err := pkt.NewCache(p)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			c.PutN(bufs[:c.GetN(bufs[:32])])
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/buf")
		c.Flush()
	})
}

// registered makes the caller's thread a worker's, until the function it returns is
// called. Each sub-benchmark has a goroutine of its own.
func registered() (done func()) {
	runtime.LockOSThread()
	ThreadStart()
	return func() {
		ThreadStop()
		runtime.UnlockOSThread()
	}
}

func BenchmarkBurst(b *testing.B) {
	p := newPool(b, 8192, pkt.DefaultRoom)
	port := openNull(b, p, "size=64")
	bufs, _ := mem.Slice[*pkt.Buf](256)
	for _, n := range []int{1, 32, 256} {
		b.Run(fmt.Sprintf("null rx+tx burst=%d", n), func(b *testing.B) {
			defer registered()()
			b.ReportAllocs()
			for b.Loop() {
				k := port.Rx(0).RxBurst(bufs[:n])
				port.Tx(0).TxBurst(bufs[:k])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/pkt")
		})
	}
	ring, err := Attach(fmt.Sprintf("net_ring%d", poolSeq.Add(1)), "")
	if err != nil {
		b.Fatal(err)
	}
	defer ring.Close()
	if err := ring.Configure(PortConfig{Pool: p, MaxFrame: 1514}); err != nil {
		b.Fatal(err)
	}
	if err := ring.Start(); err != nil {
		b.Fatal(err)
	}
	b.Run("empty poll", func(b *testing.B) {
		defer registered()()
		b.ReportAllocs()
		for b.Loop() {
			ring.Rx(0).RxBurst(bufs)
		}
	})
	for _, n := range []int{1, 32, 256} {
		k := p.Alloc(bufs[:n])
		for _, x := range bufs[:k] {
			x.Append(64)
		}
		b.Run(fmt.Sprintf("ring tx+rx burst=%d", n), func(b *testing.B) {
			defer registered()()
			b.ReportAllocs()
			for b.Loop() {
				ring.Tx(0).TxBurst(bufs[:n])
				ring.Rx(0).RxBurst(bufs[:n])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/pkt")
		})
		p.Free(bufs[:n])
	}
}
