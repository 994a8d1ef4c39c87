package udp

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

// kind of a connection.
type kind uint8

const (
	free kind = iota
	active
	accepted
	connectionless
)

// flags of a connection.
type flags uint8

const (
	fAttached flags = 1 << iota // it has a session
	fPort                       // its port is from the allocator
	fClosing                    // it ends when its transmit FIFO is empty
	fNoFrag                     // datagram.Options.DontFragment
)

// Conn is a connection, off the Go heap and without pointers.
type Conn struct {
	local, remote hdr.Addr
	lport, rport  uint16
	gen           uint16
	kind          kind
	flags         flags

	session uint32
	pseudo  uint32 // sum of the pseudo-header without the length
	path    ip.Path
	last    int64 // when something came or went, ns

	dgramsIn, bytesIn, errsIn    uint64
	dgramsOut, bytesOut, errsOut uint64

	opened  int64        // ns
	idle    int64        // ends it after so long, ns; 0 for never
	timer   worker.Timer // idle, closing
	slot    uint16       // of the listener
	slotGen uint16
	tos     uint8
	ttl     uint8 // 0: the default
	narrowed
}

func (c *Conn) has(f flags) bool { return c.flags&f != 0 }
func (c *Conn) set(f flags)      { c.flags |= f }

// is4 tells the IP version of the connection.
func (c *Conn) is4() bool { return c.local.Is4() }

// tuple is the ends of a flow.
type tuple struct {
	local, remote hdr.Addr
	lport, rport  uint16
	// iface is the interface that answers must leave by, 0 for any: that of arrival when
	// the remote address means something on one link only (RFC 4007).
	iface uint32
}

// is tells whether c is the connection between these ends.
func (c *Conn) is(t *tuple) bool {
	return c.rport == t.rport && c.lport == t.lport && c.remote == t.remote && c.local == t.local
}

// hash of c's flow.
func (s *shard) hash(c *Conn) uint32 {
	return s.u.hasher.Hash(&c.local, &c.remote, c.lport, c.rport)
}

// at is the connection in slot i, nil when there cannot be one.
func (s *shard) at(i uint32) *Conn {
	if !s.conns.Valid(i) {
		return nil
	}
	return s.conns.At(i)
}

// name is the Conn by which the session layer knows slot i.
func (s *shard) name(i uint32, c *Conn) transport.Conn {
	return transport.Conn{Index: i, Gen: c.gen, Worker: uint8(s.w.Index), Proto: transport.UDP}
}

// find is c's connection on its worker, nil when there is none any more.
func (u *UDP) find(w *worker.Worker, c transport.Conn) (*shard, *Conn) {
	if c.Proto != transport.UDP || int(c.Worker) != w.Index {
		return nil, nil
	}
	s := u.shards[w.Index]
	x := s.at(c.Index)
	if x == nil || x.gen != c.Gen || x.kind == free {
		return nil, nil
	}
	return s, x
}

// alloc makes a connection between t's ends; nil when there is no memory. One that has a
// remote is entered into the flow table.
func (s *shard) alloc(k kind, t *tuple, hash uint32) (uint32, *Conn) {
	i, c := s.conns.Alloc()
	if c == nil {
		return 0, nil
	}
	c.local, c.remote, c.lport, c.rport = t.local, t.remote, t.lport, t.rport
	c.gen, c.kind = s.conns.Gen(i), k
	c.opened = s.w.Now()
	c.last = c.opened
	if k != connectionless {
		c.pseudo = uint32(hdr.Pseudo(&c.local, &c.remote, hdr.ProtoUDP))
		if s.flows.Insert(hash, i) != nil {
			c.kind = free
			s.conns.Free(i)
			return 0, nil
		}
	}
	return i, c
}

// lookup is the index of the connection between t's ends, 0 when there is none.
func (s *shard) lookup(hash uint32, t *tuple) uint32 {
	for cur := s.flows.Find(hash); ; {
		i := cur.Next()
		if i == 0 || s.conns.At(i).is(t) {
			return i
		}
	}
}

// end tells the session layer that c is over, for why, and frees it.
func (s *shard) end(i uint32, c *Conn, why error) {
	session, attached := c.session, c.has(fAttached)
	s.free(i, c)
	if attached {
		s.u.upper.Gone(s.w, session, why)
	}
}

// free takes c out of everything that names it. Conns that do are stale from now on.
func (s *shard) free(i uint32, c *Conn) {
	switch c.kind {
	case connectionless:
		if s.slots[c.slot].gen == c.slotGen && s.slots[c.slot].conn == i {
			s.slots[c.slot].conn = 0
		}
	case accepted:
		if s.slots[c.slot].gen == c.slotGen {
			s.slots[c.slot].accepted--
		}
		s.flows.Delete(s.hash(c), i)
	case active:
		s.flows.Delete(s.hash(c), i)
		if c.has(fPort) {
			s.ports.Free(s.u.hasher.Hash(&c.local, &c.remote, 0, c.rport), c.lport)
		}
	}
	s.w.Wheel.Disarm(&c.timer)
	c.kind, c.flags = free, 0
	s.conns.Free(i)
}
