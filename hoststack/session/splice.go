package session

import (
	"errors"

	"vpphost/dataplane/mem"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/transport"
)

// Two sessions of one worker are spliced when each one's receive FIFO is the other's
// transmit FIFO. What the peer of one sends is committed to that FIFO by one transport
// and sent from it by the other: no byte is copied in between, and no application is
// called.
//
//	peer ──► a's transport ──► [ a.rx = b.tx ] ──► b's transport ──► peer
//	peer ◄── a's transport ◄── [ a.tx = b.rx ] ◄── b's transport ◄── peer
//
// Back-pressure needs nothing besides: bytes stay in the FIFO until b's peer has
// acknowledged them, and the window that a's transport offers is the room in it. The
// transports do not notice. They know a FIFO by what lies at an offset from its head or
// tail, and never by its positions.
//
//	Delivered(a)    b may send                          in the same Step (passOn)
//	Acked(b)        a's transport hears of the room     in the Events phase (passedOn, relay)
//	PeerClosed(a)   b is half-closed                    in the Events phase (relay)
//	Gone(a)         b goes on alone, or is reset        after the application's Gone (part)
//
// What a splice needs besides is in a table of its own, one entry for each session of the
// pool, of which only the pages in use are there.
//
// Sessions of datagrams are spliced in the same way, as both of their FIFOs have one form.
// Their peers never close, no window is told, and what meets a full FIFO is lost.

// ErrSplice is returned for two sessions that cannot be spliced: they are not both open,
// of packets, of one kind and closed by nobody, or in one direction bytes of both wait.
var ErrSplice = errors.New("sessions cannot be spliced")

// link is what a spliced session knows of its splice.
type link struct {
	peer   uint32 // the other session, 0 when there is none any more
	size   uint32 // of the receive FIFO, bytes
	growAt uint32 // bytes in it that make it grow, 0 when it has its full size
	round  uint32 // how long a round of measuring lasts, us
	bytes  uint64 // that came
	last   int64  // when bytes came, or left to the other's peer, ns
	mark   uint64 // bytes when the round began
	markAt int64  // when that was, ns
}

// links is the table.
type links struct {
	link   []link
	region *mem.Region
}

func (l *links) init(n int) (err error) {
	if l.link, l.region, err = mem.Array[link](n + 1); err == nil { // the pool counts from 1
		l.region.Small() // most sessions are not spliced
	}
	return err
}

func (l *links) close() { l.region.Close() }

const (
	defaultGrowAt = 80 // percent
	// mostGrown bounds what receive FIFOs grow to: 63 chunks of 64 KiB. Every stream under
	// way holds a chunk at least, so larger ones would cost more than they bring.
	mostGrown = 63 << 16
)

// growing sets to what receive FIFOs may grow, and when they do.
func (z *fifoSizes) growing(o *Options) {
	z.most = max(z.rx, min(o.MaxFIFO, mostGrown))
	if z.growAt = uint32(o.GrowAt); z.growAt == 0 || z.growAt > 100 {
		z.growAt = defaultGrowAt
	}
}

// growFrom is how many bytes in a FIFO of this size make it grow; 0: it has its full size.
func (z *fifoSizes) growFrom(size uint32) uint32 {
	if size >= z.most {
		return 0
	}
	return uint32(uint64(size) * uint64(z.growAt) / 100)
}

// sizes are those of s's FIFOs, nil when its application has gone.
func (w *Worker) sizes(s *Session) *fifoSizes {
	if a := w.appOf(s); a != nil {
		return a.sizesFor(w.Service(s))
	}
	return nil
}

