package neigh

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
)

// news is what a message says about a neighbour.
type news struct {
	iface     uint32
	addr      hdr.Addr
	mac       hdr.MAC
	hasMAC    bool // some advertisements tell no link-layer address
	solicited bool // an answer: the neighbour hears us
	override  bool // replaces a different address
	create    bool // worth an entry although we did not ask
	announced bool // sent to everybody, unasked

	flushes uint32 // of the table it is from: what was heard before a flush is void after it
}

const (
	postsPerSecond = 1000
	postsBurst     = 200
)

// learn applies news here, has those workers know that have asked for them, and the
// others when they are worth it.
func (t *Table) learn(n news) {
	n.flushes = t.flushes
	worth := t.apply(n) || n.solicited || n.announced
	if len(t.peers) > 0 {
		t.tell(n, worth)
	}
}

// tell posts news to the other workers. A flood of messages must not turn into a flood
// of posts, which allocate: beyond the limit only those are told who have asked, once for
// each time. The others ask for themselves.
func (t *Table) tell(n news, worth bool) {
	q := question(n.iface, &n.addr)
	told := 0
	for _, p := range t.peers {
		if n.hasMAC && p.asking.answer(q) {
			p.post(n)
			told++
		}
	}
	if !worth || told == len(t.peers) {
		return
	}
	if !t.tokens.Take(t.w.Now(), postsPerSecond, postsBurst) {
		t.c.neigh[postsLimited]++
		return
	}
	for _, p := range t.peers {
		p.post(n)
	}
}

// post has news applied on the table's worker. Any worker.
func (t *Table) post(n news) {
	t.w.Post(func(*worker.Worker) {
		if int(n.iface) >= len(t.voided) || n.flushes >= t.voided[n.iface] {
			t.apply(n)
		}
	})
}

// apply changes the table as RFC 4861 section 7.2.3 and 7.2.5 and RFC 826 say, and
// returns whether the link-layer address is new.
func (t *Table) apply(n news) (changed bool) {
	i := t.Find(n.iface, &n.addr)
	if i == 0 {
		if !n.create || !n.hasMAC {
			return false
		}
		var e *Entry
		if i, e = t.alloc(n.iface, &n.addr); e == nil {
			return false
		}
		t.setMAC(e, n.mac)
		if n.solicited {
			t.setReachable(i, e)
		} else {
			t.setStale(i, e)
		}
		return true
	}
	e := t.entries.At(i)
	switch {
	case e.State == Static || e.State == Group:
		return false
	case !e.Known():
		if !n.hasMAC {
			return false
		}
		changed = true
	case n.hasMAC && n.mac != e.MAC():
		if !n.override {
			// Somebody else claims the address: doubt what we know.
			if e.State == Reachable {
				t.setStale(i, e)
			}
			return false
		}
		changed = true
	}
	e.Updated = t.w.Now()
	if changed {
		t.setMAC(e, n.mac)
	}
	switch {
	case n.solicited:
		t.setReachable(i, e)
	case changed:
		t.setStale(i, e)
	}
	t.known(i, e)
	return changed
}
