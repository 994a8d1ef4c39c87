package dpdk

// #include <stdlib.h>
// #include "shim.h"
import "C"

import "fmt"

// GuardRings makes a started port of the af_packet driver safe: a full transmit ring
// never blocks the worker, packets that the kernel cut are dropped and counted, and
// the kernel's verdict on checksums is kept. frames and frameSize are the driver's
// framecnt and framesz. It returns the descriptors that become readable when packets
// wait, one a queue; they belong to the driver.
func (p *Port) GuardRings(frames, frameSize int) ([]int, error) {
	var fds []int
	for i := range min(len(p.rx), len(p.tx)) {
		r := C.dp_ring_new(p.rx[i].c, p.tx[i].c, C.uint32_t(frames), C.uint32_t(frameSize), C.int(p.ifindex))
		if r == nil {
			return nil, fmt.Errorf("dpdk: %s: this af_packet driver (%s) is not the one known to be safe", p.name, Version())
		}
		fds = append(fds, int(C.dp_ring_fd(r)))
	}
	return fds, nil
}
