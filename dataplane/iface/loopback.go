package iface

import (
	"fmt"

	"vpphost/dataplane/device"
	"vpphost/dataplane/pkt"
)

// maxInstance is the highest number of a loopback.
const maxInstance = 16383

// loopbackInfo describes loopback number n; its address is the one VPP gives it.
func loopbackInfo(n int) device.Info {
	return device.Info{Driver: kindLoopback, TxCsum: true, RxCsum: true,
		MAC: [6]byte{0xde, 0xad, 0, 0, byte(n >> 8), byte(n)}}
}

// AddLoopback makes loop<instance>, or the lowest free one when instance is negative.
func (m *Manager) AddLoopback(instance int) (*Interface, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if instance < 0 {
		for instance = 0; m.ByName(fmt.Sprintf("loop%d", instance)) != nil; {
			instance++
		}
	}
	return m.add(fmt.Sprintf("loop%d", instance), kindLoopback, nil, instance)
}

// loop delivers what was sent to a loopback in the Step before.
func (s *station) loop(p *port, now int64) int {
	n := p.n
	if n == 0 {
		return 0
	}
	// What is sent while these are delivered goes into the other half.
	p.q, p.spare, p.n = p.spare, p.q, 0
	for bufs := p.spare[:n]; len(bufs) > 0; {
		burst := bufs[:min(len(bufs), pkt.MaxBurst)]
		bufs = bufs[len(burst):]
		var bytes uint64
		for _, b := range burst {
			bytes += uint64(b.PktLen)
			// Nothing can have been damaged: the checksum that was left to the
			// device counts as verified.
			if b.Flags&pkt.CsumPartial != 0 {
				b.Flags = pkt.L4Good
			} else {
				b.Flags = 0
			}
			b.OlFlags = 0
		}
		p.c.TxPackets += uint64(len(burst))
		p.c.TxBytes += bytes
		s.receive(p, 0, burst, now)
	}
	return n
}
