package tcp

import "vpphost/dataplane/hdr"

// A retransmission can be lost, too. RFC 6675 leaves that to the timer, which on a
// short path means a thousand round trips of silence; and after a slow start that ran
// into a full queue it is the rule. So retransmissions are remembered in the order in
// which they left, with where new data stood (SND.NXT) at that time: once dupThresh
// segments that left after one, new or sent again, have arrived and it has not, it is
// lost as surely as by RFC 6675's own IsLost, and goes out again.

const (
	maxResent = 32 // retransmissions remembered
	maxRelost = 16 // stretches found lost again and not yet sent
	resentLen = 8  // segments of one entry, unless there are too many
)

// resent is a stretch in which everything that was not SACKed was sent again.
type resent struct {
	span
	n    int32   // bytes sent
	mark hdr.Seq // SND.NXT at that time
}

// missing is how many bytes of x the peer is not known to have.
func (x *resent) missing(board *ranges, una hdr.Seq) int {
	from := x.from.Max(una)
	if x.to.AtOrBefore(from) {
		return 0
	}
	return x.to.Sub(from) - board.in(from, x.to)
}

// relost finds retransmissions that were lost.
type relost struct {
	nsent, nlost int32
	sent         [maxResent]resent // oldest first, with marks that only grow
	lost         [maxRelost]span
}

func (r *relost) reset() { r.nsent, r.nlost = 0, 0 }

// note remembers that s was sent again when new data stood at mark.
func (r *relost) note(s span, mark hdr.Seq, mss int) {
	if r.nsent > 0 {
		last := &r.sent[r.nsent-1]
		// Retransmissions mostly go upwards, and what they leave out was SACKed.
		if last.to.AtOrBefore(s.from) && (last.mark == mark && int(last.n) < resentLen*mss || r.nsent == maxResent) {
			last.to, last.mark = s.to, mark
			last.n += int32(s.len())
			return
		}
	}
	if r.nsent == maxResent {
		copy(r.sent[:], r.sent[1:]) // the oldest is left to the timer
		r.nsent--
	}
	r.sent[r.nsent] = resent{s, int32(s.len()), mark}
	r.nsent++
}

// find moves what turns out to be lost again from sent to lost.
func (r *relost) find(board *ranges, una hdr.Seq, mss int) {
	n := 0
	for ; n < int(r.nsent); n++ {
		x := &r.sent[n]
		if x.missing(board, una) == 0 {
			continue
		}
		if r.nlost == maxRelost || !r.overtaken(n, board, una, dupThresh*mss) {
			break
		}
		r.lost[r.nlost] = x.span
		r.nlost++
	}
	if n > 0 {
		r.nsent = int32(copy(r.sent[:], r.sent[n:r.nsent]))
	}
}

// overtaken tells whether enough bytes have arrived of what left after entry i.
func (r *relost) overtaken(i int, board *ranges, una hdr.Seq, enough int) bool {
	mark := r.sent[i].mark
	n := board.in(mark, board.top(mark).Max(mark))
	for j := i + 1; j < int(r.nsent) && n < enough; j++ {
		n += int(r.sent[j].n) - r.sent[j].missing(board, una)
	}
	return n >= enough
}

// next is the first stretch to send once more; it is empty when there is none.
func (r *relost) next(board *ranges, una hdr.Seq) span {
	for r.nlost > 0 {
		x := r.lost[0]
		if x.to.After(una) {
			if g := board.gap(x.from.Max(una), x.to); g.len() > 0 {
				return g
			}
		}
		r.nlost = int32(copy(r.lost[:], r.lost[1:r.nlost]))
	}
	return span{una, una}
}

// took tells that the front of next, up to to, is being sent.
func (r *relost) took(to hdr.Seq) { r.lost[0].from = to }

// bytes is how much of what was sent again is lost.
func (r *relost) bytes(board *ranges, una hdr.Seq) (n int) {
	for _, x := range r.lost[:r.nlost] {
		if from := x.from.Max(una); x.to.After(from) {
			n += x.to.Sub(from) - board.in(from, x.to)
		}
	}
	return n
}
