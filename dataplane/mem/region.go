package mem

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// HugePage is the size of the pages that the kernel is asked for.
const HugePage = 2 << 20

// ErrNoMemory is returned when the kernel refuses a mapping.
var ErrNoMemory = errors.New("out of memory")

// Region is a reserved stretch of address space outside the Go heap.
type Region struct {
	b []byte
}

// Map reserves size bytes, rounded up to whole pages. They read as zero and
// are backed when first touched. Large regions ask for 2 MB pages.
func Map(size int) (*Region, error) {
	if size <= 0 {
		return nil, fmt.Errorf("mem: map %d bytes: %w", size, ErrNoMemory)
	}
	size = (size + 4095) &^ 4095
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("mem: map %d bytes: %w: %w", size, ErrNoMemory, err)
	}
	return &Region{b: b}, nil
}

// Huge asks the kernel to back the region with 2 MB pages. It is a wish: a
// kernel without them ignores it.
func (r *Region) Huge() { _ = unix.Madvise(r.b, unix.MADV_HUGEPAGE) }

// HugeFirst asks for 2 MB pages for the first n bytes only: what is used again and
// again is there, and a byte in each of many chunks beyond does not cost 2 MB.
func (r *Region) HugeFirst(n int) { _ = unix.Madvise(r.b[:min(n, len(r.b))], unix.MADV_HUGEPAGE) }

// Small keeps the kernel from backing the region with 2 MB pages of its own accord.
func (r *Region) Small() { _ = unix.Madvise(r.b, unix.MADV_NOHUGEPAGE) }

// Bytes is the whole region.
func (r *Region) Bytes() []byte { return r.b }

// Base is the address of the first byte.
func (r *Region) Base() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(r.b)) }

// Size is the length in bytes.
func (r *Region) Size() int { return len(r.b) }

// Release gives the pages of [off, off+n) back to the kernel; they read as
// zero when touched again. Only whole pages inside the range are given back.
func (r *Region) Release(off, n int) {
	lo, hi := (off+4095)&^4095, min((off+n)&^4095, len(r.b))
	if lo < hi {
		_ = unix.Madvise(r.b[lo:hi], unix.MADV_DONTNEED)
	}
}

// Close unmaps the region. Nothing may refer to it any more.
func (r *Region) Close() {
	if r.b != nil {
		_ = unix.Munmap(r.b)
		r.b = nil
	}
}

// Slice makes a slice of n values of a pointer-free or off-heap-pointing type
// in memory of its own. It is never freed: use it for what lives as long as the
// process or the worker.
func Slice[T any](n int) ([]T, error) {
	s, _, err := Array[T](n)
	return s, err
}

// Array is a Slice that ends when its region is closed.
func Array[T any](n int) ([]T, *Region, error) {
	var t T
	r, err := Map(max(1, n*int(unsafe.Sizeof(t))))
	if err != nil {
		return nil, nil, err
	}
	return unsafe.Slice((*T)(r.Base()), n), r, nil
}
