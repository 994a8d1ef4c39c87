package datagram

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/hoststack/fifo"
)

func newStore(t testing.TB, memory int) *fifo.Store {
	t.Helper()
	seg, err := fifo.NewSegment(memory)
	if err != nil {
		t.Fatal(err)
	}
	s, err := fifo.NewStore(seg, 16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); seg.Close() })
	return s
}

var noise = func() []byte {
	b := make([]byte, 1<<17)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(b)
	return b
}()

// text is n bytes from anywhere in the noise.
func text(r *rand.Rand, n int) []byte { return noise[r.IntN(1<<16):][:n:n] }

// message is what a test has written.
type message struct {
	Header
	text []byte
}

func (m *message) pieces() (list [][]byte) {
	b := m.text
	for m.Segment > 0 && len(b) > m.Segment {
		list = append(list, b[:m.Segment])
		b = b[m.Segment:]
	}
	return append(list, b)
}

// TestModel: whatever is written comes out, in order and whole, however it is read.
func TestModel(t *testing.T) {
	s := newStore(t, 64<<20)
	room := make([]byte, 1<<16)
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		size := uint32(8<<10 + r.IntN(300<<10))
		ref, f := s.NewAt(size, uint32(r.Uint32())&^7)
		type part struct {
			Header
			text []byte
		}
		var queue []part
		lens := []int{0, 1, 7, 8, 100, 1472, 4000, 4096, 9000, 40000, 65507}
		for range 400 {
			if r.IntN(2) == 0 {
				w := Write(f)
				var fresh []part
				for range 1 + r.IntN(5) {
					m := message{text: text(r, lens[r.IntN(len(lens))])}
					m.TOS = uint8(r.Uint32())
					if r.IntN(3) == 0 {
						m.Segment = r.IntN(3000)
					}
					if r.IntN(2) == 0 {
						m.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(9))}), 53)
						m.Local = netip.MustParseAddrPort("[fd00::1]:99")
						m.Iface = 7
					}
					before := f.Free()
					need := (8 + len(m.text) + 7) &^ 7
					if m.Remote.IsValid() {
						need += 40
					}
					var ok bool
					switch r.IntN(3) {
					case 0:
						ok = w.Put(&m.Header, m.text)
					default:
						m.Len = len(m.text)
						if ok = w.Begin(&m.Header); ok {
							for off := 0; off < m.Len; {
								off += copy(w.Piece(off), m.text[off:])
							}
							if r.IntN(4) == 0 {
								continue // given up
							}
							w.End()
						}
					}
					if before != f.Free() {
						t.Fatalf("seed %d: something is visible before Commit", seed)
					}
					if !ok {
						if w.Starved() {
							t.Fatal("out of memory")
						}
						if need <= f.Free()-w.at {
							t.Fatalf("seed %d: no room for %d bytes in %d", seed, need, f.Free()-w.at)
						}
						continue
					}
					h := m.Header
					h.Segment = 0
					for _, p := range m.pieces() {
						h.Len = len(p)
						fresh = append(fresh, part{h, p})
					}
				}
				w.Commit()
				queue = append(queue, fresh...)
				if f.Held() != 0 {
					t.Fatalf("seed %d: %d bytes are held after Commit", seed, f.Held())
				}
				continue
			}
			x := Read(f)
			n := 0
			for stop := r.IntN(8); x.Next(); n++ {
				if n == len(queue) {
					t.Fatalf("seed %d: more than was written", seed)
				}
				q := queue[n]
				buf := room[:x.Len]
				if x.CopyTo(buf) != x.Len || !bytes.Equal(buf, q.text) || x.Header != q.Header {
					t.Fatalf("seed %d: read %+v, %d bytes; wrote %+v, %d bytes", seed, x.Header, x.Len, q.Header, len(q.text))
				}
				if n == stop {
					x.Keep()
					break
				}
			}
			if got, _ := x.Done(); got != n || x.Bad() {
				t.Fatalf("seed %d: %d datagrams, want %d; bad %v", seed, got, n, x.Bad())
			}
			queue = queue[n:]
			if len(queue) == 0 && f.Len() != 0 {
				t.Fatalf("seed %d: %d bytes are left", seed, f.Len())
			}
		}
		s.Free(ref)
	}
	if u := s.Segment().Usage(); u.Used != 0 {
		t.Errorf("%d bytes are still in use", u.Used)
	}
}

// TestNoRoom: what does not fit leaves no trace.
func TestNoRoom(t *testing.T) {
	s := newStore(t, 8<<20)
	ref, f := s.New(64 << 10)
	w := Write(f)
	var h Header
	if w.Put(&h, make([]byte, 64<<10-8+1)) || w.Put(&h, make([]byte, 70000)) {
		t.Error("taken although it cannot fit")
	}
	if !w.Put(&h, make([]byte, 60<<10)) || w.Put(&h, make([]byte, 5000)) || !w.Put(&h, make([]byte, 1000)) {
		t.Error("room is counted wrongly")
	}
	if w.Commit() != 2 || f.Free() != 64<<10-(60<<10+8)-1008 {
		t.Errorf("%d bytes are free", f.Free())
	}
	if n := Room(f, 1000, false); n != 3 {
		t.Errorf("room for %d", n)
	}
	if n := Room(f, 1000, true); n != 2 {
		t.Errorf("room for %d with addresses", n)
	}
	h.Len = -1
	if w = Write(f); w.Begin(&h) {
		t.Error("a negative length is taken")
	}
	var none Writer
	if none.Begin(&Header{}) || none.Commit() != 0 {
		t.Error("there is room in nothing")
	}
	var nobody Reader
	if nobody.Next() {
		t.Error("there is something in nothing")
	}
	s.Free(ref)
}

