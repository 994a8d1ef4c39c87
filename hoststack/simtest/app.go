package simtest

import (
	"errors"
	"fmt"

	"vpphost/hoststack/session"
	script "vpphost/hoststack/tcp/pkt"
)

// Plan is what one end of a session does. The stream of an end is a fixed pattern, moved
// by a salt so that the streams of different sessions differ.
type Plan struct {
	Salt     uint32 // of the stream we send
	PeerSalt uint32 // of the stream that we expect
	Send     uint64 // bytes to send
	Echo     bool   // send back what comes, instead of a stream of our own
	Asks     int    // requests to make, one after the other, each answered first,
	Ask      uint64 // of so many bytes
	Reply    uint64 // answered by so many: the end with Asks 0 answers
	Hold     bool   // do not read, and so not close either
	Finish   Finish
	ResetAt  uint64 // reset after so many bytes sent or received
}

// Finish is what an end does when it has sent everything.
type Finish uint8

const (
	CloseAfterPeer Finish = iota // close when the peer has closed too
	CloseAtOnce
	HalfCloseFirst // end our direction, then as CloseAfterPeer
	StayOpen
)

// End is one end of a session: what it has done, and what came.
type End struct {
	Plan
	Handle     session.Handle
	Sent       uint64
	Received   uint64
	PeerClosed bool
	Gone       bool
	Why        error // with Gone
	Bad        error // the first thing that was wrong with what came
	OpenedAt   int64
	DoneAt     int64 // when the last byte came
	GoneAt     int64

	half, closed bool // we have
}

// App plays Plans and keeps the Ends.
type App struct {
	Serve  func() Plan // of accepted sessions; nil refuses them
	Ends   []*End      // of all sessions, by Session.Opaque-1, in order of opening
	Failed []error     // of active opens
	Live   int         // sessions that are not gone

	plans []Plan // of active opens, by opaque
}

func (a *App) end(s *session.Session) *End { return a.Ends[s.Opaque-1] }

func (a *App) add(w *session.Worker, s *session.Session, p Plan) {
	e := &End{Plan: p, Handle: w.Handle(s), OpenedAt: w.Now()}
	a.Ends = append(a.Ends, e)
	s.Opaque = uint64(len(a.Ends))
	a.Live++
	a.run(w, s, e)
}

// Accept gives a new session its plan.
func (a *App) Accept(w *session.Worker, s *session.Session) error {
	if a.Serve == nil {
		return errors.New("nothing is served")
	}
	a.add(w, s, a.Serve())
	return nil
}

// Connected does the same for an active open.
func (a *App) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	if err != nil {
		a.Failed = append(a.Failed, err)
		return
	}
	a.add(w, s, a.plans[opaque])
}

func (a *App) Readable(w *session.Worker, s *session.Session) {
	e := a.end(s)
	if !e.Hold {
		a.read(w, s, e)
	}
	a.run(w, s, e)
}

func (a *App) Writable(w *session.Worker, s *session.Session) { a.run(w, s, a.end(s)) }

func (a *App) Closed(w *session.Worker, s *session.Session) {
	e := a.end(s)
	if e.PeerClosed {
		e.fail("told twice that the peer has closed")
	}
	e.PeerClosed = true
	if !e.Hold {
		a.read(w, s, e)
	}
	a.run(w, s, e)
}

func (a *App) Gone(w *session.Worker, s *session.Session, why error) {
	e := a.end(s)
	if e.Gone {
		e.fail("gone twice")
		return
	}
	e.Gone, e.Why, e.GoneAt = true, why, w.Now()
	a.Live--
}

func (e *End) fail(format string, args ...any) {
	if e.Bad == nil {
		e.Bad = fmt.Errorf(format, args...)
	}
}

// read takes everything that has come and compares it.
func (a *App) read(w *session.Worker, s *session.Session, e *End) {
	if e.Gone {
		return
	}
	rx := w.Rx(s)
	n := rx.Len()
	if n == 0 {
		return
	}
	for rx.Len() > 0 {
		b := rx.PeekAt(0, rx.Len())
		if i := script.Mismatch(b, e.PeerSalt+uint32(e.Received)); i >= 0 {
			e.fail("byte %d of the stream is wrong", e.Received+uint64(i))
		}
		e.Received += uint64(len(b))
		rx.Drop(len(b))
	}
	e.DoneAt = w.Now()
	w.Dropped(s)
}

// due is how many bytes the end should have sent by now, and whether that is all.
func (e *End) due() (n uint64, all bool) {
	switch {
	case e.Echo:
		return e.Received, e.PeerClosed
	case e.Asks > 0: // the next request goes out once the last was answered
		answered := e.Received / e.Reply
		return min(answered+1, uint64(e.Asks)) * e.Ask, answered >= uint64(e.Asks)
	case e.Ask > 0:
		return e.Received / e.Ask * e.Reply, e.PeerClosed
	}
	return e.Send, true
}

// run sends what is due and closes when it is time.
func (a *App) run(w *session.Worker, s *session.Session, e *End) {
	if e.closed || e.Gone {
		return
	}
	due, all := e.due()
	if e.Sent < due && !e.half {
		a.send(w, s, e, due)
	}
	switch {
	case e.ResetAt > 0 && max(e.Sent, e.Received) >= e.ResetAt:
		e.closed = true
		w.Reset(s)
	case !all || e.Sent < due || e.Hold:
	case e.Finish == CloseAtOnce, e.PeerClosed && e.Finish != StayOpen:
		e.closed = true
		w.Close(s)
	case e.Finish == HalfCloseFirst && !e.half:
		e.half = true
		w.HalfClose(s)
	}
}

func (a *App) send(w *session.Worker, s *session.Session, e *End, due uint64) {
	tx := w.Tx(s)
	if tx == nil {
		w.WantWritable(s, true) // no memory: Writable tries again
		return
	}
	before := e.Sent
	for e.Sent < due {
		b := tx.ReserveAt(0, int(min(due-e.Sent, 1<<20)))
		if len(b) == 0 {
			break
		}
		script.Fill(b, e.Salt+uint32(e.Sent))
		tx.Commit(len(b))
		e.Sent += uint64(len(b))
	}
	if e.Sent > before {
		w.Send(s)
	}
	w.WantWritable(s, e.Sent < due)
}

// Resume has an end that holds begin to read. On its worker.
func (a *App) Resume(w *session.Worker, e *End) {
	e.Hold = false
	if s := w.Get(e.Handle); s != nil {
		a.read(w, s, e)
		a.run(w, s, e)
	}
}

// Err is the first thing that went wrong at any end: wrong bytes, or an active open that
// failed.
func (a *App) Err() error {
	if len(a.Failed) > 0 {
		return a.Failed[0]
	}
	for i, e := range a.Ends {
		if e.Bad != nil {
			return fmt.Errorf("session %d: %w", i, e.Bad)
		}
	}
	return nil
}
