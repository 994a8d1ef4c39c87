package filecache

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"vpphost/dataplane/mem"
)

// What is wrong with a path. Anything else that Cache.Open returns is the disk's.
var (
	ErrNotFound  = errors.New("no such file")
	ErrForbidden = errors.New("forbidden")
	ErrDirectory = errors.New("is a directory")
	ErrBusy      = errors.New("too many files in use")
)

// Options of a cache.
type Options struct {
	Limit   int // bytes of files in memory
	Workers int // that read it
	MaxAge  int // seconds that clients may keep a file: Cache-Control
}

// Cache keeps files of one directory.
type Cache struct {
	dir     string
	root    *os.Root
	limit   int
	largest int // bytes of the largest file that is kept in memory
	maxAge  int
	readers []*Reader
	handed  []atomic.Int32 // by entry: how often goroutines hold it

	table   *table
	entries []Entry // from 1
	regions []*mem.Region

	mu      sync.Mutex // goroutines only, around what follows and changes of the table
	arena   *arena
	fresh   uint32 // entries from here on were never used
	unused  []uint32
	files   []*os.File // by entry: of those that are open
	kept    lru        // entries in memory
	opened  lru        // entries that are open files
	dying   []uint32   // dead and held
	sweeper *time.Timer
	flights map[flightKey]*flight
	closed  bool
	stats   Stats
}

// Stats are what "show http static server cache" tells.
type Stats struct {
	Size      int    `json:"size"`  // bytes of files in memory
	Limit     int    `json:"limit"` // and how many may be
	Files     int    `json:"files"`
	Open      int    `json:"open"` // files that are too large, kept open
	Evictions uint64 `json:"evictions"`
	Reads     uint64 `json:"reads"` // files read from the disk
	Busy      int    `json:"busy"`  // thrown out, and still being sent
}

const (
	maxEntries = 1 << 16
	minEntries = 1 << 10
	maxOpen    = 256 // files kept open, but for those that are being read
)

// New makes an empty cache of a directory that can be read.
func New(dir string, o Options) (*Cache, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	n := min(max(o.Limit/512, minEntries), maxEntries)
	c := &Cache{dir: dir, root: root, limit: o.Limit, largest: o.Limit / 2, maxAge: o.MaxAge, fresh: 1, flights: map[flightKey]*flight{},
		files: make([]*os.File, n), kept: lru{at: make([]int32, n)}, opened: lru{at: make([]int32, n)}}
	c.stats.Limit = o.Limit
	if err := c.reserve(n, o.Workers); err != nil {
		c.unmap()
		return nil, fmt.Errorf("file cache: %w", err)
	}
	return c, nil
}

// reserve maps the memory, for n entries.
func (c *Cache) reserve(n, workers int) (err error) {
	var r *mem.Region
	if c.entries, r, err = mem.Array[Entry](n); err != nil {
		return err
	}
	c.regions = append(c.regions, r)
	if c.handed, r, err = mem.Array[atomic.Int32](n); err != nil {
		return err
	}
	c.regions = append(c.regions, r)
	if c.table, err = newTable(n); err != nil {
		return err
	}
	c.regions = append(c.regions, c.table.region)
	for range workers {
		r, err := newReader(c, n)
		if err != nil {
			return err
		}
		c.readers = append(c.readers, r)
		c.regions = append(c.regions, r.region)
	}
	c.arena, err = newArena(c.limit)
	return err
}

// Close ends the cache. Nobody may hold anything, or be inside a call.
func (c *Cache) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.sweeper != nil {
		c.sweeper.Stop()
	}
	for _, f := range c.files {
		if f != nil {
			_ = f.Close()
		}
	}
	c.unmap()
}

func (c *Cache) unmap() {
	_ = c.root.Close()
	for _, r := range c.regions {
		r.Close()
	}
	if c.arena != nil {
		c.arena.close()
	}
}

// Dir is the directory. Reader is a worker's way in.
func (c *Cache) Dir() string          { return c.dir }
func (c *Cache) Reader(w int) *Reader { return c.readers[w] }

// File is the file behind an entry on the disk, for whoever holds the entry.
func (c *Cache) File(e *Entry) *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[e.index]
}

// Drop ends what Open has begun.
func (c *Cache) Drop(e *Entry) { c.handed[e.index].Add(-1) }

// find is the live entry of a path. Under mu.
func (c *Cache) find(path string, enc Encoding) *Entry {
	key := unsafe.Slice(unsafe.StringData(path), len(path))
	hash := hashOf(key, enc)
	for p := hash & c.table.mask; ; p = (p + 1) & c.table.mask {
		v := c.table.slots[p].Load()
		if v == 0 {
			return nil
		}
		if e := &c.entries[uint32(v)]; uint32(v>>32) == hash && e.is(key, enc) {
			return e
		}
	}
}

// hand holds e for a goroutine that will use it. Under mu.
func (c *Cache) hand(e *Entry, now int64) *Entry {
	c.handed[e.index].Add(1)
	if now > e.used.Load() {
		e.used.Store(now)
	}
	return e
}

// held tells whether anybody holds e, which is dead: nobody begins to.
func (c *Cache) held(i uint32) bool {
	if c.handed[i].Load() != 0 {
		return true
	}
	for _, r := range c.readers {
		if r.pins[i].Load() != 0 {
			return true
		}
	}
	return false
}

