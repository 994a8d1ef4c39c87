package worker

import (
	"math"
	"math/rand/v2"
	"sort"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/pkt"
)

func newWorker(t *testing.T, cfg Config) *Worker {
	t.Helper()
	p, err := pkt.NewMapPool("test", 64, pkt.DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Pool = p
	cfg.CPU = -1
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Stop(); p.Close() })
	return w
}

func TestWheelAgainstModel(t *testing.T) {
	w := newWorker(t, Config{})
	h := &w.Wheel
	r := rand.New(rand.NewPCG(1, 2))
	type entry struct {
		t        Timer
		deadline int64
	}
	live := map[uint64]*entry{}
	now, id := int64(0), uint64(0)
	for round := 0; round < 20000; round++ {
		switch r.IntN(4) {
		case 0, 1:
			id++
			e := &entry{deadline: now + int64(r.Uint64N(1<<uint(10+r.IntN(36))))}
			h.Arm(&e.t, e.deadline, id)
			live[id] = e
		case 2:
			for k, e := range live { // re-arm or disarm any one
				if r.IntN(2) == 0 {
					h.Disarm(&e.t)
					delete(live, k)
				} else {
					e.deadline = now + int64(r.Uint64N(1<<35))
					h.Arm(&e.t, e.deadline, k)
				}
				break
			}
		case 3:
			if n := h.Next(); len(live) > 0 {
				first := int64(math.MaxInt64)
				for _, e := range live {
					first = min(first, e.deadline)
				}
				if n > max(first+1<<tickShift, now+2<<tickShift) {
					t.Fatalf("Next %d is after the first deadline %d (now %d)", n, first, now)
				}
			}
			now += int64(r.Uint64N(1 << uint(8+r.IntN(28))))
			var got []uint64
			h.Advance(now, func(u uint64) { got = append(got, u) })
			for _, u := range got {
				e := live[u]
				if e == nil {
					t.Fatalf("timer %d fired but is not armed", u)
				}
				if e.deadline > now {
					t.Fatalf("timer %d fired %d ns early", u, e.deadline-now)
				}
				delete(live, u)
			}
			for u, e := range live {
				if e.deadline < now-2<<tickShift {
					t.Fatalf("timer %d is %d ns late", u, now-e.deadline)
				}
			}
			if h.Len() != len(live) {
				t.Fatalf("wheel holds %d timers, want %d", h.Len(), len(live))
			}
		}
	}
}

func TestWheelFiresInOrder(t *testing.T) {
	w := newWorker(t, Config{})
	var want []int
	var timers [200]Timer
	for i := range timers {
		d := int64(i*7919%200) * 1e6
		w.Wheel.Arm(&timers[i], d, uint64(d))
		want = append(want, int(d))
	}
	sort.Ints(want)
	var got []int
	w.Wheel.Advance(1e9, func(u uint64) { got = append(got, int(u)) })
	if len(got) != len(want) {
		t.Fatalf("%d timers fired, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("timer %d of %d fired out of order", got[i], want[i])
		}
	}
}

func TestDoRunsOnTheWorker(t *testing.T) {
	w := newWorker(t, Config{Name: "test"})
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	n := 0 // touched by the worker only
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 200 {
				if err := w.Do(func(*Worker) { n++ }); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	if n != 1600 {
		t.Fatalf("%d functions ran, want 1600", n)
	}
	if err := w.Do(func(*Worker) { panic("boom") }); err == nil {
		t.Fatal("a panic was not reported")
	}
	time.Sleep(20 * time.Millisecond) // now it sleeps: Do must wake it
	if naps, _ := func() (a, b uint64) { _ = w.Do(func(w *Worker) { a, b = w.Sleeping() }); return }(); naps == 0 {
		t.Fatal("an idle worker did not sleep")
	}
	w.Stop()
	if err := w.Do(func(*Worker) {}); err != ErrStopped {
		t.Fatalf("Do on a stopped worker: %v", err)
	}
}

// TestFailedDescriptor: one that reports an error for ever must not keep the worker awake,
// nor others from waking it.
func TestFailedDescriptor(t *testing.T) {
	w := newWorker(t, Config{})
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[1])
	unix.Close(pipe[0]) // nobody reads: EPOLLERR
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	heard := make(chan bool, 1)
	w.Add(Input, "n", NodeFunc(func(*Worker, int64) int {
		var b [8]byte
		if n, _ := unix.Read(fd, b[:]); n == 8 {
			heard <- true
			return 1
		}
		return 0
	}))
	for _, fd := range []int{pipe[1], fd} {
		if err := w.WatchFD(fd); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	count := func() (s Sleeps) {
		if err := w.Do(func(w *Worker) { s = w.idle.count }); err != nil {
			t.Fatal(err)
		}
		return s
	}
	time.Sleep(20 * time.Millisecond)
	before := count()
	time.Sleep(400 * time.Millisecond)
	after := count()
	if n := after.Naps - before.Naps; n > 200 {
		t.Errorf("%d naps in 0.4 s", n)
	}
	time.Sleep(20 * time.Millisecond) // asleep again
	if _, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-heard:
	case <-time.After(5 * time.Second):
		t.Error("the other descriptor did not wake the worker")
	}
	if count().ByDevice == after.ByDevice {
		t.Error("no nap was ended by a descriptor")
	}
}

func TestStepRunsPhasesInOrder(t *testing.T) {
	w := newWorker(t, Config{})
	var got []string
	add := func(p Phase, name string) *Added {
		return w.Add(p, name, NodeFunc(func(*Worker, int64) int { got = append(got, name); return 1 }))
	}
	add(Flush, "flush")
	mid := add(Events, "events")
	add(Input, "input")
	w.Step(1)
	w.Remove(mid)
	w.Step(2)
	want := []string{"input", "events", "flush", "input", "flush"}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func BenchmarkEmptyStep(b *testing.B) {
	p, _ := pkt.NewMapPool("bench", 64, pkt.DefaultRoom)
	w, err := New(Config{Pool: p, CPU: -1})
	if err != nil {
		b.Fatal(err)
	}
	for range 6 {
		w.Add(Input, "n", NodeFunc(func(*Worker, int64) int { return 0 }))
	}
	for b.Loop() {
		w.Step(Monotonic())
	}
}

func TestTimersReachTheirOwners(t *testing.T) {
	p, _ := pkt.NewMapPool("t", 64, pkt.DefaultRoom)
	w, err := New(Config{Pool: p, CPU: -1})
	if err != nil {
		t.Fatal(err)
	}
	var a, b []uint64
	oa := w.OnTimer(func(v uint64) { a = append(a, v) })
	ob := w.OnTimer(func(v uint64) { b = append(b, v) })
	var ta, tb Timer
	w.Wheel.Arm(&ta, 1e6, oa.User(7))
	w.Wheel.Arm(&tb, 2e6, ob.User(8))
	w.Step(1e9)
	if len(a) != 1 || a[0] != 7 || len(b) != 1 || b[0] != 8 {
		t.Fatalf("fired %v and %v", a, b)
	}
}
