package tcp

import "vpphost/dataplane/hdr"

// A retransmission can be lost, too. RFC 6675 leaves that to the timer, which on a
// short path means a thousand round trips of silence; and after a slow start that ran
// into a full queue it is the rule. So each retransmission remembers where new data
// stood (SND.NXT) when it left: once dupThresh segments from beyond there have been
// SACKed and it has not, it is lost as surely as by RFC 6675's own IsLost, and goes out
// again.

const (
	maxResent = 32 // retransmissions remembered
	maxRelost = 16 // stretches found lost again and not yet sent
)

// resent is a stretch in which everything that was not SACKed was sent again.
type resent struct {
	span
	mark hdr.Seq // SND.NXT at that time
}

// relost finds retransmissions that were lost.
type relost struct {
	nsent, nlost int32
	sent         [maxResent]resent // oldest first, with marks that only grow
	lost         [maxRelost]span
}

func (r *relost) reset() { r.nsent, r.nlost = 0, 0 }

// note remembers that s was sent again when new data stood at mark.
func (r *relost) note(s span, mark hdr.Seq) {
	if r.nsent > 0 {
		last := &r.sent[r.nsent-1]
		// Retransmissions mostly go upwards, and what they leave out was SACKed.
		if last.to.AtOrBefore(s.from) && (last.mark == mark || r.nsent == maxResent) {
			last.to, last.mark = s.to, mark
			return
		}
	}
	if r.nsent == maxResent {
		copy(r.sent[:], r.sent[1:]) // the oldest is left to the timer
		r.nsent--
	}
	r.sent[r.nsent] = resent{s, mark}
	r.nsent++
}

// find moves what the scoreboard shows to be lost again from sent to lost.
func (r *relost) find(board *ranges, una hdr.Seq, mss int) {
	top := board.top(una)
	n := 0
	for ; n < int(r.nsent); n++ {
		x := r.sent[n]
		if top.Sub(x.mark) <= 0 || board.in(x.mark, top) < dupThresh*mss {
			break
		}
		if x.to.After(una) && board.gap(x.from.Max(una), x.to).len() > 0 && r.nlost < maxRelost {
			r.lost[r.nlost] = x.span
			r.nlost++
		}
	}
	if n > 0 {
		r.nsent = int32(copy(r.sent[:], r.sent[n:r.nsent]))
	}
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
