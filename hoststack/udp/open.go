package udp

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/flow"
	"vpphost/hoststack/transport"
)

// Connect begins and ends an active open: there is nobody to ask.
func (u *UDP) Connect(w *worker.Worker, ep transport.Endpoint, opaque uint32) (transport.Conn, error) {
	o, err := datagram.OptionsOf(ep.Ext)
	if err != nil {
		return transport.Conn{}, err
	}
	s := u.shards[w.Index]
	i, c, err := s.active(&ep)
	if err != nil {
		return transport.Conn{}, err
	}
	c.apply(&o)
	name := s.name(i, c)
	at, err := u.upper.Connected(w, name, opaque, nil)
	if err != nil {
		s.free(i, c)
		return transport.Conn{}, err
	}
	c.session = at.Session
	c.set(fAttached)
	return name, nil
}

// active finds the way and the ends of an active open, and allocates it.
func (s *shard) active(ep *transport.Endpoint) (uint32, *Conn, error) {
	c, t := &s.stray, &s.tuple // what goes to the network layer may not be on the stack
	*t = tuple{remote: hdr.AddrOf(ep.Addr.Addr()), rport: ep.Addr.Port(), iface: ep.Iface}
	if t.remote.IsZero() || t.rport == 0 || isGroup(&t.remote) && !t.remote.IsMulticast() {
		return 0, nil, transport.ErrBadAddress
	}
	c.remote = t.remote
	if s.u.net.FindPath(s.w, &c.remote, ep.Iface, &c.path) != nil {
		return 0, nil, transport.ErrNoRoute
	}
	t.local = hdr.AddrOf(ep.Local.Addr())
	if t.local.IsZero() {
		a, err := s.u.net.Source(s.w, &c.path, &c.remote)
		if err != nil {
			return 0, nil, transport.ErrNoSource
		}
		t.local = a
	}
	if t.local.Is4() != t.remote.Is4() {
		return 0, nil, transport.ErrBadAddress
	}
	hash, err := s.port(t, ep.Local.Port())
	if err != nil {
		return 0, nil, err
	}
	i, n := s.alloc(active, t, hash)
	if n == nil {
		s.ports.Free(s.u.hasher.Hash(&t.local, &t.remote, 0, t.rport), t.lport)
		return 0, nil, transport.ErrNoMemory
	}
	n.path = c.path
	n.set(fPort)
	return i, n, nil
}

// port chooses the local port, unless want says which, such that the flow belongs to this
// worker, and returns the flow's hash.
func (s *shard) port(t *tuple, want uint16) (hash uint32, err error) {
	state := func(p uint16) flow.PortState {
		t.lport = p
		hash = s.u.hasher.Hash(&t.local, &t.remote, p, t.rport)
		switch {
		case flow.Owner(hash, len(s.u.shards)) != s.w.Index:
			return flow.PortForeign
		case s.lookup(hash, t) != 0 || t.local == t.remote && p == t.rport:
			return flow.PortTaken
		}
		return flow.PortFree
	}
	key := s.u.hasher.Hash(&t.local, &t.remote, 0, t.rport)
	if want != 0 {
		if state(want) != flow.PortFree {
			return 0, transport.ErrInUse
		}
		s.ports.Take(key, want)
		return hash, nil
	}
	t.lport, err = s.ports.Alloc(key, state)
	return hash, err
}
