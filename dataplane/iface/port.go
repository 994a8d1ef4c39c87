package iface

import (
	"errors"
	"unsafe"

	"vpphost/dataplane/device"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// queueLen is the length of a port's transmit queue: one burst that the device may
// refuse in whole, and one more of frames whose senders do not ask TxRoom.
const queueLen = 2 * pkt.MaxBurst

// station is one worker's part of the interface layer.
type station struct {
	m        *Manager
	w        *worker.Worker
	ports    []*port // by interface index, nil where there is none
	inputs   map[string]*inputNode
	counters []Counters // by interface index
	burst    []*pkt.Buf // what is being received
	spare    spares     // what queues that copy receive into
	spinners int        // interfaces in polling mode
	idle     worker.IdleMode
	stopped  bool // the worker's thread has ended
}

func newStation(m *Manager, w *worker.Worker) (*station, error) {
	s := &station{m: m, w: w, inputs: map[string]*inputNode{}}
	var err error
	if s.counters, err = mem.Slice[Counters](MaxInterfaces); err != nil {
		return nil, err
	}
	if s.burst, err = mem.Slice[*pkt.Buf](pkt.MaxBurst); err != nil {
		return nil, err
	}
	if s.spare.bufs, err = mem.Slice[*pkt.Buf](pkt.MaxBurst); err != nil {
		return nil, err
	}
	s.spare.gone = pkt.MaxBurst
	s.idle, _ = w.Idle()
	return s, nil
}

func (s *station) port(index uint32) *port {
	if int(index) >= len(s.ports) {
		return nil
	}
	return s.ports[index]
}

// port is one worker's part of one interface.
type port struct {
	s       *station
	i       *Interface
	c       *Counters
	region  *mem.Region // holds q and, on a loopback, spare
	q       []*pkt.Buf  // frames to send, oldest first
	n       int         // how many
	spare   []*pkt.Buf  // loopback: the other half of the double buffer
	out     device.TxQueue
	copies  device.TxCopier // the same, where frames are copied
	shared  bool            // out is a ring to the worker that owns the device's queue
	from    []*worker.Ring  // frames of workers that share our queue
	turn    int             // who sends next: one of from, or ours
	behind  bool            // the device is busy, and it is the turn of others
	up      bool
	blocked bool   // the device has refused what is in q
	tried   uint64 // Step of the last flush
	took    int64  // when the device last took frames, ns
	node    *worker.Added
	fds     []int         // descriptors of the device that wake this worker
	bells   []device.Bell // queues to be armed before it sleeps
	deaf    bool          // counted by Worker.Deaf for want of such
}

// openPorts gives every worker a port for i, down.
func (m *Manager) openPorts(i *Interface) error {
	ports := make([]*port, len(m.stations))
	for k := range m.stations {
		p, err := newPort(i)
		if err != nil {
			for _, p := range ports[:k] {
				p.region.Close()
			}
			return err
		}
		ports[k] = p
	}
	if err := wireTx(i, m.stations, ports, worker.NewRing); err != nil {
		for _, p := range ports {
			p.region.Close()
		}
		return err
	}
	return m.onWorkers(func(s *station) {
		for len(s.ports) <= int(i.Index) {
			s.ports = append(s.ports, nil)
		}
		p := ports[s.w.Index]
		p.s, p.c = s, &s.counters[i.Index]
		*p.c = Counters{}
		s.ports[i.Index] = p
	})
}

func newPort(i *Interface) (*port, error) {
	r, err := mem.Map(2 * queueLen * int(unsafe.Sizeof((*pkt.Buf)(nil))))
	if err != nil {
		return nil, err
	}
	all := unsafe.Slice((**pkt.Buf)(r.Base()), 2*queueLen)
	return &port{i: i, region: r, q: all[:queueLen], spare: all[queueLen:], took: -2 * linkNews}, nil
}

// closePorts takes i away from every worker. Nothing of it is in use afterwards.
func (m *Manager) closePorts(i *Interface) error {
	ports := make([]*port, len(m.stations))
	err := m.onWorkers(func(s *station) {
		if p := s.port(i.Index); p != nil && p.i == i {
			p.discard(dropDeleted)
			s.ports[i.Index] = nil
			ports[s.w.Index] = p
		}
	})
	// Nobody puts anything into the rings any more: empty them, each on its owner.
	err = errors.Join(err, m.onWorkers(func(s *station) {
		if p := ports[s.w.Index]; p != nil {
			p.discardRings(dropDeleted)
		}
	}))
	for _, p := range ports {
		if p == nil {
			continue
		}
		p.region.Close()
		p.closeRings()
	}
	return err
}

// setUp starts or ends polling and sending on this worker.
func (s *station) setUp(i *Interface, up bool) {
	p := s.port(i.Index)
	if p == nil || p.up == up {
		return
	}
	p.up = up
	if !up {
		p.discard(dropDown)
		if p.node != nil {
			s.w.Remove(p.node)
			p.node = nil
		}
		s.stopPolling(p)
		return
	}
	switch {
	case p.shared: // before those who own the queue send, and not counted as sent
		p.node = s.w.Add(worker.Output, i.Name+"-handoff", p)
	case !i.loopback():
		p.node = s.w.Add(worker.Flush, i.Name+"-tx", p)
	}
	s.startPolling(p)
}

// discard drops what waits to be sent.
func (p *port) discard(why int) {
	p.drop(why, p.q[:p.n])
	p.n = 0
	p.setBlocked(false)
}

// drop counts and frees frames that were to be sent.
func (p *port) drop(why int, bufs []*pkt.Buf) {
	if len(bufs) == 0 {
		return
	}
	p.c.TxErrors += uint64(len(bufs))
	p.s.m.drops.Add(p.s.w, why, uint64(len(bufs)))
	p.s.w.Bufs.PutN(bufs)
}
