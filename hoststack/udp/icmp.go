package udp

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

// Error takes an ICMP error about a datagram of ours: RFC 1122 section 4.1.3.3.
func (u *UDP) Error(w *worker.Worker, e *ip.Error) {
	s := u.shards[w.Index]
	s.version(b2i(!e.Local.Is4()))
	if len(e.Quoted) < hdr.UDPLen {
		s.in[inICMPStray]++
		return
	}
	s.error(e)
}

// error takes an error that this worker has got, or another one.
func (s *shard) error(e *ip.Error) {
	t := &s.tuple
	*t = tuple{local: e.Local, remote: e.Remote,
		lport: binary.BigEndian.Uint16(e.Quoted[0:]), rport: binary.BigEndian.Uint16(e.Quoted[2:])}
	s.version(b2i(!t.local.Is4()))
	hash := s.u.hasher.Hash(&t.local, &t.remote, t.lport, t.rport)
	i := s.lookup(hash, t)
	if i == 0 && s.peers != nil && s.errorElsewhere(e, hash) {
		return
	}
	if i == 0 {
		s.strayError(e)
		return
	}
	c := s.conns.At(i)
	c.errsIn++
	switch e.Kind {
	case ip.TooBig:
		s.in[inICMPSoft]++
		if c.has(fNoFrag) || !c.is4() { // else routers make fragments
			c.narrow(e.MTU, c.is4(), s.w.Now())
		}
	case ip.PortUnreachable, ip.ProtoUnreachable:
		s.in[inICMP]++
		s.end(i, c, transport.ErrRefused)
	case ip.Prohibited:
		s.in[inICMP]++
		s.end(i, c, transport.ErrNoRoute)
	default: // soft: it may pass
		s.in[inICMPSoft]++
	}
}

// strayError takes an error about what a connectionless session may have sent.
func (s *shard) strayError(e *ip.Error) {
	n, ok := s.u.listeners.Lookup(&s.tuple.local, s.tuple.lport)
	if !ok || !s.u.slots[n].opts.Connectionless {
		s.in[inICMPStray]++
		return
	}
	s.in[inICMPSoft]++
	if e.Kind == ip.TooBig {
		if a := s.aimOf(&e.Remote); a.remote == e.Remote {
			a.narrow(e.MTU, e.Remote.Is4(), s.w.Now())
		}
	}
}

// narrowed is what ICMP has told of the MTU of a path.
type narrowed struct {
	mtu   uint16 // 0 for nothing
	until int64  // ns
}

const (
	// narrowFor is how long that holds, in ns: RFC 1191 section 6.3, RFC 8201 section 4.
	narrowFor = int64(600e9)
	// leastTold: RFC 5927 section 7.2 says why IPv4's 68 is not believed.
	leastTold = 552
)

// narrow notes an MTU that ICMP tells. It never gets wider (RFC 1191 section 5).
func (n *narrowed) narrow(mtu uint32, v4 bool, now int64) {
	least := uint32(minMTU)
	if v4 {
		least = leastTold
	}
	mtu = min(max(mtu, least), 0xffff)
	if n.mtu == 0 || uint16(mtu) < n.mtu {
		n.mtu, n.until = uint16(mtu), now+narrowFor
	}
}

// limit is the MTU of a path whose first link has mtu.
func (n *narrowed) limit(mtu int, now int64) int {
	if n.mtu == 0 {
		return mtu
	}
	if now >= n.until {
		n.mtu = 0
		return mtu
	}
	return min(mtu, int(n.mtu))
}
