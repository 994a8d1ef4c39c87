package tcp

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

// The fast path: segments of one ESTABLISHED connection that arrived in one burst,
// in order, in the form that nearly all have. Each header is checked on its own;
// state is changed once, at the end. For each segment:
//
//  1. the header is exactly the expected one: flags ACK, perhaps PSH; no options but
//     timestamps when these are in use
//  2. RFC 9293 section 3.10.7.4 step 1: SEG.SEQ is the next number, the text lies
//     within the window; PAWS (RFC 7323 section 5.3)
//  3. steps 2 to 4, reset, security, SYN: cannot be, by 1
//  4. step 5: the ACK lies in SND.UNA..SND.NXT and, without text, is a new one
//  5. the text is copied into the receive FIFO and summed in one pass, and the
//     checksum is right; what a device has verified is only copied
//
// What does not pass is left to the slow path, which starts from scratch: nothing
// has been changed for it.

// run takes the longest prefix of bufs that is such and returns its length. c is
// ESTABLISHED and holds nothing out of order.
func (m *machine) run(c *Conn, bufs []*pkt.Buf, now int64) (took int) {
	hl := c.tcpLen()
	want := uint32(hl/4)<<28 | uint32(hdr.ACK)<<16
	nxt, left := c.rcvNxt, c.rcvWnd()
	ack, recent := c.sndUna, c.tsRecent
	seq, fresh := nxt, false
	var (
		total int    // text so far
		segs  int    // segments with text
		word  uint32 // the last header's flags and window
		ecr   uint32
		room  []byte // FIFO memory, contiguous from total on
	)
	for i, b := range bufs {
		n := int(b.L4Len) - hl
		h := b.At(b.L4)
		if n < 0 || len(h) < int(b.L4Len) {
			break
		}
		w := binary.BigEndian.Uint32(h[12:16])
		if w&^(uint32(hdr.PSH)<<16|0xffff) != want {
			break
		}
		sq := hdr.SeqOf(binary.BigEndian.Uint32(h[4:8]))
		a := hdr.SeqOf(binary.BigEndian.Uint32(h[8:12]))
		if sq != nxt || n > left || a.Before(ack) || a.After(c.sndNxt) || n == 0 && a == ack {
			break
		}
		sum := hdr.Sum(c.pseudo) + hdr.Sum(b.L4Len) +
			hdr.Sum(binary.BigEndian.Uint32(h[0:4])) + hdr.Sum(sq.Val()) +
			hdr.Sum(a.Val()) + hdr.Sum(w) + hdr.Sum(binary.BigEndian.Uint32(h[16:20]))
		var ts, e2 uint32
		if hl > hdr.TCPLen {
			o := h[hdr.TCPLen : hdr.TCPLen+tsOptLen]
			val := binary.BigEndian.Uint32(o[4:8])
			e := binary.BigEndian.Uint32(o[8:12])
			if binary.BigEndian.Uint32(o[0:4]) != tsOptWord || int32(val-recent) < 0 {
				break
			}
			sum += hdr.Sum(tsOptWord) + hdr.Sum(val) + hdr.Sum(e)
			ts, e2 = val, e
		}
		good := b.Flags&pkt.L4Good != 0
		if n > 0 {
			text := h[hl:b.L4Len]
			if len(room) < n {
				room = m.rx.ReserveAt(total, n*(len(bufs)-i))
			}
			if len(room) < n {
				// The end of a chunk lies within the text, or the FIFO has no more.
				var ok bool
				if sum, ok = m.copyIn(total, text, sum); !ok {
					break
				}
				room = nil
			} else {
				if good {
					copy(room, text)
				} else {
					sum = hdr.CopyChecksum(room[:n], text, sum)
				}
				room = room[n:]
			}
		}
		if !good && !sum.Good() {
			break // the slow path counts it
		}
		if hl > hdr.TCPLen {
			// RFC 7323 section 4.3: TS.Recent is that of the segment in which the
			// last ACK lies.
			if sq.AtOrBefore(c.lastAck) {
				recent, fresh = ts, true
			}
			ecr = e2
		}
		seq = sq
		nxt = nxt.Add(n)
		left -= n
		total += n
		segs += b2i(n > 0)
		ack, word = a, w
		took++
	}
	if total > 0 {
		m.rx.Commit(total)
		c.rcvNxt = nxt
		c.rcvEdge = nxt.Add(m.rx.Free())
		m.out.delivered += total
		m.in[inEnqueued] += uint64(segs)
		c.stats.bytesIn += uint64(total)
		c.stats.dataSegsIn += uint32(segs)
		c.owed = uint8(min(int(c.owed)+segs, 255))
		c.set(fRxUsed)
		m.owe(c, now)
	}
	if m.rx != nil && m.rx.Held() > 0 {
		m.rx.Discard() // reserved for a segment that did not pass
	}
	if took == 0 {
		return 0
	}
	c.stats.segsIn += uint32(took)
	m.in[inAck] += uint64(took - segs)
	if fresh {
		c.tsRecent, c.tsStamp = recent, tsStampAt(now)
	}
	m.ecr = ecr
	grown := m.takeWindow(c, seq, ack, word&0xffff)
	if ack.After(c.sndUna) {
		sacked := 0
		if k := m.cold(c); k != nil {
			sacked = int(k.board.total)
		}
		m.ackNew(c, ack, 0, sacked, now)
	} else if grown {
		m.wakeTx(c)
	}
	if c.has(fPersist) {
		m.leavePersist(c, now)
	}
	return took
}

// copyIn copies text to off bytes beyond the receive FIFO's tail, piece by piece,
// and adds it to sum; false when there is no room.
func (m *machine) copyIn(off int, text []byte, sum hdr.Sum) (hdr.Sum, bool) {
	done := 0
	for done < len(text) {
		d := m.rx.ReserveAt(off+done, len(text)-done)
		if len(d) == 0 {
			return sum, false
		}
		sum = sum.Join(done, hdr.CopyChecksum(d, text[done:done+len(d)], 0))
		done += len(d)
	}
	return sum, true
}
