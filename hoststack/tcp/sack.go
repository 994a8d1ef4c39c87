package tcp

import "vpphost/dataplane/hdr"

// What the peer tells of the data that it holds beyond the cumulative ACK (RFC
// 2018), and what follows from it (RFC 6675 section 4). Nothing is kept but the
// scoreboard itself; pipe and the lost edge are computed from it whenever they are
// needed, so that no second account can disagree.

// takeSACK adds the blocks of a segment to the scoreboard and returns how many bytes
// were new. Blocks that cannot be are ignored: empty, about what was never sent, or
// below the cumulative ACK, which are reports of duplicates (RFC 2883).
func (m *machine) takeSACK(c *Conn, o *options, ack hdr.Seq) (fresh int) {
	for _, b := range o.sack[:o.nsack] {
		if b.len() <= 0 || b.from.Before(ack) || b.from.Before(c.sndUna) || b.to.After(c.sndNxt) {
			continue
		}
		k := m.needCold(c)
		// A full scoreboard loses the report, no more: the data will be sent again.
		n, _ := k.board.add(b.from, b.to)
		fresh += n
	}
	return fresh
}

// lostEdge is the number before which everything that the scoreboard does not hold
// counts as lost: IsLost of RFC 6675 section 4, and everything in flight at the time
// of a timeout (RFC 5681 section 3.1).
func (m *machine) lostEdge(c *Conn, k *cold) hdr.Seq {
	edge := c.sndUna
	if !c.has(fSACK) {
		if k.mode == fast { // RFC 6582: the first segment, no more is known
			edge = edge.Add(int(c.mss))
			if edge.After(c.sndNxt) {
				edge = c.sndNxt
			}
		}
	} else {
		count, bytes := 0, 0
		for i := int(k.board.n) - 1; i >= 0; i-- {
			x := k.board.r[i]
			count++
			bytes += x.len()
			if count >= dupThresh || bytes > (dupThresh-1)*int(c.mss) {
				edge = x.from
				break
			}
		}
		// Three duplicate ACKs are enough for the first segment (section 5 step 1).
		if k.mode == fast && edge == c.sndUna {
			first := c.sndUna.Add(int(c.mss))
			if first.After(c.sndNxt) {
				first = c.sndNxt
			}
			edge = first
		}
	}
	if k.mode == timeout {
		edge = edge.Max(c.stats.recover)
	}
	return edge
}

// pipe estimates how many bytes are in the network (SetPipe of RFC 6675 section 4):
// what is neither SACKed nor lost, and what was sent again.
func (m *machine) pipe(c *Conn, k *cold) int {
	edge := m.lostEdge(c, k)
	n := c.sndNxt.Sub(edge) - k.board.in(edge, c.sndNxt)
	if k.highRxt.After(c.sndUna) {
		n += k.highRxt.Sub(c.sndUna) - k.board.in(c.sndUna, k.highRxt)
		n -= k.relost.bytes(&k.board, c.sndUna)
	}
	return max(0, n-int(k.dupSegs)*int(c.mss))
}

// nextLost is the next stretch to send again (rules 1 and 3 of NextSeg, RFC 6675
// section 4): rule 1 takes what counts as lost, rule 3 anything below the highest
// SACKed byte. It is empty when there is none.
func (m *machine) nextLost(c *Conn, k *cold, rule int) span {
	from := k.highRxt.Max(c.sndUna)
	to := m.lostEdge(c, k)
	if rule == 3 {
		to = k.board.top(c.sndUna)
	}
	return k.board.gap(from, to)
}

// rescue is rule 4 of NextSeg: once an episode, the last segment that is not SACKed,
// so that a lost tail is found by SACK rather than by the timer.
func (m *machine) rescue(c *Conn, k *cold) span {
	none := span{c.sndUna, c.sndUna}
	if k.rescued || k.mode != fast || k.board.n == 0 {
		return none
	}
	top := k.board.top(c.sndUna)
	if top.AtOrAfter(c.sndNxt) {
		return none
	}
	from := c.sndNxt.Add(-int(c.mss))
	return span{from.Max(top), c.sndNxt}
}
