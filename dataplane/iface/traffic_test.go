package iface

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// twoQueue gives a wire end several receive queues (only the first gets anything) and a
// chosen number of transmit queues that record what each was given.
type queued struct {
	*sim.End
	rx, tx int
	wake   []int
	used   [worker.MaxWorkers]atomic.Int64 // frames sent by queue
	busy   [worker.MaxWorkers]atomic.Bool  // a worker is inside the queue
}

func (d *queued) Info() device.Info {
	i := d.End.Info()
	i.RxQ, i.TxQ, i.WakeFDs = d.rx, d.tx, d.wake
	return i
}

func (d *queued) Rx(q int) device.RxQueue {
	if q == 0 {
		return d.End
	}
	return silent{}
}

func (d *queued) Tx(q int) device.TxQueue { return &queue{d, q} }

type silent struct{}

func (silent) RxBurst([]*pkt.Buf) int { return 0 }

type queue struct {
	d *queued
	q int
}

func (q *queue) TxBurst(bufs []*pkt.Buf) int {
	if q.d.busy[q.q].Swap(true) {
		panic("two workers in one transmit queue")
	}
	defer q.d.busy[q.q].Store(false)
	n := q.d.End.TxBurst(bufs)
	q.d.used[q.q].Add(int64(n))
	return n
}

// Workers without a transmit queue of their own hand frames to those that have one; none
// is lost, and the frames of each worker stay in order.
func TestHandoff(t *testing.T) {
	a, b := newHost(t, 5), newHost(t, 1)
	wire := newWire(t, a.pool, b.pool, sim.Config{Ring: 300})
	dev := &queued{End: wire.End(0), rx: 3, tx: 2}
	ia, err := a.m.Add("sim0", "sim", dev)
	a.ok(err)
	a.ok(a.m.SetUp(ia, true))
	b.up("sim0", wire.End(1))
	if p := a.m.Placements(); len(p) != 3 || p[0].Worker == p[1].Worker || p[1].Worker == p[2].Worker {
		t.Fatalf("receive queues are not dealt out: %+v", p)
	}
	const each = 2000
	var sent [5]int
	for len(b.in.got) < 5*each {
		for k := range sent {
			n := min(a.m.TxRoom(a.workers[k], ia.Index), 50, each-sent[k])
			a.send(k, ia, k*each+sent[k], n, 60)
			sent[k] += n
		}
		a.step()
		b.step()
	}
	var last [5]int
	for _, n := range b.in.got {
		k := n / each
		if n%each != last[k] {
			t.Fatalf("worker %d: frame %d came when %d was due", k, n%each, last[k])
		}
		last[k]++
	}
	if q0, q1 := dev.used[0].Load(), dev.used[1].Load(); q0 != 3*each || q1 != 2*each {
		t.Errorf("queues sent %d and %d, want %d and %d", q0, q1, 3*each, 2*each)
	}
	if c := a.counters(ia); c.TxPackets != 5*each || c.TxErrors != 0 {
		t.Errorf("counters %+v", c)
	}
	// What is in a ring when the interface goes is freed (the pool tells) and counted.
	a.send(4, ia, 0, 10, 60)
	a.workers[4].Step(a.now)
	a.ok(a.m.Delete(ia))
	if n := a.drops("interface is down"); n != 10 {
		t.Errorf("dropped %d of what was handed over, want 10", n)
	}
}

// startHost is a host whose workers run on threads.
func startHost(t *testing.T, workers int) *host {
	h := newHost(t, workers)
	for _, w := range h.workers {
		h.ok(w.Run())
	}
	return h
}

