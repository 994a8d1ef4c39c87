package filecache

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const second = int64(1e9)

func newCache(t *testing.T, limit, workers int) (*Cache, string) {
	t.Helper()
	dir := t.TempDir()
	c, err := New(dir, Options{Limit: limit, Workers: workers, MaxAge: 600})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, dir
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// get is what a worker does: nil when a goroutine must open it.
func get(c *Cache, path string, now int64) *Entry {
	e, check := c.Reader(0).Get([]byte(path), 0, now)
	if check {
		c.Check(path, 0, now)
	}
	return e
}

// use gets a file, from the disk if need be, and returns its bytes.
func use(t *testing.T, c *Cache, path string, now int64) (body []byte, hit bool) {
	t.Helper()
	r := c.Reader(0)
	e := get(c, path, now)
	if hit = e != nil; !hit {
		var err error
		if e, err = c.Open(path, 0, now); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		r.Take(e)
	}
	defer r.Release(e)
	if string(e.Path()) != path {
		t.Fatalf("%s gave %s", path, e.Path())
	}
	return bytes.Clone(e.Body()), hit
}

// TestCacheModel compares the cache with a list in the order of use: the same files are in
// memory, they never have more bytes than allowed, and what comes out is what is on the
// disk.
func TestCacheModel(t *testing.T) {
	const limit, files = 128 << 10, 60
	c, dir := newCache(t, limit, 1)
	r := rand.New(rand.NewPCG(4, 4))
	content := map[string][]byte{}
	var names []string
	for i := range files {
		b := make([]byte, r.IntN(1<<uint(1+r.IntN(16))))
		for k := range b {
			b[k] = byte(r.Uint32())
		}
		name := fmt.Sprintf("/d%d/file%d.bin", i%5, i)
		content[name] = b
		names = append(names, name)
		write(t, dir, name, b)
	}
	type item struct {
		name string
		used int64
	}
	var model []item // oldest first
	evictions := uint64(0)
	now := 1000 * second
	for step := range 5000 {
		now += usedEvery + r.Int64N(second/2)
		name := names[min(r.IntN(files), r.IntN(files))]
		body, _ := use(t, c, name, now)
		if !bytes.Equal(body, content[name]) {
			t.Fatalf("step %d: %s has other bytes", step, name)
		}
		i := slices.IndexFunc(model, func(x item) bool { return x.name == name })
		if i >= 0 {
			model = slices.Delete(model, i, i+1)
		} else {
			size := len(content[name])
			for _, x := range model {
				size += len(content[x.name])
			}
			for size > limit {
				size -= len(content[model[0].name])
				model = model[1:]
				evictions++
			}
		}
		model = append(model, item{name, now})
		if step%50 != 0 {
			continue
		}
		var got, want []string
		total := 0
		list := c.List()
		slices.SortFunc(list, func(a, b Item) int { return cmp.Compare(a.Used, b.Used) })
		for _, x := range list {
			got = append(got, x.Path)
			total += int(x.Size)
		}
		for _, x := range model {
			want = append(want, x.name)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("step %d:\nthere: %v\nmodel: %v", step, got, want)
		}
		if s := c.Stats(); s.Size != total || total > limit || s.Evictions != evictions || s.Files != len(list) || s.Busy != 0 {
			t.Fatalf("step %d: %+v, want %d bytes, %d evictions", step, s, total, evictions)
		}
	}
	if evictions == 0 {
		t.Fatal("nothing was evicted")
	}
	if busy := c.Clear(); busy != 0 || c.Stats().Size != 0 || c.arena.usedBlocks != 0 {
		t.Fatalf("after clear: %d busy, %+v, %d blocks", busy, c.Stats(), c.arena.usedBlocks)
	}
}

// TestHeld: what somebody holds stays as it is, whatever is thrown out, and its memory
// counts until it is let go.
func TestHeld(t *testing.T) {
	c, dir := newCache(t, 128<<10, 1)
	for i := range 8 {
		write(t, dir, fmt.Sprintf("f%d", i), bytes.Repeat([]byte{byte('a' + i)}, 30<<10))
	}
	r := c.Reader(0)
	now := 1000 * second
	var held []*Entry
	for i := range 4 { // 120k of 128k
		now += second / 10
		if _, hit := use(t, c, fmt.Sprintf("/f%d", i), now); hit {
			t.Fatal("hit in an empty cache")
		}
		held = append(held, get(c, fmt.Sprintf("/f%d", i), now))
	}
	for i := 4; i < 8; i++ { // no room: read from the disk
		e, err := c.Open(fmt.Sprintf("/f%d", i), 0, now)
		if err != nil || !e.OnDisk() {
			t.Fatalf("file %d: %v, %+v", i, err, e)
		}
		c.Drop(e)
	}
	if s := c.Stats(); s.Evictions != 0 || s.Files != 4 {
		t.Fatalf("what is held was thrown out to no avail: %+v", s)
	}
	if n := c.Clear(); n != 4 {
		t.Fatalf("%d busy", n)
	}
	for i, e := range held {
		if e == nil || len(e.Body()) != 30<<10 || bytes.Count(e.Body(), []byte{byte('a' + i)}) != 30<<10 {
			t.Fatalf("file %d has changed under its reader", i)
		}
		r.Release(e)
	}
	if s := c.Stats(); s.Size != 0 || s.Busy != 0 || c.arena.usedBlocks != 0 {
		t.Fatalf("%+v", s)
	}
	for i := range 4 {
		if e := get(c, fmt.Sprintf("/f%d", i), now); e != nil {
			t.Fatal("a cleared file is found")
		}
	}
}

// TestSweeper: the memory of what was thrown out while held goes by itself.
func TestSweeper(t *testing.T) {
	c, dir := newCache(t, 128<<10, 1)
	write(t, dir, "a", make([]byte, 1000))
	e, err := c.Open("/a", 0, second)
	if err != nil {
		t.Fatal(err)
	}
	if c.Clear() != 1 {
		t.Fatal("not busy")
	}
	c.Drop(e)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		n := c.arena.usedBlocks
		c.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it stays")
		}
	}
}

