package session

import (
	"math"
	"math/rand/v2"
	"testing"

	"vpphost/hoststack/transport"
)

// many opens n sessions on worker 0 whose Send is the test's.
func many(t *testing.T, n int) (h *host, ca, sa *AppHandle, cln *recorder) {
	h = newHost(t, 1, Config{})
	srv, cln := &recorder{name: "server"}, &recorder{name: "client"}
	srv.onReadable = srv.drain
	sa, _ = h.l.Attach("server", srv, Options{})
	ca, _ = h.l.Attach("client", cln, Options{})
	_ = sa.Listen(transport.TCP, serverEP)
	for i := range n {
		_ = ca.Connect(transport.TCP, serverEP, uint64(i))
	}
	h.settle()
	if len(cln.sessions) != n {
		t.Fatalf("%d of %d are open", len(cln.sessions), n)
	}
	return h, ca, sa, cln
}

func (h *host) sendAll(r *recorder) {
	for _, hd := range r.sessions {
		w := h.l.workers[hd.Worker]
		w.Send(w.Get(hd))
		w.Send(w.Get(hd))
	}
}

func TestRoundRobinAndBudgets(t *testing.T) {
	h, ca, sa, cln := many(t, 10)
	sent := map[uint32]int{}
	step := map[uint32]int{}
	total := 0
	h.f.shards[0].send = func(c *fakeConn, budget int) transport.Sent {
		step[c.index]++
		if step[c.index] > 1 {
			t.Fatal("asked twice in a Step")
		}
		if budget > turnBudget {
			t.Fatalf("budget %d", budget)
		}
		sent[c.index] += budget
		total += budget
		return transport.Sent{Segments: budget, Verdict: transport.Again}
	}
	h.sendAll(cln)
	for i := range 100 {
		clear(step)
		h.step(1)
		if total != stepBudget*(i+1) {
			t.Fatalf("%d segments after %d Steps", total, i+1)
		}
	}
	for c, n := range sent {
		if n < total/10-turnBudget || n > total/10+turnBudget {
			t.Fatalf("connection %d sent %d of %d", c, n, total)
		}
	}
	// Idle ends it.
	calls := 0
	h.f.shards[0].send = func(*fakeConn, int) transport.Sent { calls++; return transport.Sent{} }
	h.step(5)
	if calls != 10 || h.ws[0].Wheel.Len() != 0 {
		t.Fatalf("%d calls after all are idle, %d timers", calls, h.ws[0].Wheel.Len())
	}
	h.f.shards[0].send = nil
	h.done(sa, ca)
}

// TestPacing gives each session times of its own and checks that none is asked before
// its time, none much later, and that the wheel would wake a sleeping worker.
func TestPacing(t *testing.T) {
	h, ca, sa, cln := many(t, 50)
	r := rand.New(rand.NewPCG(1, 1))
	due := map[uint32]int64{}
	asked := 0
	f := h.f.shards[0]
	f.send = func(c *fakeConn, _ int) transport.Sent {
		if h.now < due[c.index] {
			t.Fatalf("connection %d asked %d ns early", c.index, due[c.index]-h.now)
		}
		if d := due[c.index]; d != 0 && h.now > d+1000 {
			t.Fatalf("connection %d asked %d ns late", c.index, h.now-d)
		}
		asked++
		due[c.index] = h.now + 1 + r.Int64N(400000)
		return transport.Sent{Segments: 1, Verdict: transport.Paced, Until: due[c.index]}
	}
	h.sendAll(cln)
	for range 20000 {
		h.step(1)
		next := int64(math.MaxInt64)
		for _, d := range due {
			next = min(next, d)
		}
		// A wheel tick is 65536 ns.
		if wake := h.ws[0].Wheel.Next(); wake > next+2*65536 {
			t.Fatalf("the worker may sleep until %d, %d ns past the next session", wake, wake-next)
		}
	}
	if asked < 20000*1000/400000*50 {
		t.Fatalf("asked %d times only", asked)
	}
	// New data does not override the pace, WantTx does.
	hd := cln.sessions[0]
	w := h.l.workers[0]
	s := w.Get(hd)
	at := s.pace
	w.Send(s)
	if s.pace != at || s.flags&fReady != 0 {
		t.Fatal("Send overrode the pace")
	}
	delete(due, s.conn.Index)
	h.l.Upper().WantTx(h.ws[0], s.index)
	if s.pace != 0 || s.flags&fReady == 0 {
		t.Fatal("WantTx did not override the pace")
	}
	h.step(1)
	// Sessions that end leave the heap.
	if err := ca.Detach(); err != nil {
		t.Fatal(err)
	}
	f.send = nil
	h.done(sa)
}

