package fifo

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/mem"
)

// ErrSegment is returned for a segment or a reference into one that is not valid.
var ErrSegment = errors.New("fifo: not a valid segment")

// Segment is the memory of FIFOs: chunks, and headers of the shared ones. It is
// reserved at its full size and backed only where it was touched. One worker uses
// it.
type Segment struct {
	a      *allocator
	own    [3]*mem.Region // where the allocator lives
	region *mem.Region    // nil unless anonymous
	bytes  []byte
	fd     int // of the memfd, -1 for none
}

// hotBytes is how much of a segment is in huge pages.
const hotBytes = 64 << 20

// NewSegment makes a segment of size bytes, rounded up to 2 MiB, in memory that
// only this process sees.
func NewSegment(size int) (*Segment, error) {
	r, err := mem.Map(roundUp(size) + blockSize)
	if err != nil {
		return nil, fmt.Errorf("fifo: segment: %w", err)
	}
	// Blocks on 2 MiB boundaries let the kernel back them with huge pages. Busy streams
	// use the first chunks over and over; further ones are those of many sessions that
	// hold a little each, and take ordinary pages as they are touched.
	skip := int(-uintptr(r.Base()) & (blockSize - 1))
	r.Small()
	r.HugeFirst(hotBytes + blockSize)
	s := &Segment{region: r, bytes: r.Bytes()[skip : skip+roundUp(size)], fd: -1}
	return s.init()
}

// NewSharedSegment makes a segment in a memfd, whose descriptor (FD) another
// process can map.
func NewSharedSegment(name string, size int) (*Segment, error) {
	size = roundUp(size)
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("fifo: memfd %s: %w", name, err)
	}
	s := &Segment{fd: fd}
	if err = unix.Ftruncate(fd, int64(size)); err == nil {
		// Without the seals the other process could shrink the file, and our next
		// access would be a bus error.
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS,
			unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err == nil {
		s.bytes, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("fifo: memfd %s: %w", name, err)
	}
	return s.init()
}

// newSegmentOver lays a segment over memory of the caller's. Tests use it with Go
// memory, which the race detector watches.
func newSegmentOver(b []byte) (*Segment, error) {
	return (&Segment{bytes: b, fd: -1}).init()
}

func roundUp(size int) int { return (max(size, blockSize) + 2*blockSize - 1) &^ (blockSize - 1) }

func (s *Segment) init() (*Segment, error) {
	h := (*segmentHeader)(unsafe.Pointer(unsafe.SliceData(s.bytes)))
	h.magic, h.version, h.size = magic, version, uint64(len(s.bytes))
	var err error
	if s.a, s.own, err = newAllocator(s.bytes, s.fd >= 0, s.region == nil && s.fd < 0); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// FD is the memfd of a shared segment, -1 for another. It stays the segment's.
func (s *Segment) FD() int { return s.fd }

// Bytes is the whole segment as the stack has mapped it.
func (s *Segment) Bytes() []byte { return s.bytes }

// Usage is what a segment holds.
type Usage struct {
	Size   uint64 `json:"size"`   // bytes reserved
	Used   uint64 `json:"used"`   // bytes in chunks and headers in use
	Chunks uint64 `json:"chunks"` // chunks and headers in use
	Backed uint64 `json:"backed"` // bytes of blocks that hold or held chunks and were not given back
	Failed uint64 `json:"failed"` // requests refused because memory had run out
}

// Usage counts. On the segment's worker.
func (s *Segment) Usage() Usage {
	return Usage{Size: uint64(len(s.bytes)), Used: s.a.used, Chunks: s.a.chunks,
		Backed: uint64(s.a.backed) << blockShift, Failed: s.a.failed}
}

// Memory tells the same in lines of 64 bytes, and where: it may be asked how much of that
// is resident.
func (s *Segment) Memory() mem.Usage {
	return mem.UsageOf(1<<lineShift, int(s.a.used>>lineShift), len(s.bytes)>>lineShift, s.bytes[:min(int(s.a.fresh)<<blockShift, len(s.bytes))])
}

// Trim gives the memory of at most n free blocks of 2 MiB back to the kernel and
// returns how many it gave. Call it when there is time.
func (s *Segment) Trim(n int) int { return s.a.trim(n) }

// Close unmaps the segment. No FIFO in it may be used any more.
func (s *Segment) Close() {
	if s.a != nil {
		s.a = nil
		for _, r := range s.own {
			r.Close()
		}
	}
	switch {
	case s.region != nil:
		s.region.Close()
	case s.fd >= 0:
		_ = unix.Munmap(s.bytes)
		_ = unix.Close(s.fd)
	}
	s.bytes, s.region, s.fd = nil, nil, -1
}
