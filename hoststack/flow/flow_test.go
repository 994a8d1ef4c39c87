package flow

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/hoststack/transport"
)

func addr(s string) *hdr.Addr {
	a := hdr.AddrOf(netip.MustParseAddr(s))
	return &a
}

func TestHashIsSymmetricAndKeyed(t *testing.T) {
	h, g := NewHasher(1), NewHasher(2)
	r := rand.New(rand.NewPCG(1, 1))
	same := 0
	for range 10000 {
		var a, b hdr.Addr
		for i := range a {
			a[i], b[i] = byte(r.Uint32()), byte(r.Uint32())
		}
		p, q := uint16(r.Uint32()), uint16(r.Uint32())
		x := h.Hash(&a, &b, p, q)
		if x != h.Hash(&b, &a, q, p) {
			t.Fatal("not symmetric")
		}
		if x == 0 {
			t.Fatal("a hash is 0")
		}
		if x == g.Hash(&a, &b, p, q) {
			same++
		}
	}
	if same > 2 {
		t.Fatalf("%d hashes do not depend on the seed", same)
	}
	if h.Hash4([]byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}, 80, 1234) != h.Hash(addr("10.0.0.1"), addr("10.0.0.2"), 80, 1234) {
		t.Fatal("Hash4 differs")
	}
}

// TestHashSpreads takes the tuples of many clients of one server, which differ in
// few bits, and looks at the load of buckets and of workers.
func TestHashSpreads(t *testing.T) {
	h := NewHasher(77)
	const n = 1 << 16
	buckets := make([]int, n)
	var owners [7]int
	seen := map[uint32]int{}
	for i := range n {
		c := hdr.Addr4([]byte{10, 0, byte(i >> 14), 1})
		x := h.Hash(&c, addr("10.0.0.1"), uint16(1024+i&0x3fff), 80)
		buckets[x*0x9e3779b1>>16]++
		owners[Owner(x, len(owners))]++
		seen[x]++
	}
	most := 0
	for _, b := range buckets {
		most = max(most, b)
	}
	if most > 12 { // about 8 are expected with random numbers
		t.Errorf("%d tuples in one bucket", most)
	}
	if len(seen) < n-10 {
		t.Errorf("only %d hashes for %d tuples", len(seen), n)
	}
	for i, o := range owners {
		if o < n/7*9/10 || o > n/7*11/10 {
			t.Errorf("worker %d owns %d of %d", i, o, n)
		}
	}
}

// TestTableAgainstMap compares with a Go map while the table grows, shrinks, and
// holds equal hashes.
func TestTableAgainstMap(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 5))
		tb, err := NewTable()
		if err != nil {
			t.Fatal(err)
		}
		model := map[uint32]uint32{} // index to hash
		var live []uint32
		next := uint32(1)
		grow := true
		for op := range 200000 {
			switch {
			case len(live) > 30000 || op%50000 == 49999:
				grow = false
			case len(live) < 10:
				grow = true
			}
			add := r.IntN(10) < 7
			if !grow {
				add = r.IntN(10) < 2
			}
			switch {
			case add:
				h := r.Uint32()
				if r.IntN(4) == 0 && len(live) > 0 { // an equal hash
					h = model[live[r.IntN(len(live))]]
				}
				if err := tb.Insert(h, next); err != nil {
					t.Fatal(err)
				}
				model[next] = h
				live = append(live, next)
				next++
			case len(live) > 0:
				i := r.IntN(len(live))
				x := live[i]
				if r.IntN(8) == 0 {
					if !tb.Replace(model[x], x, next) {
						t.Fatal("an entry to replace was not found")
					}
					model[next] = model[x]
					live[i] = next
					next++
				} else {
					if !tb.Delete(model[x], x) {
						t.Fatalf("entry %d was not found", x)
					}
					live[i] = live[len(live)-1]
					live = live[:len(live)-1]
				}
				if tb.Delete(model[x], x) {
					t.Fatal("deleted twice")
				}
				delete(model, x)
			}
			if tb.Len() != len(model) {
				t.Fatalf("len %d, want %d", tb.Len(), len(model))
			}
			if len(live) > 0 {
				x := live[r.IntN(len(live))]
				if !has(tb, model[x], x) {
					t.Fatalf("op %d: entry %d of %d is missing", op, x, len(live))
				}
			}
			if op%20000 == 0 {
				for x, h := range model {
					if !has(tb, h, x) {
						t.Fatalf("entry %d is missing", x)
					}
				}
				n := 0
				tb.Each(func(i uint32) bool {
					if _, ok := model[i]; !ok {
						t.Fatalf("entry %d should not be there", i)
					}
					n++
					return true
				})
				if n != len(model) {
					t.Fatalf("Each found %d of %d", n, len(model))
				}
			}
		}
		for _, x := range live {
			tb.Delete(model[x], x)
		}
		if tb.Len() != 0 {
			t.Fatal("not empty")
		}
		tb.Close()
	}
}

