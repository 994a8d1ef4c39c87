package ct_test

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/ct"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/tcp"
	"vpphost/hoststack/transport"
)

// TestStreams: whatever two ends send, hold back, end and reset, what the one reads is
// what the other wrote; all of it when both end in order.
func TestStreams(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 15
	}
	for round := range rounds {
		r := rand.New(rand.NewPCG(7, uint64(round)))
		l := newLab(t, 1+round%3)
		size := func() uint32 { return uint32(4096 + r.Uint64N(1<<(12+r.Uint64N(9)))) }
		plan := func(salt, peer uint32) simtest.Plan {
			p := simtest.Plan{Salt: salt, PeerSalt: peer, Send: r.Uint64N(1 << r.Uint64N(22)), Hold: r.IntN(4) == 0, Finish: simtest.HalfCloseFirst}
			switch r.IntN(8) {
			case 0:
				p.ResetAt = 1 + r.Uint64N(1<<20)
			case 1:
				p.Finish = simtest.CloseAtOnce
			}
			return p
		}
		srv, cln := &simtest.App{}, &simtest.App{}
		// Salts tell the streams apart: all servers have one, so that it is known to the
		// client that meets it.
		srv.Serve = func() simtest.Plan {
			p := plan(1000, 2000)
			if p.ResetAt > 0 {
				p.ResetAt += p.Send // not in Accept, where it is a refusal
			}
			return p
		}
		sa := l.attach("server", srv, session.Options{Scope: session.LocalScope, RxFIFO: size(), TxFIFO: size()})
		ca := l.attach("client", cln, session.Options{Scope: session.LocalScope, RxFIFO: size(), TxFIFO: size()})
		if err := sa.Listen(transport.TCP, ep(any80)); err != nil {
			t.Fatal(err)
		}
		n := 1 + r.IntN(20)
		for range n {
			if err := cln.Connect(ca, own(80), plan(2000, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		for a, ends := range map[*simtest.App]*[]*simtest.End{srv: &srv.Ends, cln: &cln.Ends} {
			for i := range n { // those that hold begin to read
				l.w.At(l.w.Now()+10*ms+r.Int64N(60*ms), func() {
					if e := (*ends)[i]; e.Hold {
						a.Resume(l.h.Sessions.Workers()[e.Handle.Worker], e)
					}
				})
			}
		}
		done := func() bool { return len(cln.Ends) == n && cln.Live+srv.Live == 0 }
		if !l.w.RunFor(1000*ms, done) {
			for _, e := range append(cln.Ends, srv.Ends...) {
				if !e.Gone {
					t.Logf("%+v", *e)
				}
			}
			t.Fatalf("round %d: %d and %d sessions have no end\n%s", round, cln.Live, srv.Live, l.shell("show session verbose"))
		}
		for _, a := range []*simtest.App{srv, cln} {
			if err := a.Err(); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		// The ends of a pair have come in the same order, worker by worker.
		for _, c := range cln.Ends {
			s := peerOf(c, cln, srv)
			rough := c.Finish == simtest.CloseAtOnce || s.Finish == simtest.CloseAtOnce || c.ResetAt+s.ResetAt > 0
			if c.Received > s.Sent || s.Received > c.Sent {
				t.Fatalf("round %d: more was read than written", round)
			}
			if !rough && (c.Received != s.Sent || s.Received != c.Sent || c.Sent != c.Send || s.Sent != s.Send || c.Why != nil || s.Why != nil) {
				t.Fatalf("round %d: %d of %d bytes, %d of %d, %v, %v", round, c.Received, s.Send, s.Received, c.Send, c.Why, s.Why)
			}
		}
		for _, a := range []*session.AppHandle{ca, sa} {
			if err := a.Detach(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// peerOf is the end at the other side of c.
func peerOf(c *simtest.End, clients, servers *simtest.App) *simtest.End {
	nth := 0
	for _, e := range clients.Ends {
		if e == c {
			break
		}
		if e.Handle.Worker == c.Handle.Worker {
			nth++
		}
	}
	for _, e := range servers.Ends {
		if e.Handle.Worker == c.Handle.Worker {
			if nth == 0 {
				return e
			}
			nth--
		}
	}
	return nil
}

// nobody owns no address.
type nobody struct{}

func (nobody) IsLocal(*worker.Worker, *hdr.Addr) bool { return false }

// bare is an instance without a network.
func bare(t testing.TB, workers int) (*session.Layer, []*worker.Worker) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var ws []*worker.Worker
	for i := range workers {
		p, err := pkt.NewMapPool("test", 64, pkt.DefaultRoom)
		must(err)
		w, err := worker.New(worker.Config{Index: i, CPU: -1, Pool: p})
		must(err)
		ws = append(ws, w)
	}
	l, err := session.New(session.Config{Workers: ws, Memory: 256 << 20})
	must(err)
	cut, err := ct.New(l.Upper(), nobody{}, ws)
	must(err)
	l.Register(&tcp.TCP{}) // must be there; nobody has its scope
	l.Register(cut)
	must(l.Enable())
	t.Cleanup(func() {
		for _, w := range ws {
			w.Stop()
		}
		l.Close()
	})
	return l, ws
}

// bouncer sends back what comes, and begins with some bytes when it is the client.
type bouncer struct {
	session.NopApp
	bytes, open, gone atomic.Int64
}

func (b *bouncer) Accept(*session.Worker, *session.Session) error { b.open.Add(1); return nil }
func (b *bouncer) Connected(w *session.Worker, s *session.Session, _ uint64, err error) {
	if err == nil {
		b.open.Add(1)
		w.Tx(s).Commit(len(w.Tx(s).ReserveAt(0, 4096)))
		w.Send(s)
	}
}
func (b *bouncer) Readable(w *session.Worker, s *session.Session) {
	rx, tx := w.Rx(s), w.Tx(s)
	for {
		p := rx.PeekAt(0, rx.Len())
		q := tx.ReserveAt(0, len(p))
		n := copy(q, p)
		if n == 0 {
			break
		}
		tx.Commit(n)
		rx.Drop(n)
		b.bytes.Add(int64(n))
	}
	w.Dropped(s)
	w.Send(s)
}
func (b *bouncer) Closed(w *session.Worker, s *session.Session)  { w.Close(s) }
func (b *bouncer) Gone(*session.Worker, *session.Session, error) { b.gone.Add(1) }
func (b *bouncer) attach(l *session.Layer) (*session.AppHandle, error) {
	return l.Attach("bouncer", b, session.Options{Scope: session.LocalScope})
}

var local80 = transport.Endpoint{Addr: any80}

// TestRunningWorkers: control goroutines attach, connect, show and detach while two
// workers run. The race detector watches.
func TestRunningWorkers(t *testing.T) {
	l, ws := bare(t, 2)
	srv := &bouncer{}
	sa, err := srv.attach(l)
	if err != nil {
		t.Fatal(err)
	}
	if err := sa.Listen(transport.TCP, local80); err != nil {
		t.Fatal(err)
	}
	for _, w := range ws {
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
	}
	errs := make(chan error, 3)
	for range 3 {
		go func() {
			for range 5 {
				cln := &bouncer{}
				ca, err := cln.attach(l)
				for range 8 {
					if err == nil {
						err = ca.Connect(transport.TCP, local80, 0)
					}
				}
				if err != nil {
					errs <- err
					return
				}
				for cln.open.Load() < 8 || cln.bytes.Load() < 1<<20 {
					time.Sleep(100 * time.Microsecond)
				}
				if err := ca.Detach(); err != nil {
					errs <- err
					return
				}
				if cln.gone.Load() != 8 {
					t.Errorf("%d of 8 sessions were told their end when Detach returned", cln.gone.Load())
				}
			}
			errs <- nil
		}()
	}
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := sa.Detach(); err != nil {
		t.Error(err)
	}
	if srv.open.Load() != 120 || srv.gone.Load() != 120 {
		t.Errorf("%d sessions came, %d went", srv.open.Load(), srv.gone.Load())
	}
}

// bounce has a session between two bouncers on a worker that is stepped by hand.
func bounce(t testing.TB) (step func(), srv *bouncer) {
	l, ws := bare(t, 1)
	srv, cln := &bouncer{}, &bouncer{}
	sa, err := srv.attach(l)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := cln.attach(l)
	if err != nil {
		t.Fatal(err)
	}
	if err := sa.Listen(transport.TCP, local80); err != nil {
		t.Fatal(err)
	}
	if err := ca.Connect(transport.TCP, local80, 0); err != nil {
		t.Fatal(err)
	}
	now := int64(1e9)
	step = func() {
		now += 1000
		ws[0].Step(now)
	}
	for srv.bytes.Load() < 1<<20 {
		step()
	}
	return step, srv
}

// TestNoAllocation: events cost no Go memory.
func TestNoAllocation(t *testing.T) {
	step, srv := bounce(t)
	before := srv.bytes.Load()
	if n := testing.AllocsPerRun(10000, step); n > 0 {
		t.Errorf("%.2f allocations a Step", n)
	}
	if srv.bytes.Load() < before+4096*1000 {
		t.Error("nothing moved")
	}
}

// BenchmarkBounce is 4 KiB that go to and fro: a Step each way.
func BenchmarkBounce(b *testing.B) {
	step, _ := bounce(b)
	b.SetBytes(4096)
	for b.Loop() {
		step()
	}
}
