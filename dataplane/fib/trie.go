package fib

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"vpphost/dataplane/hdr"
)

// key is an address as a string of bits, first bit highest. An IPv4 address has
// its 32 bits at the front: the two families have tries of their own.
type key struct{ hi, lo uint64 }

func keyOf(a *hdr.Addr) key {
	if a.Is4() {
		return key{hi: uint64(binary.BigEndian.Uint32(a[12:])) << 32}
	}
	return key{a.Hi(), a.Lo()}
}

func (k key) bit(i uint8) int {
	if i < 64 {
		return int(k.hi >> (63 - i) & 1)
	}
	return int(k.lo >> (127 - i) & 1)
}

// common is how many of the first bits two keys share.
func (k key) common(l key) uint8 {
	if x := k.hi ^ l.hi; x != 0 {
		return uint8(bits.LeadingZeros64(x))
	}
	return uint8(64 + bits.LeadingZeros64(k.lo^l.lo))
}

// masked is k with all but the first n bits cleared.
func (k key) masked(n uint8) key {
	if n < 64 {
		return key{hi: k.hi &^ (^uint64(0) >> n)}
	}
	return key{k.hi, k.lo &^ (^uint64(0) >> (n - 64))} // n = 128 shifts all out
}

// node is one branch of a path-compressed binary trie (Morrison 1968). Nodes never
// change once they are published: insert and remove copy the way down.
type node struct {
	key   key
	bits  uint8
	entry *Entry // nil for a node that only branches
	child [2]*node
}

func (n *node) covers(k key) bool { return n.key == k.masked(n.bits) }

// longest is the entry with the longest prefix that covers k.
func (n *node) longest(k key) (best *Entry) {
	for n != nil && n.covers(k) {
		if n.entry != nil {
			best = n.entry
		}
		if n.bits == 128 {
			break
		}
		n = n.child[k.bit(n.bits)]
	}
	return best
}

// exact is the entry of one prefix.
func (n *node) exact(k key, bits uint8) *Entry {
	for n != nil && n.bits <= bits && n.covers(k) {
		if n.bits == bits {
			return n.entry
		}
		n = n.child[k.bit(n.bits)]
	}
	return nil
}

// insert returns a trie that also holds e, which replaces an entry of the same
// prefix.
func (n *node) insert(k key, bits uint8, e *Entry) *node {
	if n == nil {
		return &node{key: k, bits: bits, entry: e}
	}
	c := min(n.key.common(k), n.bits, bits)
	switch {
	case c == n.bits && c == bits: // the same prefix
		m := *n
		m.entry = e
		return &m
	case c == n.bits: // below n
		m := *n
		b := k.bit(c)
		m.child[b] = n.child[b].insert(k, bits, e)
		return &m
	}
	m := &node{key: k.masked(c), bits: c}
	m.child[n.key.bit(c)] = n
	if c == bits { // above n
		m.entry = e
	} else { // beside n
		m.child[k.bit(c)] = &node{key: k, bits: bits, entry: e}
	}
	return m
}

// remove returns a trie without the given prefix.
func (n *node) remove(k key, bits uint8) *node {
	if n == nil || n.bits > bits || !n.covers(k) {
		return n
	}
	m := *n
	if n.bits == bits {
		m.entry = nil
	} else {
		b := k.bit(n.bits)
		m.child[b] = n.child[b].remove(k, bits)
	}
	if m.entry != nil || m.child[0] != nil && m.child[1] != nil {
		return &m
	}
	if m.child[0] != nil {
		return m.child[0]
	}
	return m.child[1]
}

// walk visits all entries in the order of their prefixes, shorter ones first.
func (n *node) walk(f func(*Entry)) {
	if n == nil {
		return
	}
	if n.entry != nil {
		f(n.entry)
	}
	n.child[0].walk(f)
	n.child[1].walk(f)
}

// prefixKey is a prefix as key and length; host bits are cleared.
func prefixKey(p netip.Prefix) (key, uint8) {
	a := hdr.AddrOf(p.Addr())
	n := uint8(p.Bits())
	return keyOf(&a).masked(n), n
}
