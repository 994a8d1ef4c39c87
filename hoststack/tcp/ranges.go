package tcp

import "vpphost/dataplane/hdr"

// maxRanges bounds a list of ranges: holes that a sender can remember in what it
// sent, islands that a receiver can keep beyond a gap.
const maxRanges = 128

// span is the sequence numbers [from, to).
type span struct{ from, to hdr.Seq }

func (s span) len() int { return s.to.Sub(s.from) }

// ranges is a set of sequence numbers: disjoint spans that do not touch, in order.
// Both the SACK scoreboard and the reassembly list are one.
type ranges struct {
	n     int32
	total int32 // numbers in all spans
	r     [maxRanges]span
}

// list is the spans in order, valid until the next change.
func (g *ranges) list() []span { return g.r[:g.n] }

func (g *ranges) reset() { g.n, g.total = 0, 0 }

// find is the index of the first span that ends at or after s. New spans mostly
// come at the end, so it looks from there.
func (g *ranges) find(s hdr.Seq) int {
	i := int(g.n)
	for i > 0 && g.r[i-1].to.AtOrAfter(s) {
		i--
	}
	return i
}

// add puts [from, to) into the set, which must not be empty. It returns how many
// numbers are new; false, changing nothing, when the list is full.
func (g *ranges) add(from, to hdr.Seq) (fresh int, ok bool) {
	i := g.find(from)
	j, old := i, 0
	for ; j < int(g.n) && g.r[j].from.AtOrBefore(to); j++ {
		old += g.r[j].len()
	}
	if i == j {
		if g.n == maxRanges {
			return 0, false
		}
		copy(g.r[i+1:g.n+1], g.r[i:g.n])
		g.r[i] = span{from, to}
		g.n++
	} else {
		if g.r[i].from.Before(from) {
			from = g.r[i].from
		}
		to = to.Max(g.r[j-1].to)
		g.r[i] = span{from, to}
		copy(g.r[i+1:], g.r[j:g.n])
		g.n -= int32(j - i - 1)
	}
	fresh = to.Sub(from) - old
	g.total += int32(fresh)
	return fresh, true
}

// trim removes everything before s.
func (g *ranges) trim(s hdr.Seq) {
	i := 0
	for ; i < int(g.n) && g.r[i].to.AtOrBefore(s); i++ {
		g.total -= int32(g.r[i].len())
	}
	if i > 0 {
		g.n = int32(copy(g.r[:], g.r[i:g.n]))
	}
	if g.n > 0 && g.r[0].from.Before(s) {
		g.total -= int32(s.Sub(g.r[0].from))
		g.r[0].from = s
	}
}

// in is how many numbers of [from, to) are in the set.
func (g *ranges) in(from, to hdr.Seq) (n int) {
	for _, x := range g.list() {
		if x.from.AtOrAfter(to) {
			break
		}
		lo, hi := x.from.Max(from), x.to
		if hi.After(to) {
			hi = to
		}
		if d := hi.Sub(lo); d > 0 {
			n += d
		}
	}
	return n
}

// holds is the span that s lies in.
func (g *ranges) holds(s hdr.Seq) (span, bool) {
	for _, x := range g.list() {
		if x.to.After(s) {
			return x, x.from.AtOrBefore(s)
		}
	}
	return span{}, false
}

// gap is the first stretch of [from, to) that is not in the set; it is empty
// when there is none.
func (g *ranges) gap(from, to hdr.Seq) span {
	for _, x := range g.list() {
		if x.to.AtOrBefore(from) {
			continue
		}
		if x.from.After(from) {
			if x.from.Before(to) {
				to = x.from
			}
			break
		}
		from = x.to
	}
	if from.AtOrAfter(to) {
		return span{from, from}
	}
	return span{from, to}
}

// top is the end of the last span; def when the set is empty.
func (g *ranges) top(def hdr.Seq) hdr.Seq {
	if g.n == 0 {
		return def
	}
	return g.r[g.n-1].to
}
