package dpdk

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// SparsePolls leaves out most polls of a started tap port while nothing comes: each is a
// system call.
func (p *Port) SparsePolls() {
	for _, q := range p.rx {
		C.dp_tap_sparse(q.c)
	}
}

// TapFDs returns the descriptors of a configured port of the tap driver that become
// readable when the kernel sends, one a queue. They belong to the driver.
func (p *Port) TapFDs() ([]int, error) {
	name := C.CString(p.name)
	defer C.free(unsafe.Pointer(name))
	var fds []int
	for i := range p.rx {
		fd := int(C.dp_tap_fd(name, C.uint32_t(i)))
		if fd < 0 {
			return nil, fmt.Errorf("dpdk: %s: this tap driver (%s) is not the one known", p.name, Version())
		}
		fds = append(fds, fd)
	}
	return fds, nil
}
