package tcp

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/flow"
	"vpphost/hoststack/transport"
)

// Network is what TCP asks of the network layer; *ip.Stack is one.
type Network interface {
	FindPath(w *worker.Worker, dst *hdr.Addr, iface uint32, p *ip.Path) error
	Source(w *worker.Worker, p *ip.Path, dst *hdr.Addr) (hdr.Addr, error)
	Everywhere(iface uint32) bool
	// AddSpan makes addresses ours, on the link in whose network they are; RemoveSpan
	// undoes it. Control path.
	AddSpan(hdr.Span) error
	RemoveSpan(hdr.Span)
	Room(w *worker.Worker, p *ip.Path) int
	Output(w *worker.Worker, p *ip.Path, dst *hdr.Addr, bufs []*pkt.Buf)
	Confirm(w *worker.Worker, p *ip.Path)
}

// TCP is the transport of an instance.
type TCP struct {
	net    Network
	upper  transport.Upper
	groups groups
	hasher flow.Hasher
	where  *flow.Where // nil when there is one worker
	secret secret
	shards []*shard

	listeners flow.Listeners // to slots
	mu        sync.Mutex     // guards what follows, which control code changes
	slots     [maxListeners]listener
	cfg       Config
	spans     []hdr.Span // of source addresses
}

// maxListeners bounds the listening endpoints.
const maxListeners = 4096

// listener is what a slot says; workers read it after they found the slot.
type listener struct {
	used bool
	id   uint32 // the session layer's
}

var errTooManyListeners = errors.New("too many listeners")

var (
	_ ip.Handler          = (*TCP)(nil)
	_ transport.Transport = (*TCP)(nil)
	_ transport.Addressed = (*TCP)(nil)
	_ transport.PortUser  = (*TCP)(nil)
	_ transport.Timed     = (*TCP)(nil)
)

// New makes the transport for the given workers, which are not running yet. hasher
// is the one that names the worker of a flow. Then: make t the handler of
// hdr.ProtoTCP, and, when the session layer's nodes are in place, call Start.
func New(cfg Config, net Network, upper transport.Upper, hasher flow.Hasher, workers []*worker.Worker, set *stats.Set) (*TCP, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	t := &TCP{net: net, upper: upper, hasher: hasher, cfg: cfg, groups: newGroups(set, len(workers))}
	var key [24]byte
	if cfg.Seed == 0 {
		_, _ = rand.Read(key[:]) // never fails
	} else {
		binary.LittleEndian.PutUint64(key[0:], cfg.Seed)
		binary.LittleEndian.PutUint64(key[16:], cfg.Seed)
	}
	t.secret = secret{binary.LittleEndian.Uint64(key[0:]), binary.LittleEndian.Uint64(key[8:])}
	seed := binary.LittleEndian.Uint64(key[16:])
	for i, w := range workers {
		s, err := newShard(t, w, seed+uint64(i)*0x9e3779b97f4a7c15)
		if err != nil {
			return nil, fmt.Errorf("tcp: worker %d: %w", i, err)
		}
		t.shards = append(t.shards, s)
	}
	if err := t.joinShards(); err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	return t, nil
}

// Start adds the nodes. The one that sends acknowledgments comes after the session
// layer's scheduler, so that data carries the acknowledgment when there is data.
func (t *TCP) Start() {
	for _, s := range t.shards {
		if len(t.shards) > 1 {
			s.w.Add(worker.Handoff, "tcp-handoff", &s.handoff)
		}
		s.w.Add(worker.Output, "tcp-output", worker.NodeFunc(func(_ *worker.Worker, now int64) int { return s.flush(now) }))
	}
}

func (t *TCP) Proto() transport.Proto     { return transport.TCP }
func (t *TCP) Service() transport.Service { return transport.Stream }

// Config is the present configuration.
func (t *TCP) Config() Config {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cfg
}

