package filecache

import (
	"bytes"
	"sync/atomic"
	"unsafe"
)

// Encoding is a content coding that a file may be stored in, beside itself: a bit.
type Encoding uint8

const (
	Gzip   Encoding = 1 << iota // FILE.gz
	Brotli                      // FILE.br
)

// encodings are all of them, the preferred one first.
var encodings = [...]struct {
	bit          Encoding
	suffix, name string
}{{Brotli, ".br", "br"}, {Gzip, ".gz", "gzip"}}

// Preferred is the best of several.
func (enc Encoding) Preferred() Encoding {
	for _, x := range encodings {
		if enc&x.bit != 0 {
			return x.bit
		}
	}
	return 0
}

func (enc Encoding) suffix() string {
	for _, x := range encodings {
		if x.bit == enc {
			return x.suffix
		}
	}
	return ""
}

// Entry is a file as it was when it was last looked at. It never changes, but for the times;
// a new version of the file is a new Entry. It lies off the Go heap, and may be used
// while it is held (Reader.Get, Reader.Take, Cache.Open).
type Entry struct {
	state    atomic.Uint32 // live, or not
	index    uint32
	hash     uint32
	block    uint32 // of the arena: key, header lines, bytes of the file
	checking atomic.Uint32
	keyLen   uint16
	headLen  uint16
	coded    uint16 // where in the header lines those end that a multipart answer has not: Content-Type
	shared   uint16 // where those end that an answer without the file has not: Content-Encoding
	etagAt   uint16
	etagLen  uint16
	enc      Encoding
	beside   Encoding // of an entry that is not encoded: in which encodings the file is there too
	open     bool
	checked  atomic.Int64 // when it was found to be what is on the disk
	used     atomic.Int64 // when a worker last used it
	id       identity
	charge   int64          // bytes that count against the limit
	mem      unsafe.Pointer // the block
}

const live = 1

// identity tells versions of a file apart.
type identity struct {
	size         int64 // bytes
	mtime, ctime int64 // of the last change of the bytes, and of anything; ns since 1970
	ino, dev     uint64
}

func (e *Entry) piece(off, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(e.mem, off)), n)
}

// Path is the Key of the entry.
func (e *Entry) Path() []byte { return e.piece(0, int(e.keyLen)) }

// Header are the field lines that describe the file, those of RFC 9110 section 8 first.
// Typed leaves Content-Type out (a multipart answer has its own), Shared also
// Content-Encoding: what a 304 sends (RFC 9110 section 15.4.5).
func (e *Entry) Header() []byte { return e.piece(int(e.keyLen), int(e.headLen)) }
func (e *Entry) Typed() []byte  { return e.Header()[e.coded:] }
func (e *Entry) Shared() []byte { return e.Header()[e.shared:] }

// MediaType is the value of Content-Type.
func (e *Entry) MediaType() string {
	b := e.Header()[len("Content-Type: ") : e.coded-2]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// ETag is the entity tag with its quotes. The string is as short-lived as the entry.
func (e *Entry) ETag() string {
	b := e.Header()[e.etagAt:]
	return unsafe.String(unsafe.SliceData(b), int(e.etagLen))
}

// Modified is the time of the last modification, in seconds since 1970. Size is in bytes.
func (e *Entry) Modified() int64 { return e.id.mtime / 1e9 }
func (e *Entry) Size() int64     { return e.id.size }

// Body is the file; nil when it is not in memory, see OnDisk.
func (e *Entry) Body() []byte {
	if e.open {
		return nil
	}
	return e.piece(int(e.keyLen)+int(e.headLen), int(e.id.size))
}

// OnDisk tells that the file is too large for the cache: read Cache.File.
func (e *Entry) OnDisk() bool { return e.open }

// Beside are the encodings that the file can be had in as well.
func (e *Entry) Beside() Encoding { return e.beside }

// Unchecked is for a worker that has been asked for a Check and could not have it done.
func (e *Entry) Unchecked() { e.checking.Store(0) }

// is tells whether e is what path and enc name. Only the state may be looked at before.
func (e *Entry) is(path []byte, enc Encoding) bool {
	return e.enc == enc && bytes.Equal(e.Path(), path)
}
