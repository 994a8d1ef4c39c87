package flow

import (
	"fmt"

	"vpphost/hoststack/transport"
)

// Default range of source ports, as VPP's min-src-port and max-src-port.
const (
	DefaultMinPort = 1024
	DefaultMaxPort = 65535
)

const portBuckets = 1024

// portBucket remembers how the last search towards one peer went.
type portBucket struct {
	key  uint32 // of the peer
	next uint16 // where the next search begins
	// full > 0: the last search found nothing and nothing was freed since; this
	// many requests are refused without another search.
	full uint16
}

const refuseAfterFull = 256

// Ports picks source ports for one worker. It remembers, for each pair of local
// address and peer, where the last search ended, so that the next one succeeds at
// its first try as a rule (RFC 6056 algorithm 4, with a bucket that is claimed
// rather than shared).
type Ports struct {
	min, max uint16
	rand     uint64
	bucket   [portBuckets]portBucket
	// InUse is how many ports were allocated and not freed; MaxTries the longest
	// search.
	InUse, MaxTries int
}

// NewPorts makes an allocator for [min, max]. seed must not be predictable.
func NewPorts(min, max uint16, seed uint64) *Ports {
	if min == 0 {
		min = 1
	}
	if max < min {
		max = min
	}
	return &Ports{min: min, max: max, rand: seed}
}

// Range is the range of ports.
func (p *Ports) Range() (min, max uint16) { return p.min, p.max }

// of is the bucket of a peer, claimed from another one if need be.
func (p *Ports) of(key uint32) *portBucket {
	b := &p.bucket[key*0x9e3779b1>>22]
	if b.key != key {
		p.rand += 0x9e3779b97f4a7c15
		z := (p.rand ^ p.rand>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		n := uint64(p.max-p.min) + 1
		*b = portBucket{key: key, next: p.min + uint16((z>>32)*n>>32)}
	}
	return b
}

// Alloc picks a port for which free returns true; free says whether the tuple with
// that port is not in use and belongs to this worker. key is the tuple's hash with
// local port 0. The error is transport.ErrNoPort. After a search that
// failed, requests with the same key are refused at once until Free was called with
// it (or some hundred were refused), so that want of ports stalls nobody.
func (p *Ports) Alloc(key uint32, free func(port uint16) bool) (uint16, error) {
	b := p.of(key)
	n := int(p.max-p.min) + 1
	if b.full > 0 {
		b.full--
		n = 0
	}
	port := b.next
	for try := 1; try <= n; try++ {
		next := port + 1
		if port == p.max {
			next = p.min
		}
		if free(port) {
			b.next = next
			p.InUse++
			p.MaxTries = max(p.MaxTries, try)
			return port, nil
		}
		port = next
	}
	if n > 0 {
		p.MaxTries = max(p.MaxTries, n)
		b.full = refuseAfterFull
	}
	return 0, fmt.Errorf("ports %d to %d: %w", p.min, p.max, transport.ErrNoPort)
}

// Free tells that the tuple with key and port is no longer in use. When all ports
// towards that peer were taken, this is the next one.
func (p *Ports) Free(key uint32, port uint16) {
	p.InUse--
	if b := p.of(key); b.full > 0 {
		b.full, b.next = 0, port
	}
}
