package httpc

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
)

func TestPipe(t *testing.T) {
	for fifo, want := range map[uint32]int{4 << 10: 1 << 20, 4 << 20: 2 << 20, 5 << 20: 2 << 20, 1 << 30: 512 << 20} {
		p, err := newPipe(fifo)
		if err != nil || len(p.ring) != want {
			t.Fatalf("%d bytes for a FIFO of %d, %v", len(p.ring), fifo, err)
		}
		p.close()
	}
	p, err := newPipe(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	whole := make([]byte, len(p.ring))
	if !p.put(whole) || p.put([]byte{1}) || !p.low() {
		t.Fatal("a full pipe takes more, or is not low")
	}
	p.drop(len(p.ring) / 2)
	if p.low() || len(p.peek()) != len(p.ring)/2 {
		t.Fatal("half a pipe is low")
	}
}

// TestPipeSides: what a writer puts in, the reader finds, in order.
func TestPipeSides(t *testing.T) {
	p, err := newPipe(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	const total = 20 << 20
	go func() {
		r := rand.New(rand.NewPCG(1, 2))
		b := make([]byte, 100000)
		for n := 0; n < total; {
			piece := b[:min(1+r.IntN(len(b)), total-n)]
			for i := range piece {
				piece[i] = byte((n + i) % 251)
			}
			for !p.put(piece) {
				runtime.Gosched()
			}
			n += len(piece)
		}
	}()
	for n := 0; n < total; {
		b := p.peek()
		for i := range b {
			if b[i] != byte((n+i)%251) {
				t.Fatalf("byte %d is wrong", n+i)
			}
		}
		n += len(b)
		p.drop(len(b))
		runtime.Gosched()
	}
	if !bytes.Equal(p.peek(), nil) {
		t.Fatal("more came out than went in")
	}
}
