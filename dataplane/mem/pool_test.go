package mem

import (
	"math/rand/v2"
	"testing"
)

type item struct {
	name uint64
	_    [376]byte
}

// TestPoolModel compares a pool with a map: indexes are unique, slots come zeroed, the
// lowest block gives, and generations tell the users of one index apart.
func TestPoolModel(t *testing.T) {
	const most = 20000
	p, err := NewPool[item](most)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r := rand.New(rand.NewPCG(1, 1))
	live := map[uint32]uint64{}
	var list []uint32
	seen := map[[2]uint32]bool{} // index and generation
	name := uint64(0)
	for _, want := range []int{most, 10, 7000, 0, most, most / 2, 0, 900, 1100, 900, 1100, 0} {
		for len(list) < want {
			i, x := p.Alloc()
			if i == 0 || i > most || live[i] != 0 {
				t.Fatalf("index %d with %d in use", i, len(list))
			}
			if x.name != 0 {
				t.Fatalf("slot %d holds %d", i, x.name)
			}
			if g := [2]uint32{i, uint32(p.Gen(i))}; seen[g] {
				t.Fatalf("slot %d had generation %d before", i, g[1])
			} else {
				seen[g] = true
			}
			name++
			x.name, live[i] = name, name
			list = append(list, i)
		}
		if want == most {
			if i, x := p.Alloc(); i != 0 || x != nil {
				t.Fatalf("slot %d of a full pool", i)
			}
		}
		for len(list) > want {
			k := r.IntN(len(list))
			i := list[k]
			if p.At(i).name != live[i] || !p.Valid(i) || i >= p.Fresh() {
				t.Fatalf("slot %d: %d, not %d", i, p.At(i).name, live[i])
			}
			p.At(i).name = ^uint64(0)
			p.Free(i)
			delete(live, i)
			list[k] = list[len(list)-1]
			list = list[:len(list)-1]
		}
		if p.Used() != want {
			t.Fatalf("%d used, not %d", p.Used(), want)
		}
	}
}

// TestPoolGivesBack: what a pool once held is resident no more, whatever is still in use
// at its beginning, and a pool that sways keeps its pages.
func TestPoolGivesBack(t *testing.T) {
	p, err := NewPool[item](1 << 18)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var list []uint32
	alloc := func(n int) {
		for range n {
			i, x := p.Alloc()
			x.name = 1
			list = append(list, i)
		}
	}
	free := func(n int) {
		for range n {
			p.Free(list[len(list)-1])
			list = list[:len(list)-1]
		}
	}
	resident := func() uint64 {
		u := p.Usage()
		return u.Resident()
	}
	alloc(100)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	before := resident()
	alloc(100_000)
	if r := resident(); r < 100_000*384 || r > 100_000*400 {
		t.Fatalf("%d bytes for 100 000 slots", r)
	}
	whole := p.region.b
	free(100_000)
	after := Usage{where: [2][]byte{whole}}
	if n := after.Resident(); n > before+blockSize {
		t.Fatalf("%d bytes before, %d after", before, n)
	}
	if p.Fresh() > 1024 {
		t.Fatalf("indexes below %d after all but 100 were freed", p.Fresh())
	}
	free(100)
	alloc(1023) // block 0 is full
	for range 10 {
		alloc(1)
		top := p.top
		free(1)
		if p.top != top {
			t.Fatal("a block was given back at once")
		}
	}
}

func BenchmarkPool(b *testing.B) {
	p, err := NewPool[item](1 << 20)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for range 1 << 19 {
		p.Alloc()
	}
	b.ReportAllocs()
	for b.Loop() {
		i, _ := p.Alloc()
		p.Free(i)
	}
}

func TestRing(t *testing.T) {
	q, err := NewRing(200_000)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	in, out := uint32(1), uint32(1)
	for _, n := range []int{1, 5, 200_000, 3, 100_000} {
		for range n {
			q.Push(in)
			in++
		}
		if n == 3 {
			continue // goes round the end
		}
		for q.Len() > 0 {
			if got := q.Pop(); got != out {
				t.Fatalf("%d, not %d", got, out)
			}
			out++
		}
		u := UsageOf(4, 0, 0, q.region.Bytes())
		if r := u.Resident(); r > 4*ringKeep+4096 {
			t.Fatalf("an empty queue holds %d bytes", r)
		}
	}
}
