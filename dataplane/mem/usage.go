package mem

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Usage is what a pool or another user of regions holds.
type Usage struct {
	Slot int `json:"slot,omitempty"` // bytes of one
	Used int `json:"used"`           // how many are in use
	Max  int `json:"capacity"`       // how many may be

	where [2][]byte
}

// UsageOf is the Usage of something that is not a Pool: one or two stretches of regions,
// from the start of a page on.
func UsageOf(slot, used, max int, where ...[]byte) Usage {
	u := Usage{Slot: slot, Used: used, Max: max}
	copy(u.where[:], where)
	return u
}

// residentStep is how many bytes the kernel is asked about at a time: it holds a lock
// meanwhile that page faults do not wait for, but mappings do.
const residentStep = 64 << 20

// Resident is how many bytes of the pages behind u are in memory. It asks the kernel and
// reads none of them, so any goroutine may call it while the owner goes on; what the owner
// unmaps meanwhile counts nothing.
func (u *Usage) Resident() (n uint64) {
	var vec []byte
	for _, b := range u.where {
		for len(b) > 0 {
			part := b[:min(len(b), residentStep)]
			b = b[len(part):]
			if vec == nil {
				vec = make([]byte, residentStep/4096)
			}
			_, _, e := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(part))), uintptr(len(part)),
				uintptr(unsafe.Pointer(unsafe.SliceData(vec))))
			if e != 0 {
				continue
			}
			for _, v := range vec[:(len(part)+4095)/4096] {
				n += uint64(v&1) << 12
			}
		}
	}
	return n
}
