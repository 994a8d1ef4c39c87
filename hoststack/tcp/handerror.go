package tcp

import (
	"math/bits"
	"unsafe"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
)

// An ICMP error about a connection of another worker travels in a buffer of its own, with
// what ip has found in it.

// carried is an ip.Error at the start of a buffer; the first 8 bytes of the segment in
// question are all that TCP looks at (RFC 792).
type carried struct {
	local, remote hdr.Addr
	mtu           uint32
	kind          ip.ErrorKind
	quoted        [8]byte
}

const carriedLen = int(unsafe.Sizeof(carried{}))

// errorElsewhere hands an error about a flow that is not here to a worker that may have
// it; false when there is none, or no way to.
func (s *shard) errorElsewhere(e *ip.Error, hash uint32) bool {
	been := s.been | 1<<s.w.Index
	others := s.t.where.Workers(hash) &^ been
	if others == 0 {
		return false
	}
	b := s.w.Bufs.Get()
	if b == nil {
		s.snt[outNoBuffer]++
		return false
	}
	x := (*carried)(unsafe.Pointer(unsafe.SliceData(b.Append(carriedLen))))
	*x = carried{local: e.Local, remote: e.Remote, mtu: e.MTU, kind: e.Kind, quoted: [8]byte(e.Quoted)}
	b.Meta = pkt.Meta{Proto: hdr.ProtoICMP}
	b.Scratch[0] = been
	s.one[0] = b
	if s.to[bits.TrailingZeros64(others)].TxBurst(s.one) == 0 {
		s.count(inHandoffFull)
		s.w.Bufs.Put(b)
		return true
	}
	s.count(inHanded)
	return true
}

// takeError takes what errorElsewhere of another worker has sent.
func (s *shard) takeError(b *pkt.Buf) {
	x := (*carried)(unsafe.Pointer(unsafe.SliceData(b.Data())))
	s.carried = ip.Error{Local: x.local, Remote: x.remote, MTU: x.mtu, Kind: x.kind, Quoted: x.quoted[:]}
	s.been = b.Scratch[0]
	s.t.Error(s.w, &s.carried)
	s.carried, s.been = ip.Error{}, 0
	s.w.Bufs.Put(b)
}
