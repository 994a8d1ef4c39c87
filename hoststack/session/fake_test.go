package session

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

// fake is a transport without a network: a connect to a listener of the same
// instance makes a pair of connections on the connecting worker, and Send moves bytes
// from one's transmit FIFO to the other's receive FIFO.
type fake struct {
	up       transport.Upper
	shards   []*fakeShard
	listen   map[netip.AddrPort]uint32
	segment  int  // bytes of a segment
	lateGone bool // Gone after Reset and Close comes in the next Step only
	refuse   error
}

// fakeShard is the connections of one worker.
type fakeShard struct {
	f     *fake
	conns []*fakeConn
	fresh []uint32 // to be opened in the Input phase
	gone  []uint32 // to be told in the Input phase
	// What Send does instead of sending, when it is set.
	send  func(c *fakeConn, budget int) transport.Sent
	sends int
}

type fakeConn struct {
	index    uint32
	gen      uint16
	session  uint32
	peer     uint32
	passive  uint32 // listener
	opaque   uint32
	open     bool
	fin      bool // our side is closed
	finSent  bool
	full     bool // Close, not only HalfClose
	over     bool
	why      error
	rxSpaces int
}

func newFake(up transport.Upper, workers []*worker.Worker) *fake {
	f := &fake{up: up, listen: map[netip.AddrPort]uint32{}, segment: 1000}
	for _, w := range workers {
		s := &fakeShard{f: f, conns: []*fakeConn{nil}}
		f.shards = append(f.shards, s)
		w.Add(worker.Input, "fake", worker.NodeFunc(s.input))
	}
	return f
}

func (f *fake) Proto() transport.Proto     { return transport.TCP }
func (f *fake) Service() transport.Service { return transport.Stream }

func (f *fake) StartListen(ep transport.Endpoint, id uint32) error {
	if _, ok := f.listen[ep.Addr]; ok {
		return transport.ErrInUse
	}
	f.listen[ep.Addr] = id
	return nil
}

func (f *fake) StopListen(ep transport.Endpoint) error {
	if _, ok := f.listen[ep.Addr]; !ok {
		return transport.ErrNoListener
	}
	delete(f.listen, ep.Addr)
	return nil
}

func (s *fakeShard) add() *fakeConn {
	c := &fakeConn{index: uint32(len(s.conns)), gen: 7}
	s.conns = append(s.conns, c)
	return c
}

func (s *fakeShard) name(w *worker.Worker, c *fakeConn) transport.Conn {
	return transport.Conn{Index: c.index, Gen: c.gen, Worker: uint8(w.Index), Proto: transport.TCP}
}

func (f *fake) Connect(w *worker.Worker, ep transport.Endpoint, opaque uint32) (transport.Conn, error) {
	if f.refuse != nil {
		return transport.Conn{}, f.refuse
	}
	s := f.shards[w.Index]
	c := s.add()
	c.opaque = opaque
	if id, ok := f.listen[ep.Addr]; ok {
		p := s.add()
		p.passive, p.peer, c.peer = id, c.index, p.index
	}
	s.fresh = append(s.fresh, c.index)
	return s.name(w, c), nil
}

// input opens what was connected in the last Step, and tells what is over.
func (s *fakeShard) input(w *worker.Worker, _ int64) int {
	n := len(s.fresh) + len(s.gone)
	fresh := s.fresh
	s.fresh = nil
	for _, i := range fresh {
		s.begin(w, s.conns[i])
	}
	gone := s.gone
	s.gone = nil
	for _, i := range gone {
		s.f.up.Gone(w, s.conns[i].session, s.conns[i].why)
	}
	return n
}

func (s *fakeShard) begin(w *worker.Worker, c *fakeConn) {
	up := s.f.up
	if c.over {
		return
	}
	if c.peer == 0 {
		c.over = true
		_, _ = up.Connected(w, s.name(w, c), c.opaque, transport.ErrRefused)
		return
	}
	p := s.conns[c.peer]
	a, err := up.Accepted(w, s.name(w, p), p.passive)
	if err != nil {
		c.over, p.over = true, true
		_, _ = up.Connected(w, s.name(w, c), c.opaque, transport.ErrReset)
		return
	}
	p.session, p.open = a.Session, true
	if a, err = up.Connected(w, s.name(w, c), c.opaque, nil); err != nil {
		c.over = true
		s.end(w, p, transport.ErrReset)
		return
	}
	c.session, c.open = a.Session, true
}

// end tells that c is over.
func (s *fakeShard) end(w *worker.Worker, c *fakeConn, why error) {
	if c.over {
		return
	}
	c.over, c.why = true, why
	switch {
	case !c.open:
		_, _ = s.f.up.Connected(w, s.name(w, c), c.opaque, why)
	case s.f.lateGone:
		s.gone = append(s.gone, c.index)
	default:
		s.f.up.Gone(w, c.session, why)
	}
}

func (f *fake) find(w *worker.Worker, c transport.Conn) (*fakeShard, *fakeConn) {
	s := f.shards[w.Index]
	if int(c.Worker) != w.Index || c.Gen != 7 || c.Index == 0 || s.conns[c.Index].over {
		return s, nil
	}
	return s, s.conns[c.Index]
}

