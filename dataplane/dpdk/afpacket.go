package dpdk

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Rings are the dimensions of an af_packet port, as the driver was told them (framecnt,
// framesz, blocksz). Blocks hold whole frames.
type Rings struct {
	Frames, FrameSize, BlockSize int
}

// GuardRings makes a started port of the af_packet driver safe: a full transmit ring
// never blocks the worker, packets that the kernel cut are dropped and counted, the
// kernel's verdict on checksums is kept, fragments stay fragments, and what the kernel
// itself sends on the interface is not received. The interface is promiscuous as long
// as the port exists.
//
// It returns the descriptors that become readable when packets wait, one a queue; they
// belong to the driver. The caller's thread is in the interface's network namespace.
func (p *Port) GuardRings(r Rings) ([]int, error) {
	var fds []int
	fanout := C.int(-1)
	group := &fanout
	n := min(len(p.rx), len(p.tx))
	if n == 1 {
		group = nil
	}
	for i := range n {
		c, err := C.dp_ring_new(p.rx[i].c, p.tx[i].c, C.uint32_t(r.Frames), C.uint32_t(r.FrameSize),
			C.uint32_t(r.BlockSize), C.int(p.ifindex), group)
		if c == nil {
			if asErrno(err) == unix.EPROTO {
				return nil, fmt.Errorf("dpdk: %s: this af_packet driver (%s) is not the one known to be safe", p.name, Version())
			}
			return nil, &Error{Op: "packet rings of " + p.name, Errno: asErrno(err)}
		}
		fds = append(fds, int(C.dp_ring_fd(c)))
	}
	return fds, nil
}