// Splice makes a's receive FIFO b's transmit FIFO, and the other way round, until one of
// them ends. What a has received and nobody has read is sent by b; bytes that b has not
// sent yet go before what a will receive. Of the callbacks only Closed and Gone still
// come; Rx and Tx are nil. The error is ErrSplice, and nothing has changed then.
func (w *Worker) Splice(a, b *Session) error {
	if a == b || !w.spliceable(a) || !w.spliceable(b) ||
		w.Service(a) != w.Service(b) || !w.joinable(a, b) || !w.joinable(b, a) {
		return ErrSplice
	}
	w.join(a, b)
	w.join(b, a)
	a.flags |= fSpliced
	b.flags |= fSpliced
	w.start(a, b)
	w.start(b, a)
	return nil
}

// spliceable tells whether s is open and nobody has closed it. Whose peer is here shares
// its FIFOs already.
func (w *Worker) spliceable(s *Session) bool {
	if s.state < Ready || s.flags&(fConnectionless|fDead|fSpliced|fHalfClosed|fAppClosed|fTransportGone) != 0 {
		return false
	}
	_, paired := w.transportOf(s).(transport.Paired)
	return !paired
}

// joinable tells whether one FIFO can be from's receive and to's transmit FIFO. It must
// hold what from has offered to take.
func (w *Worker) joinable(from, to *Session) bool {
	w.giveBack(&from.rx, &from.rxPos)
	w.giveBack(&to.tx, &to.txPos)
	return to.tx == 0 || from.rx == 0 && w.fifos.At(to.tx).Size() >= int(w.sizes(from).rx)
}

func (w *Worker) join(from, to *Session) {
	if from.rx != 0 {
		to.tx = w.fifos.Join(from.rx)
	} else {
		from.rx = w.fifos.Join(to.tx)
	}
	z, f, l := w.sizes(from), w.fifos.At(from.rx), &w.link[from.index]
	*l = link{peer: to.index, size: z.rx, bytes: w.payload(from, f), last: w.Now()}
	if f != nil {
		l.size = uint32(f.Size())
	}
	l.growAt = z.growFrom(l.size)
}

// payload is how many bytes of the peer's wait in s's receive FIFO.
func (w *Worker) payload(s *Session, f *fifo.FIFO) (n uint64) {
	if w.Service(s) == transport.Stream {
		return uint64(f.Len())
	}
	for r := datagram.Read(f); r.Step(); {
		n += uint64(r.Len)
	}
	return n
}

// start has to send what from has received before, up to its end if that is known.
func (w *Worker) start(from, to *Session) {
	w.warm(from)
	if w.fifos.At(from.rx).Len() > 0 {
		w.Send(to)
	}
	if from.flags&fPeerClosed != 0 {
		w.HalfClose(to)
	}
}

// Spliced is the session that s is spliced with, nil when it is not.
func (w *Worker) Spliced(s *Session) *Session {
	if s.flags&fSpliced == 0 {
		return nil
	}
	return w.pool.At(w.link[s.index].peer)
}

// splicedNumber is Spliced for people.
func (w *Worker) splicedNumber(s *Session) *uint32 {
	if p := w.Spliced(s); p != nil {
		n := p.number()
		return &n
	}
	return nil
}

// Moved tells how many bytes s has received since it was spliced, and when the last of
// them came or was acknowledged by the other's peer. It goes on telling when the splice
// has ended.
func (w *Worker) Moved(s *Session) (bytes uint64, last int64) {
	l := &w.link[s.index]
	return l.bytes, l.last
}

// passOn has the other session send n bytes that came.
func (w *Worker) passOn(s *Session, n int) {
	l := &w.link[s.index]
	l.bytes += uint64(n)
	l.last = w.Now()
	p := w.pool.At(l.peer)
	w.warm(s)
	if l.growAt != 0 {
		if f := w.fifos.At(s.rx); w.busy(s, p, l) || f.Len() >= int(l.growAt) {
			w.grow(s, f)
		}
	}
	w.Send(p)
}

// passedOn tells the other session that what it received has reached our peer.
func (w *Worker) passedOn(s *Session) {
	i := w.link[s.index].peer
	w.link[i].last = w.Now()
	p := w.pool.At(i)
	w.warm(p)
	w.post(p, evRoom)
}

