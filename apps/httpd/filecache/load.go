package filecache

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// flight is one look at the disk, that others wait for.
type flight struct {
	done chan struct{}
	err  error
}

type flightKey struct {
	path string
	enc  Encoding
}

// maxPath is the longest path that a file system knows, in bytes.
const maxPath = 4095

// Open finds a file, reads it if it is not in memory or has changed, and holds it until Drop
// or Reader.Take. path begins with "/" and is clean: no ".." and no NUL. A path that ends
// in "/" means the index.html there. accept are the encodings that the client
// takes; the file itself is what it gets when there are none. now is the time of the workers
// when they asked. It waits for the disk: never on a worker. What is wrong is one of the
// errors above, or the disk's.
func (c *Cache) Open(path string, accept Encoding, now int64) (*Entry, error) {
	if len(path) > maxPath || path == "" || path[0] != '/' {
		return nil, ErrNotFound
	}
	e, err := c.entry(path, 0, now)
	if err != nil {
		return nil, err
	}
	for _, x := range encodings {
		if e.beside&accept&x.bit == 0 {
			continue
		}
		if coded, err := c.entry(path, x.bit, now); err == nil {
			c.Drop(e)
			return coded, nil
		}
	}
	return e, nil
}

// Check looks whether a file is still what the cache has of it. It waits for the disk.
func (c *Cache) Check(path string, enc Encoding, now int64) {
	if e, err := c.entry(path, enc, now); err == nil {
		c.Drop(e)
	}
}

// Key is the path under which a file is kept: that of the file itself, where path means the
// one of a directory. It may use dst.
func Key(dst, path []byte) []byte {
	if n := len(path); n == 0 || path[n-1] != '/' {
		return path
	}
	return append(append(dst[:0], path...), indexFile...)
}

// entry is Open for one encoding. Who comes while somebody looks waits for that.
func (c *Cache) entry(path string, enc Encoding, now int64) (*Entry, error) {
	name := string(Key(nil, []byte(path)))
	key := flightKey{path, enc}
	c.mu.Lock()
	for {
		if e := c.find(name, enc); e != nil && now-e.checked.Load() < freshFor {
			c.hand(e, now)
			c.mu.Unlock()
			return e, nil
		}
		f := c.flights[key]
		if f == nil {
			break
		}
		c.mu.Unlock()
		<-f.done
		if f.err != nil {
			return nil, f.err
		}
		c.mu.Lock()
	}
	f := &flight{done: make(chan struct{})}
	c.flights[key] = f
	old := c.find(name, enc)
	if old != nil {
		c.handed[old.index].Add(1)
	}
	c.mu.Unlock()

	e, err := c.look(path, enc, old, now)

	c.mu.Lock()
	if old != nil {
		old.checking.Store(0)
		if definite(err) && old.state.Load() == live {
			c.retire(old)
		}
		c.Drop(old)
	}
	delete(c.flights, key)
	c.mu.Unlock()
	f.err = err
	close(f.done)
	return e, err
}

// definite tells whether an error is about the file, and not about a disk in trouble.
func definite(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) || errors.Is(err, ErrDirectory)
}

// look looks at the disk: old is what was there, nil when nothing is known. It returns an
// entry that is held.
func (c *Cache) look(path string, enc Encoding, old *Entry, now int64) (*Entry, error) {
	name := fileName(path)
	info, err := c.stat(name + enc.suffix())
	if errors.Is(err, ErrNotFound) && enc == 0 && strings.HasSuffix(path, "/") {
		if dir, derr := c.stat("./" + strings.TrimSuffix(name, indexFile)); derr == nil && dir.IsDir() {
			return nil, ErrForbidden // what is in a directory is not told
		}
	}
	switch {
	case err != nil:
		return nil, err
	case info.IsDir() && !strings.HasSuffix(path, "/"):
		return nil, ErrDirectory
	case !info.Mode().IsRegular():
		return nil, ErrForbidden
	}
	id := identityOf(info)
	var beside Encoding
	if enc == 0 {
		beside = c.besides(name, id)
	}
	if old != nil && old.id == id && old.beside == beside {
		c.mu.Lock()
		defer c.mu.Unlock()
		if old.state.Load() == live { // nobody has cleared the cache
			old.checked.Store(now)
			return c.hand(old, now), nil
		}
	}
	// It is opened without waiting for whom a pipe might have at its other end, should it
	// have become one.
	f, err := c.root.OpenFile(name+enc.suffix(), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, classify(err)
	}
	e, err := c.read(f, string(Key(nil, []byte(path))), enc, beside, now)
	if err != nil || !e.open {
		_ = f.Close()
	}
	return e, err
}