func has(t *Table, h, index uint32) bool {
	for c := t.Find(h); ; {
		switch c.Next() {
		case index:
			return true
		case 0:
			return false
		}
	}
}

// TestNoRehashStall bounds the work of a single insertion while a million entries
// come: positions looked at, not time.
func TestNoRehashStall(t *testing.T) {
	tb, _ := NewTable()
	defer tb.Close()
	r := rand.New(rand.NewPCG(1, 9))
	worst := uint32(0)
	for i := uint32(1); i <= 1<<20; i++ {
		before := tb.sweep
		_ = tb.Insert(r.Uint32(), i)
		if tb.sweep > before {
			worst = max(worst, tb.sweep-before)
		}
	}
	if worst > 200 {
		t.Fatalf("one insertion moved %d positions", worst)
	}
	if tb.Bytes() > 32<<20 {
		t.Fatalf("%d bytes for a million entries", tb.Bytes())
	}
	tb.Each(func(uint32) bool { return true })
}

// TestMoveWithRunOverTheEnd grows tables whose last entries wrap round to the first
// slots, and looks for every entry after every step of the move.
func TestMoveWithRunOverTheEnd(t *testing.T) {
	wrapped := 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		tb, _ := NewTable()
		var keys []uint32
		add := func() {
			h := r.Uint32()
			if len(keys)%16 == 0 { // crowd the end
				for tb.cur.home(h) < tb.cur.mask-2 {
					h = r.Uint32()
				}
			}
			keys = append(keys, h)
			_ = tb.Insert(h, uint32(len(keys)))
		}
		over := false
		for tb.old.region == nil {
			e := tb.cur.at(0)
			over = e.index != 0 && tb.cur.home(e.hash) > 0
			add()
		}
		if over {
			wrapped++
		}
		for tb.old.region != nil {
			add()
			for i, h := range keys {
				if !has(tb, h, uint32(i+1)) {
					t.Fatalf("seed %d: entry %d of %d is missing, %d positions done", seed, i, len(keys), tb.sweep)
				}
			}
		}
		tb.Close()
	}
	if wrapped == 0 {
		t.Fatal("no run went over the end")
	}
}

func TestTableGivesMemoryBack(t *testing.T) {
	tb, _ := NewTable()
	defer tb.Close()
	const n = 100000
	for i := uint32(1); i <= n; i++ {
		_ = tb.Insert(i*2654435761, i)
	}
	for i := uint32(1); i <= n; i++ {
		tb.Delete(i*2654435761, i)
	}
	if tb.Bytes() > 64<<10 {
		t.Fatalf("an empty table has %d bytes", tb.Bytes())
	}
}

func TestListeners(t *testing.T) {
	var l Listeners
	if _, ok := l.Lookup(addr("1.2.3.4"), 80); ok {
		t.Fatal("found in an empty table")
	}
	add := func(a string, port uint16, v uint32) {
		t.Helper()
		if err := l.Add(addr(a), port, v); err != nil {
			t.Fatal(err)
		}
	}
	add("0.0.0.0", 80, 1)
	add("10.0.0.1", 80, 2)
	add("::", 80, 3)
	add("2001:db8::1", 80, 4)
	add("::", 443, 5)
	if err := l.Add(addr("0.0.0.0"), 80, 9); !errors.Is(err, transport.ErrInUse) {
		t.Fatalf("taken twice: %v", err)
	}
	for _, c := range []struct {
		a    string
		port uint16
		want uint32
	}{{"10.0.0.1", 80, 2}, {"10.0.0.2", 80, 1}, {"2001:db8::1", 80, 4}, {"2001:db8::2", 80, 3},
		{"10.0.0.1", 443, 0}, {"2001:db8::1", 443, 5}, {"10.0.0.1", 81, 0}} {
		if v, ok := l.Lookup(addr(c.a), c.port); v != c.want || ok != (c.want != 0) {
			t.Errorf("%s port %d: listener %d, want %d", c.a, c.port, v, c.want)
		}
	}
	if v, err := l.Remove(addr("10.0.0.1"), 80); v != 2 || err != nil {
		t.Fatalf("removed %d, %v", v, err)
	}
	if v, _ := l.Lookup(addr("10.0.0.1"), 80); v != 1 {
		t.Fatal("the wildcard does not take over")
	}
	if _, err := l.Remove(addr("10.0.0.1"), 80); !errors.Is(err, transport.ErrNoListener) {
		t.Fatalf("removed twice: %v", err)
	}
	if l.Len() != 4 {
		t.Fatalf("%d listeners left", l.Len())
	}
}

