package echo

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

const serverName = "echo_server"

// Server is the "test echo server" of an instance: at most one runs.
type Server struct {
	layer *session.Layer

	mu      sync.Mutex // guards what follows, control path only
	running *serverRun // nil when none does, or when it was detached
}

// NewServer makes the server, not running.
func NewServer(l *session.Layer) *Server { return &Server{layer: l} }

var (
	errRunning    = errors.New("failed: server already running")
	errNotRunning = errors.New("failed: server not running")
)

// start begins to listen as o says.
func (s *Server) start(o *options) (*serverRun, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil && s.running.app.Attached() {
		return nil, errRunning
	}
	if s.running != nil { // somebody has detached it
		_ = s.running.end(s.layer)
		s.running = nil
	}
	if err := s.layer.Enable(); err != nil {
		return nil, err
	}
	r, err := newServerRun(len(s.layer.Workers()), o)
	if err != nil {
		return nil, err
	}
	app, err := s.layer.Attach(serverName, r, session.Options{
		Scope: o.scope, RxFIFO: uint32(o.fifo), TxFIFO: uint32(o.fifo), Server: true})
	if err != nil {
		return nil, err
	}
	r.app = app
	for i, w := range s.layer.Workers() {
		_ = w.Do(func(w *worker.Worker) {
			sw := &r.workers[i]
			sw.account = [2]*worker.Account{w.Account("echo server", sw.conns.Usage), w.Account("echo server datagrams", sw.flows.Usage)}
		})
	}
	if err := r.listen(); err != nil {
		_ = r.end(s.layer)
		return nil, err
	}
	s.running = r
	return r, nil
}

// stop ends the server and its sessions.
func (s *Server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil || !s.running.app.Attached() {
		return errNotRunning
	}
	err := s.running.end(s.layer)
	s.running = nil
	return err
}

// stopRun is stop for who has started r: it leaves alone what somebody has started since.
func (s *Server) stopRun(r *serverRun) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != r {
		return nil
	}
	s.running = nil
	return r.end(s.layer)
}

// serverRun is one running server: the application that its sessions call.
type serverRun struct {
	session.NopApp
	opts    *options
	app     *session.AppHandle
	ctrl    []uint16 // ports of the control listeners, none in raw mode
	workers []serverWorker

	// What the client asked for. Written by a control session, read by data
	// sessions of every worker as they are accepted.
	mode  atomic.Uint32
	tests atomic.Uint32 // counts them, for sessions of datagrams
	test  testClock
	note  *worker.Notifier // tells the command that a test began or ended
}

// mode bits of a test.
const (
	modeEcho = 1 << iota
	modeCheck
	modeNumbered // datagrams begin with their numbers
	modeStamped  // and go on with when they were sent
)

// serverWorker is a worker's part, touched only there.
type serverWorker struct {
	conns   *mem.Pool[serverConn] // by Session.Opaque
	flows   *mem.Pool[serverFlow] // of datagrams
	account [2]*worker.Account    // of conns and flows
	tally                         // of all sessions so far; other workers read it

	varied, variation uint64 // of the datagrams of this callback, not in the tally yet
	_                 [64]byte
}

// serverConn is a data session, or a control session.
type serverConn struct {
	pos     uint64 // bytes received
	test    int    // number of the test that a control session has begun, 0 for none
	mode    uint32
	ctrl    bool
	closing bool // the peer has sent all; close when everything is echoed
}

// maxServed is how many sessions of one worker a server takes.
const maxServed = 1 << 21

func newServerRun(workers int, o *options) (*serverRun, error) {
	r := &serverRun{opts: o, workers: make([]serverWorker, workers), note: worker.NewNotifier()}
	for i := range r.workers {
		var err error
		if r.workers[i].conns, err = mem.NewPool[serverConn](maxServed); err != nil {
			return nil, err
		}
		if r.workers[i].flows, err = mem.NewPool[serverFlow](datagram.DefaultSessions); err != nil {
			return nil, err
		}
	}
	mode := uint32(0)
	if o.raw {
		if o.echo {
			mode |= modeEcho
		}
		if o.check {
			mode |= modeCheck
		}
	} else {
		for _, p := range o.places() {
			r.ctrl = append(r.ctrl, p.ep.Addr.Port())
		}
	}
	r.mode.Store(mode)
	return r, nil
}

