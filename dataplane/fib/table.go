package fib

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"vpphost/dataplane/hdr"
)

// Errors of route changes.
var (
	ErrNotFound   = errors.New("no such route")
	ErrBadGateway = errors.New("gateway and prefix are of different families")
	ErrLinkLocal  = errors.New("a link-local gateway needs its interface")
)

// Table is the forwarding table of an instance. Its methods may be called from any
// goroutine.
type Table struct {
	mu      sync.Mutex
	snap    atomic.Pointer[Snapshot]
	records map[netip.Prefix]*record
}

// record holds what each origin says about one prefix. Several interfaces may speak
// for the same prefix: the one with the lowest index is heard.
type record struct {
	said [nOrigins][]*Entry
}

func (r *record) active() *Entry {
	for _, list := range r.said {
		if len(list) > 0 {
			return list[0]
		}
	}
	return nil
}

// LinkState is the state of an interface that routes depend on.
type LinkState struct {
	Exists bool
	Up     bool
	IP6    bool // IPv6 is wanted although there may be no IPv6 address
	MAC    hdr.MAC
	Addrs  []netip.Prefix
	// Spans are addresses of ours besides those of the interface. They name no network,
	// and are no source unless somebody asks for one.
	Spans []hdr.Span
}

// New makes a table that holds only the defaults: nothing is reachable.
func New() *Table {
	t := &Table{records: map[netip.Prefix]*record{}}
	t.snap.Store(&Snapshot{})
	s := t.begin()
	for _, p := range []string{"0.0.0.0/0", "0.0.0.0/32", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4",
		"255.255.255.255/32", "::/0", "::1/128", "ff00::/8"} {
		t.say(s, &Entry{Prefix: netip.MustParsePrefix(p), Kind: Drop, Origin: FromDefault})
	}
	t.publish(s)
	return t
}

// Load returns the present state: one atomic read.
func (t *Table) Load() *Snapshot { return t.snap.Load() }

// begin starts a change: a copy of the present state. Called with mu held (or in New).
func (t *Table) begin() *Snapshot {
	s := *t.snap.Load()
	s.Epoch++
	return &s
}

func (t *Table) publish(s *Snapshot) { t.snap.Store(s) }

// say enters e, beside what others say about its prefix.
func (t *Table) say(s *Snapshot, e *Entry) {
	r := t.records[e.Prefix]
	if r == nil {
		r = &record{}
		t.records[e.Prefix] = r
	}
	list := append(r.said[e.Origin], e)
	slices.SortStableFunc(list, func(a, b *Entry) int { return int(a.Iface) - int(b.Iface) })
	r.said[e.Origin] = list
	t.install(s, e.Prefix, r)
}

// unsay takes e back.
func (t *Table) unsay(s *Snapshot, e *Entry) {
	r := t.records[e.Prefix]
	if i := slices.Index(r.said[e.Origin], e); i >= 0 {
		r.said[e.Origin] = slices.Delete(r.said[e.Origin], i, i+1)
	}
	t.install(s, e.Prefix, r)
}

// install brings the trie in line with a record.
func (t *Table) install(s *Snapshot, p netip.Prefix, r *record) {
	root := &s.v6
	if p.Addr().Is4() {
		root = &s.v4
	}
	k, n := prefixKey(p)
	if e := r.active(); e != nil {
		*root = (*root).insert(k, n, e)
		return
	}
	*root = (*root).remove(k, n)
	delete(t.records, p)
}

// SetLink tells the table the whole present state of an interface. Connected
// networks and own addresses follow from it. An interface that does not exist
// takes the routes that name it away.
func (t *Table) SetLink(iface uint32, st LinkState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.begin()
	for _, r := range t.records {
		for _, e := range slices.Clone(r.said[FromInterface]) {
			if e.Iface == iface {
				t.unsay(s, e)
			}
		}
		if !st.Exists {
			for _, e := range slices.Clone(r.said[FromUser]) {
				t.dropHops(s, e, iface)
			}
		}
	}
	s.links = slices.Clone(s.links)
	for len(s.links) <= int(iface) {
		s.links = append(s.links, Link{})
	}
	s.links[iface] = makeLink(st)
	if st.Up {
		for _, e := range connected(iface, st) {
			t.say(s, e)
		}
	}
	t.publish(s)
}

// dropHops removes the ways through iface from a typed route, and the route with the
// last of them.
func (t *Table) dropHops(s *Snapshot, e *Entry, iface uint32) {
	uses := func(h Hop) bool { return h.Iface == iface }
	if e.Kind != Via || !slices.ContainsFunc(e.Hops, uses) {
		return
	}
	t.unsay(s, e)
	c := *e
	if c.Hops = slices.DeleteFunc(slices.Clone(e.Hops), uses); len(c.Hops) > 0 {
		t.say(s, &c)
	}
}