// SetConfig changes the configuration, for new connections mostly. Sizes of pools
// stay as they are. Control path.
func (t *TCP) SetConfig(cfg Config) error {
	if err := cfg.Check(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	cfg.MaxConns = t.cfg.MaxConns
	for _, s := range t.shards {
		if err := s.w.Do(func(*worker.Worker) { s.cfg = cfg }); err != nil {
			return err
		}
	}
	t.cfg = cfg
	return nil
}

// StartListen begins to accept connections. The endpoint's interface is not looked
// at: binding to one is a matter of its addresses.
func (t *TCP) StartListen(ep transport.Endpoint, id uint32) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot := -1
	for i := range t.slots {
		if !t.slots[i].used {
			slot = i
			break
		}
	}
	if slot < 0 {
		return errTooManyListeners
	}
	a := hdr.AddrOf(ep.Addr.Addr())
	if ep.Addr.Port() == 0 {
		return fmt.Errorf("port 0: %w", transport.ErrBadAddress)
	}
	t.slots[slot].id = id
	if err := t.listeners.Add(&a, ep.Addr.Port(), uint32(slot)); err != nil {
		return err
	}
	t.slots[slot].used = true
	return nil
}

// StopListen ends that. Connections that were accepted live on.
func (t *TCP) StopListen(ep transport.Endpoint) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := hdr.AddrOf(ep.Addr.Addr())
	slot, err := t.listeners.Remove(&a, ep.Addr.Port())
	if err != nil {
		return err
	}
	// A worker may have found the slot before it was removed. The next listener gets it
	// when every worker has ended that Step.
	for _, s := range t.shards {
		err := s.w.Do(func(*worker.Worker) { s.window[slot] = 0 })
		if err != nil && !errors.Is(err, worker.ErrStopped) {
			return err
		}
	}
	t.slots[slot].used = false
	return nil
}

// Input takes packets from the network layer.
func (t *TCP) Input(w *worker.Worker, bufs []*pkt.Buf) { t.shards[w.Index].input(bufs) }

// find is c's connection on its worker, nil when there is none any more.
func (t *TCP) find(w *worker.Worker, c transport.Conn) (*shard, *Conn) {
	if c.Proto != transport.TCP || int(c.Worker) != w.Index {
		return nil, nil
	}
	s := t.shards[w.Index]
	x := s.at(c.Index)
	if x == nil || x.gen != c.Gen || x.state == Closed {
		return nil, nil
	}
	return s, x
}

// HalfClose ends our direction; see transport.Transport, as for what follows.
func (t *TCP) HalfClose(w *worker.Worker, c transport.Conn) {
	if s, x := t.find(w, c); x != nil {
		s.begin(x)
		s.halfClose(x, w.Now())
		s.endCall(c.Index, x)
	}
}

// Close ends both directions. What the application has left unread turns it into a
// reset.
func (t *TCP) Close(w *worker.Worker, c transport.Conn) {
	if s, x := t.find(w, c); x != nil {
		s.begin(x)
		unread := x.has(fRxUsed) && t.upper.RxFIFO(w, x.session).Len() > 0
		s.closeBoth(x, unread, w.Now())
		s.endCall(c.Index, x)
	}
}

// Reset aborts.
func (t *TCP) Reset(w *worker.Worker, c transport.Conn) {
	if s, x := t.find(w, c); x != nil {
		s.begin(x)
		s.abort(x, causeAborted)
		s.endCall(c.Index, x)
	}
}

// Send sends what c may send now.
func (t *TCP) Send(w *worker.Worker, c transport.Conn, budget int) transport.Sent {
	s, x := t.find(w, c)
	if x == nil || !x.has(fAttached) {
		return transport.Sent{}
	}
	return s.transmit(c.Index, x, budget)
}

// RxSpace looks whether the peer should be told that the window has opened.
func (t *TCP) RxSpace(w *worker.Worker, c transport.Conn) {
	s, x := t.find(w, c)
	// While the peer may still send half of what we can take, data that it sends
	// brings the next acknowledgment, which tells it.
	if x == nil || !x.has(fAttached) || !x.state.in(receiving) || x.rcvWnd() >= int(x.rxSize/2) {
		return
	}
	x.rcvEdge = x.rcvEdge.Max(x.rcvNxt.Add(t.upper.RxFIFO(w, x.session).Free()))
	mss := int(x.mss)
	least := min(max(2*mss, int(x.rxSize/8)), 128<<10)
	if x.rcvWnd() < mss {
		least = int(s.cfg.MinUpdate) * mss
	}
	if x.rcvEdge.Sub(x.rcvAdv) >= max(min(least, int(x.rxSize/2)), 1) {
		x.set(fAckNow)
		s.queue(c.Index, x)
	}
}
