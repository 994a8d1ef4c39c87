package ip

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

// cut makes a packet n bytes long, from its Ethernet header on, in as many buffers as
// that takes.
func (st *state) cut(b *pkt.Buf, n int) {
	if b.NbSegs == 1 {
		b.SetLen(n)
		return
	}
	b.PktLen = uint32(n)
	segs := uint16(1)
	last := b
	for ; n > int(last.DataLen) && last.Next != nil; last = last.Next {
		n -= int(last.DataLen)
		segs++
	}
	last.DataLen = uint16(n)
	b.NbSegs = segs
	for rest := last.Next; rest != nil; {
		next := rest.Next
		rest.Next, rest.NbSegs = nil, 1
		st.w.Bufs.Put(rest)
		rest = next
	}
	last.Next = nil
}

// single copies a packet of several buffers into one. When it does not fit, or there is
// no buffer, it drops the packet for the given reason and returns nil.
func (st *state) single(b *pkt.Buf, n *node, reason int) *pkt.Buf {
	c := st.w.Bufs.Get()
	if c == nil || c.Room() < int(b.PktLen) {
		if c != nil {
			st.w.Bufs.Put(c)
		}
		st.drop(b, n, reason)
		return nil
	}
	meta := b.Meta
	r := reader{b: b}
	r.read(c.Append(int(b.PktLen)))
	st.w.Bufs.Put(b)
	c.Meta = meta
	return c
}

// reader reads the bytes of a packet that may consist of several buffers.
type reader struct {
	b   *pkt.Buf
	off int // into b's data
}

// skip moves n bytes on.
func (r *reader) skip(n int) {
	for r.b != nil && n >= int(r.b.DataLen)-r.off {
		n -= int(r.b.DataLen) - r.off
		r.b, r.off = r.b.Next, 0
	}
	r.off += n
}

// read fills dst and returns how many bytes there were.
func (r *reader) read(dst []byte) (n int) {
	for r.b != nil && n < len(dst) {
		k := copy(dst[n:], r.b.Data()[r.off:])
		n += k
		r.off += k
		if r.off == int(r.b.DataLen) {
			r.b, r.off = r.b.Next, 0
		}
	}
	return n
}

// sum adds up all bytes from offset off of a packet on.
func sum(b *pkt.Buf, off uint16) hdr.Sum {
	s := hdr.Checksum(b.At(off), 0)
	for n, c := int(b.DataLen)-int(off), b.Next; c != nil; c = c.Next {
		s = s.Join(n, hdr.Checksum(c.Data(), 0))
		n += int(c.DataLen)
	}
	return s
}