// TestAlarm: the worker is woken for the first of the paced sessions, whichever was
// paced first, and not for nothing.
func TestAlarm(t *testing.T) {
	h, ca, sa, cln := many(t, 2)
	wait := int64(10e6)
	h.f.shards[0].send = func(*fakeConn, int) transport.Sent {
		return transport.Sent{Verdict: transport.Paced, Until: h.now + wait}
	}
	w := h.l.workers[0]
	for _, hd := range cln.sessions {
		w.Send(w.Get(hd))
		h.step(1)
		if n := h.ws[0].Wheel.Next(); n > h.now+wait+2*65536 || n < h.now {
			t.Fatalf("the worker would sleep %d ns, not %d", n-h.now, wait)
		}
		wait = 1e6
	}
	if err := ca.Detach(); err != nil {
		t.Fatal(err)
	}
	h.step(2)
	if h.ws[0].Wheel.Len() != 0 {
		t.Fatal("a timer is left")
	}
	h.f.shards[0].send = nil
	h.done(sa)
}

// TestPacedHeap checks the heap against the obvious.
func TestPacedHeap(t *testing.T) {
	h := newHost(t, 1, Config{})
	w := h.l.workers[0]
	a, _ := h.l.Attach("a", NopApp{}, Options{})
	r := rand.New(rand.NewPCG(2, 2))
	model := map[*Session]int64{}
	var all []*Session
	for range 200 {
		all = append(all, w.alloc(a, Connecting))
	}
	for range 20000 {
		s := all[r.IntN(len(all))]
		if _, in := model[s]; in {
			w.paced.remove(w, s)
			w.paced.remove(w, s)
			delete(model, s)
		} else {
			model[s] = r.Int64N(100)
			w.paced.add(w, s, model[s])
		}
		least := int64(math.MaxInt64)
		for _, d := range model {
			least = min(least, d)
		}
		if int(w.paced.n) != len(model) || len(model) > 0 && w.paced.heap[0].until != least {
			t.Fatalf("heap of %d begins at %d, want %d, %d", w.paced.n, w.paced.heap[0].until, len(model), least)
		}
		for i := range w.paced.n {
			if s := w.pool.At(w.paced.heap[i].index); s.pace != i+1 {
				t.Fatal("a session does not know its place")
			}
		}
	}
	for _, s := range all {
		w.release(s)
	}
	h.done(a)
}

// TestDevicePushesBack: nobody can send. The scheduler stops early, does not spin, and
// comes back.
func TestDevicePushesBack(t *testing.T) {
	h, ca, sa, cln := many(t, 40)
	f := h.f.shards[0]
	calls := 0
	blocked := true
	seen := map[uint32]bool{}
	f.send = func(c *fakeConn, _ int) transport.Sent {
		calls++
		seen[c.index] = true
		if blocked {
			return transport.Sent{Verdict: transport.Again}
		}
		return transport.Sent{Segments: 1}
	}
	h.sendAll(cln)
	for i := range 5 {
		if work := h.step(1); work != 0 {
			t.Fatalf("work %d while nothing can be sent", work)
		}
		if calls != maxBlocked*(i+1) {
			t.Fatalf("%d calls in %d Steps", calls, i+1)
		}
		if n := h.ws[0].Wheel.Next(); n > h.now+retryBlocked+2*65536 {
			t.Fatal("the worker would sleep")
		}
	}
	if len(seen) != 40 {
		t.Fatalf("only %d of 40 were asked", len(seen))
	}
	blocked = false
	calls = 0
	h.settle()
	if calls != 40 {
		t.Fatalf("%d calls when the way is free", calls)
	}
	f.send = nil
	h.done(sa, ca)
}

// TestGoneInsideSend: the connection ends while it is asked to send.
func TestGoneInsideSend(t *testing.T) {
	h, ca, sa, cln := many(t, 3)
	f := h.f.shards[0]
	f.send = func(c *fakeConn, _ int) transport.Sent {
		f.end(h.ws[0], c, transport.ErrTimeout)
		return transport.Sent{Segments: 1, Verdict: transport.Paced, Until: h.now + 1e9}
	}
	cln.log = nil
	h.sendAll(cln)
	h.settle()
	cln.want(t, "gone "+transport.ErrTimeout.Error(), "gone "+transport.ErrTimeout.Error(), "gone "+transport.ErrTimeout.Error())
	f.send = nil
	h.done(ca, sa)
}

