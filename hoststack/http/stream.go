package http

import (
	"io"
	"sync/atomic"

	"vpphost/dataplane/worker"
)

// Stream is the body of a reply that a goroutine writes. Between the two is a ring: the
// goroutine waits when it is full, the worker never waits. One goroutine at a time.
type Stream struct {
	token  Token
	length int64  // of the body, -1 when it is not known
	ring   []byte // a power of two
	head   atomic.Uint64
	tail   atomic.Uint64
	end    atomic.Uint32 // how the body ends, see below
	gone   atomic.Bool   // the exchange is over
	// Each side says that it goes to sleep, looks once more, and is then woken by the other.
	empty  atomic.Bool // the worker has found nothing
	asleep atomic.Bool // the goroutine waits for room
	room   *worker.Notifier
}

const streamRing = 256 << 10

const (
	streamOpen uint32 = iota
	streamEnded
	streamAborted
)

// Stream replies with a body that the caller writes: length bytes, or -1 when that is not
// known. Any goroutine. The Stream must be closed.
func (t Token) Stream(status int, header []byte, length int64) *Stream {
	s := &Stream{token: t, length: length, ring: make([]byte, streamRing), room: worker.NewNotifier()}
	t.Do(func(x *Exchange) {
		if x == nil {
			s.Release()
			return
		}
		x.ReplySource(status, header, length, s)
	})
	return s
}

// piece is the first contiguous room in the ring. It waits for some; none means that the
// exchange is over.
func (s *Stream) piece() []byte {
	for !s.gone.Load() {
		tail := s.tail.Load()
		used := tail - s.head.Load()
		if used < uint64(len(s.ring)) {
			at := tail & uint64(len(s.ring)-1)
			return s.ring[at:min(at+uint64(len(s.ring))-used, uint64(len(s.ring)))]
		}
		s.asleep.Store(true)
		if tail-s.head.Load() == uint64(len(s.ring)) && !s.gone.Load() {
			<-s.room.C
		}
		s.asleep.Store(false)
	}
	return nil
}

// put makes n bytes of a piece the worker's.
func (s *Stream) put(n int) {
	s.tail.Add(uint64(n))
	s.wake()
}

// wake tells the worker, if it waits.
func (s *Stream) wake() {
	if s.empty.Swap(false) {
		s.token.Resume()
	}
}

// Write waits until all of p is in the ring. The error is ErrGone.
func (s *Stream) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		b := s.piece()
		if len(b) == 0 {
			return n, ErrGone
		}
		c := copy(b, p)
		s.put(c)
		p = p[c:]
		n += c
	}
	return n, nil
}

// ReadFrom reads r to its end, straight into the ring.
func (s *Stream) ReadFrom(r io.Reader) (n int64, err error) {
	for {
		b := s.piece()
		if len(b) == 0 {
			// The exchange is over as soon as the peer has all that was promised, which may be
			// before r has told that there is no more.
			if s.length >= 0 && s.tail.Load() == uint64(s.length) {
				if c, err := io.ReadFull(r, make([]byte, 1)); c == 0 && err == io.EOF {
					return n, nil
				}
			}
			return n, ErrGone
		}
		c, err := r.Read(b)
		s.put(c)
		n += int64(c)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// Close ends the body. When it has fewer bytes than were promised the connection is reset.
func (s *Stream) Close() error {
	s.end.CompareAndSwap(streamOpen, streamEnded)
	s.wake()
	return nil
}

// Abort resets the connection, so that the peer does not take what it got for the whole.
func (s *Stream) Abort() {
	s.end.CompareAndSwap(streamOpen, streamAborted)
	s.wake()
}

// Fill is called by the worker.
func (s *Stream) Fill(dst []byte, _ int64) (n int, err error) {
	for {
		end := s.end.Load() // before the bytes are counted: there are none behind it
		head := s.head.Load()
		used := s.tail.Load() - head
		switch {
		case end == streamAborted:
			return 0, ErrSource
		case used > 0:
			at := head & uint64(len(s.ring)-1)
			n = copy(dst, s.ring[at:min(at+used, uint64(len(s.ring)))])
			s.head.Store(head + uint64(n))
			if s.asleep.Load() {
				s.token.sh.sw.Notify(s.room)
			}
			return n, nil
		case end == streamEnded:
			return 0, io.EOF
		}
		s.empty.Store(true)
		if s.tail.Load() == head && s.end.Load() == end {
			return 0, ErrWait
		}
		s.empty.Store(false)
	}
}

// Release is called by the worker.
func (s *Stream) Release() {
	s.gone.Store(true)
	s.token.sh.sw.Notify(s.room)
}