// TestOutOfMemory: a datagram whose chunks do not all come is not there at all.
func TestOutOfMemory(t *testing.T) {
	s := newStore(t, 1) // as little as there can be
	ref, f := s.New(8 << 20)
	h := Header{}
	w := Write(f)
	n := 0
	for w.Put(&h, make([]byte, 60000)) {
		n++
	}
	if !w.Starved() {
		t.Fatal("memory did not run out")
	}
	if w.Commit() != n || f.Held() != 0 {
		t.Errorf("%d bytes are held", f.Held())
	}
	x := Read(f)
	for x.Next() {
	}
	if got, _ := x.Done(); got != n || f.Len() != 0 {
		t.Errorf("%d of %d", got, n)
	}
	s.Free(ref)
	if u := s.Segment().Usage(); u.Used != 0 {
		t.Errorf("%d bytes are still in use", u.Used)
	}
}

func TestCopy(t *testing.T) {
	s := newStore(t, 8<<20)
	_, a := s.New(256 << 10)
	_, b := s.New(256 << 10)
	r := rand.New(rand.NewPCG(1, 1))
	w := Write(a)
	h := Header{Segment: 700, Remote: netip.MustParseAddrPort("[fd00::2]:1"), Iface: 3}
	body := text(r, 50000)
	w.Put(&h, body)
	w.Commit()
	x, y := Read(a), Write(b)
	for x.Next() {
		if !y.Copy(&x) {
			t.Fatal("no room")
		}
	}
	x.Done()
	if y.Commit() != 72 {
		t.Error("not all")
	}
	var all []byte
	for x = Read(b); x.Next(); {
		p := make([]byte, x.Len)
		x.CopyTo(p)
		all = append(all, p...)
		if x.Remote != h.Remote || x.Iface != 3 {
			t.Fatalf("%+v", x.Header)
		}
	}
	if !bytes.Equal(all, body) {
		t.Error("not what was written")
	}
}

func TestOptions(t *testing.T) {
	o, err := OptionsOf(nil)
	if err != nil || o.Idle != DefaultIdle || o.MaxSessions != DefaultSessions {
		t.Error(o, err)
	}
	if o, err = OptionsOf(Options{DSCP: 63, Idle: -1}); err != nil || o.Idle != -1 || o.DSCP != 63 {
		t.Error(o, err)
	}
	if _, err = OptionsOf(&Options{DSCP: 64}); !errors.Is(err, ErrOptions) {
		t.Error(err)
	}
	if _, err = OptionsOf("dscp 3"); !errors.Is(err, ErrOptions) {
		t.Error(err)
	}
}

// TestNoAllocations: neither way.
func TestNoAllocations(t *testing.T) {
	s := newStore(t, 8<<20)
	_, f := s.New(1 << 20)
	p := make([]byte, 1472)
	to := netip.MustParseAddrPort("10.0.0.1:53")
	fn := func() {
		w := Write(f)
		for range 32 {
			h := Header{Remote: to}
			w.Put(&h, p)
			w.BeginRaw(100, 0, &Ends{Remote: hdr.AddrOf(to.Addr())})
			w.End()
		}
		w.Commit()
		r := Read(f)
		for r.Next() {
			r.CopyTo(p)
		}
		r.Done()
	}
	fn()
	if n := testing.AllocsPerRun(100, fn); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzReader: bytes that are no records end the reading, and Done gets rid of them.
func FuzzReader(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 'x'}, 0)
	f.Add([]byte{16, 0, 3, 0, 5, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 2)
	f.Add([]byte{0xff, 0xff, 0, 0, 0, 0, 0, 1}, 1)
	s := newStore(f, 8<<20)
	f.Fuzz(func(t *testing.T, b []byte, keep int) {
		ref, q := s.New(128 << 10)
		defer s.Free(ref)
		n := q.Write(b)
		r := Read(q)
		buf := make([]byte, 1000)
		for k := 0; r.Next(); k++ {
			if r.Len < 0 || r.Len > n {
				t.Fatalf("a datagram of %d bytes in %d", r.Len, n)
			}
			r.CopyTo(buf)
			if k == keep {
				r.Keep()
				break
			}
			if k > len(b)*8 {
				t.Fatal("it never ends")
			}
		}
		r.Done()
		r = Read(q)
		for r.Next() {
		}
		if r.Done(); r.Bad() && q.Len() != 0 {
			t.Fatalf("%d bytes are left", q.Len())
		}
	})
}

func BenchmarkPass(b *testing.B) {
	s := newStore(b, 64<<20)
	_, f := s.New(4 << 20)
	p := make([]byte, 1472)
	b.SetBytes(64 * 1472)
	for b.Loop() {
		w := Write(f)
		for range 64 {
			var h Header
			w.Put(&h, p)
		}
		w.Commit()
		r := Read(f)
		for r.Next() {
			r.Piece(0)
		}
		r.Done()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/datagram")
}
