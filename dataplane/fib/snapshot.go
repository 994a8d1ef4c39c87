package fib

import (
	"net/netip"

	"vpphost/dataplane/hdr"
)

// Kind is what happens to packets for a prefix.
type Kind uint8

const (
	Drop      Kind = iota
	Receive        // one of our addresses
	Broadcast      // to all on the link of Iface, us included
	Attached       // the destination is on the link of Iface
	Via            // by way of a router
	Multicast      // to a group on the link of Iface; only from Resolve
)

func (k Kind) String() string {
	return [...]string{"drop", "receive", "broadcast", "attached", "via", "multicast"}[k]
}

// Origin is who entered a route; lower ones win.
type Origin uint8

const (
	FromInterface Origin = iota
	FromUser
	FromDefault
	nOrigins
)

// Hop is one way out.
type Hop struct {
	Gateway hdr.Addr // zero: the destination itself is on the link
	Iface   uint32   // 0: where the table says Gateway is
}

// Entry is what the table says about one prefix. It never changes once published.
type Entry struct {
	Prefix netip.Prefix
	Kind   Kind
	Origin Origin
	Iface  uint32   // Receive, Broadcast, Attached
	Source hdr.Addr // Attached by an address of ours: that address
	Hops   []Hop    // Via: packets are spread over them by destination
}

// Address is one of our addresses with the length of its network's prefix, in bits
// of its own family.
type Address struct {
	Addr hdr.Addr
	Bits uint8
}

// contains tells whether b is in the network of a.
func (a *Address) contains(b *hdr.Addr) bool {
	return a.Addr.Is4() == b.Is4() && keyOf(&a.Addr).common(keyOf(b)) >= a.Bits
}

// Link is what the IP layer knows of one interface.
type Link struct {
	Up        bool
	IP6       bool       // IPv6 is enabled
	LinkLocal hdr.Addr   // set when IP6 is
	Addrs     []Address  // without LinkLocal, unless it was configured
	Spans     []hdr.Span // further addresses of ours
}

// Owns tells whether a is an address of ours on the link, the interface's link-local one
// included.
func (l *Link) Owns(a *hdr.Addr) bool {
	if l.IP6 && *a == l.LinkLocal {
		return true
	}
	for i := range l.Addrs {
		if l.Addrs[i].Addr == *a {
			return true
		}
	}
	for i := range l.Spans {
		if l.Spans[i].Contains(a) {
			return true
		}
	}
	return false
}

// OnLink tells whether a is in one of the interface's networks, and which of our
// addresses is in that network.
func (l *Link) OnLink(a *hdr.Addr) (own hdr.Addr, ok bool) {
	if a.IsLinkLocal() {
		return l.LinkLocal, l.IP6
	}
	for i := range l.Addrs {
		if l.Addrs[i].contains(a) {
			return l.Addrs[i].Addr, true
		}
	}
	return own, false
}

// Member tells whether the interface listens to a group: all nodes, and for IPv6 the
// solicited-node groups of its addresses (RFC 4291 section 2.8).
func (l *Link) Member(group *hdr.Addr) bool {
	if group.Is4() {
		return *group == allHosts
	}
	if !l.IP6 {
		return false
	}
	if group[15] == 1 && (*group == hdr.AllNodes || *group == interfaceLocalNodes) {
		return true
	}
	if *group == l.LinkLocal.SolicitedNode() {
		return true
	}
	for i := range l.Addrs {
		if a := &l.Addrs[i].Addr; !a.Is4() && *group == a.SolicitedNode() {
			return true
		}
	}
	for i := range l.Spans {
		if l.Spans[i].Solicits(group) {
			return true
		}
	}
	return false
}

var (
	allHosts            = hdr.Addr4([]byte{224, 0, 0, 1})
	interfaceLocalNodes = hdr.Addr{0: 0xff, 1: 0x01, 15: 1}
)

// Snapshot is the state of the table at one time. It never changes.
type Snapshot struct {
	Epoch  uint32
	v4, v6 *node
	links  []Link // by interface index
}

// Link is what is known of interface iface; nil when there is no such interface.
func (s *Snapshot) Link(iface uint32) *Link {
	if iface >= uint32(len(s.links)) {
		return nil
	}
	return &s.links[iface]
}