// eventually waits for a condition that traffic brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Interfaces come and go, go up and down and change queues while workers send and
// receive as fast as they can. The pools check that every buffer is freed exactly once,
// and the wire that no worker is in a queue after Close.
func TestCreateDeleteUnderTraffic(t *testing.T) {
	a, b := startHost(t, 2), startHost(t, 2)
	var received, echoed atomic.Int64
	b.in.f = func(w *worker.Worker, i *Interface, bufs []*pkt.Buf) {
		received.Add(int64(len(bufs)))
		b.m.Tx(w, i.Index, bufs) // back where it came from
	}
	a.in.f = func(w *worker.Worker, i *Interface, bufs []*pkt.Buf) {
		echoed.Add(int64(len(bufs)))
		w.Bufs.PutN(bufs)
	}
	// A source on every worker of a that sends to all indices, existing or not.
	for _, w := range a.workers {
		burst := make([]*pkt.Buf, 32)
		a.ok(w.Do(func(w *worker.Worker) {
			w.Add(worker.Output, "source", worker.NodeFunc(func(w *worker.Worker, now int64) int {
				index := uint32(1 + w.Rand()%4)
				if a.m.TxRoom(w, index) < len(burst) {
					return 0
				}
				n := w.Bufs.GetN(burst)
				for _, x := range burst[:n] {
					d := x.Append(60)
					binary.BigEndian.PutUint16(d[12:], 0x86dd)
				}
				a.m.Tx(w, index, burst[:n])
				return n
			}))
		}))
	}
	var wg sync.WaitGroup
	for lane := range 2 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for round := range 3 {
				net := sim.NewNet(uint64(round))
				net.RealTime(worker.Monotonic)
				wire, err := net.NewWire(sim.Config{Pools: [2]pkt.Pool{a.pool, b.pool}, Ring: 64})
				if err != nil {
					t.Error(err)
					return
				}
				name := fmt.Sprintf("sim%d", lane)
				da, db := &queued{End: wire.End(0), rx: 1 + round%2, tx: 1 + lane}, &queued{End: wire.End(1), rx: 1, tx: 1}
				ia, err1 := a.m.Add(name, "sim", da)
				ib, err2 := b.m.Add(name, "sim", db)
				if err1 != nil || err2 != nil {
					t.Error(err1, err2)
					return
				}
				before := received.Load()
				for _, err := range []error{a.m.SetUp(ia, true), b.m.SetUp(ib, true)} {
					if err != nil {
						t.Error(err)
					}
				}
				for received.Load() < before+200 {
					time.Sleep(100 * time.Microsecond)
				}
				for _, err := range []error{
					a.m.Place(ia, 0, round%2), a.m.SetMode(ia, PollingMode),
					b.m.SetUp(ib, false), b.m.SetUp(ib, true),
					a.m.Delete(ia), b.m.Delete(ib),
				} {
					if err != nil {
						t.Error(err)
					}
				}
				if _, err := a.m.Counters(ia); err != ErrUnknown {
					t.Errorf("counters of a deleted interface: %v", err)
				}
			}
		}()
	}
	wg.Wait()
	if received.Load() == 0 || echoed.Load() == 0 {
		t.Fatalf("received %d, echoed %d", received.Load(), echoed.Load())
	}
}

// A sleeping worker is woken by its device's descriptor, and by frames that another
// worker hands over.
func TestWake(t *testing.T) {
	a, b := startHost(t, 2), newHost(t, 1)
	net := sim.NewNet(1)
	wire, err := net.NewWire(sim.Config{Pools: [2]pkt.Pool{a.pool, b.pool}})
	a.ok(err)
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK)
	a.ok(err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	dev := &queued{End: wire.End(0), rx: 1, tx: 1, wake: []int{fd}}
	ia, err := a.m.Add("sim0", "sim", dev)
	a.ok(err)
	a.ok(a.m.SetMode(ia, InterruptMode))
	a.ok(a.m.SetUp(ia, true))
	ib := b.up("sim0", wire.End(1))
	var got atomic.Int64
	a.in.f = func(w *worker.Worker, i *Interface, bufs []*pkt.Buf) {
		var x [8]byte
		_, _ = unix.Read(fd, x[:])
		got.Add(int64(len(bufs)))
		w.Bufs.PutN(bufs)
	}
	for n := range 3 {
		time.Sleep(20 * time.Millisecond) // both sleep for up to a second now
		b.send(0, ib, 0, 1, 60)
		b.step()
		start := time.Now()
		_, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		eventually(t, "the frame", func() bool { return got.Load() == int64(n+1) })
		if d := time.Since(start); d > 500*time.Millisecond {
			t.Errorf("the worker slept on for %v", d)
		}
		time.Sleep(20 * time.Millisecond)
		start = time.Now()
		// Worker 1 has no transmit queue: worker 0 must wake up to send.
		a.workers[1].Post(func(w *worker.Worker) {
			x := w.Bufs.Get()
			x.Append(60)
			a.m.Tx(w, ia.Index, []*pkt.Buf{x})
		})
		eventually(t, "the handed-over frame", func() bool { return dev.used[0].Load() == int64(n+1) })
		if d := time.Since(start); d > 500*time.Millisecond {
			t.Errorf("the owner of the queue slept on for %v", d)
		}
	}
	b.step()
}

// ringer is a device that signals only when it was asked to, as memif does.
type ringer struct {
	*queued
	fd    int
	armed atomic.Bool
	arms  atomic.Int64
	wait  atomic.Bool // packets wait: refuse to be armed
}

