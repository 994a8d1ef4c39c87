package hdr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
)

// Span is a run of addresses of one IP version.
type Span struct {
	First, Last Addr
}

// ErrSpan is returned for addresses that are no span.
var ErrSpan = errors.New("not a range of addresses")

// MakeSpan is the span from first to last, of at most most addresses. IPv6 addresses must
// differ in their interface identifiers only.
func MakeSpan(first, last netip.Addr, most int) (Span, error) {
	s := Span{AddrOf(first), AddrOf(last)}
	switch {
	case first.Is4() != last.Is4() || last.Less(first):
		return s, fmt.Errorf("%v - %v: %w", first, last, ErrSpan)
	case s.First.Hi() != s.Last.Hi() || s.Last.Lo()-s.First.Lo() >= uint64(most):
		return s, fmt.Errorf("%v - %v: more than %d addresses", first, last, most)
	}
	return s, nil
}

// Len is how many addresses there are.
func (s *Span) Len() int { return int(s.Last.Lo()-s.First.Lo()) + 1 }

// At is address number i, counted from 0.
func (s *Span) At(i int) Addr {
	a := s.First
	binary.BigEndian.PutUint64(a[8:], s.First.Lo()+uint64(i))
	return a
}

// Contains tells whether a is one of them.
func (s *Span) Contains(a *Addr) bool {
	return a.Hi() == s.First.Hi() && a.Lo()-s.First.Lo() <= s.Last.Lo()-s.First.Lo()
}

// Solicits tells whether group is the solicited-node group of one of them: they end in
// the same 24 bits (RFC 4291 section 2.7.1).
func (s *Span) Solicits(group *Addr) bool {
	const low = 1<<24 - 1
	return !s.First.Is4() && *group == group.SolicitedNode() &&
		(group.Lo()-s.First.Lo())&low <= s.Last.Lo()-s.First.Lo()
}

// Prefixes are the fewest that cover the span and nothing else.
func (s *Span) Prefixes() (out []netip.Prefix) {
	for i, n := 0, s.Len(); i < n; {
		a := s.At(i)
		k := min(bits.TrailingZeros64(a.Lo()), bits.Len(uint(n-i))-1)
		ip := a.Netip()
		out = append(out, netip.PrefixFrom(ip, ip.BitLen()-k))
		i += 1 << k
	}
	return out
}
