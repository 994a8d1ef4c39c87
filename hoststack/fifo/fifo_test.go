package fifo

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func newStore(t testing.TB, segment int) *Store {
	t.Helper()
	seg, err := NewSegment(segment)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewStore(seg, 1024)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); seg.Close() })
	return s
}

// fill writes what a stream of bytes named by their position must hold.
func fill(b []byte, pos uint32) {
	for i := range b {
		p := pos + uint32(i)
		b[i] = byte(p*2654435761>>24) ^ byte(p)
	}
}

func check(t *testing.T, b []byte, pos uint32) {
	t.Helper()
	want := make([]byte, len(b))
	fill(want, pos)
	if !bytes.Equal(b, want) {
		t.Fatalf("bytes at %d differ", pos)
	}
}

// span is a range of written bytes beyond the tail, as tcp would keep it.
type span struct{ from, to uint32 }

// TestAgainstModel drives FIFOs with random operations: writes out of order,
// commits of what is contiguous, reads at offsets, drops, discards. The model is the
// positions; every byte's value follows from its position.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := newStore(t, 64<<20)
		sizes := []uint32{4096, 4097, 5000, 65536, 63 * 4096, 63*4096 + 1, 1 << 20, 4 << 20, 1<<32 - 1}
		size := sizes[r.IntN(len(sizes))]
		if size == 1<<32-1 {
			size = MinSize + r.Uint32N(1<<20)
		}
		start := r.Uint32()
		if r.IntN(2) == 0 {
			start = -r.Uint32N(2 * size) // wraps soon
		}
		ref, f := s.NewAt(size, start)
		head, tail := start, start
		var spans []span
		reach := func() uint32 { // highest end of a span
			e := tail
			for _, x := range spans {
				if x.to-tail > e-tail {
					e = x.to
				}
			}
			return e
		}
		for op := 0; op < 4000; op++ {
			switch k := r.IntN(10); {
			case k < 4: // write somewhere in the window
				off, n := 0, 1+r.IntN(3000)
				if room := int(size - (tail - head)); r.IntN(2) == 0 && room > 0 {
					off = r.IntN(room + 10)
				}
				room := int(size-(tail-head)) - off
				for n > 0 {
					b := f.ReserveAt(off, n)
					if len(b) == 0 {
						if room > 0 {
							t.Fatalf("no room at %d, want %d", off, room)
						}
						break
					}
					if len(b) > n || len(b) > room {
						t.Fatalf("reserved %d, asked %d, room %d", len(b), n, room)
					}
					fill(b, tail+uint32(off))
					spans = append(spans, span{tail + uint32(off), tail + uint32(off+len(b))})
					if off == 0 { // in order: committed at once
						f.Commit(len(b))
						tail += uint32(len(b))
						off -= len(b)
					}
					off, n, room = off+len(b), n-len(b), int(size-(tail-head))-off-len(b)
				}
			case k < 6: // commit what is contiguous
				for again := true; again; {
					again = false
					for i, x := range spans {
						if n := x.to - tail; x.from-tail > size || x.from == tail { // from is at or before tail
							if n <= size && n > 0 {
								f.Commit(int(n))
								tail = x.to
							}
							spans = append(spans[:i], spans[i+1:]...)
							again = true
							break
						}
					}
				}
			case k < 8: // read
				off, n := 0, r.IntN(5000)
				if l := int(tail - head); l > 0 {
					off = r.IntN(l)
				}
				for n > 0 {
					b := f.PeekAt(off, n)
					if len(b) == 0 {
						if off < int(tail-head) {
							t.Fatalf("nothing at %d of %d", off, tail-head)
						}
						break
					}
					if off+len(b) > int(tail-head) {
						t.Fatalf("peeked beyond the tail")
					}
					check(t, b, head+uint32(off))
					off, n = off+len(b), n-len(b)
				}
			case k < 9: // drop
				n := r.IntN(int(tail-head) + 1)
				if r.IntN(3) == 0 {
					n = int(tail - head)
				}
				f.Drop(n)
				head += uint32(n)
			default:
				if r.IntN(20) == 0 {
					f.Discard()
					spans = spans[:0]
				}
			}
			keep := spans[:0]
			for _, x := range spans {
				if n := x.to - tail; n > 0 && n <= size {
					keep = append(keep, x)
				}
			}
			spans = keep
			if f.Len() != int(tail-head) || f.Free() != int(size-(tail-head)) {
				t.Fatalf("seed %d: len %d free %d, want %d %d", seed, f.Len(), f.Free(), tail-head, size-(tail-head))
			}
			if len(spans) == 0 && f.Held() != 0 || f.Held() != int(reach()-tail) && len(spans) > 0 {
				t.Fatalf("held %d, want %d", f.Held(), reach()-tail)
			}
			if n, cs := f.Chunks(); head == tail && len(spans) == 0 && n > 1 || n > int(reach()-head)/cs+2 {
				t.Fatalf("%d chunks of %d for %d bytes", n, cs, reach()-head)
			}
		}
		f.Discard()
		f.Drop(f.Len())
		if u := s.Segment().Usage(); u.Used != 0 || u.Chunks != 0 {
			t.Fatalf("seed %d: an empty fifo holds %+v", seed, u)
		}
		s.Free(ref)
		if s.Used() != 0 {
			t.Fatal("the fifo was not freed")
		}
	}
}

