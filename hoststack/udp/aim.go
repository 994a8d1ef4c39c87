package udp

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/hoststack/datagram"
)

// aim is where datagrams of connectionless sessions to one remote address leave: a cache of
// the worker's, direct-mapped.
type aim struct {
	remote hdr.Addr
	path   ip.Path
	iface  uint32   // asked for
	epoch  uint32   // of the path when what follows was found
	source hdr.Addr // ours towards it, zero when not known
	local  hdr.Addr // one of ours that was asked for
	narrowed
}

const (
	aimLog  = 10
	maxAims = 1 << aimLog
)

// aimOf is the place of a remote address.
func (s *shard) aimOf(a *hdr.Addr) *aim {
	x := binary.LittleEndian.Uint64(a[:8])*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(a[8:])
	return &s.aims[x*0x9e3779b97f4a7c15>>(64-aimLog)]
}

// aimAt aims the batch at whom the present datagram of r is for. It returns why that cannot
// be, -1 when it can.
func (s *shard) aimAt(c *Conn, r *datagram.Reader) (why int) {
	e := &s.ends
	if !r.Ends(e) || e.Remote.IsZero() || e.RemotePort == 0 || e.Remote.Is4() != c.is4() {
		return outNoRemote
	}
	if s.path != nil && *e == s.to {
		return -1
	}
	s.flush()
	s.path = nil
	iface := uint32(0) // answers go where the route says, not where the question came in
	if e.Remote.IsLinkLocal() || isGroup(&e.Remote) {
		iface = e.Iface
	}
	s.version(b2i(!e.Remote.Is4()))
	a := s.aimOf(&e.Remote)
	if a.remote != e.Remote || a.iface != iface || a.path.Epoch == 0 {
		*a = aim{remote: e.Remote, iface: iface}
		if s.u.net.FindPath(s.w, &a.remote, a.iface, &a.path) != nil {
			*a = aim{}
			return outNoRoute
		}
	} else if s.u.net.Renew(s.w, &a.path, &a.remote) != nil {
		*a = aim{}
		return outNoRoute
	}
	if a.epoch != a.path.Epoch {
		a.epoch, a.source, a.local = a.path.Epoch, hdr.Addr{}, hdr.Addr{}
	}
	t := &s.tuple
	*t = tuple{remote: e.Remote, lport: c.lport, rport: e.RemotePort}
	if why := s.source(c, a, e); why >= 0 {
		return why
	}
	s.to = *e
	s.path, s.dst = &a.path, &a.remote
	// A neighbour that does not answer must not hold up the others.
	s.room = s.u.net.DeviceRoom(s.w, s.path)
	s.mtu = s.limit(&a.narrowed, s.path)
	s.head.build(t, hdr.Pseudo(&t.local, &t.remote, hdr.ProtoUDP), c.tos, c.ttl, c.has(fNoFrag), s.offloads(s.path))
	return -1
}

// source chooses the source of a datagram, in s.tuple: the listener's address, else the one
// that was asked for if it is ours, else the path's.
func (s *shard) source(c *Conn, a *aim, e *datagram.Ends) (why int) {
	t := &s.tuple
	switch {
	case !c.local.IsZero():
		t.local = c.local
	case !e.Local.IsZero() && (a.local == e.Local || s.u.net.IsLocal(s.w, &e.Local) || e.Local.IsLinkLocal()):
		a.local, t.local = e.Local, e.Local
	default:
		if a.source.IsZero() {
			x, err := s.u.net.Source(s.w, &a.path, &a.remote)
			if err != nil {
				return outNoSource
			}
			a.source = x
		}
		t.local = a.source
	}
	if t.local.Is4() != t.remote.Is4() {
		return outNoSource // a local address of the other kind was asked for
	}
	return -1
}
