package udp

import (
	"crypto/rand"
	"encoding/binary"
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

// Network is what UDP asks of the network layer; *ip.Stack is one.
type Network interface {
	FindPath(w *worker.Worker, dst *hdr.Addr, iface uint32, p *ip.Path) error
	Renew(w *worker.Worker, p *ip.Path, dst *hdr.Addr) error
	Source(w *worker.Worker, p *ip.Path, dst *hdr.Addr) (hdr.Addr, error)
	IsLocal(w *worker.Worker, a *hdr.Addr) bool
	Everywhere(iface uint32) bool
	Room(w *worker.Worker, p *ip.Path) int
	DeviceRoom(w *worker.Worker, p *ip.Path) int
	Output(w *worker.Worker, p *ip.Path, dst *hdr.Addr, bufs []*pkt.Buf)
	PortUnreachable(w *worker.Worker, b *pkt.Buf)
}

// UDP is the transport of an instance.
type UDP struct {
	net    Network
	upper  transport.Upper
	groups groups
	hasher flow.Hasher
	shards []*shard

	listeners flow.Listeners // to slots
	mu        sync.Mutex     // guards what follows, which control code changes
	slots     [maxListeners]listener
	cfg       Config
}

var (
	_ ip.ChainHandler     = (*UDP)(nil)
	_ transport.Transport = (*UDP)(nil)
	_ transport.Addressed = (*UDP)(nil)
	_ transport.PortUser  = (*UDP)(nil)
	_ transport.Sized     = (*UDP)(nil)
)

// New makes the transport for the given workers, which are not running yet. hasher is the
// one that names the worker of a flow. Then: make u the handler of hdr.ProtoUDP, and call
// Start.
func New(cfg Config, net Network, upper transport.Upper, hasher flow.Hasher, workers []*worker.Worker, set *stats.Set) (*UDP, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	u := &UDP{net: net, upper: upper, hasher: hasher, cfg: cfg, groups: newGroups(set, len(workers))}
	seed := cfg.Seed
	if seed == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		seed = binary.NativeEndian.Uint64(b[:])
	}
	var tables []*flow.Table
	for i, w := range workers {
		s, err := newShard(u, w, seed+uint64(i)*0x9e3779b97f4a7c15)
		if err != nil {
			return nil, fmt.Errorf("udp: worker %d: %w", i, err)
		}
		u.shards = append(u.shards, s)
		tables = append(tables, s.flows)
	}
	peers, err := flow.NewExchanges(workers, tables)
	if err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	for i, x := range peers {
		u.shards[i].peers = x
	}
	return u, nil
}

// Start adds the nodes.
func (u *UDP) Start() {
	for _, s := range u.shards {
		if s.peers != nil {
			s.w.Add(worker.Handoff, "udp-handoff", worker.NodeFunc(s.stepHandoff))
		}
	}
}

func (u *UDP) Proto() transport.Proto     { return transport.UDP }
func (u *UDP) Service() transport.Service { return transport.Datagram }

// TakesChains: datagrams may be as large as IP allows.
func (u *UDP) TakesChains() {}

// Input takes packets from the network layer.
func (u *UDP) Input(w *worker.Worker, bufs []*pkt.Buf) { u.shards[w.Index].input(bufs) }

// Config is the present configuration.
func (u *UDP) Config() Config {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.cfg
}

// SetConfig changes the configuration. Sizes of pools and source ports stay as they are.
// Control path.
func (u *UDP) SetConfig(cfg Config) error {
	if err := cfg.Check(); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	cfg.MaxConns, cfg.MinPort, cfg.MaxPort = u.cfg.MaxConns, u.cfg.MinPort, u.cfg.MaxPort
	for _, s := range u.shards {
		if err := s.w.Do(func(*worker.Worker) { s.cfg = cfg }); err != nil {
			return err
		}
	}
	u.cfg = cfg
	return nil
}

// HalfClose has no meaning here: nobody would know.
func (u *UDP) HalfClose(w *worker.Worker, c transport.Conn) {}

// RxSpace neither: there is no window.
func (u *UDP) RxSpace(w *worker.Worker, c transport.Conn) {}

// closePatience is how long a connection that is closed waits for room to send what is left,
// in ns.
const closePatience = int64(10e9)

// Close ends c when everything that its FIFO holds has been sent.
func (u *UDP) Close(w *worker.Worker, c transport.Conn) {
	s, x := u.find(w, c)
	if x == nil {
		return
	}
	if u.upper.TxFIFO(w, x.session).Len() == 0 {
		s.end(c.Index, x, nil)
		return
	}
	x.set(fClosing)
	s.w.Wheel.Arm(&x.timer, w.Now()+closePatience, s.timers.User(uint64(c.Index)))
	u.upper.WantTx(w, x.session)
}

// Reset ends c at once.
func (u *UDP) Reset(w *worker.Worker, c transport.Conn) {
	if s, x := u.find(w, c); x != nil {
		s.end(c.Index, x, transport.ErrAborted)
	}
}

// Send sends what c's FIFO holds, at most about budget packets.
func (u *UDP) Send(w *worker.Worker, c transport.Conn, budget int) transport.Sent {
	s, x := u.find(w, c)
	if x == nil || !x.has(fAttached) {
		return transport.Sent{}
	}
	return s.send(c.Index, x, budget)
}
