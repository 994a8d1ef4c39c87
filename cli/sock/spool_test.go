package sock

import (
	"errors"
	"net"
	"testing"
	"time"
)

// hangingUp is a connection whose peer goes in the middle of a write that still succeeds.
type hangingUp struct {
	net.Conn
	during func()
}

func (c hangingUp) Write(p []byte) (int, error) {
	c.during()
	return len(p), nil
}

func (hangingUp) SetWriteDeadline(time.Time) error { return nil }

// TestSpoolFailsInWrite: the session is over while the spool writes.
func TestSpoolFailsInWrite(t *testing.T) {
	var s *spool
	gone := errors.New("gone")
	s = newSpool(hangingUp{during: func() { s.fail(gone) }}, spoolLimit, stallLimit)
	if _, err := s.Write([]byte("output")); err != nil {
		t.Fatal(err)
	}
	s.run()
	if _, err := s.Write([]byte("more")); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}