func (f *fake) HalfClose(w *worker.Worker, c transport.Conn) {
	if s, x := f.find(w, c); x != nil {
		x.fin = true
		s.flush(w, x)
	}
}

func (f *fake) Close(w *worker.Worker, c transport.Conn) {
	if s, x := f.find(w, c); x != nil {
		x.fin, x.full = true, true
		s.flush(w, x)
	}
}

func (f *fake) Reset(w *worker.Worker, c transport.Conn) {
	if s, x := f.find(w, c); x != nil {
		s.end(w, x, transport.ErrAborted)
		if x.open {
			s.end(w, s.conns[x.peer], transport.ErrReset)
		}
	}
}

// flush sends our FIN when everything before it is sent, and ends the connection when
// both have.
func (s *fakeShard) flush(w *worker.Worker, c *fakeConn) {
	if !c.fin || c.finSent || s.f.up.TxFIFO(w, c.session).Len() > 0 {
		return
	}
	c.finSent = true
	p := s.conns[c.peer]
	if !p.over {
		s.f.up.PeerClosed(w, p.session)
	}
	if p.finSent {
		s.end(w, c, nil)
		s.end(w, p, nil)
	}
}

func (f *fake) Send(w *worker.Worker, c transport.Conn, budget int) transport.Sent {
	s, x := f.find(w, c)
	if x == nil {
		return transport.Sent{}
	}
	s.sends++
	if s.send != nil {
		return s.send(x, budget)
	}
	return s.move(w, x, budget)
}

// move sends at most budget segments to the peer.
func (s *fakeShard) move(w *worker.Worker, x *fakeConn, budget int) (sent transport.Sent) {
	tx, p := s.f.up.TxFIFO(w, x.session), s.conns[x.peer]
	moved := 0
	for tx.Len() > 0 && sent.Segments < budget && !p.over {
		rx := s.f.up.RxFIFO(w, p.session)
		b := tx.PeekAt(0, min(s.f.segment, rx.Free()))
		if len(b) == 0 {
			break // the window is closed
		}
		n := rx.Write(b)
		tx.Drop(n)
		moved += n
		sent.Segments++
	}
	if moved > 0 {
		s.f.up.Delivered(w, p.session, moved)
		s.f.up.Acked(w, x.session, moved)
	}
	if tx.Len() > 0 && sent.Segments == budget {
		sent.Verdict = transport.Again
	}
	s.flush(w, x)
	return sent
}

func (f *fake) RxSpace(w *worker.Worker, c transport.Conn) {
	s, x := f.find(w, c)
	if x == nil {
		return
	}
	x.rxSpaces++
	if p := s.conns[x.peer]; !p.over && f.up.TxFIFO(w, p.session).Len() > 0 {
		f.up.WantTx(w, p.session)
	}
}

func (f *fake) Info(w *worker.Worker, c transport.Conn, out *transport.Info) bool {
	_, x := f.find(w, c)
	if x == nil {
		return false
	}
	*out = transport.Info{Local: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), uint16(40000+x.index)),
		Remote: netip.MustParseAddrPort("10.0.0.1:80"), State: "ESTABLISHED",
		Text:   []string{fmt.Sprintf(" index: %d", x.index)},
		Fields: map[string]any{"index": x.index}}
	if x.passive != 0 {
		out.Local, out.Remote = out.Remote, netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), uint16(40000+x.peer))
	}
	return true
}

func (f *fake) RTT(*worker.Worker, transport.Conn) int64 { return 1500 }

func (f *fake) Ports(*worker.Worker) transport.PortStats {
	return transport.PortStats{Min: 1024, Max: 65535, InUse: 3, MaxTries: 1}
}

// host is an instance with the fake transport, stepped by hand on virtual time.
type host struct {
	t   *testing.T
	l   *Layer
	f   *fake
	ws  []*worker.Worker
	now int64
}

func newHost(t *testing.T, workers int, cfg Config) *host {
	t.Helper()
	h := &host{t: t, now: 1e9}
	for i := range workers {
		p, err := pkt.NewMapPool("test", 64, pkt.DefaultRoom)
		if err != nil {
			t.Fatal(err)
		}
		w, err := worker.New(worker.Config{Index: i, CPU: -1, Pool: p})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Stop(); p.Close() })
		h.ws = append(h.ws, w)
	}
	cfg.Workers = h.ws
	if cfg.Memory == 0 {
		cfg.Memory = 64 << 20
	}
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.l, h.f = l, newFake(l.Upper(), h.ws)
	l.Register(h.f)
	t.Cleanup(func() {
		for _, w := range h.ws {
			w.Stop()
		}
		l.Close()
	})
	if err := l.Enable(); err != nil {
		t.Fatal(err)
	}
	return h
}

// step makes n Steps of all workers, a microsecond apart.
func (h *host) step(n int) (work int) {
	for range n {
		h.now += 1000
		for _, w := range h.ws {
			work += w.Step(h.now)
		}
	}
	return work
}

