package udp

import (
	"vpphost/dataplane/ip"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/flow"
	"vpphost/hoststack/transport"
)

// shard is one worker's part of the transport. Nobody else touches it.
type shard struct {
	u     *UDP
	w     *worker.Worker
	cfg   Config
	conns *mem.Pool[Conn]
	flows *flow.Table
	ports *flow.Ports
	peers *flow.Exchange // nil when there is one worker
	slots []slot         // by listener
	aims  []aim          // where connectionless sessions have sent to

	timers worker.TimerOwner
	gave   bool   // packets of the present burst are others', their entries nil
	id     uint32 // identification of the next packet

	rows    [2][2][]uint64 // counters: IP version, input and output
	in, out []uint64       // of the IP version in hand
	stats   WorkerStats

	batch
	// Scratch memory: a local variable would go to the heap, as the network layer is behind
	// an interface.
	tuple     tuple
	stray     Conn
	ends      datagram.Ends
	icmp      ip.Error
	errorBeen uint64     // whom the ICMP error in hand has been to
	one       []*pkt.Buf // a burst of one
}

// slot is what a worker knows of a listener.
type slot struct {
	conn     uint32 // the connectionless session, 0 for none
	accepted uint32 // sessions
	gen      uint16 // counts the listeners that had this slot
}

func newShard(u *UDP, w *worker.Worker, seed uint64) (s *shard, err error) {
	s = &shard{u: u, w: w, cfg: u.cfg, id: uint32(seed >> 16)}
	if s.conns, err = mem.NewPool[Conn](u.cfg.MaxConns); err != nil {
		return nil, err
	}
	if s.flows, err = flow.NewTable(); err != nil {
		return nil, err
	}
	if s.ports, err = flow.NewPorts(u.cfg.MinPort, u.cfg.MaxPort, seed, u.cfg.MaxConns+1); err != nil {
		return nil, err
	}
	if s.slots, err = mem.Slice[slot](maxListeners); err != nil {
		return nil, err
	}
	if s.aims, err = mem.Slice[aim](maxAims); err != nil {
		return nil, err
	}
	if s.bufs, err = mem.Slice[*pkt.Buf](pkt.MaxBurst); err != nil {
		return nil, err
	}
	if s.one, err = mem.Slice[*pkt.Buf](1); err != nil {
		return nil, err
	}
	for v := range s.rows {
		s.rows[v] = [2][]uint64{u.groups.in[v].Row(w.Index), u.groups.out[v].Row(w.Index)}
	}
	s.version(0)
	s.timers = w.OnTimer(func(i uint64) { s.fired(uint32(i)) })
	w.Account("udp connections", s.conns.Usage)
	w.Account("udp flow table", s.flows.Usage)
	w.Account("udp source ports", s.ports.Usage)
	return s, nil
}

// version selects the counters of an IP version: 0 for IPv4, 1 for IPv6.
func (s *shard) version(v int) { s.in, s.out = s.rows[v][0], s.rows[v][1] }

// drop counts n datagrams that are not delivered.
func (s *shard) drop(reason, n int) {
	s.in[reason] += uint64(n)
	s.stats.InErrors += uint64(n)
}

// fired is the wheel's call: c has been idle for long, or is closing for long.
func (s *shard) fired(i uint32) {
	c := s.conns.At(i)
	c.timer = 0
	if c.kind == free {
		return
	}
	s.version(b2i(!c.is4()))
	now := s.w.Now()
	switch {
	case c.has(fClosing):
		s.out[outAbandoned]++
		s.end(i, c, transport.ErrTimeout)
	case now-c.last >= c.idle:
		s.in[inIdle]++
		s.end(i, c, transport.ErrTimeout)
	default:
		s.watch(i, c, c.last+c.idle)
	}
}

// watch has the wheel fire for c at a time.
func (s *shard) watch(i uint32, c *Conn, at int64) {
	if c.idle > 0 {
		s.w.Wheel.Arm(&c.timer, at, s.timers.User(uint64(i)))
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