// TestPorts allocates every port towards one peer, some towards another, and looks
// for: no port twice, all of the range used, refusal when full, the freed one next.
func TestPorts(t *testing.T) {
	h := NewHasher(3)
	p := newPorts(t, 40000, 40999, 99)
	used := map[[2]uint32]bool{}
	alloc := func(key uint32) (uint16, error) {
		port, err := p.Alloc(key, func(port uint16) PortState { return known(!used[[2]uint32{key, uint32(port)}]) })
		if err == nil {
			if port < 40000 || port > 40999 || used[[2]uint32{key, uint32(port)}] {
				t.Fatalf("port %d", port)
			}
			used[[2]uint32{key, uint32(port)}] = true
		}
		return port, err
	}
	a := h.Hash(addr("10.0.0.1"), addr("10.0.0.2"), 0, 80)
	b := h.Hash(addr("10.0.0.1"), addr("10.0.0.3"), 0, 80)
	var first uint16 // to be freed
	for i := range 1000 {
		port, err := alloc(a)
		if err != nil {
			t.Fatal(err)
		}
		if i == 700 {
			first = port
		}
	}
	if p.MaxTries != 1 {
		t.Fatalf("%d tries for ports that were all free", p.MaxTries)
	}
	if _, err := alloc(a); !errors.Is(err, transport.ErrNoPort) {
		t.Fatalf("a port too many: %v", err)
	}
	if _, err := alloc(b); err != nil {
		t.Fatalf("the other peer has no port: %v", err)
	}
	// Refused without searching.
	tries := 0
	var err error
	_, err = p.Alloc(a, func(uint16) PortState { tries++; return PortTaken })
	if tries != 0 || !errors.Is(err, transport.ErrNoPort) {
		t.Fatalf("%d tries, %v", tries, err)
	}
	delete(used, [2]uint32{a, uint32(first)})
	p.Free(a, first)
	tries = 0
	port, err := p.Alloc(a, func(port uint16) PortState { tries++; return known(port == first) })
	if port != first || err != nil || tries != 1 {
		t.Fatalf("port %d after %d tries, %v; want %d at once", port, tries, err, first)
	}
	used[[2]uint32{a, uint32(first)}] = true
	if p.InUse != 1001 {
		t.Fatalf("%d in use", p.InUse)
	}
	for k := range used {
		p.Free(k[0], uint16(k[1]))
		p.Free(k[0], uint16(k[1])) // twice, or of what was never allocated: no harm
	}
	if p.InUse != 0 || p.sets.Used() != 0 || p.index.Len() != 0 {
		t.Fatalf("%d in use, %d sets", p.InUse, p.sets.Used())
	}
	// Ports that others hold may come free without a word.
	if _, err := p.Alloc(a, func(uint16) PortState { return PortTaken }); !errors.Is(err, transport.ErrNoPort) {
		t.Fatalf("a port too many: %v", err)
	}
	for range refuseAfterFull + 1 {
		if _, err = p.Alloc(a, func(port uint16) PortState { return known(port == 40500) }); err == nil {
			return
		}
	}
	t.Fatal("refused for ever")
}

