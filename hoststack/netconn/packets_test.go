package netconn

import (
	"bytes"
	"math/rand"
	"testing"
)

// TestPackets compares the queue with a slice: datagrams of all sizes, around the end of
// the buffer many times.
func TestPackets(t *testing.T) {
	var q packets
	q.init(16, 1<<12)
	r := rand.New(rand.NewSource(1))
	var model [][]byte
	refused := 0
	for i := range 100_000 {
		if r.Intn(2) == 0 {
			n := r.Intn(1 << uint(r.Intn(13)))
			b, d, ok := q.reserve(n)
			if !ok {
				refused++
				if len(model) == 0 && n <= 1<<11 {
					t.Fatalf("no room for %d in an empty queue", n)
				}
				continue
			}
			if len(b) != n {
				t.Fatal(len(b), n)
			}
			for k := range b {
				b[k] = byte(i + k)
			}
			model = append(model, bytes.Clone(b))
			q.commit(d)
		} else if b, d, ok := q.first(); ok != (len(model) > 0) {
			t.Fatal(ok, len(model))
		} else if ok {
			if !bytes.Equal(b, model[0]) {
				t.Fatalf("step %d: other bytes came out", i)
			}
			model = model[1:]
			q.drop(d)
		}
		if q.len() != len(model) {
			t.Fatal(q.len(), len(model))
		}
	}
	if refused == 0 {
		t.Error("it was never full")
	}
	if _, _, ok := q.reserve(1<<12 + 1); ok {
		t.Error("a datagram longer than the buffer")
	}
}

// TestRing compares the ring with a buffer, and its counters pass 2^32.
func TestRing(t *testing.T) {
	x := newRing(false)
	x.head.Store(1<<32 - 5000)
	x.tail.Store(1<<32 - 5000)
	r := rand.New(rand.NewSource(1))
	var model []byte
	for range 10_000 {
		p := make([]byte, r.Intn(6000))
		r.Read(p)
		n := x.fill(p)
		if want := min(len(p), smallRing-len(model)); n != want {
			t.Fatal(n, want)
		}
		x.commit(n)
		model = append(model, p[:n]...)
		k := r.Intn(len(model) + 1)
		at := x.head.Load()
		for i := range k {
			if x.buf[int(at+uint32(i))&(smallRing-1)] != model[i] {
				t.Fatal("other bytes")
			}
		}
		x.head.Store(at + uint32(k))
		model = model[k:]
		if x.queued() != len(model) || x.room() != smallRing-len(model) {
			t.Fatal(x.queued(), x.room(), len(model))
		}
	}
	x.recycle()
}