// listen begins to listen in all places. Control sessions are TCP whatever the test is;
// two tests with the same control port share its listener.
func (r *serverRun) listen() error {
	controls := map[netip.AddrPort]bool{}
	for _, p := range r.opts.places() {
		data := p.ep
		if !r.opts.raw {
			data = dataEndpoint(p.ep)
			if !controls[p.ep.Addr] {
				if err := r.app.Listen(transport.TCP, p.ep); err != nil {
					return fmt.Errorf("failed: listen on %v: %w", p.ep.Addr, err)
				}
				controls[p.ep.Addr] = true
			}
		}
		if p.proto == transport.UDP && !r.opts.raw {
			data.Ext = datagram.Options{Idle: flowIdle}
		}
		if err := r.app.Listen(p.proto, data); err != nil {
			return fmt.Errorf("failed: listen on %v: %w", data.Addr, err)
		}
	}
	return nil
}

// end detaches the application, and unmaps what its callbacks use.
func (r *serverRun) end(layer *session.Layer) error {
	if err := r.app.Detach(); err != nil {
		return err
	}
	for i, w := range layer.Workers() {
		// No callback begins any more, and none runs when its worker has been visited.
		if w.Do(func(w *worker.Worker) {
			for _, a := range r.workers[i].account {
				w.CloseAccount(a)
			}
		}) == nil {
			r.workers[i].conns.Close()
			r.workers[i].flows.Close()
		}
	}
	return nil
}

// at is what the server keeps of s.
func (sw *serverWorker) at(s *session.Session) *serverConn { return sw.conns.At(uint32(s.Opaque)) }

func (r *serverRun) Accept(w *session.Worker, s *session.Session) error {
	sw := &r.workers[w.Index]
	if w.Service(s) == transport.Datagram {
		return r.acceptFlow(sw, s)
	}
	i, c := sw.conns.Alloc()
	if c == nil {
		return transport.ErrNoMemory
	}
	c.mode, c.ctrl = r.mode.Load(), slices.Contains(r.ctrl, w.LocalPort(s))
	s.Opaque = uint64(i)
	return nil
}

func (r *serverRun) Readable(w *session.Worker, s *session.Session) {
	sw := &r.workers[w.Index]
	if s.Opaque&flowBit != 0 {
		r.datagrams(w, s, sw)
		return
	}
	c := sw.at(s)
	if c.ctrl {
		r.control(w, s)
		return
	}
	if c.mode == 0 {
		rx := w.Rx(s)
		n := rx.Len()
		rx.Drop(n)
		c.pos += uint64(n)
		sw.rx.Add(uint64(n))
		w.Dropped(s)
		return
	}
	r.serve(w, s, sw, c)
}

// Writable goes on with an echo that stopped at a full transmit FIFO.
func (r *serverRun) Writable(w *session.Worker, s *session.Session) {
	sw := &r.workers[w.Index]
	if s.Opaque&flowBit == 0 {
		r.serve(w, s, sw, sw.at(s))
	}
}

// serve checks what has come in and sends it back, as far as there is room: what
// does not fit stays in the receive FIFO, and Writable comes when there is room.
func (r *serverRun) serve(w *session.Worker, s *session.Session, sw *serverWorker, c *serverConn) {
	rx := w.Rx(s)
	left := rx.Len()
	if left == 0 {
		w.WantWritable(s, false)
		r.finish(w, s, c)
		return
	}
	tx := w.Tx(s)
	done := 0
	for done < left {
		p := rx.PeekAt(done, left-done)
		if c.mode&modeEcho != 0 {
			if tx == nil {
				break
			}
			q := tx.ReserveAt(done, len(p))
			if len(q) == 0 {
				break
			}
			p = p[:copy(q, p)]
		}
		if c.mode&modeCheck != 0 && mismatch(p, c.pos+uint64(done)) >= 0 {
			// The protocol has no other word for it, and the client must not think that
			// all is well.
			sw.bad.Add(1)
			w.Reset(s)
			return
		}
		done += len(p)
	}
	if done > 0 {
		if c.mode&modeEcho != 0 {
			tx.Commit(done)
			sw.tx.Add(uint64(done))
			w.Send(s)
		}
		rx.Drop(done)
		c.pos += uint64(done)
		sw.rx.Add(uint64(done))
		w.Dropped(s)
	}
	w.WantWritable(s, done < left)
	if done == left {
		r.finish(w, s, c)
	}
}