// TestFullPorts: the last free port of 64512 is found without asking about the others,
// wherever it is, and so are those of one worker among many.
func TestFullPorts(t *testing.T) {
	p := newPorts(t, DefaultMinPort, DefaultMaxPort, 7)
	asked, mine := 0, func(uint16) bool { return true }
	alloc := func() (uint16, error) {
		return p.Alloc(1, func(port uint16) PortState {
			if asked++; !mine(port) {
				return PortForeign
			}
			return PortFree
		})
	}
	for {
		if _, err := alloc(); err != nil {
			break
		}
	}
	if p.InUse != DefaultMaxPort-DefaultMinPort+1 || asked != p.InUse || p.MaxTries != 1 {
		t.Fatalf("%d ports after asking about %d, at most %d for one", p.InUse, asked, p.MaxTries)
	}
	r := rand.New(rand.NewPCG(6, 6))
	for range 1000 {
		free := uint16(DefaultMinPort + r.IntN(p.InUse))
		p.Free(1, free)
		if got, err := alloc(); got != free || err != nil {
			t.Fatalf("port %d, %v; want %d", got, err, free)
		}
	}
	if p.MaxTries != 1 {
		t.Fatalf("%d tries", p.MaxTries)
	}
	p.Take(1, 5000)
	p.Free(1, 5000)
	p.Take(1, 5000)
	if _, err := alloc(); err == nil {
		t.Fatal("a port that was taken by name")
	}

	p, mine = newPorts(t, DefaultMinPort, DefaultMaxPort, 7), func(port uint16) bool { return port%8 == 3 }
	asked = 0
	n := 0
	for ; ; n++ {
		if _, err := alloc(); err != nil {
			break
		}
	}
	if n != 64512/8 || asked > 64512 {
		t.Fatalf("%d ports after asking about %d", n, asked)
	}
	p.Free(1, 4003)
	if got, err := alloc(); got != 4003 || err != nil || asked > 64513 {
		t.Fatalf("port %d, %v, asked about %d", got, err, asked)
	}
}

// TestManyPeers: few ports towards each of many peers cost little, though the buckets
// are too few, and no port is given twice.
func TestManyPeers(t *testing.T) {
	const peers, each = 10240, 20
	p := newPorts(t, DefaultMinPort, DefaultMaxPort, 8)
	seen := map[[2]uint32]bool{}
	for range each {
		for key := uint32(1); key <= peers; key++ {
			port, err := p.Alloc(key*2654435761, func(uint16) PortState { return PortFree })
			if k := [2]uint32{key, uint32(port)}; err != nil || seen[k] {
				t.Fatal(port, err)
			} else {
				seen[k] = true
			}
		}
	}
	if n := p.sets.Used(); n > peers*3/2 {
		t.Errorf("%d sets", n)
	}
}

func newPorts(t testing.TB, min, max uint16, seed uint64) *Ports {
	t.Helper()
	p, err := NewPorts(min, max, seed, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func known(free bool) PortState {
	if free {
		return PortFree
	}
	return PortTaken
}

func TestPortsStartAtRandom(t *testing.T) {
	seen := map[uint16]bool{}
	for seed := range uint64(50) {
		p := newPorts(t, DefaultMinPort, DefaultMaxPort, seed)
		port, _ := p.Alloc(1, func(uint16) PortState { return PortFree })
		seen[port] = true
	}
	if len(seen) < 45 {
		t.Fatalf("50 seeds begin at %d ports only", len(seen))
	}
	p := newPorts(t, 65535, 65535, 1) // the range may end at the highest port
	if port, err := p.Alloc(1, func(uint16) PortState { return PortFree }); port != 65535 || err != nil {
		t.Fatal(port, err)
	}
	if _, err := p.Alloc(1, func(uint16) PortState { return PortTaken }); err == nil {
		t.Fatal("a port out of nowhere")
	}
}

func BenchmarkHash(b *testing.B) {
	h := NewHasher(1)
	x, y := addr("10.0.0.1"), addr("10.0.0.2")
	for b.Loop() {
		sink += h.Hash(x, y, 80, 1234)
	}
}

var sink uint32

func benchmarkLookup(b *testing.B, n int) {
	tb, _ := NewTable()
	r := rand.New(rand.NewPCG(1, 1))
	keys := make([]uint32, n)
	for i := range keys {
		keys[i] = r.Uint32()
		_ = tb.Insert(keys[i], uint32(i+1))
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		c := tb.Find(keys[i])
		sink += c.Next()
		if i++; i == n {
			i = 0
		}
	}
}

func BenchmarkLookup16(b *testing.B) { benchmarkLookup(b, 16) }
func BenchmarkLookup1M(b *testing.B) { benchmarkLookup(b, 1<<20) }

func BenchmarkInsertDelete(b *testing.B) {
	tb, _ := NewTable()
	r := rand.New(rand.NewPCG(1, 1))
	for i := uint32(1); i < 1000; i++ {
		_ = tb.Insert(r.Uint32(), i)
	}
	b.ReportAllocs()
	h := uint32(1)
	for b.Loop() {
		h = h*1664525 + 1013904223
		_ = tb.Insert(h, 5000)
		tb.Delete(h, 5000)
	}
}

func BenchmarkPort(b *testing.B) {
	p := newPorts(b, DefaultMinPort, DefaultMaxPort, 1)
	b.ReportAllocs()
	for b.Loop() {
		port, _ := p.Alloc(1, func(port uint16) PortState { return known(port&1 == 0) })
		p.Free(1, port)
	}
}
