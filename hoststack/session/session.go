package session

import (
	"unsafe"

	"vpphost/hoststack/fifo"
	"vpphost/hoststack/transport"
)

// State is where in its life a session is. The order is VPP's.
type State uint8

const (
	Created State = iota
	Listening
	Connecting       // active open under way
	Accepting        // open, the application has not been asked yet
	Ready            // open
	Opened           // open, of a transport without connections
	TransportClosing // the peer closed its side
	Closing          // the application closed its side of the conversation
	AppClosed        // the application closed
	TransportClosed  // unused; part of VPP's list
	Closed           // both have let go
	TransportDeleted // the transport has let go, the application is not told yet
)

var stateNames = [...]string{"created", "listening", "connecting", "accepting", "ready", "opened",
	"transport-closing", "closing", "app-closed", "transport-closed", "closed", "transport-deleted"}

func (s State) String() string { return stateNames[s] }

// flags of a session.
type flags uint16

const (
	fQueued         flags = 1 << iota // in the event queue
	fReady                            // in the queue of those that may send
	fCooling                          // in the queue of those whose FIFOs may be given back
	fDead                             // released; in a queue still
	fWarm                             // its FIFOs were used since the last look
	fActive                           // we opened it
	fKnown                            // the application has been told of it
	fWantWritable                     // the application wants Writable
	fHalfClosed                       // the application sends no more
	fAppClosed                        // the application closed or reset
	fReset                            // by Reset
	fPeerClosed                       // the peer sends no more
	fTransportGone                    // the transport has let go
	fStarved                          // wants Writable, and found no memory when it was called
	fConnectionless                   // it exchanges datagrams with everybody
	fSpliced                          // its FIFOs are those of another session, see splice.go
)

// events of a session that wait to be told.
type events uint8

const (
	evOpen     events = 1 << iota // accepted, or connected, or failed to
	evReadable                    // bytes came
	evWritable                    // bytes were acknowledged
	evClosed                      // the peer closed
	evGone                        // the transport has let go
	evRoom                        // of a spliced session: what came was passed on, so there is room
)

// Session is one end of a conversation. It lives in a pool of its worker, off the Go
// heap, and is freed only when both the transport (Upper.Gone) and the application
// (App.Gone) have let go.
type Session struct {
	// Opaque is the application's own, not touched by the stack. It begins as the
	// opaque of Connect, and as 0 in an accepted session.
	Opaque uint64

	conn         transport.Conn
	index        uint32
	app          uint32 // index of its application, 0 when that has gone
	next, prev   uint32 // sessions of the same application on this worker
	rx, tx       fifo.Ref
	rxPos, txPos uint32 // where the FIFOs were when they were given back
	listener     uint32 // id of the listener, 0 in an active open
	pace         uint32 // place in the pacing heap, counted from 1
	flags        flags
	events       events
	state        State
	why          uint8 // why the transport let go, see cause.go
}

const _ = uint(64 - unsafe.Sizeof(Session{}))

// Handle names a session for as long as it lives; a stale one is detected.
type Handle struct {
	Worker uint8
	Gen    uint16
	Index  uint32
}

// alloc makes a session of application a; nil when there are too many.
func (w *Worker) alloc(a *AppHandle, st State) *Session {
	i, s := w.pool.Alloc()
	if s == nil {
		w.count(errNoMemory)
		return nil
	}
	s.index, s.state = i, st
	s.app = a.index
	l := &a.per[w.Index]
	if s.next = l.first; s.next != 0 {
		w.pool.At(s.next).prev = i
	}
	l.first = i
	l.n++
	w.live++
	return s
}

// orphan takes s from its application, which gets no further call for it.
func (w *Worker) orphan(s *Session) {
	a := w.appOf(s)
	if a == nil {
		return
	}
	l := &a.per[w.Index]
	if s.prev != 0 {
		w.pool.At(s.prev).next = s.next
	} else {
		l.first = s.next
	}
	if s.next != 0 {
		w.pool.At(s.next).prev = s.prev
	}
	l.n--
	s.app, s.next, s.prev = 0, 0, 0
}

// release ends s. Its slot is free at once, or when the last queue that names it has
// come to it.
func (w *Worker) release(s *Session) {
	if s.flags&fDead == 0 {
		if p := w.unsplice(s); p != nil {
			w.Reset(p) // its application cannot know
		}
		w.orphan(s)
		w.fifos.Free(s.rx)
		w.fifos.Free(s.tx)
		s.rx, s.tx = 0, 0
		w.paced.remove(w, s)
		if s.why == causeOther {
			delete(w.others, s.index)
		}
		s.flags |= fDead
		s.state = Closed
		w.live--
	}
	if s.flags&(fQueued|fReady|fCooling) == 0 {
		w.pool.Free(s.index)
	}
}

// Handle names s.
func (w *Worker) Handle(s *Session) Handle {
	return Handle{Worker: uint8(w.Index), Gen: w.pool.Gen(s.index), Index: s.index}
}

// Get finds a session by its handle, nil when it is gone.
func (w *Worker) Get(h Handle) *Session {
	if int(h.Worker) != w.Index || !w.pool.Valid(h.Index) || w.pool.Gen(h.Index) != h.Gen {
		return nil
	}
	s := w.pool.At(h.Index)
	if s.flags&fDead != 0 || s.state < Accepting {
		return nil
	}
	return s
}