// TestChanges: a file that is changed, replaced or removed is noticed, and not looked at
// more than once a second.
func TestChanges(t *testing.T) {
	c, dir := newCache(t, 1<<20, 1)
	now := 1000 * second
	write(t, dir, "a.html", []byte("one"))
	if b, hit := use(t, c, "/a.html", now); string(b) != "one" || hit {
		t.Fatalf("%q %v", b, hit)
	}
	later := func(b string, mtime time.Time) {
		write(t, dir, "a.html", []byte(b))
		if err := os.Chtimes(filepath.Join(dir, "a.html"), mtime, mtime); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	later("two", start.Add(time.Second))
	if b, hit := use(t, c, "/a.html", now+second/2); string(b) != "one" || !hit {
		t.Fatalf("looked at too early: %q %v", b, hit)
	}
	now += 3 * second / 2
	if b, hit := use(t, c, "/a.html", now); string(b) != "one" || !hit {
		t.Fatalf("somebody waits while it is looked at: %q %v", b, hit)
	}
	if b, hit := use(t, c, "/a.html", now); string(b) != "two" || !hit {
		t.Fatalf("not noticed: %q %v", b, hit)
	}
	time.Sleep(20 * time.Millisecond)
	later("six", start.Add(time.Second)) // neither size nor time of modification tell
	now += 3 * second
	if e := get(c, "/a.html", now); e != nil {
		t.Fatal("served unseen after a long time")
	}
	if b, _ := use(t, c, "/a.html", now); string(b) != "six" {
		t.Fatalf("not noticed: %q", b)
	}
	// While somebody looks, it is used for a while longer.
	r := c.Reader(0)
	for age, used := range map[int64]bool{3 * second / 2: true, 3 * second: true, 11 * second: false} {
		c.find("/a.html", 0).checking.Store(0)
		looking, first := r.Get([]byte("/a.html"), 0, now+3*second/2)
		e, check := r.Get([]byte("/a.html"), 0, now+age)
		if !first || check || (e != nil) != used {
			t.Errorf("after %v: first %v, then %v, %v", time.Duration(age), first, e, check)
		}
		for _, x := range []*Entry{looking, e} {
			if x != nil {
				r.Release(x)
			}
		}
	}
	c.find("/a.html", 0).checking.Store(0)
	reads := c.Stats().Reads
	now += 3 * second
	if b, _ := use(t, c, "/a.html", now); string(b) != "six" || c.Stats().Reads != reads {
		t.Fatal("read again without need")
	}
	if err := os.Remove(filepath.Join(dir, "a.html")); err != nil {
		t.Fatal(err)
	}
	now += 3 * second
	if _, err := c.Open("/a.html", 0, now); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if s := c.Stats(); s.Files != 0 || s.Size != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestOneRead: many that want one file that is not there are one read: they wait for who
// came first.
func TestOneRead(t *testing.T) {
	c, dir := newCache(t, 8<<20, 1)
	write(t, dir, "a", bytes.Repeat([]byte("x"), 3<<20))
	first := &flight{done: make(chan struct{})}
	key := flightKey{"/a", 0}
	c.flights[key] = first
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			e, err := c.Open("/a", 0, 1000*second)
			if err != nil || e.Size() != 3<<20 {
				t.Error(err)
				return
			}
			c.Drop(e)
		})
	}
	time.Sleep(20 * time.Millisecond)
	if n := c.Stats().Reads; n != 0 {
		t.Fatalf("%d did not wait", n)
	}
	c.mu.Lock()
	delete(c.flights, key)
	c.mu.Unlock()
	close(first.done)
	wg.Wait()
	if n := c.Stats().Reads; n != 1 {
		t.Fatalf("%d reads", n)
	}
}