func TestWritable(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, cln, sa, ca := h.pair()
	hold := true
	srv.onReadable = func(w *Worker, s *Session) {
		if !hold {
			srv.drain(w, s)
		}
	}
	wrote := 0
	cln.onWritable = func(w *Worker, s *Session) { wrote += write(w, s, 1<<20) }
	h.on(cln, func(w *Worker, s *Session) {
		w.WantWritable(s, true)
		w.WantWritable(s, true)
	})
	h.settle()
	// One call though nothing was acknowledged, then one for each Step in which bytes
	// were, until both FIFOs are full.
	if wrote != 2*DefaultFIFO {
		t.Fatalf("wrote %d", wrote)
	}
	calls := len(cln.log)
	if h.step(3); len(cln.log) != calls {
		t.Fatal("told without reason")
	}
	hold = false
	h.on(cln, func(w *Worker, s *Session) { w.WantWritable(s, false) })
	h.on(srv, func(w *Worker, s *Session) { srv.drain(w, s) })
	h.settle()
	if len(cln.log) != calls || srv.read != wrote {
		t.Fatalf("told though not wanted; %d of %d read", srv.read, wrote)
	}
	h.done(sa, ca)
}

// TestIdleSessionsHoldNothing looks for FIFOs while a session is busy, and after.
func TestIdleSessionsHoldNothing(t *testing.T) {
	h := newHost(t, 1, Config{})
	_, cln, sa, ca := h.pair()
	w := h.l.workers[0]
	if w.fifos.Used() != 0 {
		t.Fatal("fifos before the first byte")
	}
	made := 0
	for i := range 40000 { // busy for 40 ms: a message each 100 us
		if i%100 == 0 {
			h.on(cln, func(w *Worker, s *Session) {
				if s.tx == 0 {
					made++
				}
				write(w, s, 10)
			})
		}
		h.step(1)
		if w.fifos.Segment().Usage().Used > 2*4096 {
			t.Fatal("chunks are not given back")
		}
	}
	if made != 1 {
		t.Fatalf("a busy session's fifo was made %d times", made)
	}
	for range 25000 {
		h.step(1)
	}
	if w.fifos.Used() != 0 || w.cooling.Len() != 0 {
		t.Fatalf("%d fifos after 25 ms of silence", w.fifos.Used())
	}
	h.on(cln, func(w *Worker, s *Session) {
		write(w, s, 10)
		if _, tail := w.Tx(s).Positions(); tail != 4010 {
			t.Fatalf("the position is %d after a pause", tail)
		}
	})
	h.settle()
	// What nobody reads stays.
	h.on(cln, func(w *Worker, s *Session) { write(w, s, 5) })
	h.done(sa, ca)
}

func TestUnreadBytesStay(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, cln, sa, ca := h.pair()
	srv.onReadable = func(*Worker, *Session) {}
	h.on(cln, func(w *Worker, s *Session) { write(w, s, 50) })
	for range 60000 {
		h.step(1)
	}
	w := h.l.workers[0]
	if w.fifos.Used() != 1 || w.cooling.Len() != 0 {
		t.Fatalf("%d fifos, %d sessions watched", w.fifos.Used(), w.cooling.Len())
	}
	h.on(srv, func(w *Worker, s *Session) { srv.drain(w, s) })
	for range 60000 {
		h.step(1)
	}
	if srv.read != 50 || w.fifos.Used() != 0 {
		t.Fatalf("read %d, %d fifos", srv.read, w.fifos.Used())
	}
	h.done(sa, ca)
}

// TestNoMemory: FIFOs cannot be made, or not filled.
func TestNoMemory(t *testing.T) {
	h := newHost(t, 1, Config{FIFOs: 1})
	_, cln, sa, ca := h.pair()
	h.on(cln, func(w *Worker, s *Session) {
		write(w, s, 50)
		if w.Tx(s).Len() != 50 {
			t.Fatal("not even one fifo")
		}
	})
	h.step(5)
	w := h.l.workers[0]
	if w.errors[errNoFIFO] == 0 {
		t.Fatal("the want of memory was not counted")
	}
	h.done(sa, ca)
}