// Links are all links, by interface index.
func (s *Snapshot) Links() []Link { return s.links }

func (s *Snapshot) up(iface uint32) bool {
	return iface != 0 && iface < uint32(len(s.links)) && s.links[iface].Up
}

// Lookup finds the entry with the longest prefix that covers a. It is never nil.
func (s *Snapshot) Lookup(a *hdr.Addr) *Entry {
	e := s.trie(a.Is4()).longest(keyOf(a))
	if e == nil {
		return &nothing
	}
	return e
}

var nothing = Entry{Kind: Drop, Origin: FromDefault}

func (s *Snapshot) trie(v4 bool) *node {
	if v4 {
		return s.v4
	}
	return s.v6
}

// Walk visits all entries of one family in the order of their prefixes.
func (s *Snapshot) Walk(v4 bool, f func(*Entry)) { s.trie(v4).walk(f) }

// Exact is the entry of one prefix, nil when there is none.
func (s *Snapshot) Exact(p netip.Prefix) *Entry {
	k, n := prefixKey(p)
	return s.trie(p.Addr().Is4()).exact(k, n)
}

// Owns tells whether a is an address of ours. A link-local address counts for
// interface iface only, or for any when iface is 0.
func (s *Snapshot) Owns(a *hdr.Addr, iface uint32) bool {
	if a.IsLinkLocal() {
		for i := range s.links {
			if (iface == 0 || iface == uint32(i)) && s.links[i].Up && s.links[i].Owns(a) {
				return true
			}
		}
		return false
	}
	return s.Lookup(a).Kind == Receive
}

// NextHop is the outcome of Resolve.
type NextHop struct {
	Kind  Kind // Drop, Receive, Broadcast, Multicast or Attached
	Iface uint32
	Addr  hdr.Addr // whose link-layer address is needed, for Attached
}

// maxDepth bounds how many gateways may lie behind each other.
const maxDepth = 4

// Resolve finds the way to dst, through interface iface unless that is 0. A result
// of kind Drop means that there is none.
func (s *Snapshot) Resolve(dst *hdr.Addr, iface uint32) NextHop {
	switch {
	case dst.IsMulticast():
		return s.toGroup(Multicast, dst, iface)
	case dst.IsLimitedBroadcast():
		return s.toGroup(Broadcast, dst, iface)
	case dst.IsLinkLocal():
		return s.toLinkLocal(dst, iface)
	}
	e := s.Lookup(dst)
	switch {
	case e.Kind == Receive:
		return NextHop{Kind: Receive, Iface: e.Iface}
	case iface == 0:
		return s.follow(e, dst, 0, maxDepth)
	}
	// The most specific route that leaves through iface.
	k, best := keyOf(dst), NextHop{}
	for n := s.trie(dst.Is4()); n != nil && n.covers(k); n = n.child[k.bit(n.bits)] {
		if n.entry != nil {
			if h := s.follow(n.entry, dst, iface, maxDepth); h.Kind != Drop {
				best = h
			}
		}
		if n.bits == 128 {
			break
		}
	}
	return best
}

// follow turns an entry into a way out, which must be through only unless that is 0.
func (s *Snapshot) follow(e *Entry, dst *hdr.Addr, only uint32, depth int) NextHop {
	switch e.Kind {
	case Attached, Broadcast:
		if s.up(e.Iface) && (only == 0 || only == e.Iface) {
			return NextHop{Kind: e.Kind, Iface: e.Iface, Addr: *dst}
		}
	case Via:
		// Spread by destination, so that one flow keeps to one path.
		first := 0
		if len(e.Hops) > 1 {
			first = int((dst.Lo() * 0x9e3779b97f4a7c15) >> 33 % uint64(len(e.Hops)))
		}
		for i := range e.Hops {
			h := &e.Hops[(first+i)%len(e.Hops)]
			if n := s.hop(h, dst, only, depth); n.Kind != Drop {
				return n
			}
		}
	}
	return NextHop{Kind: Drop}
}