// attempts are how often a file is read that changes meanwhile.
const attempts = 3

// read makes an entry of an open file, which then belongs to it when it is too large.
func (c *Cache) read(f *os.File, path string, enc, beside Encoding, now int64) (*Entry, error) {
	for try := 0; ; try++ {
		info, err := f.Stat()
		if err != nil {
			return nil, classify(err)
		}
		if !info.Mode().IsRegular() {
			return nil, ErrForbidden
		}
		id := identityOf(info)
		large := id.size > int64(c.largest) || try == attempts
		e := c.fill(path, enc, beside, id, large)
		if e == nil && !large { // everything in memory is being sent
			large = true
			e = c.fill(path, enc, beside, id, large)
		}
		if e == nil {
			return nil, ErrBusy
		}
		if !large {
			n, err := f.ReadAt(e.Body(), 0)
			info, serr := f.Stat()
			if serr != nil || identityOf(info) != id || n < len(e.Body()) {
				c.mu.Lock()
				c.free(e)
				c.mu.Unlock()
				if serr == nil && identityOf(info) != id {
					continue
				}
				return nil, errors.Join(err, serr)
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.hand(e, now)
		file := f
		if !large {
			file = nil
			c.stats.Reads++
		}
		c.publish(e, file, now)
		return e, nil
	}
}

// fill makes an entry with everything but the bytes of the file; nil when there is no room.
func (c *Cache) fill(path string, enc, beside Encoding, id identity, large bool) *Entry {
	h := describe(path, enc, beside, id, c.maxAge)
	size := int(id.size)
	if large {
		size = 0
	}
	c.mu.Lock()
	e := c.claim(len(path)+len(h.lines)+size, size)
	c.mu.Unlock()
	if e == nil {
		return nil
	}
	e.enc, e.beside, e.id, e.open = enc, beside, id, large
	e.keyLen, e.headLen = uint16(len(path)), uint16(len(h.lines))
	e.coded, e.shared, e.etagAt, e.etagLen = uint16(h.coded), uint16(h.shared), uint16(h.etagAt), uint16(h.etagLen)
	copy(e.Path(), path)
	copy(e.Header(), h.lines)
	return e
}

const indexFile = "index.html"

// fileName is the name of the file that a path means, below the root.
func fileName(path string) string {
	return strings.TrimLeft(string(Key(nil, []byte(path))), "/")
}

// stat looks at a file, and follows links that stay inside.
func (c *Cache) stat(name string) (fs.FileInfo, error) {
	info, err := c.root.Stat(name)
	return info, classify(err)
}

// besides are the encodings in which a file is there as well. One that is older than the
// file is of another version of it.
func (c *Cache) besides(name string, id identity) (b Encoding) {
	for _, x := range encodings {
		if info, err := c.root.Stat(name + x.suffix); err == nil && info.Mode().IsRegular() && info.ModTime().UnixNano() >= id.mtime {
			b |= x.bit
		}
	}
	return b
}

func identityOf(info fs.FileInfo) identity {
	id := identity{size: info.Size(), mtime: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.ino, id.dev, id.ctime = st.Ino, uint64(st.Dev), st.Ctim.Nano()
	}
	return id
}

// classify says in our words what is wrong with a name.
func classify(err error) error {
	var errno syscall.Errno
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG),
		errors.Is(err, syscall.ELOOP):
		return ErrNotFound
	case errors.Is(err, fs.ErrPermission):
		return ErrForbidden
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		return ErrBusy
	case errors.As(err, &errno):
		return err
	}
	return ErrForbidden // it leads out of the root: os.Root has no other error of its own
}