// TestNoAllocation: neither data nor sessions that come and go put anything on the Go
// heap.
func TestNoAllocation(t *testing.T) {
	h := newHost(t, 1, Config{})
	app := &quiet{}
	a, _ := h.l.Attach("a", app, Options{})
	w, up := h.l.workers[0], h.l.Upper()
	bare := &bareTransport{}
	h.l.transports[transport.TCP] = bare
	id := uint32(1)
	h.l.setListener(id, &listener{id: id, app: a, proto: transport.TCP})
	var sessions [100]uint32
	if n := testing.AllocsPerRun(200, func() {
		for i := range sessions {
			at, err := up.Accepted(w.Worker, transport.Conn{Proto: transport.TCP, Index: uint32(i + 1)}, id)
			if err != nil {
				t.Fatal(err)
			}
			sessions[i] = at.Session
			up.RxFIFO(w.Worker, at.Session).Write(app.buf[:])
			up.Delivered(w.Worker, at.Session, len(app.buf))
		}
		h.step(1)
		for _, s := range sessions {
			f := up.TxFIFO(w.Worker, s)
			f.Drop(f.Len())
			up.Acked(w.Worker, s, len(app.buf))
			up.WantTx(w.Worker, s)
		}
		h.step(1)
		for _, s := range sessions {
			up.PeerClosed(w.Worker, s)
			up.Gone(w.Worker, s, transport.ErrReset)
		}
		h.step(1)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
	if app.gone == 0 || app.read == 0 || bare.sends == 0 {
		t.Fatal("nothing happened")
	}
	h.l.setListener(id, nil)
	h.done(a)
}

// quiet echoes.
type quiet struct {
	NopApp
	buf        [200]byte
	read, gone int
}

func (q *quiet) Readable(w *Worker, s *Session) {
	n := w.Rx(s).Read(q.buf[:])
	q.read += n
	w.Dropped(s)
	w.Tx(s).Write(q.buf[:n])
	w.Send(s)
	w.WantWritable(s, true)
}

func (q *quiet) Gone(*Worker, *Session, error) { q.gone++ }

// bareTransport does nothing.
type bareTransport struct {
	transport.Transport
	sends int
}

// TestWritableWhenMemoryComes: an application that could not write for want of memory is
// called again, not all the time, until it can.
func TestWritableWhenMemoryComes(t *testing.T) {
	h := newHost(t, 1, Config{FIFOs: 2})
	srv, cln, sa, ca := h.pair()
	w := h.l.workers[0]
	one, _ := w.fifos.New(4096)
	two, _ := w.fifos.New(4096)
	srv.onWritable = func(w *Worker, s *Session) {
		if write(w, s, 20) == 0 {
			w.WantWritable(s, true)
		} else {
			w.WantWritable(s, false)
		}
	}
	h.on(srv, func(w *Worker, s *Session) { w.WantWritable(s, true) })
	srv.log = nil
	for range 100000 { // 100 ms
		h.step(1)
	}
	if n := len(srv.log); n < 5 || n > 20 {
		t.Fatalf("called %d times in 100 ms", n)
	}
	w.fifos.Free(one)
	w.fifos.Free(two)
	for range 30000 {
		h.step(1)
	}
	if cln.read != 20 {
		t.Fatalf("%d bytes came when there was memory", cln.read)
	}
	srv.log = nil
	for range 30000 {
		h.step(1)
	}
	srv.want(t)
	h.done(sa, ca)
}

// TestSleepEndsForCooling: a worker that sleeps until something happens wakes up to give
// idle FIFOs back.
func TestSleepEndsForCooling(t *testing.T) {
	h := newHost(t, 1, Config{})
	_, cln, sa, ca := h.pair()
	h.on(cln, func(w *Worker, s *Session) { write(w, s, 50) })
	begin := h.now
	for {
		h.settle()
		next := h.ws[0].Wheel.Next()
		if next == math.MaxInt64 {
			break
		}
		h.now = max(h.now, next)
	}
	if n := h.l.workers[0].fifos.Used(); n != 0 || h.now-begin > 3*sweepEvery {
		t.Fatalf("%d fifos when the worker falls asleep for good, after %d ms", n, (h.now-begin)/1e6)
	}
	h.done(sa, ca)
}
