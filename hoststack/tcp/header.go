package tcp

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
)

const (
	ttl       = 64
	maxHeader = hdr.IP6Len + hdr.TCPLen + maxOptions
)

// header is the headers of one segment, or the pattern of many: everything is filled
// in but what differs between the segments of a batch.
type header struct {
	b    [maxHeader]byte
	ip   int     // length of the IP header
	n    int     // length of all headers
	sum  hdr.Sum // of the TCP checksum, without sequence number, length and text
	isum hdr.Sum // of the IPv4 header checksum, without the total length
	csum bool    // the device completes the checksum
}

// build fills in h for segments of c that carry flags, opts and the window field wnd.
func (h *header) build(c *Conn, flags hdr.TCPFlags, ack hdr.Seq, wnd uint16, opts []byte, offload bool) {
	v4 := c.is4()
	h.ip = ipLen(v4)
	h.n = h.ip + hdr.TCPLen + len(opts)
	h.csum = offload && c.path.Flags&ip.PathTxCsum != 0
	if v4 {
		b := h.b[:hdr.IP4Len]
		binary.BigEndian.PutUint64(b[0:], 0x4500<<48|uint64(hdr.IP4DontFragment)) // ID 0: atomic (RFC 6864)
		binary.BigEndian.PutUint32(b[8:], ttl<<24|uint32(hdr.ProtoTCP)<<16)
		copy(b[12:16], c.local.V4())
		copy(b[16:20], c.remote.V4())
		h.isum = hdr.Checksum(b, 0)
	} else {
		b := h.b[:hdr.IP6Len]
		// RFC 6437: a label that is the connection's own and says nothing.
		binary.BigEndian.PutUint32(b[0:], 6<<28|c.tsOffset&0xfffff)
		b[4], b[5], b[6], b[7] = 0, 0, hdr.ProtoTCP, ttl
		copy(b[8:24], c.local[:])
		copy(b[24:40], c.remote[:])
	}
	t := h.b[h.ip:]
	binary.BigEndian.PutUint16(t[0:], c.lport)
	binary.BigEndian.PutUint16(t[2:], c.rport)
	binary.BigEndian.PutUint32(t[4:], 0)
	binary.BigEndian.PutUint32(t[8:], ack.Val())
	t[12] = uint8((hdr.TCPLen+len(opts))/4) << 4
	t[13] = uint8(flags)
	binary.BigEndian.PutUint16(t[14:], wnd)
	binary.BigEndian.PutUint32(t[16:], 0)
	copy(t[hdr.TCPLen:], opts)
	h.sum = hdr.Checksum(t[:hdr.TCPLen+len(opts)], hdr.Sum(c.pseudo))
}

// put writes the headers in front of n bytes of text, whose sum is text, to d. extra
// are flags besides the pattern's.
func (h *header) put(d []byte, seq hdr.Seq, n int, extra hdr.TCPFlags, text hdr.Sum) {
	copy(d, h.b[:h.n])
	l4 := h.n - h.ip + n
	if h.ip == hdr.IP4Len {
		binary.BigEndian.PutUint16(d[2:], uint16(h.n+n))
		binary.BigEndian.PutUint16(d[10:], h.isum.Word(uint16(h.n+n)).Fold())
	} else {
		binary.BigEndian.PutUint16(d[4:], uint16(l4))
	}
	t := d[h.ip:]
	binary.BigEndian.PutUint32(t[4:], seq.Val())
	t[13] |= uint8(extra)
	binary.BigEndian.PutUint16(t[16:], (h.sum + hdr.Sum(seq.Val()) + hdr.Sum(l4) + hdr.Sum(extra) + text).Fold())
}

// finish sets what the layers below want to know of a segment in b, which has n
// bytes of text.
func (h *header) finish(b *pkt.Buf, n int, pseudo uint32) {
	b.L3, b.L4, b.L4Len, b.Proto = 0, uint16(h.ip), uint16(h.n-h.ip+n), hdr.ProtoTCP
	if h.ip == hdr.IP6Len {
		b.Flags |= pkt.V6
	}
	if h.csum {
		// The device wants the sum of the pseudo-header where the checksum goes.
		b.Flags |= pkt.CsumPartial
		binary.BigEndian.PutUint16(b.At(b.L4)[16:], ^(hdr.Sum(pseudo) + hdr.Sum(b.L4Len)).Fold())
	}
}

// tsNow is TSval: milliseconds (RFC 7323 section 5.4 allows 1 ms to 1 s) with c's own
// offset.
func (c *Conn) tsNow(now int64) uint32 { return uint32(now/1e6) + c.tsOffset }

// window is the window field to send, and notes what it promises. The right edge
// moves only by a worthwhile step (SWS avoidance, RFC 9293 section 3.8.6.2.2), and
// never back (MUST NOT shrink, section 3.8.6).
func (c *Conn) window() uint16 {
	edge := c.rcvAdv
	if c.rcvEdge.Sub(edge) >= min(int(c.rxSize/2), int(c.mss)) {
		edge = c.rcvEdge
	}
	wnd := edge.Sub(c.rcvNxt)
	f := wnd >> c.rcvScale
	// Rounding down would take back a little of what was promised.
	if f<<c.rcvScale < wnd && (f+1)<<c.rcvScale <= c.rcvEdge.Sub(c.rcvNxt) {
		f++
	}
	f = min(f, 65535)
	c.rcvAdv = c.rcvAdv.Max(c.rcvNxt.Add(f << c.rcvScale))
	return uint16(f)
}

// acked notes that what is being sent acknowledges all that was received.
func (c *Conn) acked() {
	c.lastAck = c.rcvNxt
	c.owed, c.ackAt = 0, 0
	c.stats.extraAcks = 0
	c.clear(fAckNow)
}
