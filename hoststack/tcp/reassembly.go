package tcp

import "vpphost/dataplane/hdr"

// Out-of-order text is written to its final place in the receive FIFO at once; the
// list of islands (cold.held) tells what is there. Only what is not there yet is
// copied, so that bytes already accepted are never written again.

// hold takes text that begins off bytes after rcvNxt, or that meets islands.
func (m *machine) hold(c *Conn, s *segment, off int, now int64) bool {
	k := m.needCold(c)
	end := s.seq.Add(len(s.payload))
	// RFC 5681 section 4.2: out of order, or filling a gap: acknowledge at once.
	m.ackAtOnce(c)
	if k.held.n == maxRanges && !m.joins(k, s.seq, end) {
		m.count(inFIFOFull)
		m.dropCold(c, k)
		return false
	}
	for at := s.seq; ; {
		g := k.held.gap(at, end)
		if g.len() == 0 {
			break
		}
		from := g.from.Sub(s.seq)
		if _, ok := m.copyIn(off+from, s.payload[from:from+g.len()], 0); !ok {
			m.count(inFIFOFull)
			m.dropCold(c, k)
			return false
		}
		at = g.to
	}
	fresh, _ := k.held.add(s.seq, end)
	if fresh == 0 {
		m.count(inOld)
		return true
	}
	k.remember(s.seq)
	c.stats.dataSegsIn++
	if k.held.r[0].from.After(c.rcvNxt) {
		m.count(inEnqueuedOOO)
		return true
	}
	// The first gap is filled.
	m.count(inEnqueued)
	n := k.held.r[0].to.Sub(c.rcvNxt)
	k.held.trim(k.held.r[0].to)
	m.commit(c, n)
	m.dropCold(c, k)
	return true
}

// joins tells whether [from, to) touches an island, and so needs no new entry.
func (m *machine) joins(k *cold, from, to hdr.Seq) bool {
	i := k.held.find(from)
	return i < int(k.held.n) && k.held.r[i].from.AtOrBefore(to)
}

// remember notes that the island around s changed last.
func (k *cold) remember(s hdr.Seq) {
	copy(k.late[1:], k.late[:])
	k.late[0] = s
	k.nlate = min(k.nlate+1, uint8(len(k.late)))
}

// sackBlocks puts at most max blocks for a SACK option into out and returns how
// many: first the island that the last segment belongs to, then those that changed
// before it (RFC 2018 section 4).
func (k *cold) sackBlocks(out *[maxSACK]span, max int) (n int) {
	for _, s := range k.late[:k.nlate] {
		x, ok := k.held.holds(s)
		for i := 0; ok && i < n; i++ {
			ok = out[i] != x
		}
		if ok && n < max {
			out[n] = x
			n++
		}
	}
	return n
}
