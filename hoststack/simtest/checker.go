package simtest

import (
	"encoding/binary"
	"fmt"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/hdr"
)

// Checker looks at every frame that the stacks put on a wire and remembers what is wrong
// with them. It knows TCP from outside only: what a sender may send follows from what the
// other side has ever advertised, and what it may acknowledge from what the other side
// has ever sent.
type Checker struct {
	// Offload: the wire takes large segments and leaves checksums to the device.
	Offload bool
	// Decode, when set, takes every frame apart by other means than ours.
	Decode func(frame []byte) error

	Frames   uint64
	Segments uint64
	Errors   []string

	flows map[flowKey]*stream
}

// maxErrors bounds what a Checker remembers.
const maxErrors = 20

type flowKey struct {
	src, dst     hdr.Addr
	sport, dport uint16
}

func (k flowKey) reverse() flowKey {
	return flowKey{src: k.dst, dst: k.src, sport: k.dport, dport: k.sport}
}

func (k flowKey) String() string {
	return fmt.Sprintf("%v.%d > %v.%d", k.src, k.sport, k.dst, k.dport)
}

// stream is one direction of one connection, as seen on the wire.
type stream struct {
	iss    hdr.Seq
	end    hdr.Seq // highest sequence number sent, + 1
	ack    hdr.Seq // latest acknowledgment sent
	acked  bool    // ack is set
	edge   hdr.Seq // right edge of the window ever advertised
	scale  uint8   // of its window
	scaled bool    // its SYN had a window scale
	mss    int     // it is ready to receive
	fin    bool
	finSeq hdr.Seq
	ts     uint32
	hasTS  bool
	sackOK bool
	// stale: the other side has begun a new connection, which this side does not know
	// of: it is in TIME-WAIT, and the SYN was an old one. What it says of the other
	// side's numbers is about those of before.
	stale bool
}

// Watch has the checker look at both directions of a wire, before the wire does anything
// to a frame. It takes the wire's hooks.
func (c *Checker) Watch(n *sim.Net, w *sim.Wire) {
	if c.flows == nil {
		c.flows = map[flowKey]*stream{}
	}
	for i := range 2 {
		w.Hook(i, func(number uint64, data []byte) bool {
			c.frame(sim.Frame{From: i, Number: number, Sent: n.Now(), Data: data})
			return false
		})
	}
}

func (c *Checker) fail(f sim.Frame, format string, args ...any) {
	if len(c.Errors) < maxErrors {
		c.Errors = append(c.Errors, fmt.Sprintf("frame %d of end %d at %d ns: ", f.Number, f.From, f.Sent)+
			fmt.Sprintf(format, args...))
	}
}

// Err is nil when nothing was wrong.
func (c *Checker) Err() error {
	if len(c.Errors) == 0 {
		return nil
	}
	return fmt.Errorf("%d wrong frames, first: %s", len(c.Errors), c.Errors[0])
}

// frame checks one frame.
func (c *Checker) frame(f sim.Frame) {
	c.Frames++
	if c.Decode != nil {
		if err := c.Decode(f.Data); err != nil {
			c.fail(f, "decoder: %v", err)
		}
	}
	eth := hdr.Ether(f.Data)
	if !eth.Valid() {
		c.fail(f, "short frame: % x", f.Data)
		return
	}
	var k flowKey
	var tcp hdr.TCP
	switch eth.Type() {
	case hdr.EtherIP4:
		ip := hdr.IP4(eth.Payload())
		if !ip.Valid() || !ip.GoodChecksum() {
			c.fail(f, "bad IPv4 header % x", eth.Payload()[:20])
			return
		}
		if ip.TotalLen() != len(ip) && len(f.Data) > 60 {
			c.fail(f, "IPv4 length %d in a frame of %d", ip.TotalLen(), len(f.Data))
		}
		if ip.Proto() != hdr.ProtoTCP {
			return
		}
		k.src, k.dst, tcp = ip.Src(), ip.Dst(), hdr.TCP(ip.Payload())
	case hdr.EtherIP6:
		ip := hdr.IP6(eth.Payload())
		if !ip.Valid() {
			c.fail(f, "bad IPv6 header")
			return
		}
		if ip.TotalLen() != len(ip) && len(f.Data) > 60 {
			c.fail(f, "IPv6 length %d in a frame of %d", ip.TotalLen(), len(f.Data))
		}
		if ip.Next() != hdr.ProtoTCP {
			return
		}
		k.src, k.dst, tcp = ip.Src(), ip.Dst(), hdr.TCP(ip.Payload())
	default:
		return
	}
	if !tcp.Valid() {
		c.fail(f, "%v: bad TCP header", k)
		return
	}
	if !c.Offload && !hdr.Checksum(tcp, hdr.Pseudo(&k.src, &k.dst, hdr.ProtoTCP).Long(uint32(len(tcp)))).Good() {
		c.fail(f, "%v: bad TCP checksum", k)
		return
	}
	k.sport, k.dport = tcp.SrcPort(), tcp.DstPort()
	c.Segments++
	c.segment(f, k, tcp)
}