func (s *Snapshot) hop(h *Hop, dst *hdr.Addr, only uint32, depth int) NextHop {
	to := h.Gateway
	if to == (hdr.Addr{}) {
		to = *dst
	}
	if h.Iface != 0 {
		if s.up(h.Iface) && (only == 0 || only == h.Iface) {
			return NextHop{Kind: Attached, Iface: h.Iface, Addr: to}
		}
		return NextHop{Kind: Drop}
	}
	if depth == 0 {
		return NextHop{Kind: Drop} // gateways that name each other
	}
	e := s.Lookup(&to)
	if e.Kind == Broadcast {
		return NextHop{Kind: Drop}
	}
	return s.follow(e, &to, only, depth-1)
}

// toGroup finds the link for a multicast or broadcast packet: the one that is asked
// for, the one that a route names, or the only one that is up.
func (s *Snapshot) toGroup(kind Kind, dst *hdr.Addr, iface uint32) NextHop {
	if iface == 0 {
		if h := s.follow(s.Lookup(dst), dst, 0, maxDepth); h.Kind != Drop {
			iface = h.Iface
		} else {
			iface = s.onlyLink(dst.Is4())
		}
	}
	if !s.up(iface) {
		return NextHop{Kind: Drop}
	}
	return NextHop{Kind: kind, Iface: iface, Addr: *dst}
}

// toLinkLocal needs the interface: the same address may exist on each link. As a
// convenience the only link with IPv6 may be left unnamed.
func (s *Snapshot) toLinkLocal(dst *hdr.Addr, iface uint32) NextHop {
	if iface == 0 {
		if s.Owns(dst, 0) {
			for i := range s.links {
				if s.links[i].Up && s.links[i].Owns(dst) {
					return NextHop{Kind: Receive, Iface: uint32(i)}
				}
			}
		}
		iface = s.onlyLink(false)
	}
	if !s.up(iface) || !s.links[iface].IP6 {
		return NextHop{Kind: Drop}
	}
	if s.links[iface].Owns(dst) {
		return NextHop{Kind: Receive, Iface: iface}
	}
	return NextHop{Kind: Attached, Iface: iface, Addr: *dst}
}

// onlyLink is the interface that is up and has addresses of a family, when there is
// exactly one; else 0.
func (s *Snapshot) onlyLink(v4 bool) (only uint32) {
	for i := range s.links {
		l := &s.links[i]
		has := l.IP6
		if v4 {
			has = false
			for j := range l.Addrs {
				has = has || l.Addrs[j].Addr.Is4()
			}
		}
		if !l.Up || !has {
			continue
		}
		if only != 0 {
			return 0
		}
		only = uint32(i)
	}
	return only
}

// Source chooses our address for packets to dst that leave through iface: for IPv4
// the one in the network of via (the next hop), else the first; for IPv6 as RFC 6724
// section 5 says, as far as its rules can differ here (1, 2 and 8). The zero address
// means that the interface has none.
func (s *Snapshot) Source(iface uint32, via, dst *hdr.Addr) hdr.Addr {
	l := s.Link(iface)
	if l == nil {
		return hdr.Addr{}
	}
	if !dst.Is4() {
		return l.source6(dst)
	}
	if own, ok := l.OnLink(via); ok {
		return own
	}
	for i := range l.Addrs {
		if l.Addrs[i].Addr.Is4() {
			return l.Addrs[i].Addr
		}
	}
	return hdr.Addr{}
}

func (l *Link) source6(dst *hdr.Addr) (best hdr.Addr) {
	if !l.IP6 {
		return best
	}
	best = l.LinkLocal
	for i := range l.Addrs {
		a := &l.Addrs[i].Addr
		if a.Is4() || *a == best {
			continue
		}
		if *a == *dst {
			return *a // rule 1
		}
		sa, sb, sd := scope(a), scope(&best), scope(dst)
		switch {
		case sa < sb: // rule 2: appropriate scope
			if sa >= sd {
				best = *a
			}
		case sb < sa:
			if sb < sd {
				best = *a
			}
		default: // rule 8: longest matching prefix
			if keyOf(a).common(keyOf(dst)) > keyOf(&best).common(keyOf(dst)) {
				best = *a
			}
		}
	}
	return best
}

// scope is the multicast scope value that corresponds to an address (RFC 6724
// section 3.1): 2 link-local, 14 global.
func scope(a *hdr.Addr) uint8 {
	switch {
	case a[0] == 0xff:
		return a[1] & 15
	case a.IsLinkLocal(), a.IsLoopback():
		return 2
	}
	return 14
}