func (d *ringer) Bells() []int            { return []int{d.fd} }
func (d *ringer) Rx(q int) device.RxQueue { return bellQueue{d.queued.Rx(q), d} }
func (d *ringer) ring()                   { _, _ = unix.Write(d.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }
func (d *ringer) Info() (i device.Info)   { i = d.queued.Info(); i.WakeFDs = nil; return i }

type bellQueue struct {
	device.RxQueue
	d *ringer
}

func (q bellQueue) Arm() bool {
	var b [8]byte
	_, _ = unix.Read(q.d.fd, b[:])
	q.d.arms.Add(1)
	q.d.armed.Store(!q.d.wait.Load())
	return q.d.armed.Load()
}

func TestBell(t *testing.T) {
	a, b := startHost(t, 1), newHost(t, 1)
	net := sim.NewNet(1)
	wire, err := net.NewWire(sim.Config{Pools: [2]pkt.Pool{a.pool, b.pool}})
	a.ok(err)
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK)
	a.ok(err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	dev := &ringer{queued: &queued{End: wire.End(0), rx: 1, tx: 1}, fd: fd}
	ia, err := a.m.Add("sim0", "sim", dev)
	a.ok(err)
	a.ok(a.m.SetMode(ia, InterruptMode))
	a.ok(a.m.SetUp(ia, true))
	ib := b.up("sim0", wire.End(1))
	var got atomic.Int64
	a.in.f = func(w *worker.Worker, i *Interface, bufs []*pkt.Buf) {
		got.Add(int64(len(bufs)))
		w.Bufs.PutN(bufs)
	}
	for n := range 3 {
		eventually(t, "the queue to be armed", dev.armed.Load)
		b.send(0, ib, 0, 1, 60)
		b.step()
		dev.armed.Store(false)
		dev.ring()
		start := time.Now()
		eventually(t, "the frame", func() bool { return got.Load() == int64(n+1) })
		if d := time.Since(start); d > 500*time.Millisecond {
			t.Errorf("the worker slept on for %v", d)
		}
	}
	// It sleeps, and does not spin or nap, while nothing comes.
	time.Sleep(20 * time.Millisecond)
	arms := dev.arms.Load()
	time.Sleep(100 * time.Millisecond)
	if n := dev.arms.Load() - arms; n > 2 {
		t.Errorf("armed %d times in 100 ms of silence", n)
	}
	// It does not sleep while the queue says that packets wait.
	dev.wait.Store(true)
	dev.ring()
	arms = dev.arms.Load()
	eventually(t, "more polls", func() bool { return dev.arms.Load() > arms+100 })
	dev.wait.Store(false)
}

// While the device refuses frames the worker keeps trying although nothing wakes it.
func TestBlockedWorkerRetries(t *testing.T) {
	a, b := startHost(t, 1), newHost(t, 1)
	wire := newWire(t, a.pool, b.pool, sim.Config{})
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK)
	a.ok(err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	dev := &queued{End: wire.End(0), rx: 1, tx: 1, wake: []int{fd}}
	ia, err := a.m.Add("sim0", "sim", dev)
	a.ok(err)
	a.ok(a.m.SetUp(ia, true))
	wire.Refuse(0, true)
	a.workers[0].Post(func(w *worker.Worker) {
		x := w.Bufs.Get()
		x.Append(60)
		a.m.Tx(w, ia.Index, []*pkt.Buf{x})
	})
	time.Sleep(20 * time.Millisecond)
	wire.Refuse(0, false)
	start := time.Now()
	eventually(t, "the frame", func() bool { return dev.used[0].Load() == 1 })
	if d := time.Since(start); d > 500*time.Millisecond {
		t.Errorf("it took %v to try again", d)
	}
	b.up("sim0", wire.End(1))
	b.step()
	if !slices.Equal(b.in.got, []int{0}) {
		t.Errorf("got %v", b.in.got)
	}
}

// A worker that has stopped leaves interfaces that can still be deleted.
func TestDeleteAfterStop(t *testing.T) {
	a, b := startHost(t, 2), newHost(t, 1)
	wire := newWire(t, a.pool, b.pool, sim.Config{})
	wire.Refuse(0, true)
	ia := a.up("sim0", wire.End(0))
	a.ok(a.workers[1].Do(func(w *worker.Worker) {
		x := w.Bufs.Get()
		x.Append(60)
		a.m.Tx(w, ia.Index, []*pkt.Buf{x})
	}))
	for _, w := range a.workers {
		w.Stop()
	}
	a.ok(a.m.Delete(ia))
	if n := a.pool.Leaked(); n != 0 {
		t.Errorf("%d buffers leaked", n)
	}
}