// TestTooLate: a worker that has read the table before an entry was taken out of it does not
// get the entry, and holds nothing.
func TestTooLate(t *testing.T) {
	c, dir := newCache(t, 1<<20, 1)
	write(t, dir, "a", []byte("x"))
	use(t, c, "/a", second)
	e := c.find("/a", 0)
	e.state.Store(0)
	if got := get(c, "/a", second); got != nil || c.held(e.index) {
		t.Fatal("a dead entry is used")
	}
	e.state.Store(live)
}

// TestReaders has workers read while goroutines open, change, evict and clear: for the race
// detector. What a worker holds is always one whole version of the file that it asked for.
func TestReaders(t *testing.T) {
	const workers, files = 3, 24
	c, dir := newCache(t, 128<<10, workers)
	version := func(i, v int) []byte {
		b := make([]byte, 1000+i*700)
		binary.LittleEndian.PutUint32(b, uint32(v))
		for k := 4; k < len(b); k++ {
			b[k] = byte(k*7 + i + v*13)
		}
		return b
	}
	replace := func(i, v int) {
		tmp := filepath.Join(dir, fmt.Sprintf("tmp%d", i))
		err := os.WriteFile(tmp, version(i, v), 0o644)
		if err == nil {
			err = os.Rename(tmp, filepath.Join(dir, fmt.Sprintf("f%d", i)))
		}
		if err != nil {
			t.Error(err)
		}
	}
	for i := range files {
		replace(i, 0)
	}
	var clock, hits, misses atomic.Int64
	clock.Store(1000 * second)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := c.Reader(w)
			rng := rand.New(rand.NewPCG(uint64(w), 5))
			var kept []*Entry
			for !stop.Load() {
				i := min(rng.IntN(files), rng.IntN(files))
				now := clock.Add(second / 1000)
				path := fmt.Sprintf("/f%d", i)
				e, check := r.Get([]byte(path), 0, now)
				if check {
					c.Check(path, 0, now)
				}
				if e == nil {
					misses.Add(1)
					var err error
					if e, err = c.Open(path, 0, now); err != nil {
						t.Errorf("%s: %v", path, err)
						return
					}
					r.Take(e)
				} else {
					hits.Add(1)
				}
				if b := e.Body(); b != nil && !bytes.Equal(b, version(i, int(binary.LittleEndian.Uint32(b)))) {
					t.Errorf("%s: bytes of something else", path)
					return
				}
				if kept = append(kept, e); len(kept) > 3 {
					k := rng.IntN(len(kept))
					r.Release(kept[k])
					kept = slices.Delete(kept, k, k+1)
				}
			}
			for _, e := range kept {
				r.Release(e)
			}
		})
	}
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(9, 9))
		for v := 1; !stop.Load(); v++ {
			replace(rng.IntN(files), v)
			if v%200 == 0 {
				c.Clear()
			}
			if s := c.Stats(); s.Size > 128<<10 {
				t.Errorf("%+v", s)
			}
			time.Sleep(time.Millisecond / 5)
		}
	})
	time.Sleep(time.Second)
	stop.Store(true)
	wg.Wait()
	c.Clear()
	if s := c.Stats(); s.Size != 0 || s.Busy != 0 || c.arena.usedBlocks != 0 {
		t.Errorf("left: %+v, %d blocks", s, c.arena.usedBlocks)
	}
	t.Logf("%d hits, %d misses, %+v", hits.Load(), misses.Load(), c.Stats())
	if hits.Load() == 0 || c.Stats().Evictions == 0 {
		t.Error("nothing was tested")
	}
}

// TestBadRoot: a root that cannot be read is an error.
func TestBadRoot(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "file", nil)
	for _, bad := range []string{filepath.Join(dir, "nothing"), filepath.Join(dir, "file"), ""} {
		if c, err := New(bad, Options{Limit: 1 << 20, Workers: 1}); err == nil {
			c.Close()
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestGetAllocates: a hit allocates nothing.
func TestGetAllocates(t *testing.T) {
	c, dir := newCache(t, 1<<20, 1)
	write(t, dir, "a.html", []byte("x"))
	use(t, c, "/a.html", second)
	path := []byte("/a.html")
	r := c.Reader(0)
	if n := testing.AllocsPerRun(1000, func() {
		e, _ := r.Get(path, 0, second)
		_ = e.ETag()
		_ = e.Body()
		r.Release(e)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGet(b *testing.B) {
	dir := b.TempDir()
	c, err := New(dir, Options{Limit: 1 << 20, Workers: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("x"), 0o644); err != nil {
		b.Fatal(err)
	}
	e, err := c.Open("/index.html", 0, second)
	if err != nil {
		b.Fatal(err)
	}
	c.Drop(e)
	path := []byte("/index.html")
	r := c.Reader(0)
	b.ReportAllocs()
	for b.Loop() {
		e, _ := r.Get(path, 0, second)
		r.Release(e)
	}
}
