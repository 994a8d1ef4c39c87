package udp

import (
	"unsafe"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/flow"
)

// A connection lives where it was opened: an active one on the worker that its hash names; an
// accepted one, or a datagram for a connectionless session, where it came in, if all workers
// receive from that interface, else on the worker that its hash names. What comes in
// elsewhere is handed over. An ICMP error travels in a buffer of its own.

// stepHandoff is udp-handoff.
func (s *shard) stepHandoff(*worker.Worker, int64) int { return s.peers.Take(s.takeOver) }

// takeOver takes datagrams, and ICMP errors among them.
func (s *shard) takeOver(bufs []*pkt.Buf) {
	for len(bufs) > 0 {
		if bufs[0].Proto == hdr.ProtoICMP {
			s.takeError(bufs[0])
			bufs = bufs[1:]
			continue
		}
		n := 1
		for n < len(bufs) && bufs[n].Proto != hdr.ProtoICMP {
			n++
		}
		s.input(bufs[:n])
		bufs = bufs[n:]
	}
}

// elsewhere hands a run of a flow that is not here to a worker that may have it; false when
// there is none.
func (s *shard) elsewhere(run []*pkt.Buf, hash uint32) bool {
	been := s.peers.Been(run)
	to, ok := s.peers.Other(hash, been)
	if ok {
		s.give(to, run, been)
	}
	return ok
}

// owners hands a run for a listener to the worker that is to have the flow; false when that
// is this one.
func (s *shard) owners(run []*pkt.Buf, hash uint32) bool {
	if s.u.net.Everywhere(run[0].Iface) {
		return false
	}
	to, ok := s.peers.Owner(hash, s.peers.Been(run))
	if ok {
		s.give(to, run, flow.Everybody)
	}
	return ok
}

func (s *shard) give(to int, run []*pkt.Buf, been uint64) {
	n := s.peers.Give(to, run, been)
	s.in[inHanded] += uint64(n)
	if n < len(run) {
		s.drop(inHandoffFull, len(run)-n)
	}
	s.gave = s.gave || n > 0
}

// carried is an ip.Error at the start of a buffer; the ports in the first 4 bytes of the
// datagram in question are all that UDP looks at (RFC 792).
type carried struct {
	local, remote hdr.Addr
	mtu           uint32
	kind          ip.ErrorKind
	quoted        [8]byte
}

const carriedLen = int(unsafe.Sizeof(carried{}))

// errorElsewhere hands an error about a flow that is not here to a worker that may have it;
// false when there is none, or no way to.
func (s *shard) errorElsewhere(e *ip.Error, hash uint32) bool {
	been := s.errorBeen | 1<<s.w.Index
	to, ok := s.peers.Other(hash, been)
	if !ok {
		return false
	}
	b := s.w.Bufs.Get()
	if b == nil {
		s.out[outNoBuffer]++
		return false
	}
	x := (*carried)(unsafe.Pointer(unsafe.SliceData(b.Append(carriedLen))))
	*x = carried{local: e.Local, remote: e.Remote, mtu: e.MTU, kind: e.Kind, quoted: [8]byte(e.Quoted)}
	b.Meta = pkt.Meta{Proto: hdr.ProtoICMP}
	s.one[0] = b
	if s.peers.Give(to, s.one, been) == 0 {
		s.in[inHandoffFull]++
		s.w.Bufs.Put(b)
	} else {
		s.in[inHanded]++
	}
	return true
}

// takeError takes what errorElsewhere of another worker has sent.
func (s *shard) takeError(b *pkt.Buf) {
	x := (*carried)(unsafe.Pointer(unsafe.SliceData(b.Data())))
	s.icmp = ip.Error{Local: x.local, Remote: x.remote, MTU: x.mtu, Kind: x.kind, Quoted: x.quoted[:]}
	s.errorBeen = b.Scratch[0]
	s.error(&s.icmp)
	s.icmp, s.errorBeen = ip.Error{}, 0
	s.w.Bufs.Put(b)
}