// segment checks one segment against what both sides have said so far.
func (c *Checker) segment(f sim.Frame, k flowKey, tcp hdr.TCP) {
	me, other := c.flows[k], c.flows[k.reverse()]
	flags, seq, n := tcp.Flags(), tcp.Seq(), len(tcp.Payload())
	if flags&hdr.SYN != 0 {
		if flags&(hdr.FIN|hdr.RST) != 0 {
			c.fail(f, "%v: SYN with flags %v", k, flags)
		}
		if me == nil || seq != me.iss { // a new connection, or a new incarnation
			old := me != nil
			me = &stream{iss: seq, end: seq, edge: seq}
			c.flows[k] = me
			switch {
			case other == nil:
			case flags&hdr.ACK == 0:
				delete(c.flows, k.reverse())
				other = nil
			case old:
				other.stale = true
			}
		}
	}
	if me == nil || flags&hdr.RST != 0 {
		return // a reset of what is not there carries the numbers of the other side
	}
	if me.stale {
		return
	}
	c.options(f, k, me, tcp)

	// RFC 9293 section 3.8.4: data within what the other side has ever offered; a
	// window probe may be one byte beyond it.
	end := seq.Add(n)
	if flags&hdr.SYN != 0 {
		end = end.Add(1)
	}
	if other != nil && other.acked && n > 0 && flags&hdr.SYN == 0 {
		if d := end.Sub(other.edge); d > 1 || d == 1 && n > 1 {
			c.fail(f, "%v: data %d bytes beyond the window", k, d)
		}
		if n > other.mss && other.mss > 0 && !c.Offload {
			c.fail(f, "%v: %d bytes, the MSS is %d", k, n, other.mss)
		}
		if other.mss == 0 && n > 1220 {
			c.fail(f, "%v: %d bytes although no MSS was given", k, n)
		}
	}
	if seq.After(me.end) && n > 0 {
		c.fail(f, "%v: leaves a gap of %d bytes in what it has ever sent", k, seq.Sub(me.end))
	}
	if flags&hdr.FIN != 0 {
		if me.fin && end != me.finSeq {
			c.fail(f, "%v: a second FIN, %d bytes after the first", k, end.Sub(me.finSeq))
		}
		me.fin, me.finSeq = true, end
		end = end.Add(1)
	}
	if me.fin && end.After(me.finSeq.Add(1)) {
		c.fail(f, "%v: data beyond its FIN", k)
	}
	me.end = me.end.Max(end)

	if flags&hdr.ACK == 0 {
		if flags&hdr.SYN == 0 {
			c.fail(f, "%v: neither SYN nor ACK: %v", k, flags)
		}
		return
	}
	ack := tcp.Ack()
	if me.acked && ack.Before(me.ack) {
		c.fail(f, "%v: acknowledgment goes back by %d", k, me.ack.Sub(ack))
	}
	if other != nil && ack.After(other.end) {
		c.fail(f, "%v: acknowledges %d bytes that were never sent", k, ack.Sub(other.end))
	}
	win := int(tcp.Window())
	if flags&hdr.SYN == 0 && me.scaled && other != nil && other.scaled {
		win <<= me.scale
	}
	edge := ack.Add(win)
	if !me.acked {
		me.edge = edge
	}
	me.edge = me.edge.Max(edge)
	me.ack, me.acked = ack, true
}

func (c *Checker) options(f sim.Frame, k flowKey, me *stream, tcp hdr.TCP) {
	other := c.flows[k.reverse()]
	syn := tcp.Flags()&hdr.SYN != 0
	hasTS := false
	for o := tcp.Options(); ; {
		kind, data, rest, bad := o.Next()
		if bad {
			c.fail(f, "%v: bad options % x", k, tcp.Options())
			return
		}
		if kind == 0 {
			break
		}
		switch kind {
		case hdr.TCPOptMSS:
			me.mss = int(binary.BigEndian.Uint16(data))
		case hdr.TCPOptWScale:
			me.scale, me.scaled = data[0], true
		case hdr.TCPOptSACKPerm:
			me.sackOK = true
		case hdr.TCPOptTimestamp:
			hasTS = true
			ts := binary.BigEndian.Uint32(data)
			if me.hasTS && int32(ts-me.ts) < 0 {
				c.fail(f, "%v: timestamp goes back by %d", k, me.ts-ts)
			}
			if !syn && !me.hasTS {
				c.fail(f, "%v: timestamp that was not negotiated", k)
			}
			me.ts = ts
		case hdr.TCPOptSACK:
			if other != nil && !other.sackOK {
				c.fail(f, "%v: SACK that was not permitted", k)
			}
			for ; len(data) >= 8; data = data[8:] {
				l := hdr.SeqOf(binary.BigEndian.Uint32(data))
				r := hdr.SeqOf(binary.BigEndian.Uint32(data[4:]))
				if other != nil && (!l.Before(r) || r.After(other.end)) {
					c.fail(f, "%v: SACK block of %d bytes that ends %d bytes beyond what was sent",
						k, r.Sub(l), r.Sub(other.end))
				}
			}
		}
		if syn != (kind == hdr.TCPOptMSS || kind == hdr.TCPOptWScale || kind == hdr.TCPOptSACKPerm) &&
			kind != hdr.TCPOptTimestamp && kind != hdr.TCPOptFastOpen {
			c.fail(f, "%v: option %d in a segment with flags %v", k, kind, tcp.Flags())
		}
		o = rest
	}
	if syn {
		me.hasTS = hasTS
	} else if me.hasTS && other != nil && other.hasTS && !hasTS {
		// RFC 7323 section 3.2: "the TSopt MUST be sent in every non-<RST> segment".
		c.fail(f, "%v: no timestamp", k)
	}
}