func makeLink(st LinkState) Link {
	l := Link{Up: st.Up, IP6: st.IP6, Spans: st.Spans}
	for _, p := range st.Addrs {
		a := hdr.AddrOf(p.Addr())
		l.Addrs = append(l.Addrs, Address{Addr: a, Bits: uint8(p.Bits())})
		if !a.Is4() {
			l.IP6 = true
		}
		if a.IsLinkLocal() && l.LinkLocal == (hdr.Addr{}) {
			l.LinkLocal = a
		}
	}
	if l.IP6 && l.LinkLocal == (hdr.Addr{}) {
		l.LinkLocal = hdr.LinkLocal(st.MAC)
	}
	return l
}

// connected are the entries that follow from our addresses on a link.
func connected(iface uint32, st LinkState) (out []*Entry) {
	add := func(a netip.Addr, bits int, kind Kind, src netip.Addr) {
		p := netip.PrefixFrom(a, bits).Masked()
		for _, e := range out { // two addresses in one network
			if e.Prefix == p {
				if kind == Receive {
					e.Kind, e.Source = kind, hdr.AddrOf(src)
				}
				return
			}
		}
		out = append(out, &Entry{Prefix: p, Kind: kind, Origin: FromInterface, Iface: iface, Source: hdr.AddrOf(src)})
	}
	for _, p := range st.Addrs {
		a := p.Addr()
		if a.Is6() && a.IsLinkLocalUnicast() {
			continue // belongs to the link, not to the table
		}
		if p.Bits() < a.BitLen() {
			add(a, p.Bits(), Attached, a)
		}
		if a.Is4() && p.Bits() <= 30 { // RFC 3021: a /31 has neither
			first, last := hdr.AddrOf(p.Masked().Addr()), broadcastOf(p)
			add(first.Netip(), 32, Drop, a)
			add(last.Netip(), 32, Broadcast, a)
		}
		add(a, a.BitLen(), Receive, a)
	}
	for i := range st.Spans {
		for _, p := range st.Spans[i].Prefixes() {
			add(p.Addr(), p.Bits(), Receive, p.Addr())
		}
	}
	return out
}

func broadcastOf(p netip.Prefix) hdr.Addr {
	a := hdr.AddrOf(p.Masked().Addr())
	for i := p.Bits(); i < 32; i++ {
		a[12+i/8] |= 0x80 >> (i % 8)
	}
	return a
}

// Route is a route as a user gives it.
type Route struct {
	Prefix netip.Prefix // host bits are ignored
	Kind   Kind         // Drop, Receive or Via
	Hops   []Hop        // for Via
}

// AddRoute enters a route. The hops of a Via route are added to those that its
// prefix has already; any other route replaces what was typed before.
func (t *Table) AddRoute(r Route) error {
	r.Prefix = r.Prefix.Masked()
	if err := r.check(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.begin()
	e := &Entry{Prefix: r.Prefix, Kind: r.Kind, Origin: FromUser, Hops: slices.Clone(r.Hops)}
	if old := t.typed(r.Prefix); old != nil {
		if old.Kind == Via && e.Kind == Via {
			hops := slices.Clone(old.Hops)
			for _, h := range e.Hops {
				if !slices.Contains(hops, h) {
					hops = append(hops, h)
				}
			}
			e.Hops = hops
		}
		t.unsay(s, old)
	}
	t.say(s, e)
	t.publish(s)
	return nil
}

// DelRoute takes back the given hops of a prefix, or the whole route when r has none
// or when none are left. ErrNotFound tells that there is nothing to take back.
func (t *Table) DelRoute(r Route) error {
	r.Prefix = r.Prefix.Masked()
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.typed(r.Prefix)
	if old == nil {
		return fmt.Errorf("%w: %s", ErrNotFound, r.Prefix)
	}
	var left []Hop
	if len(r.Hops) > 0 {
		left = slices.Clone(old.Hops)
		for _, h := range r.Hops {
			i := slices.Index(left, h)
			if i < 0 {
				return fmt.Errorf("%w: %s by that path", ErrNotFound, r.Prefix)
			}
			left = slices.Delete(left, i, i+1)
		}
	}
	s := t.begin()
	t.unsay(s, old)
	if len(left) > 0 {
		e := *old
		e.Hops = left
		t.say(s, &e)
	}
	t.publish(s)
	return nil
}

func (t *Table) typed(p netip.Prefix) *Entry {
	if r := t.records[p]; r != nil && len(r.said[FromUser]) > 0 {
		return r.said[FromUser][0]
	}
	return nil
}

func (r *Route) check() error {
	for _, h := range r.Hops {
		if h.Gateway == (hdr.Addr{}) {
			continue
		}
		if h.Gateway.Is4() != r.Prefix.Addr().Is4() {
			return fmt.Errorf("%w: %s via %s", ErrBadGateway, r.Prefix, h.Gateway)
		}
		if h.Gateway.IsLinkLocal() && h.Iface == 0 {
			return fmt.Errorf("%w: %s", ErrLinkLocal, h.Gateway)
		}
	}
	return nil
}