// claim makes room for an entry of n bytes, of which size are a file's. The entry is dead and
// belongs to the caller, who calls publish or free. Under mu.
func (c *Cache) claim(n, size int) *Entry {
	c.sweep()
	for {
		if len(c.unused) == 0 && int(c.fresh) < len(c.entries) {
			c.entries[c.fresh].index = c.fresh // once: readers look at it at any time
			c.unused = append(c.unused, c.fresh)
			c.fresh++
		}
		if len(c.unused) > 0 && c.stats.Size+size <= c.limit {
			if b := c.arena.alloc(n); b != 0 {
				c.stats.Size += size
				return c.take(b, size)
			}
		}
		if !c.evict(&c.kept) && (len(c.unused) > 0 || !c.evict(&c.opened)) {
			return nil
		}
	}
}

// take makes an entry of a block. Its state is not touched: a reader that comes too late may
// be looking at it.
func (c *Cache) take(block uint32, size int) *Entry {
	i := c.unused[len(c.unused)-1]
	c.unused = c.unused[:len(c.unused)-1]
	e := &c.entries[i]
	e.block, e.mem, e.charge = block, unsafe.Pointer(unsafe.SliceData(c.arena.bytes(block))), int64(size)
	e.checking.Store(0)
	return e
}

// evict throws out the entry of l that was not used for longest, of those that nobody holds.
func (c *Cache) evict(l *lru) bool {
	var aside []lruItem
	defer func() {
		for _, x := range aside {
			l.push(x)
		}
	}()
	for len(l.heap) > 0 {
		x := l.heap[0]
		e := &c.entries[x.entry]
		if used := e.used.Load(); used > x.used {
			l.touch(used)
			continue
		}
		if c.held(x.entry) {
			aside = append(aside, x)
			l.remove(x.entry)
			continue
		}
		c.stats.Evictions++
		c.retire(e)
		return true
	}
	return false
}

// publish makes an entry, which the caller holds, one that workers find, in the place of what
// there was of its name. Under mu.
func (c *Cache) publish(e *Entry, file *os.File, now int64) {
	if old := c.find(unsafe.String(unsafe.SliceData(e.Path()), len(e.Path())), e.enc); old != nil {
		c.retire(old)
	}
	e.hash = hashOf(e.Path(), e.enc)
	e.checked.Store(now)
	e.used.Store(now)
	c.files[e.index] = file
	e.state.Store(live)
	c.table.add(e.hash, e.index)
	if !e.open {
		c.kept.push(lruItem{now, e.index})
		c.stats.Files++
		return
	}
	c.opened.push(lruItem{now, e.index})
	c.stats.Open++
	for over := len(c.opened.heap) - maxOpen; over > 0 && c.evict(&c.opened); over-- {
	}
}

// retire takes a live entry out, and frees it as soon as nobody holds it.
func (c *Cache) retire(e *Entry) {
	c.table.remove(e.hash, e.index)
	c.kept.remove(e.index)
	c.opened.remove(e.index)
	if e.open {
		c.stats.Open--
	} else {
		c.stats.Files--
	}
	e.state.Store(0) // before held looks: see Reader.find
	if c.held(e.index) {
		c.dying = append(c.dying, e.index)
		c.sweepLater()
		return
	}
	c.free(e)
}

// free gives back what a dead entry has.
func (c *Cache) free(e *Entry) {
	if f := c.files[e.index]; f != nil {
		_ = f.Close()
		c.files[e.index] = nil
	}
	c.stats.Size -= int(e.charge)
	c.arena.release(e.block)
	c.unused = append(c.unused, e.index)
}

// sweep frees the dead that nobody holds any more.
func (c *Cache) sweep() {
	left := c.dying[:0]
	for _, i := range c.dying {
		if c.held(i) {
			left = append(left, i)
		} else {
			c.free(&c.entries[i])
		}
	}
	c.dying = left
}

// sweepEvery is how soon after its last reader a dead entry goes.
const sweepEvery = 100 * time.Millisecond

func (c *Cache) sweepLater() {
	if c.sweeper != nil {
		return
	}
	c.sweeper = time.AfterFunc(sweepEvery, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sweeper = nil
		if c.closed {
			return
		}
		if c.sweep(); len(c.dying) > 0 {
			c.sweepLater()
		}
	})
}

// Clear throws everything out, and tells how many files are still being sent.
func (c *Cache) Clear() (busy int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range []*lru{&c.kept, &c.opened} {
		for len(l.heap) > 0 {
			c.retire(&c.entries[l.heap[0].entry])
		}
	}
	c.sweep()
	return len(c.dying)
}

// Stats are the numbers as they are now.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep()
	s := c.stats
	s.Busy = len(c.dying)
	return s
}

// Item is a file of a listing.
type Item struct {
	Path   string `json:"path"` // below the directory, with the suffix of the encoding
	Size   int64  `json:"size"`
	Used   int64  `json:"used"` // when it was used last, in the workers' time
	OnDisk bool   `json:"onDisk,omitempty"`
}

// List tells what is there, most recently used first is not promised.
func (c *Cache) List() (list []Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range []*lru{&c.kept, &c.opened} {
		for _, x := range l.heap {
			e := &c.entries[x.entry]
			list = append(list, Item{string(e.Path()) + e.enc.suffix(), e.id.size, e.used.Load(), e.open})
		}
	}
	return list
}
