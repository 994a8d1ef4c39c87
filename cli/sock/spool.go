package sock

import (
	"errors"
	"net"
	"sync"
	"time"
)

const (
	// spoolLimit is how much output waits for one client at most, in bytes.
	spoolLimit = 4 << 20
	// stallLimit is how long a client may take nothing while its spool is full.
	stallLimit = 10 * time.Second
	// lingerLimit is how long a client may take to read what is left for it when
	// its session is over: somebody may be reading it in a pager.
	lingerLimit = 10 * time.Minute
	// spoolChunk is what is written at once; a client must take this much within
	// stallLimit.
	spoolChunk = 32 << 10
)

var errStalled = errors.New("client does not read")

// spool is the output of a session on its way to the client. Writers put data in
// and go on; a goroutine of its own writes it to the connection.
type spool struct {
	conn  net.Conn
	limit int
	stall time.Duration

	mu     sync.Mutex
	cond   sync.Cond
	buf    []byte
	err    error // the connection is broken
	ending bool
	done   chan struct{} // closed when nothing more will be written
}

func newSpool(conn net.Conn, limit int, stall time.Duration) *spool {
	s := &spool{conn: conn, limit: limit, stall: stall, done: make(chan struct{})}
	s.cond.L = &s.mu
	return s
}

// Write blocks while the spool is full. After an error of the connection it fails.
func (s *spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full() {
		s.conn.SetWriteDeadline(time.Now().Add(s.stall))
		for s.full() {
			s.cond.Wait()
		}
	}
	if s.err != nil {
		return 0, s.err
	}
	s.buf = append(s.buf, p...)
	s.cond.Broadcast()
	return len(p), nil
}

func (s *spool) full() bool { return s.err == nil && len(s.buf) >= s.limit }

// run writes until end or an error. The caller starts it as a goroutine.
func (s *spool) run() {
	defer close(s.done)
	var chunk []byte
	for {
		s.mu.Lock()
		for len(s.buf) == 0 && !s.ending && s.err == nil {
			s.cond.Wait()
		}
		if len(s.buf) == 0 || s.err != nil {
			s.mu.Unlock()
			return
		}
		chunk = append(chunk[:0], s.buf[:min(len(s.buf), spoolChunk)]...)
		s.mu.Unlock()

		_, err := s.conn.Write(chunk)

		s.mu.Lock()
		switch {
		case s.err != nil: // failed meanwhile: the buffer is gone
		case err != nil:
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				err = errStalled
			}
			s.err, s.buf = err, nil
		default:
			wasFull := s.full()
			if s.buf = s.buf[len(chunk):]; len(s.buf) == 0 {
				s.buf = nil // let go of a large array
			}
			switch {
			case s.ending:
			case s.full():
				s.conn.SetWriteDeadline(time.Now().Add(s.stall))
			case wasFull:
				s.conn.SetWriteDeadline(time.Time{})
			}
		}
		s.cond.Broadcast()
		s.mu.Unlock()
	}
}

// fail breaks the spool: writers and run return.
func (s *spool) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err, s.buf = err, nil
	}
	s.cond.Broadcast()
	s.mu.Unlock()
}

// end lets run return when all is written, or after linger.
func (s *spool) end(linger time.Duration) {
	s.mu.Lock()
	s.ending = true
	s.conn.SetWriteDeadline(time.Now().Add(linger))
	s.cond.Broadcast()
	s.mu.Unlock()
}

// broken tells whether the connection failed.
func (s *spool) broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}
