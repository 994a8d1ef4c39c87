package session

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

// TestPanickingApplication: every callback in turn panics. The application is gone, its
// peers are reset, other applications do not notice, the instance goes on.
func TestPanickingApplication(t *testing.T) {
	bad := func(*Worker, *Session) { panic("boom") }
	for where := range 6 {
		var out bytes.Buffer
		h := newHost(t, 2, Config{Log: slog.New(slog.NewTextHandler(&out, nil))})
		srv, cln := &recorder{name: "server"}, &recorder{name: "client"}
		sa, _ := h.l.Attach("server", srv, Options{})
		ca, _ := h.l.Attach("client", cln, Options{})
		if err := sa.Listen(transport.TCP, serverEP); err != nil {
			t.Fatal(err)
		}
		for i := range 4 { // on both workers
			_ = ca.Connect(transport.TCP, serverEP, uint64(i))
		}
		h.settle()
		failed, other, fa := srv, cln, sa
		switch where {
		case 0:
			srv.onAccept = bad
			_ = ca.Connect(transport.TCP, serverEP, 9)
		case 1:
			srv.onReadable = bad
			for _, hd := range cln.sessions { // the other sessions have data in the same Step
				w := h.l.workers[hd.Worker]
				write(w, w.Get(hd), 1)
			}
		case 2:
			srv.onClosed = bad
			h.on(cln, func(w *Worker, s *Session) { w.HalfClose(s) })
		case 3:
			srv.onGone = bad
			h.on(cln, func(w *Worker, s *Session) { w.Reset(s) })
		case 4:
			srv.onWritable = bad
			h.on(srv, func(w *Worker, s *Session) { w.WantWritable(s, true) })
		case 5:
			failed, other, fa = cln, srv, ca
			cln.onConnected = func(*Worker, *Session, uint64, error) { panic("boom") }
			_ = ca.Connect(transport.TCP, serverEP, 9)
		}
		before := len(failed.log)
		h.settle()
		if len(failed.log) != before+1 {
			t.Fatalf("%d: called after it panicked: %q", where, failed.log)
		}
		failed.log = nil
		if !strings.Contains(out.String(), "boom") {
			t.Fatalf("%d: nothing was logged", where)
		}
		left := 0
		for _, hd := range other.sessions {
			if h.l.workers[hd.Worker].Get(hd) != nil {
				left++
			}
		}
		if left != 0 {
			t.Fatalf("%d: %d peers were not reset", where, left)
		}
		if len(h.l.Apps()) != 1 {
			t.Fatalf("%d: the application is still there", where)
		}
		if _, err := h.l.Attach("new", NopApp{}, Options{}); err != nil {
			t.Fatal(err)
		}
		if err := fa.Listen(transport.TCP, serverEP); !errors.Is(err, ErrNotAttached) {
			t.Fatalf("%d: %v", where, err)
		}
		// The reaper, on its goroutine, removes the listener and then the entry.
		eventually(t, h, func() bool {
			h.l.mu.Lock()
			defer h.l.mu.Unlock()
			return len(fa.listens) == 0 && (*h.l.apps.Load())[fa.index] != fa
		})
		if err := fa.Detach(); err != nil {
			t.Fatal(err)
		}
		if len(failed.log) != 0 {
			t.Fatalf("%d: it was called again: %q", where, failed.log)
		}
		for _, a := range h.l.Apps() {
			if err := a.Detach(); err != nil {
				t.Fatal(err)
			}
		}
		h.empty()
	}
}

// eventually steps until cond holds.
func eventually(t *testing.T, h *host, cond func() bool) {
	t.Helper()
	for range 2000 {
		h.step(1)
		if cond() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("it never came to pass")
}

// TestPanicInDetach: Gone panics while Detach calls it.
func TestPanicInDetach(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, _, sa, ca := h.pair()
	for range 3 {
		_ = ca.Connect(transport.TCP, serverEP, 1)
	}
	h.settle()
	calls := 0
	srv.onGone = func(*Worker, *Session) { calls++; panic("boom") }
	if err := sa.Detach(); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Fatalf("Detach said %v", err)
	}
	if calls != 1 {
		t.Fatalf("%d calls after the first panic", calls-1)
	}
	h.done(ca)
}

