package flow

import (
	"fmt"
	"math/bits"

	"vpphost/dataplane/mem"
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
	next uint16 // where the next search begins, counted from min
	// full > 0: the last search found nothing and nothing was freed since; this
	// many requests are refused without another search.
	full uint16
}

const refuseAfterFull = 256

// setPorts is how many ports make a portSet.
const setPorts = 512

// portSet is which of 512 ports towards one peer are taken. There is none while none is.
type portSet struct {
	key   uint32 // of the peer
	no    uint16 // the first port is min + no*setPorts
	used  uint16 // ports that Free will give back
	taken [setPorts / 64]uint64
}

// PortState is what a caller of Alloc knows about a port.
type PortState uint8

const (
	PortFree    PortState = iota
	PortTaken             // by somebody who has not asked for it here
	PortForeign           // it will never do: the flow belongs to another worker
)

// Ports picks source ports for one worker. It remembers, for each pair of local address
// and peer, where the last search ended, so that the next one succeeds at its first try
// as a rule (RFC 6056 algorithm 4, with a bucket that is claimed rather than shared), and
// which ports are taken, so that a search costs a look at each 512 of them at most,
// however few are free.
type Ports struct {
	min      uint16
	n        int // ports
	seed     uint64
	none     error // what a search in vain returns: made once, as it may be returned all the time
	sets     *mem.Pool[portSet]
	index    *Table // of sets, by setHash
	bucket   [portBuckets]portBucket
	InUse    int // ports that were allocated and not freed
	MaxTries int // most ports that one search has asked about
}

// NewPorts makes an allocator for [min, max], of at most most ports in use. seed must not
// be predictable.
func NewPorts(min, max uint16, seed uint64, most int) (p *Ports, err error) {
	if min == 0 {
		min = 1
	}
	if max < min {
		max = min
	}
	p = &Ports{min: min, n: int(max-min) + 1, seed: seed}
	p.none = fmt.Errorf("ports %d to %d: %w", min, max, transport.ErrNoPort)
	if p.sets, err = mem.NewPool[portSet](most); err != nil {
		return nil, err
	}
	p.index, err = NewTable()
	return p, err
}

// Range is the range of ports.
func (p *Ports) Range() (min, max uint16) { return p.min, p.min + uint16(p.n-1) }

// Usage is the memory of the sets.
func (p *Ports) Usage() mem.Usage { return p.sets.Usage() }

// of is the bucket of a peer, claimed from another one if need be.
func (p *Ports) of(key uint32) *portBucket {
	b := &p.bucket[key*0x9e3779b1>>22]
	if b.key != key {
		z := p.seed + uint64(key)*0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		*b = portBucket{key: key, next: uint16((z >> 32) * uint64(p.n) >> 32)}
	}
	return b
}

func setHash(key uint32, no uint16) uint32 { return key + uint32(no)*0x85ebca6b }

// find is set no of a peer, 0 and nil when none of its ports is taken.
func (p *Ports) find(key uint32, no uint16) (uint32, *portSet) {
	for c := p.index.Find(setHash(key, no)); ; {
		i := c.Next()
		if i == 0 {
			return 0, nil
		}
		if s := p.sets.At(i); s.key == key && s.no == no {
			return i, s
		}
	}
}

// make makes the set that find has not found; nil when memory has run out.
func (p *Ports) make(key uint32, no uint16) (uint32, *portSet) {
	i, s := p.sets.Alloc()
	if s == nil {
		return 0, nil
	}
	if p.index.Insert(setHash(key, no), i) != nil {
		p.sets.Free(i)
		return 0, nil
	}
	s.key, s.no = key, no
	for k := p.n - int(no)*setPorts; k < setPorts; k++ { // beyond the range
		s.taken[k/64] |= 1 << (k % 64)
	}
	return i, s
}

func (p *Ports) drop(i uint32, s *portSet) {
	p.index.Delete(setHash(s.key, s.no), i)
	p.sets.Free(i)
}

// next is the first port of s from place k on that is not taken, setPorts when none is.
func (s *portSet) next(k int) int {
	for ; k < setPorts; k = (k | 63) + 1 {
		if free := ^s.taken[k/64] >> (k % 64); free != 0 {
			return k + bits.TrailingZeros64(free)
		}
	}
	return setPorts
}

// Alloc picks a port for which state says PortFree. key is the tuple's hash with local
// port 0. The error is transport.ErrNoPort. After a search that failed, requests with the
// same key are refused at once until Free was called with it (or some hundred were
// refused).
func (p *Ports) Alloc(key uint32, state func(port uint16) PortState) (uint16, error) {
	b := p.of(key)
	if b.full > 0 {
		b.full--
		return 0, p.none
	}
	no, from, tries := b.next/setPorts, int(b.next%setPorts), 0
	last := uint16((p.n - 1) / setPorts)
	for range int(last) + 2 { // the first set again, for what comes before the cursor
		i, s := p.find(key, no)
		if s == nil {
			if i, s = p.make(key, no); s == nil {
				break
			}
		}
		for k := s.next(from); k < setPorts; k = s.next(k + 1) {
			at := no*setPorts + uint16(k)
			tries++
			switch state(p.min + at) {
			case PortFree:
				p.MaxTries = max(p.MaxTries, tries)
				p.take(s, k)
				if b.next = at + 1; int(at)+1 == p.n {
					b.next = 0
				}
				return p.min + at, nil
			case PortForeign:
				s.taken[k/64] |= 1 << (k % 64)
			}
		}
		if s.used == 0 {
			p.drop(i, s)
		}
		from = 0
		if no++; no > last {
			no = 0
		}
	}
	p.MaxTries = max(p.MaxTries, tries)
	b.full = refuseAfterFull
	return 0, p.none
}

func (p *Ports) take(s *portSet, k int) {
	s.taken[k/64] |= 1 << (k % 64)
	s.used++
	p.InUse++
}

// place is where a port is; false when it is not in the range.
func (p *Ports) place(port uint16) (no uint16, k int, ok bool) {
	at := int(port) - int(p.min)
	return uint16(at / setPorts), at % setPorts, at >= 0 && at < p.n
}

// Take marks a port that somebody has chosen as taken.
func (p *Ports) Take(key uint32, port uint16) {
	no, k, ok := p.place(port)
	if !ok {
		return
	}
	_, s := p.find(key, no)
	if s == nil {
		_, s = p.make(key, no)
	}
	if s != nil && s.taken[k/64]&(1<<(k%64)) == 0 {
		p.take(s, k)
	}
}

// Free tells that the tuple with key and port is no longer in use; one that was not
// allocated is none of its business. When all ports towards that peer were taken, this is
// the next one.
func (p *Ports) Free(key uint32, port uint16) {
	no, k, ok := p.place(port)
	if !ok {
		return
	}
	i, s := p.find(key, no)
	if s == nil || s.taken[k/64]&(1<<(k%64)) == 0 {
		return
	}
	s.taken[k/64] &^= 1 << (k % 64)
	s.used--
	p.InUse--
	if s.used == 0 {
		p.drop(i, s)
	}
	if b := p.of(key); b.full > 0 {
		b.full, b.next = 0, no*setPorts+uint16(k)
	}
}
