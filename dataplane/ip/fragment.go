package ip

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

// maxPieces is how many fragments a packet may become: 64 kB at the smallest MTU of
// IPv6; at IPv4's, of 68 bytes, larger packets than 50 kB are not sent.
const maxPieces = 1024

// sendPieces sends a packet that is larger than its path, in fragments if it may be
// fragmented. It owns the buffer.
func (st *state) sendPieces(p *Path, b *pkt.Buf) {
	if b.Flags&pkt.CsumPartial != 0 {
		completeChecksum(b)
	}
	v := version(b)
	fwd := &st.count.fwd[v]
	var n int
	if v == v4 {
		h := hdr.IP4(b.Data())
		if h.DontFragment() {
			fwd.inc(fwdTooBig)
			st.refuse(b, TooBig, uint32(p.MTU))
			return
		}
		n = st.cut4(b, h, int(p.MTU))
	} else {
		n = st.cut6(b, hdr.IP6(b.Data()), int(p.MTU))
	}
	if n == 0 {
		st.drop(b, fwd, fwdNoBuffer)
		return
	}
	fwd.inc(fwdFragmented)
	st.w.Bufs.Put(b)
	for k := 0; k < n; k += pkt.MaxBurst {
		st.send(p, st.pieces.bufs[k:min(n, k+pkt.MaxBurst)])
	}
}

// cut4 makes fragments of an IPv4 packet (RFC 791 section 3.2) and returns how many; 0
// when there are no buffers for them. The packet stays as it is.
func (st *state) cut4(b *pkt.Buf, h hdr.IP4, mtu int) int {
	hl, total := h.HeaderLen(), h.TotalLen()
	first, more := h.FragOffset(), h.MoreFragments()
	id := h.ID()
	if id == 0 && !h.IsFragment() {
		id = uint16(st.nextID())
	}
	room := (mtu - hl) &^ 7
	r := reader{b: b}
	r.skip(hl)
	n := 0
	for at := hl; at < total; at += room {
		k := min(room, total-at)
		c := st.piece(n, hl+k)
		if c == nil {
			return 0
		}
		f := hdr.IP4(c.Data())
		copy(f, h[:hl])
		if n > 0 {
			blankOptions(f[hdr.IP4Len:hl])
		}
		off := uint16((first + at - hl) / 8)
		if at+k < total || more {
			off |= hdr.IP4MoreFragments
		}
		binary.BigEndian.PutUint16(f[2:], uint16(hl+k))
		binary.BigEndian.PutUint16(f[4:], id)
		binary.BigEndian.PutUint16(f[6:], off)
		f.SetChecksum()
		r.read(f[hl:])
		n++
	}
	return n
}

// blankOptions turns the options that only the first fragment carries into padding
// (RFC 791: those without the copied flag).
func blankOptions(o []byte) {
	for i := 0; i < len(o) && o[i] != 0; {
		if o[i] == 1 {
			i++
			continue
		}
		if i+1 >= len(o) || o[i+1] < 2 || i+int(o[i+1]) > len(o) {
			return
		}
		end := i + int(o[i+1])
		if o[i]&0x80 == 0 {
			for ; i < end; i++ {
				o[i] = 1
			}
		}
		i = end
	}
}

// cut6 makes fragments of an IPv6 packet of ours (RFC 8200 section 4.5). Our packets
// have no extension headers that would have to come before the fragment header.
func (st *state) cut6(b *pkt.Buf, h hdr.IP6, mtu int) int {
	total := h.TotalLen()
	id := st.nextID()
	room := (mtu - hdr.IP6Len - hdr.Frag6Len) &^ 7
	r := reader{b: b}
	r.skip(hdr.IP6Len)
	n := 0
	for at := hdr.IP6Len; at < total; at += room {
		k := min(room, total-at)
		c := st.piece(n, hdr.IP6Len+hdr.Frag6Len+k)
		if c == nil {
			return 0
		}
		f := hdr.IP6(c.Data())
		copy(f, h[:hdr.IP6Len])
		binary.BigEndian.PutUint16(f[4:], uint16(hdr.Frag6Len+k))
		f[6] = hdr.ExtFragment
		hdr.Frag6(f[hdr.IP6Len:]).Put(h.Next(), at-hdr.IP6Len, at+k < total, id)
		r.read(f[hdr.IP6Len+hdr.Frag6Len:])
		n++
	}
	return n
}

// piece is an empty buffer of n bytes as fragment number k. Without one, the fragments
// made so far are freed.
func (st *state) piece(k, n int) *pkt.Buf {
	var c *pkt.Buf
	if k < len(st.pieces.bufs) {
		c = st.w.Bufs.Get()
	}
	if c == nil || c.Append(n) == nil {
		if c != nil {
			st.w.Bufs.Put(c)
		}
		st.w.Bufs.PutN(st.pieces.bufs[:k])
		return nil
	}
	st.pieces.bufs[k] = c
	return c
}

// nextID is the identification of the next packet that is cut.
func (st *state) nextID() uint32 {
	st.id++
	if uint16(st.id) == 0 {
		st.id++
	}
	return st.id
}
