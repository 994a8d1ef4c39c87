package session

import (
	"time"

	"vpphost/hoststack/fifo"
)

// An idle session holds no FIFO. FIFOs are not given back whenever they run empty,
// as those of a busy session do all the time: who uses one warms its session, and a
// round is made over all warm sessions every sweepEvery. Who was not used between two
// rounds and is empty gives its FIFOs back, so they go 10 to 20 ms after the last byte.
// Who found no memory is called again at the round: it may be there now.
const (
	sweepEvery = 10 * int64(time.Millisecond)
	sweepStep  = 256 // sessions looked at in a Step
	// FIFO memory that is backed and not used is given back, some each round, beyond
	// reserve; after quietAfter without any FIFO all of it.
	reserve    = 16 << 20
	quietAfter = int64(time.Second)
	maxTrim    = 8
)

// warm tells that a FIFO of s was used.
func (w *Worker) warm(s *Session) {
	s.flags |= fWarm
	if s.flags&fCooling == 0 {
		s.flags |= fCooling
		w.cooling.Push(s.index)
	}
}

// cool goes on with the present round. It returns 1 while the round is not over.
func (w *Worker) cool(now int64) int {
	if w.sweepLeft == 0 {
		if now-w.sweepAt < sweepEvery {
			return 0
		}
		w.sweepAt, w.sweepLeft = now, w.cooling.Len()
		w.trim(now)
	}
	for n := min(w.sweepLeft, sweepStep); n > 0; n-- {
		w.sweepLeft--
		s := w.pool.At(w.cooling.Pop())
		s.flags &^= fCooling
		if s.flags&(fStarved|fDead) == fStarved {
			s.flags &^= fStarved
			w.post(s, evWritable)
		}
		switch {
		case s.flags&fDead != 0:
			w.release(s)
		case s.flags&fWarm != 0:
			w.warm(s)
			s.flags &^= fWarm
		case s.flags&fSpliced != 0:
			p := w.Spliced(s)
			w.giveBackShared(s, p)
			w.giveBackShared(p, s)
		default:
			// What holds bytes stays, and is warmed when they move. What two sessions
			// hold is the writer's to give back, for both.
			if !w.fifos.Joined(s.rx) {
				w.giveBack(&s.rx, &s.rxPos)
			}
			w.giveBack(&s.tx, &s.txPos)
			if p := w.peer(s); p != nil && s.tx == 0 {
				w.giveBack(&p.rx, &p.rxPos)
			}
		}
	}
	return min(w.sweepLeft, 1)
}

// giveBack frees an empty FIFO and remembers where it was.
func (w *Worker) giveBack(ref *fifo.Ref, pos *uint32) {
	if f := w.fifos.At(*ref); f != nil && f.Len() == 0 && f.Held() == 0 {
		*pos, _ = f.Positions()
		w.fifos.Free(*ref)
		*ref = 0
	}
}

// trim gives some memory back to the kernel when much more is backed than used: one block
// of 2 MiB in a round as a rule, more when there are hundreds.
func (w *Worker) trim(now int64) {
	seg := w.fifos.Segment()
	u := seg.Usage()
	keep := 2*u.Used + reserve
	switch {
	case w.fifos.Used() > 0:
		w.usedAt = now
	case now-w.usedAt > quietAfter:
		keep = 0
	}
	if u.Backed > keep {
		seg.Trim(int(min(1+(u.Backed-keep)>>28, maxTrim)))
	}
}