func TestSizes(t *testing.T) {
	for _, size := range []uint32{0, 1, MinSize, 63 * 4096, 63*4096 + 1, 4 << 20, 1 << 30, MaxSize, 1<<32 - 1} {
		c := ClampSize(size)
		sh := chunkShift(c)
		if c < MinSize || c > MaxSize || sh < minChunkShift || sh > maxChunkShift || uint64(63)<<sh < uint64(c) {
			t.Errorf("size %d: clamped %d chunk 1<<%d", size, c, sh)
		}
	}
	s := newStore(t, 300<<20)
	ref, f := s.New(MaxSize) // larger than the segment: memory runs out first
	n := 0
	for {
		b := f.ReserveAt(0, 1<<30)
		if len(b) == 0 {
			break
		}
		b[0], b[len(b)-1] = 1, 2
		f.Commit(len(b))
		n += len(b)
	}
	if n < 256<<20 {
		t.Fatalf("only %d bytes fitted", n)
	}
	f.Drop(n)
	if s.Segment().Usage().Used != 0 {
		t.Fatal("memory is missing")
	}
	s.Free(ref)
}

// TestExhaustion fills a small segment from several FIFOs: what does not fit is
// refused, and everything comes back, for chunks of any size.
func TestExhaustion(t *testing.T) {
	s := newStore(t, 8<<20)
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 20 {
		var refs []Ref
		total := 0
		for {
			ref, f := s.New(MinSize << r.IntN(13))
			if f == nil {
				t.Fatal("out of fifos")
			}
			refs = append(refs, ref)
			n := f.Write(make([]byte, 1+r.IntN(1<<20)))
			total += n
			if f.Free() > 0 && s.Segment().Usage().Failed > uint64(round) {
				break
			}
			if len(refs) == s.Max() {
				break
			}
		}
		if total == 0 {
			t.Fatal("nothing fitted")
		}
		r.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
		for _, ref := range refs {
			s.Free(ref)
		}
		if u := s.Segment().Usage(); u.Used != 0 || u.Chunks != 0 {
			t.Fatalf("round %d: left over %+v", round, u)
		}
	}
	if n := s.Segment().Trim(100); n == 0 || s.Segment().Usage().Backed != 0 {
		t.Fatalf("trimmed %d, still backed %d", n, s.Segment().Usage().Backed)
	}
}

func TestNil(t *testing.T) {
	var f *FIFO
	f.Drop(1)
	f.Commit(1)
	f.Discard()
	if f.Len() != 0 || f.Free() != 0 || f.PeekAt(0, 1) != nil || f.ReserveAt(0, 1) != nil || f.Size() != 0 {
		t.Fatal("a nil fifo is not empty")
	}
}

func TestBadArguments(t *testing.T) {
	s := newStore(t, 8<<20)
	_, f := s.New(MinSize)
	f.Commit(100) // never written
	if f.PeekAt(0, 10) != nil {
		t.Fatal("bytes out of nowhere")
	}
	f.Drop(-5)
	f.Drop(1 << 40)
	f.Commit(-1)
	f.Commit(1 << 40)
	if f.Len() != MinSize {
		t.Fatalf("len %d", f.Len())
	}
	for _, x := range [][2]int{{-1, 10}, {0, -1}, {1 << 40, 1}, {-1 << 40, 1 << 41}} {
		if f.ReserveAt(x[0], x[1]) != nil || f.PeekAt(x[0], x[1]) != nil {
			t.Fatalf("%v was accepted", x)
		}
	}
}

func TestHotChunkIsReused(t *testing.T) {
	s := newStore(t, 8<<20)
	_, f := s.New(MinSize)
	var hot uint32
	for i := range 1000 {
		f.Write(make([]byte, 128))
		for _, line := range f.table {
			if hot == 0 {
				hot = line
			}
			if line != 0 && line != hot {
				t.Fatalf("round %d: another chunk was taken", i)
			}
		}
		f.Drop(128)
	}
}

// TestAllocator looks at the order in which chunks come, and at runs of blocks.
func TestAllocator(t *testing.T) {
	s := newStore(t, 12<<20)
	a := s.Segment().a
	var lines []uint32
	for range 3 * 512 { // three blocks
		lines = append(lines, a.alloc(12))
	}
	for _, i := range []int{5, 600, 1100, 7} {
		a.release(lines[i], 12)
		if got := a.alloc(12); got != lines[i] {
			t.Fatalf("got line %d, the last one freed is %d", got, lines[i])
		}
	}
	for _, i := range []int{5, 600, 1100, 7} {
		a.release(lines[i], 12)
	}
	for _, i := range []int{7, 5, 1100, 600} { // last in, first out, block by block
		if got := a.alloc(12); got != lines[i] {
			t.Fatalf("got line %d, want %d", got, lines[i])
		}
	}
	for _, l := range lines {
		a.release(l, 12)
	}
	// Blocks that classes keep in reserve do not stand in the way of a large chunk.
	for shift := uint8(9); shift < 15; shift++ {
		a.release(a.alloc(shift), shift)
	}
	l := a.alloc(23) // four blocks of the six
	if l == 0 {
		t.Fatal("no room for a run")
	}
	if a.alloc(23) != 0 || a.failed != 1 {
		t.Fatal("a run out of nowhere")
	}
	a.release(l, 23)
	if a.used != 0 || a.chunks != 0 {
		t.Fatal("not balanced")
	}
}