// settle steps until nothing happens.
func (h *host) settle() {
	h.t.Helper()
	for range 10000 {
		if h.step(1) == 0 {
			return
		}
	}
	h.t.Fatal("it does not come to rest")
}

// empty fails unless nothing is left of any session.
func (h *host) empty() {
	h.t.Helper()
	h.settle()
	h.now += 30e6
	h.settle()
	h.now += 30e6
	h.settle()
	for i, w := range h.l.workers {
		if w.live != 0 || w.pool.Used() != 0 {
			h.t.Fatalf("worker %d: %d sessions, %d slots are left", i, w.live, w.pool.Used())
		}
		if u := w.fifos.Segment().Usage(); u.Used != 0 || w.fifos.Used() != 0 {
			h.t.Fatalf("worker %d: %d bytes of chunks, %d fifos are left", i, u.Used, w.fifos.Used())
		}
		if w.Wheel.Len() != 0 || w.paced.n != 0 || len(w.others) != 0 {
			h.t.Fatalf("worker %d: timers, paced sessions or causes are left", i)
		}
	}
}

var serverEP = transport.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.1:80")}

// recorder is an App that writes down what it is told and does what the test wants.
type recorder struct {
	name     string
	log      []string
	in       bool
	sessions []Handle
	read     int
	why      error

	onAccept, onReadable, onWritable, onClosed, onGone func(*Worker, *Session)
	onConnected                                        func(*Worker, *Session, uint64, error)
	refuse                                             error
}

func (r *recorder) enter(what string) func() {
	if r.in {
		panic("callbacks nest")
	}
	r.in = true
	r.log = append(r.log, what)
	return func() { r.in = false }
}

func call(f func(*Worker, *Session), w *Worker, s *Session) {
	if f != nil {
		f(w, s)
	}
}

func (r *recorder) Accept(w *Worker, s *Session) error {
	defer r.enter("accept")()
	if r.refuse != nil {
		return r.refuse
	}
	r.sessions = append(r.sessions, w.Handle(s))
	call(r.onAccept, w, s)
	return nil
}

func (r *recorder) Connected(w *Worker, s *Session, opaque uint64, err error) {
	defer r.enter(fmt.Sprintf("connected %d %v", opaque, err))()
	if (s == nil) != (err != nil) {
		panic("session and error")
	}
	if s != nil {
		r.sessions = append(r.sessions, w.Handle(s))
	}
	if r.onConnected != nil {
		r.onConnected(w, s, opaque, err)
	}
}

func (r *recorder) Readable(w *Worker, s *Session) {
	defer r.enter("readable")()
	if r.onReadable != nil {
		r.onReadable(w, s)
		return
	}
	r.drain(w, s)
}

func (r *recorder) drain(w *Worker, s *Session) {
	n := w.Rx(s).Len()
	r.read += n
	w.Rx(s).Drop(n)
	w.Dropped(s)
}

func (r *recorder) Writable(w *Worker, s *Session) {
	defer r.enter("writable")()
	call(r.onWritable, w, s)
}

func (r *recorder) Closed(w *Worker, s *Session) {
	defer r.enter("closed")()
	call(r.onClosed, w, s)
}

func (r *recorder) Gone(w *Worker, s *Session, why error) {
	defer r.enter(fmt.Sprintf("gone %v", why))()
	r.why = why
	call(r.onGone, w, s)
}

// want compares the log.
func (r *recorder) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(r.log, lines) {
		t.Fatalf("%s was told %q, want %q", r.name, r.log, lines)
	}
	r.log = nil
}

// pair attaches a server and a client and opens one session between them.
func (h *host) pair() (srv, cln *recorder, sa, ca *AppHandle) {
	h.t.Helper()
	srv, cln = &recorder{name: "server"}, &recorder{name: "client"}
	var err error
	if sa, err = h.l.Attach("server", srv, Options{Server: true}); err != nil {
		h.t.Fatal(err)
	}
	if ca, err = h.l.Attach("client", cln, Options{}); err != nil {
		h.t.Fatal(err)
	}
	if err = sa.Listen(transport.TCP, serverEP); err != nil {
		h.t.Fatal(err)
	}
	if err = ca.Connect(transport.TCP, serverEP, 42); err != nil {
		h.t.Fatal(err)
	}
	h.settle()
	srv.want(h.t, "accept")
	cln.want(h.t, "connected 42 <nil>")
	return srv, cln, sa, ca
}

// on runs f for the last session of r.
func (h *host) on(r *recorder, f func(w *Worker, s *Session)) {
	h.t.Helper()
	hd := r.sessions[len(r.sessions)-1]
	w := h.l.workers[hd.Worker]
	s := w.Get(hd)
	if s == nil {
		h.t.Fatalf("%s's session is gone", r.name)
	}
	f(w, s)
}

func (h *host) done(a ...*AppHandle) {
	h.t.Helper()
	for _, x := range a {
		if err := x.Detach(); err != nil {
			h.t.Fatal(err)
		}
	}
	h.empty()
}

func write(w *Worker, s *Session, n int) int {
	n = w.Tx(s).Write(make([]byte, n))
	w.Send(s)
	return n
}