// finish closes our side once the peer has closed and all is sent back.
func (r *serverRun) finish(w *session.Worker, s *session.Session, c *serverConn) {
	if c.closing {
		w.Close(s)
	}
}

func (r *serverRun) Closed(w *session.Worker, s *session.Session) {
	if s.Opaque&flowBit != 0 {
		w.Close(s)
		return
	}
	c := r.workers[w.Index].at(s)
	if !c.ctrl && w.Rx(s).Len() > 0 {
		c.closing = true
		return
	}
	w.Close(s)
}

func (r *serverRun) Gone(w *session.Worker, s *session.Session, why error) {
	sw := &r.workers[w.Index]
	if s.Opaque&flowBit != 0 {
		sw.flows.Free(uint32(s.Opaque))
		return
	}
	c := sw.at(s)
	if c.ctrl && r.test.abandon(c.test, w.Now(), r.totals()) {
		w.Notify(r.note) // the client died before it said STOP
	}
	sw.conns.Free(uint32(s.Opaque))
}

// control answers the messages of a control session.
func (r *serverRun) control(w *session.Worker, s *session.Session) {
	for {
		var b [configSize]byte
		if !readFull(w.Rx(s), b[:]) {
			return
		}
		w.Dropped(s)
		var c Config
		if err := c.unmarshal(b[:]); err != nil {
			w.Reset(s) // not one of ours
			return
		}
		r.command(w, r.workers[w.Index].at(s), &c)
		// The answer is the message itself: VPP's client compares.
		c.marshal(b[:])
		if !writeFull(w.Tx(s), b[:]) {
			w.Reset(s)
			return
		}
		w.Send(s)
	}
}

func (r *serverRun) command(w *session.Worker, from *serverConn, c *Config) {
	if c.Ext != 0 {
		c.Ext |= extKnown
	}
	switch c.Cmd {
	case cmdSync:
		if c.Test == testUni || c.Test == testBi {
			mode := uint32(0)
			if c.Test == testBi {
				mode |= modeEcho
			}
			// Our client asks for numbers; of what comes back it follows them itself. It need
			// not want the bytes compared. VPP's has something else there.
			if c.Ext&extNumbered != 0 && c.Test == testUni {
				mode |= modeNumbered
			}
			if c.Ext&extStamped != 0 && c.Test == testUni {
				mode |= modeStamped
			}
			if c.TestBytes != 0 && c.Ext&extStamped == 0 {
				mode |= modeCheck
			}
			r.mode.Store(mode)
			return
		}
		t := r.test.result()
		c.TotalBytes, c.Writes = t.rx, t.dgramsRx
		if c.Ext&extNumbered != 0 {
			c.RxBuf, c.TxBuf, c.Param = t.outOfOrder, t.duplicates, uint32(t.jitter()*1e6)
		}
	case cmdStart:
		r.tests.Add(1)
		from.test = r.test.begin(w.Now(), r.mode.Load()&modeEcho != 0, r.mode.Load()&modeNumbered != 0, r.totals())
		w.Notify(r.note)
	case cmdStop:
		r.test.end(w.Now(), r.totals())
		w.Notify(r.note)
	}
}

// totals adds up all workers.
func (r *serverRun) totals() (t totals) {
	for i := range r.workers {
		t.add(&r.workers[i].tally)
	}
	return t
}

// dataEndpoint is the port above the control port.
func dataEndpoint(ep transport.Endpoint) transport.Endpoint {
	ep.Addr = addrPort(ep.Addr.Addr(), ep.Addr.Port()+1)
	return ep
}