// busyApp counts on several workers at once.
type busyApp struct {
	NopApp
	bytes, open, gone atomic.Int64
}

func (b *busyApp) Accept(*Worker, *Session) error { b.open.Add(1); return nil }
func (b *busyApp) Connected(w *Worker, s *Session, _ uint64, err error) {
	if err == nil {
		b.open.Add(1)
		write(w, s, 5000)
	}
}
func (b *busyApp) Readable(w *Worker, s *Session) {
	n := w.Rx(s).Len()
	w.Rx(s).Drop(n)
	w.Dropped(s)
	b.bytes.Add(int64(n))
	write(w, s, n)
}
func (b *busyApp) Closed(w *Worker, s *Session) { w.Close(s) }
func (b *busyApp) Gone(*Worker, *Session, error) {
	b.gone.Add(1)
}

// TestTwoRunningWorkers lets control goroutines attach, listen, connect, show and
// detach while two workers run. The race detector watches.
func TestTwoRunningWorkers(t *testing.T) {
	var ws []*worker.Worker
	for i := range 2 {
		p, err := pkt.NewMapPool("test", 64, pkt.DefaultRoom)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		w, err := worker.New(worker.Config{Index: i, CPU: -1, Pool: p})
		if err != nil {
			t.Fatal(err)
		}
		ws = append(ws, w)
	}
	l, err := New(Config{Workers: ws, Memory: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	f := newFake(l.Upper(), ws)
	l.Register(lockedListens{f, new(sync.Mutex)})
	for _, w := range ws {
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
	}
	_ = l.Enable()
	srv := &busyApp{}
	sa, err := l.Attach("server", srv, Options{Server: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := sa.Listen(transport.TCP, serverEP); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 10 {
				cln := &busyApp{}
				ca, err := l.Attach("client", cln, Options{})
				if err != nil {
					t.Error(err)
					return
				}
				for range 8 {
					if err := ca.Connect(transport.TCP, serverEP, 0); err != nil {
						t.Error(err)
					}
				}
				for cln.open.Load() < 8 || cln.bytes.Load() < 100000 {
					time.Sleep(100 * time.Microsecond)
				}
				l.Apps()
				if err := ca.Detach(); err != nil {
					t.Error(err)
				}
				if cln.gone.Load() != cln.open.Load() {
					t.Errorf("%d of %d sessions were told their end when Detach returned", cln.gone.Load(), cln.open.Load())
				}
			}
		}()
	}
	wg.Wait()
	if srv.bytes.Load() == 0 || srv.open.Load() != 240 {
		t.Errorf("%d sessions, %d bytes", srv.open.Load(), srv.bytes.Load())
	}
	if err := sa.Detach(); err != nil {
		t.Error(err)
	}
	if srv.gone.Load() != 240 {
		t.Errorf("%d of 240 sessions of the server ended", srv.gone.Load())
	}
	for _, w := range ws {
		w.Stop()
	}
	l.Close()
}

// lockedListens makes the fake's listeners safe against workers that look them up.
type lockedListens struct {
	*fake
	mu *sync.Mutex
}

func (f lockedListens) StartListen(ep transport.Endpoint, id uint32) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fake.StartListen(ep, id)
}

func (f lockedListens) StopListen(ep transport.Endpoint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fake.StopListen(ep)
}

func (f lockedListens) Connect(w *worker.Worker, ep transport.Endpoint, opaque uint32) (transport.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fake.Connect(w, ep, opaque)
}

// TestReaperComesEarly: the reaper, woken for another application, meets one that fails
// at this moment. Its entry must stay while it has sessions.
func TestReaperComesEarly(t *testing.T) {
	h := newHost(t, 1, Config{})
	_, _, sa, ca := h.pair()
	sa.status.Store(appFailed) // the first thing that a failure does
	// The channel holds one: the first round is over when the third is in it.
	for range 3 {
		h.l.reaper.C <- struct{}{}
	}
	h.l.mu.Lock()
	gone := (*h.l.apps.Load())[sa.index] != sa
	h.l.mu.Unlock()
	if gone {
		t.Fatal("the entry of an application with sessions is gone")
	}
	h.l.workers[0].dying = append(h.l.workers[0].dying, sa)
	h.settle()
	eventually(t, h, func() bool { return (*h.l.apps.Load())[sa.index] != sa })
	h.done(ca)
}
