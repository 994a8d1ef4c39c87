package worker

import (
	"runtime"
	"testing"
	"time"

	"vpphost/dataplane/pkt"
)

// ringPair is a pool and the worker that takes packets out.
func ringPair(t testing.TB, packets int) (*Worker, []*pkt.Buf) {
	t.Helper()
	pool, err := pkt.NewMapPool("ring", packets, 256)
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(Config{Pool: pool, CPU: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	bufs := make([]*pkt.Buf, packets)
	if n := pool.Alloc(bufs); n != packets {
		t.Fatalf("%d buffers", n)
	}
	return w, bufs
}

func TestRingRefusesWhenFull(t *testing.T) {
	w, bufs := ringPair(t, 64)
	r, err := NewRing(w, 40)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := make([]*pkt.Buf, 64)
	for range 100 { // the counters go round the slots
		if n := r.TxBurst(bufs[:50]); n != 50 {
			t.Fatalf("an empty ring took %d of 50", n)
		}
		if n := r.TxBurst(bufs[50:]); n != 14 {
			t.Fatalf("with 50 of 64 in it took %d of 14", n)
		}
		if n := r.TxBurst(bufs[:1]); n != 0 {
			t.Fatalf("a full ring took %d", n)
		}
		if n := r.RxBurst(out[:20]); n != 20 {
			t.Fatalf("gave %d of 20", n)
		}
		if n := r.RxBurst(out[20:]); n != 44 {
			t.Fatalf("gave %d of 44", n)
		}
		for k := range bufs {
			if out[k] != bufs[k] {
				t.Fatalf("packet %d is not the one that was put in", k)
			}
		}
		if n := r.RxBurst(out); n != 0 {
			t.Fatalf("an empty ring gave %d", n)
		}
	}
}

// Two threads: what goes in comes out, in order, and a consumer that sleeps is woken.
func TestRingBetweenThreads(t *testing.T) {
	const total = 200000
	w, bufs := ringPair(t, 256)
	r, err := NewRing(w, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for k, b := range bufs {
		b.Conn = uint32(k)
	}
	done := NewNotifier()
	got, burst := 0, make([]*pkt.Buf, 32)
	w.Add(Input, "ring", NodeFunc(func(w *Worker, _ int64) int {
		n := r.RxBurst(burst)
		for _, b := range burst[:n] {
			if int(b.Conn) != got%len(bufs) {
				t.Errorf("packet %d came as number %d", b.Conn, got)
			}
			if got++; got == total {
				w.Notify(done)
			}
		}
		return n
	}))
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	for sent := 0; sent < total; {
		at := sent % len(bufs)
		n := r.TxBurst(bufs[at:min(at+1+sent%31, len(bufs), at+total-sent)])
		if sent += n; n == 0 {
			runtime.Gosched()
		}
		if sent%50000 < 2 {
			time.Sleep(5 * time.Millisecond) // the worker goes to sleep
		}
	}
	select {
	case <-done.C:
	case <-time.After(10 * time.Second):
		t.Fatal("packets are left in the ring")
	}
}

func TestRingAllocatesNothing(t *testing.T) {
	w, bufs := ringPair(t, 32)
	r, err := NewRing(w, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := make([]*pkt.Buf, 32)
	if n := testing.AllocsPerRun(100, func() { r.TxBurst(bufs); r.RxBurst(out) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRing(b *testing.B) {
	w, bufs := ringPair(b, 32)
	r, err := NewRing(w, 1024)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	out := make([]*pkt.Buf, 32)
	b.Run("packet", func(b *testing.B) {
		for range b.N / 32 {
			r.TxBurst(bufs)
			r.RxBurst(out)
		}
	})
	b.Run("empty", func(b *testing.B) {
		for range b.N {
			r.RxBurst(out)
		}
	})
}

// A worker that receives for another one waits while that one is behind, but not for ever
// for one that stands still.
func TestHeldByASlowWorker(t *testing.T) {
	w, bufs := ringPair(t, 4096)
	r, err := NewRing(w, 4096)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	from, err := New(Config{Index: 1, Pool: w.Bufs.Pool(), CPU: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Stop()
	from.HandsOver(r)
	now := int64(1e9)
	held := func() bool { now += 1e6; from.Step(now); return from.Held() }
	if r.TxBurst(bufs[:2000]); held() {
		t.Error("held although there is room")
	}
	r.TxBurst(bufs[:1700])
	for range 100 {
		if !held() {
			t.Fatal("not held although the other one is behind")
		}
		r.RxBurst(make([]*pkt.Buf, 1)) // slow, but alive
		r.TxBurst(bufs[:1])
	}
	for range 110 {
		held()
	}
	if held() {
		t.Error("held by a worker that stands still")
	}
	r.RxBurst(make([]*pkt.Buf, 3000))
	if held() {
		t.Error("held although there is room again")
	}
}