// leastRound is the shortest time that the bytes of a round are counted for, us.
const leastRound = 1000

// busy tells whether as much as half a FIFO came in the time in which a byte gets to the
// far end and its acknowledgment back to the sender: the room in the FIFO may be what holds
// the sender up. It is asked whenever bytes have come, and answers once a round.
func (w *Worker) busy(s, p *Session, l *link) bool {
	d := l.last - l.markAt
	if d < int64(l.round)*1000 {
		return false
	}
	moved, judge := l.bytes-l.mark, d < 2000*int64(l.round) // else it was idle meanwhile
	l.mark, l.markAt = l.bytes, l.last
	l.round = uint32(min(max((w.RTT(s)+w.RTT(p))/1000, leastRound), 1<<32-1))
	return judge && moved >= uint64(l.size/2)
}

// grow doubles the receive FIFO: it is rather full, or it is passed through quickly. It does
// not shrink before the splice ends, as a window that was offered is not taken back (RFC
// 9293 section 3.8.6, SHLD-14).
func (w *Worker) grow(s *Session, f *fifo.FIFO) {
	l, z := &w.link[s.index], w.sizes(s)
	if z == nil {
		return
	}
	l.size = uint32(f.Grow(min(2*f.Size(), int(z.most))))
	l.growAt = z.growFrom(l.size)
	w.post(s, evRoom)
}

// relay carries out the events of a spliced session.
func (w *Worker) relay(s *Session, ev events) {
	if ev&evRoom != 0 && s.flags&fTransportGone == 0 {
		w.transportOf(s).RxSpace(w.Worker, s.conn)
	}
	if ev&evClosed != 0 {
		w.HalfClose(w.Spliced(s))
	}
}

// part ends the splice of a session that is gone. After an orderly end the other goes on
// to send what is in its FIFO, and ends by itself, as its own stream has ended in the same
// way. Else it is reset, unless the application has seen to it.
func (w *Worker) part(s *Session, why error) {
	p := w.unsplice(s)
	if p == nil {
		return
	}
	if why != nil {
		w.Reset(p)
	} else if w.fifos.At(p.rx).Len() > 0 {
		w.post(p, evReadable) // nobody sends it any more
	}
}

// unsplice makes two sessions of s and the one that it is spliced with, which it returns;
// nil when it is not spliced. They still have the same FIFOs.
func (w *Worker) unsplice(s *Session) *Session {
	p := w.Spliced(s)
	if p == nil {
		return nil
	}
	for _, x := range [...]*Session{s, p} {
		x.flags &^= fSpliced
		w.link[x.index].peer = 0
		if x.flags&fTransportGone != 0 {
			w.fifos.At(x.rx).Discard() // what is out of order stays incomplete
		}
	}
	return p
}

// divide leaves each FIFO of two sessions that are being closed to the one that sends
// from it. Who is gone sends nothing: then it stays with the one that received, whose
// peer must learn that its bytes were lost.
func (w *Worker) divide(a, b *Session) {
	if (a.flags|b.flags)&fTransportGone != 0 {
		return
	}
	for _, x := range [...]*Session{a, b} {
		f := w.fifos.At(x.rx)
		if f == nil {
			continue
		}
		f.Discard()
		_, x.rxPos = f.Positions()
		w.fifos.Free(x.rx)
		x.rx = 0
	}
}

// giveBackShared is giveBack for what from receives and to sends.
func (w *Worker) giveBackShared(from, to *Session) {
	if f := w.fifos.At(from.rx); f != nil && f.Len() == 0 && f.Held() == 0 {
		from.rxPos, _ = f.Positions()
		to.txPos = from.rxPos
		w.fifos.Free(from.rx)
		w.fifos.Free(to.tx)
		from.rx, to.tx = 0, 0
	}
}
