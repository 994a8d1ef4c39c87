package ip

import (
	"vpphost/dataplane/fib"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/neigh"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// FindPath finds the way to dst, through interface iface unless that is 0. Only on a
// worker.
func (s *Stack) FindPath(w *worker.Worker, dst *hdr.Addr, iface uint32, p *Path) error {
	st := s.states[w.Index]
	st.refresh()
	return st.findPath(dst, iface, p)
}

func (st *state) findPath(dst *hdr.Addr, index uint32, p *Path) error {
	n := st.snap.Resolve(dst, index)
	*p = Path{Iface: n.Iface}
	if index != 0 {
		p.Flags = PathBound
	}
	if n.Kind == fib.Drop {
		p.Iface = index
		return ErrNoRoute
	}
	// A packet is one buffer, with room for the Ethernet header in front.
	mtu := min(st.w.Bufs.Pool().Room()-pkt.Headroom, 0xffff)
	i := st.s.ifs.ByIndex(n.Iface)
	if i != nil {
		mtu = min(mtu, i.IPMTU(!dst.Is4()))
	}
	p.MTU = uint16(mtu)
	switch n.Kind {
	case fib.Receive:
		p.Flags |= PathLocal | PathTxCsum
	case fib.Broadcast:
		p.Adj = st.neigh.GroupAdjacency(n.Iface, dst, hdr.BroadcastMAC)
	case fib.Multicast:
		p.Adj = st.neigh.GroupAdjacency(n.Iface, dst, hdr.GroupMAC(dst))
	default:
		p.Adj = st.neigh.Adjacency(n.Iface, &n.Addr)
	}
	if p.Flags&PathLocal == 0 {
		if p.Adj == 0 {
			return ErrTooMany
		}
		if i != nil {
			info := i.Info()
			if info.TxCsum {
				p.Flags |= PathTxCsum
			}
			if info.TSO {
				p.Flags |= PathTSO
			}
		}
	}
	// Making the adjacency may have freed another one.
	st.refresh()
	p.Epoch = st.epoch
	return nil
}

// Renew finds a path anew when it is out of date, so that its MTU is right.
func (s *Stack) Renew(w *worker.Worker, p *Path, dst *hdr.Addr) error {
	st := s.states[w.Index]
	st.refresh()
	if p.Epoch == st.epoch {
		return nil
	}
	return st.findPath(dst, p.bound(), p)
}

// bound is the interface that the path was asked for through, 0 for any.
func (p *Path) bound() uint32 {
	if p.Flags&PathBound != 0 {
		return p.Iface
	}
	return 0
}

// Source chooses our address for packets to dst along p (RFC 6724 for IPv6).
func (s *Stack) Source(w *worker.Worker, p *Path, dst *hdr.Addr) (hdr.Addr, error) {
	st := s.states[w.Index]
	st.refresh()
	return st.source(p, dst)
}

func (st *state) source(p *Path, dst *hdr.Addr) (hdr.Addr, error) {
	if p.Flags&PathLocal != 0 {
		return *dst, nil
	}
	via := *dst
	if p.Epoch == st.epoch && p.Adj != 0 {
		via = st.neigh.At(p.Adj).Addr
	}
	a := st.snap.Source(p.Iface, &via, dst)
	if a == (hdr.Addr{}) {
		return a, ErrNoSource
	}
	return a, nil
}

// IsLocal tells whether a is an address of one of our interfaces.
func (s *Stack) IsLocal(w *worker.Worker, a *hdr.Addr) bool {
	return s.fib.Load().Owns(a, 0)
}

// Everywhere tells whether every worker receives from an interface; see
// iface.Interface.Everywhere.
func (s *Stack) Everywhere(index uint32) bool {
	i := s.ifs.ByIndex(index)
	return i == nil || i.Everywhere()
}

// Room is how many packets may be sent along p now without being refused: 0 while the
// device pushes back, or while as many as may wait for the neighbour do. Ask before
// building segments.
func (s *Stack) Room(w *worker.Worker, p *Path) int {
	st := s.states[w.Index]
	if p.Flags&PathLocal != 0 {
		return len(st.looped.bufs) - st.looped.n
	}
	room := s.ifs.TxRoom(w, p.Iface)
	if st.refresh(); p.Epoch == st.epoch && !st.neigh.At(p.Adj).Ready() {
		room = min(room, st.neigh.Room(p.Adj))
	}
	return room
}

// DeviceRoom is Room as far as the device is concerned: for those who rather lose packets to
// a neighbour that does not answer than wait for it.
func (s *Stack) DeviceRoom(w *worker.Worker, p *Path) int {
	if p.Flags&PathLocal != 0 {
		return s.Room(w, p)
	}
	return s.ifs.TxRoom(w, p.Iface)
}

// Confirm tells that data sent along p has been acknowledged: the neighbour hears us and
// need not be probed (RFC 4861 section 7.3.1). Once in a while is enough.
func (s *Stack) Confirm(w *worker.Worker, p *Path) {
	st := s.states[w.Index]
	if st.refresh(); p.Epoch == st.epoch && p.Adj != 0 {
		st.neigh.Confirm(p.Adj)
	}
}

var _ neigh.Host = (*state)(nil)
