package simtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/session"
	script "vpphost/hoststack/tcp/pkt"
)

// Datagrams is an application that sends numbered datagrams and verifies what comes: every
// datagram tells who sent it and which it is, its length and its bytes follow from that.
// Its methods may be called by several workers.
type Datagrams struct {
	Echo bool // send back what comes
	Cut  int  // datagrams of one record, as datagram.Header.Segment says; 0: one

	mu    sync.Mutex
	Peers []*Flow // sessions, by Session.Opaque-1
	Came  map[uint64]int
	Bad   error
}

// Flow is one session, or, of a connectionless one, what it does.
type Flow struct {
	Handle session.Handle
	Header datagram.Header // of what is sent
	Sender uint32
	Next   uint32 // datagrams sent
	Until  uint32 // how many to send
	Sizes  []int  // of them, by turns; 12 at least, or 0
	Got    int
	Gone   bool
	Why    error
}

// ErrStranger is a datagram that no Datagrams has sent.
var ErrStranger = errors.New("a datagram that was not sent")

// On makes of f what Worker.Do takes.
func On(f func()) func(*worker.Worker) { return func(*worker.Worker) { f() } }

const dgramHead = 12 // sender, number, length

func dgramKey(sender, number uint32) uint64 { return uint64(sender)<<32 | uint64(number) }

// fillDatagram writes datagram number n of a sender.
func fillDatagram(b []byte, sender, n uint32) {
	if len(b) < dgramHead {
		return
	}
	binary.BigEndian.PutUint32(b, sender)
	binary.BigEndian.PutUint32(b[4:], n)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)))
	script.Fill(b[dgramHead:], sender*31+n)
}

// check looks at a datagram that came.
func (a *Datagrams) check(b []byte) {
	if len(b) == 0 {
		a.Came[^uint64(0)]++
		return
	}
	if len(b) < dgramHead || int(binary.BigEndian.Uint32(b[8:])) != len(b) {
		a.fail("%w: %d bytes", ErrStranger, len(b))
		return
	}
	sender, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if i := script.Mismatch(b[dgramHead:], sender*31+n); i >= 0 {
		a.fail("byte %d of datagram %d of %d is wrong", i, n, sender)
	}
	a.Came[dgramKey(sender, n)]++
}

func (a *Datagrams) fail(format string, args ...any) {
	if a.Bad == nil {
		a.Bad = fmt.Errorf(format, args...)
	}
}

// Unique is how many different datagrams came.
func (a *Datagrams) Unique() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.Came)
}

func (a *Datagrams) flow(w *session.Worker, s *session.Session) *Flow {
	if a.Came == nil {
		a.Came = map[uint64]int{}
	}
	f := &Flow{Handle: w.Handle(s)}
	a.Peers = append(a.Peers, f)
	s.Opaque = uint64(len(a.Peers))
	return f
}

func (a *Datagrams) Accept(w *session.Worker, s *session.Session) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flow(w, s)
	return nil
}

func (a *Datagrams) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.fail("connect: %w", err)
		return
	}
	a.flow(w, s).Sender = uint32(opaque)
}

// Start has a flow send until so many datagrams are out. On its worker.
func (a *Datagrams) Start(w *session.Worker, f *Flow, until int, sizes ...int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f.Until, f.Sizes = uint32(until), sizes
	if s := w.Get(f.Handle); s != nil {
		a.send(w, s, f)
	}
}

func (a *Datagrams) send(w *session.Worker, s *session.Session, f *Flow) {
	if f.Gone || f.Until == 0 {
		return
	}
	t := datagram.Write(w.Tx(s))
	for f.Next < f.Until {
		n := f.Sizes[int(f.Next)%len(f.Sizes)]
		h := f.Header
		h.Len = n
		k := min(max(a.Cut, 1), int(f.Until-f.Next))
		if k > 1 {
			h.Len, h.Segment = n*k, n
		}
		if !t.Begin(&h) {
			break
		}
		b := make([]byte, h.Len)
		for i := range k {
			fillDatagram(b[i*n:][:n], f.Sender, f.Next+uint32(i))
		}
		for off := 0; off < h.Len; {
			off += copy(t.Piece(off), b[off:])
		}
		t.End()
		f.Next += uint32(k)
	}
	if t.Commit() > 0 {
		w.Send(s)
	}
	w.WantWritable(s, f.Next < f.Until)
}

func (a *Datagrams) Readable(w *session.Worker, s *session.Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.Peers[s.Opaque-1]
	r, t := datagram.Read(w.Rx(s)), datagram.Write(nil)
	if a.Echo {
		t = datagram.Write(w.Tx(s))
	}
	for r.Next() {
		if a.Echo && !t.Copy(&r) {
			r.Keep()
			w.WantWritable(s, true)
			break
		}
		b := make([]byte, r.Len)
		if r.CopyTo(b) != r.Len {
			a.fail("%d bytes are missing", r.Len)
		}
		a.check(b)
		f.Got++
	}
	r.Done()
	w.Dropped(s)
	if t.Commit() > 0 {
		w.Send(s)
	}
}

func (a *Datagrams) Writable(w *session.Worker, s *session.Session) {
	if a.Echo {
		w.WantWritable(s, false)
		a.Readable(w, s)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.send(w, s, a.Peers[s.Opaque-1])
}

func (a *Datagrams) Closed(w *session.Worker, s *session.Session) { w.Close(s) }

func (a *Datagrams) Gone(w *session.Worker, s *session.Session, why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.Peers[s.Opaque-1]
	if f.Gone {
		a.fail("gone twice")
	}
	f.Gone, f.Why = true, why
}
