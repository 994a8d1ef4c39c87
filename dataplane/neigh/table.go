package neigh

import (
	"encoding/binary"
	"math/bits"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
)

const (
	// MaxEntries bounds one worker's table; a new neighbour then replaces one that is
	// not in use. VPP's limit is 50000.
	MaxEntries = 1 << 16
	// MaxWaiting is how many packets wait for one neighbour, and maxWaitingAll for
	// all; beyond the first the oldest gives way (RFC 1122 section 2.3.2.2 wants the
	// latest kept), beyond the second the new one.
	MaxWaiting    = 64
	maxWaitingAll = 2048

	buckets = MaxEntries // power of two
)

// Host is the IP layer that a table works for, on the table's worker.
type Host interface {
	// MAC is our own address on an interface.
	MAC(iface uint32) hdr.MAC
	// Owns tells whether a is an address of the interface; OnLink whether it is in one
	// of its networks.
	Owns(iface uint32, a hdr.Addr) bool
	OnLink(iface uint32, a hdr.Addr) bool
	// Source is the address to ask for a from; the zero address when there is none.
	Source(iface uint32, a hdr.Addr) hdr.Addr
	// Tx sends frames and owns them.
	Tx(iface uint32, bufs []*pkt.Buf)
	// Unreachable takes IP packets that found no neighbour, and owns them.
	Unreachable(iface uint32, bufs []*pkt.Buf)
}

// waiting is the packets that wait for one neighbour, oldest first.
type waiting struct {
	bufs [MaxWaiting]*pkt.Buf
	n    int
}

// Table is the neighbours of one worker. All methods must be called on it.
type Table struct {
	w       *worker.Worker
	host    Host
	entries *mem.Pool[Entry]
	queues  *mem.Pool[waiting]
	heads   []uint32   // first entry of each hash bucket
	one     []*pkt.Buf // burst of one
	failed  []*pkt.Buf // packets that are being reported as undeliverable
	timers  worker.TimerOwner
	freed   uint32 // entries freed so far: paths that name entries are void
	hand    uint32 // where the search for an entry to replace goes on
	held    int    // packets waiting, in all
	tokens  Limit  // of messages to other workers
	peers   []*Table
	asking  asking   // see asking.go; used when there are peers
	flushes uint32   // how often an interface was flushed whole
	voided  []uint32 // flushes when that of each index was, last
	c       counters
}

// New makes the table of one worker. Before the worker runs, or on it.
func New(w *worker.Worker, host Host, g *Groups) (*Table, error) {
	t := &Table{w: w, host: host, c: g.rows(w.Index)}
	var err error
	if t.entries, err = mem.NewPool[Entry](MaxEntries); err != nil {
		return nil, err
	}
	if t.queues, err = mem.NewPool[waiting](maxWaitingAll); err != nil {
		return nil, err
	}
	if t.heads, err = mem.Slice[uint32](buckets); err != nil {
		return nil, err
	}
	if t.one, err = mem.Slice[*pkt.Buf](1); err != nil {
		return nil, err
	}
	if t.failed, err = mem.Slice[*pkt.Buf](MaxWaiting); err != nil {
		return nil, err
	}
	w.Account("neighbors", t.entries.Usage)
	t.timers = w.OnTimer(func(i uint64) { t.expire(uint32(i)) })
	return t, nil
}

// Freed counts the entries that were freed. Whoever remembers an index compares it:
// when it has moved, the index may name something else.
func (t *Table) Freed() uint32 { return t.freed }

// At is the entry with index i, which must come from this table and be checked with
// Freed.
func (t *Table) At(i uint32) *Entry { return t.entries.At(i) }

// Len is the number of entries, Waiting that of the packets which wait for one of them.
func (t *Table) Len() int     { return t.entries.Used() }
func (t *Table) Waiting() int { return t.held }

func hash(iface uint32, a *hdr.Addr) uint32 {
	h := binary.LittleEndian.Uint64(a[:8])*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(a[8:]) ^ uint64(iface)<<32
	hi, lo := bits.Mul64(h, 0xd6e8feb86659fd93)
	return uint32(hi^lo) & (buckets - 1)
}

// Find is the index of a neighbour, 0 when it is not in the table.
func (t *Table) Find(iface uint32, a *hdr.Addr) uint32 {
	for i := t.heads[hash(iface, a)]; i != 0; {
		e := t.entries.At(i)
		if e.Addr == *a && e.Iface == iface {
			return i
		}
		i = e.next
	}
	return 0
}

// Adjacency is the index of the entry by which packets for a leave interface iface,
// made when there is none. It returns 0 when the table is full of neighbours in use.
// Nothing is sent yet.
func (t *Table) Adjacency(iface uint32, a *hdr.Addr) uint32 {
	i := t.Find(iface, a)
	if i != 0 {
		return i
	}
	i, e := t.alloc(iface, a)
	if e != nil {
		e.State = Idle
		t.arm(i, e, idleTime)
	}
	return i
}

// GroupAdjacency is as Adjacency, for a multicast group or a broadcast address, whose
// link-layer address is m.
func (t *Table) GroupAdjacency(iface uint32, a *hdr.Addr, m hdr.MAC) uint32 {
	i := t.Find(iface, a)
	if i == 0 {
		var e *Entry
		if i, e = t.alloc(iface, a); e == nil {
			return 0
		}
		e.State = Group
		t.setMAC(e, m)
		t.arm(i, e, staleTime)
	}
	return i
}

