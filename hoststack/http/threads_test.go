package http

import (
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/simtest"
)

// streamer answers from goroutines of its own.
type streamer struct {
	NopHandler
	open atomic.Int64
	wg   sync.WaitGroup
	data []byte
}

func (h *streamer) ServeHTTP(x *Exchange) {
	h.open.Add(1)
	t := x.Defer()
	h.wg.Add(1)
	go func() {
		defer h.wg.Done()
		s := t.Stream(200, nil, int64(len(h.data)))
		_, _ = s.Write(h.data)
		_ = s.Close()
	}()
}

func (h *streamer) Done(*Exchange, error) { h.open.Add(-1) }

// counter asks again and again, on all workers at once.
type counter struct {
	NopClient
	r          *Request
	done       atomic.Int64
	bytes, end atomic.Int64
}

func (c *counter) OnOpen(x *Call)               { _ = x.Send(c.r) }
func (c *counter) OnBody(_ *Call, piece []byte) { c.bytes.Add(int64(len(piece))) }
func (c *counter) OnDone(x *Call, _ int64) {
	c.done.Add(1)
	_ = x.Send(c.r)
}
func (c *counter) OnClose(_ *Call, err error) { c.end.Add(1) }

// TestThreads runs on threads of its own, for the race detector: handlers on two workers,
// goroutines that write bodies, control code that listens, looks and closes.
func TestThreads(t *testing.T) {
	w := simtest.NewThreads(1)
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	srv, err := w.NewHost("server", simtest.Options{Workers: 2})
	must(err)
	cln, err := w.NewHost("client", simtest.Options{Workers: 2})
	must(err)
	_, err = w.Connect(srv, cln, [2]sim.Link{}, simtest.WireOptions{})
	must(err)
	e, err := New(srv.Sessions, Config{Conns: 1 << 12})
	must(err)
	ce, err := New(cln.Sessions, Config{Conns: 1 << 12})
	must(err)
	must(w.Start())
	s, err := e.NewServer("server", ServerConfig{})
	must(err)
	h := &streamer{data: pattern(400000)}
	u, _ := ParseListen("http://0.0.0.0:80")
	l, err := s.Listen(u, ListenConfig{Handler: h})
	must(err)
	ask := URI{Endpoint: endpoint(80), Target: "/"}
	c := &counter{r: NewRequest(GET, ask, nil, nil)}
	k, err := ce.NewClient("client", ClientConfig{Handler: c, Timeout: 20 * time.Second})
	must(err)
	const conns = 8
	for range conns {
		must(k.OpenFrom(ask, 0))
	}
	for end := time.Now().Add(20 * time.Second); c.done.Load() < 5*conns && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
		s.Connections()
		_, err := e.Stats()
		must(err)
	}
	if n := c.done.Load(); n < 5*conns {
		t.Errorf("%d answers", n)
	}
	must(s.Unlisten(l))
	must(s.Close())
	must(k.Close())
	if n := h.open.Load(); n != 0 {
		t.Errorf("%d exchanges are open", n)
	}
	if c.end.Load() != conns {
		t.Errorf("%d connections ended", c.end.Load())
	}
	h.wg.Wait() // no goroutine waits for ever
	must(w.Close())
	e.Close()
	ce.Close()
}

var _ io.ReaderFrom = (*Stream)(nil)
