package ct

import (
	"fmt"
	"net/netip"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/flow"
	"vpphost/hoststack/transport"
)

// Addresses knows which addresses are this instance's: ip.Stack.
type Addresses interface {
	IsLocal(w *worker.Worker, a *hdr.Addr) bool
}

// CT is the cut-through transport of an instance.
type CT struct {
	up        transport.Upper
	own       Addresses
	listeners [transport.NumProtos]flow.Listeners
	shards    []*shard
}

var (
	_ transport.Transport = (*CT)(nil)
	_ transport.Paired    = (*CT)(nil)
	_ transport.Addressed = (*CT)(nil)

	_ transport.Substitute = (*CT)(nil)
)

// shard is the pairs of one worker, which alone touches it.
type shard struct {
	pool *mem.Pool[pair]
	gens []uint16 // generation of each slot
}

// maxPairs is the most pairs of a worker: the session layer has no more sessions.
const maxPairs = 1 << 19

// Sides of a pair.
const (
	client = iota
	server
)

// pair is two ends.
type pair struct {
	end   [2]end
	addr  hdr.Addr // that of the server; the client has none of its own
	step  uint64   // of the worker, when the client connected
	port  uint16
	proto transport.Proto // that the applications think they use
	open  bool            // the client has been told
}

// end is one end of a pair. Positions are those of the FIFO that it writes.
type end struct {
	session uint32
	told    uint32 // the other end knows of bytes before
	acked   uint32 // this end knows that bytes before were read
	fin     bool   // it writes no more
	finTold bool   // the other end knows
	bytes   uint64 // written
}

// New makes the transport. No worker runs yet.
func New(up transport.Upper, own Addresses, workers []*worker.Worker) (*CT, error) {
	t := &CT{up: up, own: own}
	for range workers {
		p, err := mem.NewPool[pair](maxPairs)
		if err != nil {
			return nil, fmt.Errorf("ct: pool: %w", err)
		}
		gens, err := mem.Slice[uint16](maxPairs + 1)
		if err != nil {
			return nil, fmt.Errorf("ct: pool: %w", err)
		}
		t.shards = append(t.shards, &shard{pool: p, gens: gens})
	}
	return t, nil
}

func (t *CT) Proto() transport.Proto     { return transport.CT }
func (t *CT) Service() transport.Service { return transport.Stream }

// stands is the protocol that ep stands for.
func stands(ep *transport.Endpoint) (transport.Proto, error) {
	if p, ok := ep.Ext.(transport.Proto); ok && p < transport.NumProtos {
		return p, nil
	}
	return 0, fmt.Errorf("ct: %w: no protocol", transport.ErrBadAddress)
}

// StartListen: ep.Ext is the protocol that is listened for.
func (t *CT) StartListen(ep transport.Endpoint, listener uint32) error {
	p, err := stands(&ep)
	if err != nil {
		return err
	}
	a := hdr.AddrOf(ep.Addr.Addr())
	return t.listeners[p].Add(&a, ep.Addr.Port(), listener)
}

func (t *CT) StopListen(ep transport.Endpoint) error {
	p, err := stands(&ep)
	if err != nil {
		return err
	}
	a := hdr.AddrOf(ep.Addr.Addr())
	_, err = t.listeners[p].Remove(&a, ep.Addr.Port())
	return err
}

// lookup is the listener that somebody here means by addr:port. Wildcards stand for this
// instance's addresses, not for those of others.
func (t *CT) lookup(w *worker.Worker, p transport.Proto, addr *hdr.Addr, port uint16) (uint32, bool) {
	if addr.IsLoopback() || t.own.IsLocal(w, addr) {
		return t.listeners[p].Lookup(addr, port)
	}
	return t.listeners[p].Exact(addr, port)
}

// Connect makes a pair with a listener for ep.Ext's protocol. The error is
// transport.ErrNoListener when there is none.
func (t *CT) Connect(w *worker.Worker, ep transport.Endpoint, opaque uint32) (transport.Conn, error) {
	proto, err := stands(&ep)
	if err != nil {
		return transport.Conn{}, err
	}
	addr, port := hdr.AddrOf(ep.Addr.Addr()), ep.Addr.Port()
	listener, ok := t.lookup(w, proto, &addr, port)
	if !ok {
		return transport.Conn{}, transport.ErrNoListener
	}
	s := t.shards[w.Index]
	i, p := s.pool.Alloc()
	if p == nil {
		return transport.Conn{}, transport.ErrNoMemory
	}
	p.addr, p.port, p.proto, p.step = addr, port, proto, w.Steps()
	at, err := t.up.Accepted(w, s.name(w, i, server), listener)
	if err != nil {
		s.pool.Free(i)
		return transport.Conn{}, err
	}
	p.end[client].session, p.end[server].session = opaque, at.Session
	t.up.WantTx(w, at.Session) // Send opens the pair
	return s.name(w, i, client), nil
}

// name is the Conn of one end of pair i.
func (s *shard) name(w *worker.Worker, i uint32, side int) transport.Conn {
	return transport.Conn{Index: i<<1 | uint32(side), Gen: s.gens[i], Worker: uint8(w.Index), Proto: transport.CT}
}

// find is the pair of c and the side that c is; nil when it is over.
func (t *CT) find(w *worker.Worker, c transport.Conn) (p *pair, side int) {
	s, i := t.shards[w.Index], c.Index>>1
	if c.Proto != transport.CT || int(c.Worker) != w.Index || !s.pool.Valid(i) || s.gens[i] != c.Gen {
		return nil, 0
	}
	return s.pool.At(i), int(c.Index & 1)
}

// Peer is the session at the other end.
func (t *CT) Peer(w *worker.Worker, c transport.Conn) (session uint32, ok bool) {
	p, side := t.find(w, c)
	if p == nil {
		return 0, false
	}
	return p.end[1-side].session, true
}

// For is the protocol that c's ends think they use.
func (t *CT) For(w *worker.Worker, c transport.Conn) transport.Proto {
	if p, _ := t.find(w, c); p != nil {
		return p.proto
	}
	return transport.CT
}

// Addrs: the client has no port, as nobody needs to tell it from others.
func (t *CT) Addrs(w *worker.Worker, c transport.Conn) (local, remote netip.AddrPort) {
	p, side := t.find(w, c)
	if p == nil {
		return
	}
	a := p.addr.Netip()
	local, remote = netip.AddrPortFrom(a, 0), netip.AddrPortFrom(a, p.port)
	if side == server {
		local, remote = remote, local
	}
	return local, remote
}

// Info describes one end.
func (t *CT) Info(w *worker.Worker, c transport.Conn, out *transport.Info) bool {
	p, side := t.find(w, c)
	if p == nil {
		return false
	}
	me, other := &p.end[side], &p.end[1-side]
	out.Local, out.Remote = t.Addrs(w, c)
	out.State = p.state()
	out.Letter = transport.CT.Letter() + ":" + p.proto.Letter()
	out.Text = []string{
		fmt.Sprintf(" index: %d peer session: %d thread %d", c.Index, other.session-1, w.Index),
		fmt.Sprintf(" stats: in bytes %d out bytes %d", other.bytes, me.bytes),
	}
	out.Fields = map[string]any{"index": c.Index, "peerSession": other.session - 1,
		"bytesIn": other.bytes, "bytesOut": me.bytes}
	return true
}

// state is VPP's word for a pair, and two more where VPP has one only.
func (p *pair) state() string {
	switch {
	case !p.open:
		return "CONNECTING"
	case p.end[client].fin || p.end[server].fin:
		return "HALF-CLOSED"
	}
	return "ESTABLISHED"
}