// alloc makes an entry, in place of one that is not in use when the table is full.
func (t *Table) alloc(iface uint32, a *hdr.Addr) (uint32, *Entry) {
	i, e := t.entries.Alloc()
	if e == nil {
		if !t.evict() {
			t.c.neigh[tableFull]++
			return 0, nil
		}
		i, e = t.entries.Alloc()
	}
	h := &t.heads[hash(iface, a)]
	e.Iface, e.Addr, e.next = iface, *a, *h
	e.Updated = t.w.Now()
	*h = i
	return i, e
}

// evict frees one entry that nobody sends to just now; failing that, one whose
// neighbour has not answered yet, so that a scan of the network locks nobody out.
func (t *Table) evict() bool {
	asked := uint32(0)
	for range 256 {
		t.hand++
		if !t.entries.Valid(t.hand) {
			t.hand = 1
		}
		switch t.entries.At(t.hand).State {
		case Idle, Stale, Group:
			t.free(t.hand)
			t.c.neigh[recycled]++
			return true
		case Incomplete:
			asked = t.hand
		}
	}
	if asked == 0 {
		return false
	}
	t.free(asked)
	t.c.neigh[recycled]++
	return true
}

// free forgets an entry. Packets that wait for it are dropped; see fail.
func (t *Table) free(i uint32) {
	e := t.entries.At(i)
	link := &t.heads[hash(e.Iface, &e.Addr)]
	for *link != i {
		link = &t.entries.At(*link).next
	}
	*link = e.next
	t.w.Wheel.Disarm(&e.timer)
	if e.waiting != 0 {
		q := t.takeWaiting(e)
		t.c.ask(e)[waitDropped] += uint64(len(q))
		t.w.Bufs.PutN(q)
	}
	e.State = free
	t.entries.Free(i)
	t.freed++
}

func (t *Table) setMAC(e *Entry, m hdr.MAC) {
	hdr.Ether(e.Rewrite[:]).Put(m, t.host.MAC(e.Iface), e.etherType())
}

// each visits all entries. f may free the entry that it is given.
func (t *Table) each(f func(i uint32, e *Entry)) {
	for i := uint32(1); i < t.entries.Fresh(); i++ {
		if e := t.entries.At(i); e.State != free {
			f(i, e)
		}
	}
}

// Flush forgets the neighbours of an interface, static ones too when all is set.
func (t *Table) Flush(iface uint32, all bool) {
	if all {
		for len(t.voided) <= int(iface) {
			t.voided = append(t.voided, 0)
		}
		t.flushes++
		t.voided[iface] = t.flushes
	}
	t.each(func(i uint32, e *Entry) {
		if e.Iface == iface && (all || e.State != Static) {
			t.free(i)
		}
	})
}

// Rewritten writes all Ethernet headers of an interface anew, after our own address on
// it has changed.
func (t *Table) Rewritten(iface uint32) {
	t.each(func(_ uint32, e *Entry) {
		if e.Iface == iface && e.Known() {
			t.setMAC(e, e.MAC())
		}
	})
}

// Groups are the error counters of all tables, named as VPP's nodes.
type Groups struct{ neigh, arpReply, ask4, ask6, nd *stats.Group }

// counters are one worker's rows of them.
type counters struct{ neigh, arp, ask4, ask6, nd []uint64 }

// ask is the row of the node that asks for e.
func (c *counters) ask(e *Entry) []uint64 {
	if e.Addr.Is4() {
		return c.ask4
	}
	return c.ask6
}

func (g *Groups) rows(i int) counters {
	return counters{g.neigh.Row(i), g.arpReply.Row(i), g.ask4.Row(i), g.ask6.Row(i), g.nd.Row(i)}
}

// Reasons of ip-neighbor.
const (
	tableFull = iota
	recycled
	postsLimited
)

// Reasons of ip4-arp and ip6-discover-neighbor, which ask.
const (
	requestSent = iota
	waitDropped
	resolveFailed
	noSource
	noBuffer
)

// NewGroups makes the counters.
func NewGroups(set *stats.Set, workers int) *Groups {
	ask := func(request string) []stats.Reason {
		return []stats.Reason{
			{Text: request, Severity: stats.Info},
			{Text: "packets dropped while waiting for the neighbor", Severity: stats.Error},
			{Text: "neighbor did not answer", Severity: stats.Error},
			{Text: "no source address for request", Severity: stats.Error},
			{Text: "no buffer for request", Severity: stats.Error},
		}
	}
	return &Groups{
		neigh: set.New("ip-neighbor", workers,
			stats.Reason{Text: "neighbor table is full", Severity: stats.Error},
			stats.Reason{Text: "unused neighbors replaced", Severity: stats.Info},
			stats.Reason{Text: "updates not told to other workers (rate limit)", Severity: stats.Warn}),
		arpReply: set.New("arp-reply", workers, arpReasons...),
		ask4:     set.New("ip4-arp", workers, ask("ARP requests sent")...),
		ask6:     set.New("ip6-discover-neighbor", workers, ask("neighbor solicitations sent")...),
		nd:       set.New("icmp6-neighbor-discovery", workers, ndReasons...),
	}
}
