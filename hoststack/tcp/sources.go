package tcp

import (
	"fmt"
	"net/netip"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

// An active open has some 64000 ports towards one peer. Whoever needs more gives the
// instance several addresses and names them as sources: active opens that choose no
// address themselves take them by turns.

// maxSources bounds the addresses that one command may add, as in VPP.
const maxSources = 10240

// sources is a pool of source addresses. A shard has its own copy, which never
// changes: a new one takes its place.
type sources struct {
	addrs [2][]hdr.Addr // IPv4, IPv6
}

// AddSources adds the addresses from first to last to the pool. All must be addresses
// of an interface. Control path.
func (t *TCP) AddSources(first, last netip.Addr) error {
	if first.Is4() != last.Is4() || last.Less(first) {
		return fmt.Errorf("%v - %v: not a range of addresses", first, last)
	}
	var list []hdr.Addr
	for a := first; ; a = a.Next() {
		if len(list) == maxSources {
			return fmt.Errorf("%v - %v: more than %d addresses", first, last, maxSources)
		}
		list = append(list, hdr.AddrOf(a))
		if a == last {
			break
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var missing netip.Addr
	err := t.shards[0].w.Do(func(w *worker.Worker) {
		for i := range list {
			if !t.net.IsLocal(w, &list[i]) {
				missing = list[i].Netip()
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if missing.IsValid() {
		return fmt.Errorf("%v is not the address of an interface: %w", missing, transport.ErrNoSource)
	}
	v := b2i(!first.Is4())
	for _, s := range t.shards {
		if err := s.w.Do(func(*worker.Worker) {
			next := s.sources
			next.addrs[v] = append(append([]hdr.Addr(nil), next.addrs[v]...), list...)
			s.sources = next
		}); err != nil {
			return err
		}
	}
	return nil
}

// ClearSources empties the pool. Control path.
func (t *TCP) ClearSources() error {
	for _, s := range t.shards {
		if err := s.w.Do(func(*worker.Worker) { s.sources = sources{} }); err != nil {
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
