package tcp

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/worker"
)

// Error takes an ICMP error about a segment of ours: RFC 9293 section 3.9.2.2, RFC
// 5927. One that quotes no sequence number in flight is ignored: whoever sent it
// cannot have seen the segment.
func (t *TCP) Error(w *worker.Worker, e *ip.Error) {
	s := t.shards[w.Index]
	s.version(b2i(!e.Local.Is4()))
	if len(e.Quoted) < 8 {
		return
	}
	x := tuple{local: e.Local, remote: e.Remote,
		lport: binary.BigEndian.Uint16(e.Quoted[0:]), rport: binary.BigEndian.Uint16(e.Quoted[2:])}
	hash := t.hasher.Hash(&x.local, &x.remote, x.lport, x.rport)
	i := s.lookup(hash, &x)
	if i == 0 && t.where != nil && s.errorElsewhere(e, hash) {
		return
	}
	if i == 0 || i&waitBit != 0 {
		s.count(inICMP)
		return
	}
	c := s.conns.At(i)
	seq := hdr.SeqOf(binary.BigEndian.Uint32(e.Quoted[4:]))
	if c.state == Closed || seq.Before(c.sndUna) || !seq.Before(c.sndNxt) {
		s.count(inICMP)
		return
	}
	s.begin(c)
	s.icmp(c, e, seq, w.Now())
	s.endCall(i, c)
}

// icmp applies an error about the segment at seq.
func (s *shard) icmp(c *Conn, e *ip.Error, seq hdr.Seq, now int64) {
	why := causeNoRoute
	switch e.Kind {
	case ip.TooBig:
		s.tooBig(c, e.MTU, now)
		return
	case ip.PortUnreachable, ip.ProtoUnreachable:
		why = causeRefused
		if c.state == SynSent {
			// RFC 5927 section 6: hard errors end a connection only before it is
			// synchronized.
			s.gone(c, why)
			return
		}
	}
	c.stats.softErr = why
}

// tooBig is path MTU discovery (RFC 1191, RFC 8201): segments get smaller, and what
// was too large goes out again at once. That is no sign of congestion.
func (s *shard) tooBig(c *Conn, mtu uint32, now int64) {
	least := uint32(552) // RFC 1191 section 3 allows less; RFC 5927 section 7.2 says why not
	if !c.is4() {
		least = minMTU // RFC 8200 section 5
	}
	if mtu == 0 {
		mtu = least // a router older than RFC 1191
	}
	fits := max(mtu, least) - uint32(ipLen(c.is4())) - uint32(c.tcpLen())
	if fits >= uint32(c.mss) {
		return // RFC 1191 section 5: it must not raise the MTU
	}
	c.mss = uint16(fits)
	if !c.state.in(sending) || c.flight() == 0 {
		return
	}
	s.resend(c, now)
}
