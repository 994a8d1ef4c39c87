package tcp

import (
	"fmt"
	"net/netip"
	"slices"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

// An active open has some 64000 ports towards one peer. Whoever needs more gives ranges
// of addresses, in the network of an interface, as sources: active opens that choose no
// address themselves take them by turns.

// maxSources bounds the addresses that one command may add, as in VPP.
const maxSources = 10240

// sources is a pool of source addresses. A shard has its own copy, which never
// changes: a new one takes its place.
type sources struct {
	spans []hdr.Span
	addrs [2][]hdr.Addr // IPv4, IPv6
}

// has tells whether a is one of them.
func (s *sources) has(a *hdr.Addr) bool {
	for i := range s.spans {
		if s.spans[i].Contains(a) {
			return true
		}
	}
	return false
}

// AddSources adds the addresses from first to last to the pool, and makes them ours.
// Control path.
func (t *TCP) AddSources(first, last netip.Addr) error {
	span, err := hdr.MakeSpan(first, last, maxSources)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.net.AddSpan(span); err != nil {
		return fmt.Errorf("%v - %v: not in the network of an interface: %w", first, last, transport.ErrNoSource)
	}
	t.spans = append(t.spans, span)
	return t.setSources()
}

// ClearSources empties the pool. Its addresses are no longer ours, and what is connected
// from them hears no more. Control path.
func (t *TCP) ClearSources() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range t.spans {
		t.net.RemoveSpan(x)
	}
	t.spans = nil
	return t.setSources()
}

// setSources gives all shards the addresses of t.spans. Under t.mu.
func (t *TCP) setSources() error {
	next := sources{spans: slices.Clone(t.spans)}
	for i := range t.spans {
		x := &t.spans[i]
		list := &next.addrs[b2i(!x.First.Is4())]
		for k := range x.Len() {
			*list = append(*list, x.At(k))
		}
	}
	for _, s := range t.shards {
		if err := s.w.Do(func(*worker.Worker) { s.sources = next }); err != nil {
			return err
		}
	}
	return nil
}

// pooled chooses the local end of x from the pool and a free port with it. It is
// false when there is no pool for x, or all its addresses have run out of ports.
func (s *shard) pooled(x *tuple) (hash uint32, ok bool) {
	list := s.sources.addrs[b2i(!x.remote.Is4())]
	for range min(len(list), pooledTries) {
		s.turn++
		x.local = list[s.turn%len(list)]
		if h, err := s.port(x, 0); err == nil {
			return h, true
		}
	}
	return 0, false
}

// pooledTries is how many addresses of the pool one open looks at.
const pooledTries = 16