var sink byte

func BenchmarkReserveCommit1460(b *testing.B) {
	s := newStore(b, 64<<20)
	_, f := s.New(4 << 20)
	b.ReportAllocs()
	for b.Loop() {
		p := f.ReserveAt(0, 1460)
		p[0] = 1
		f.Commit(len(p))
		if f.Free() < 1460 {
			f.Drop(f.Len())
		}
	}
}

func BenchmarkPeekDrop1460(b *testing.B) {
	s := newStore(b, 64<<20)
	_, f := s.New(4 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if f.Len() == 0 {
			for f.Free() > 0 {
				f.Commit(len(f.ReserveAt(0, 1<<20)))
			}
		}
		p := f.PeekAt(0, 1460)
		sink += p[0]
		f.Drop(len(p))
	}
}

// BenchmarkThrough is a stream whose reader keeps up: the FIFO is empty after every
// segment, so each takes a chunk and gives it back.
func BenchmarkThrough1460(b *testing.B) {
	s := newStore(b, 64<<20)
	_, f := s.New(4 << 20)
	b.ReportAllocs()
	for b.Loop() {
		p := f.ReserveAt(0, 1460)
		p[0] = 1
		f.Commit(len(p))
		q := f.PeekAt(0, 1460)
		sink += q[0]
		f.Drop(len(q))
	}
}

// TestJoin: a FIFO with two holders ends with the last of them, whoever that is.
func TestJoin(t *testing.T) {
	s := newStore(t, 4<<20)
	r, f := s.New(10000)
	if s.Joined(r) || s.Join(0) != 0 || s.Joined(0) {
		t.Fatal("joined without a holder")
	}
	if s.Join(r) != r || !s.Joined(r) {
		t.Fatal("not joined")
	}
	f.Write([]byte("what one writes"))
	s.Free(r)
	if s.Joined(r) || s.Used() != 1 || string(s.At(r).PeekAt(0, 99)) != "what one writes" {
		t.Fatal("the first holder took the bytes along")
	}
	s.Free(r)
	if s.Used() != 0 || s.Segment().Usage().Used != 0 {
		t.Fatal("something is left")
	}
}

// TestGrow: a FIFO that may grow holds more, keeps what is in it, and goes no further than
// its chunks; positions wrap meanwhile.
func TestGrow(t *testing.T) {
	seg, err := NewSegment(16 << 20)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewStore(seg, 4)
	if err != nil {
		t.Fatal(err)
	}
	const most = 63 << 16
	ref, f := s.NewGrowing(64<<10, most, 1<<32-100000)
	if f.Size() != 64<<10 || f.Grow(4<<10) != 64<<10 {
		t.Fatalf("size %d", f.Size())
	}
	in, out := uint32(0), uint32(0)
	write := func() (n int) {
		for {
			b := f.ReserveAt(0, 5000)
			if len(b) == 0 {
				return n
			}
			for i := range b {
				b[i] = byte((in + uint32(i)) * 7 >> 3)
			}
			f.Commit(len(b))
			in += uint32(len(b))
			n += len(b)
		}
	}
	read := func(n int) {
		for n > 0 {
			b := f.PeekAt(0, n)
			for i := range b {
				if b[i] != byte((out+uint32(i))*7>>3) {
					t.Fatalf("byte %d is wrong", out+uint32(i))
				}
			}
			out += uint32(len(b))
			n -= len(b)
			f.Drop(len(b))
		}
	}
	for size := 64 << 10; size < most; size = f.Grow(2 * size) {
		write()
		if f.Len() != size {
			t.Fatalf("%d bytes in %d", f.Len(), size)
		}
		read(size / 3)
	}
	if write(); f.Len() != most || f.Grow(64<<20) != most {
		t.Fatalf("%d bytes, size %d", f.Len(), f.Size())
	}
	if n, size := f.Chunks(); size != 64<<10 || n < 63 {
		t.Fatalf("%d chunks of %d", n, size)
	}
	read(f.Len())
	if n, _ := f.Chunks(); n != 0 {
		t.Fatalf("%d chunks are left", n)
	}
	s.Free(ref)
	_, fixed := s.New(64 << 10)
	if n := fixed.Grow(1 << 20); n != 63*4096 {
		t.Fatalf("chunks of 4 KiB hold %d", n)
	}
	var none *FIFO
	if none.Grow(1) != 0 {
		t.Fatal("a FIFO that is not there grew")
	}
	s.Close()
	seg.Close()
}
