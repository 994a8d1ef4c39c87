package http

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// TestDeferred: control code replies later.
func TestDeferred(t *testing.T) {
	l := newLab(t, labOptions{fifo: 8 << 10})
	get := func(path string) *peer {
		p := l.dial(l.near)
		p.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
		l.w.RunFor(100*second, nil) // longer than any time limit: the client is not to blame
		if len(p.in) > 0 && path == "/later" {
			t.Fatalf("%q", p.in)
		}
		return p
	}
	p := get("/later")
	token := l.handler.tokens[0]
	token.Reply(200, []byte("X: y\r\n"), pattern(50000))
	l.settle()
	token.Reply(200, nil, []byte("again"))
	over := 0
	l.handler.tokens[0].Do(func(x *Exchange) {
		if x == nil {
			over++
		}
	})
	l.settle()
	if list, err := p.answers(); err != nil || len(list) != 2 || len(list[0].body) != 50000 || list[0].header.Get("X") != "y" || over != 1 {
		t.Errorf("%d answers %v, %d over", len(list), err, over)
	}
	// The token of an exchange that is over answers no later one on the same connection.
	p.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
	l.settle()
	n := len(p.in)
	token.Reply(200, nil, []byte("wrong"))
	l.settle()
	if len(p.in) != n {
		t.Error("answered by an old token")
	}
	l.handler.tokens[1].Reply(200, nil, []byte("right"))
	l.settle()
	if list, err := p.answers(); err != nil || len(list) != 3 || string(list[2].body) != "right" {
		t.Errorf("%d answers %v", len(list), err)
	}
	// A Source without bytes.
	p = get("/wait/30000")
	if len(p.in) < 15000 || len(p.in) > 16000 {
		t.Errorf("%d bytes", len(p.in))
	}
	l.handler.tokens[2].Resume()
	l.settle()
	if list, err := p.answers(); err != nil || len(list) != 2 || !bytes.Equal(list[0].body, pattern(30000)) {
		t.Errorf("%d answers %v", len(list), err)
	}
	// The client does not wait.
	p = get("/later")
	p.reset()
	l.settle()
	over = 0
	l.handler.tokens[3].Do(func(x *Exchange) {
		if x == nil {
			over++
		}
	})
	l.settle()
	if over != 1 || l.handler.done[len(l.handler.done)-1] == nil {
		t.Errorf("over %d, %v", over, l.handler.done)
	}
}

// TestStream: a goroutine writes more than there is room for.
func TestStream(t *testing.T) {
	l := newLab(t, labOptions{fifo: 16 << 10})
	data := pattern(3 << 20)
	for _, length := range []int64{int64(len(data)), -1} {
		p := l.dial(l.near)
		p.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
		l.settle()
		s := l.handler.tokens[len(l.handler.tokens)-1].Stream(200, nil, length)
		done := make(chan error, 1)
		go func() {
			_, err := s.Write(data[:1000])
			if err == nil {
				_, err = s.ReadFrom(bytes.NewReader(data[1000:]))
			}
			s.Close()
			done <- err
		}()
		deadline := time.Now().Add(20 * time.Second)
		for {
			l.w.RunFor(1000, nil)
			if list, err := p.answers(); err == nil && len(list) == 1 {
				if !bytes.Equal(list[0].body, data) {
					t.Errorf("%d bytes", len(list[0].body))
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d bytes after all this time", len(p.in))
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	// The client goes: the goroutine hears of it.
	p := l.dial(l.near)
	p.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
	l.settle()
	s := l.handler.tokens[len(l.handler.tokens)-1].Stream(200, nil, -1)
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := s.Write(data); err != nil {
				done <- err
				return
			}
		}
	}()
	for i := 0; ; i++ {
		l.w.RunFor(1000, nil)
		if i == 100 {
			p.reset()
		}
		select {
		case err := <-done:
			if !errors.Is(err, ErrGone) {
				t.Error(err)
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// lateEOF tells of its end only when the exchange is over.
type lateEOF struct {
	*bytes.Reader
	over <-chan bool
}

func (r lateEOF) Read(p []byte) (int, error) {
	if r.Len() == 0 {
		if _, first := <-r.over; first {
			return 0, nil
		}
	}
	return r.Reader.Read(p)
}

// TestStreamEndsLate: the peer has everything before the writer knows that this is all.
func TestStreamEndsLate(t *testing.T) {
	l := newLab(t, labOptions{})
	p := l.dial(l.near)
	p.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
	l.settle()
	s := l.handler.tokens[0].Stream(200, nil, 5)
	over, done := make(chan bool), make(chan error, 1)
	go func() {
		_, err := s.ReadFrom(lateEOF{bytes.NewReader([]byte("hello")), over})
		done <- err
	}()
	for deadline := time.Now().Add(20 * time.Second); !s.gone.Load(); l.w.RunFor(1000, nil) {
		if time.Now().After(deadline) {
			t.Fatal("the exchange does not end")
		}
	}
	over <- true
	close(over)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestBrokenSource: a body that is shorter than promised must not look whole.
func TestBrokenSource(t *testing.T) {
	l := newLab(t, labOptions{})
	p := l.dial(l.near)
	p.send("GET /short/100 HTTP/1.1\r\nHost: a\r\n\r\n")
	l.settle()
	if !p.gone || p.why == nil || !errors.Is(l.handler.done[0], ErrSource) {
		t.Errorf("gone %v, %v; %v", p.gone, p.why, l.handler.done)
	}
}
