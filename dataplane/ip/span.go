package ip

import (
	"slices"

	"vpphost/dataplane/hdr"
)

// AddSpan makes a span of addresses ours, on the link in whose network they are: what is
// sent to them is for us, and ARP and neighbour discovery answer for them. It returns
// ErrNoSource when no interface has such a network. Control path.
func (s *Stack) AddSpan(x hdr.Span) error {
	snap := s.fib.Load()
	index := uint32(0)
	for i, links := 0, snap.Links(); i < len(links) && index == 0; i++ {
		_, first := links[i].OnLink(&x.First)
		if _, last := links[i].OnLink(&x.Last); first && last && !x.First.IsLinkLocal() {
			index = uint32(i)
		}
	}
	i := s.ifs.ByIndex(index)
	if index == 0 || i == nil {
		return ErrNoSource
	}
	s.mu.Lock()
	s.spans[index] = append(s.spans[index], x)
	s.mu.Unlock()
	s.setLink(i, true)
	return nil
}

// RemoveSpan undoes one AddSpan. Control path.
func (s *Stack) RemoveSpan(x hdr.Span) {
	s.mu.Lock()
	changed := uint32(0)
	for index, list := range s.spans {
		if k := slices.Index(list, x); k >= 0 {
			s.spans[index], changed = slices.Delete(list, k, k+1), index
			break
		}
	}
	s.mu.Unlock()
	if i := s.ifs.ByIndex(changed); changed != 0 && i != nil {
		s.setLink(i, true)
	}
}
