package ip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

const (
	maxPings    = 16    // that may run at the same time
	maxPingSize = 32768 // VPP's limit
	pingSlots   = 1024
)

var errTooManyPings = errors.New("too many pings at the same time")

// pinger is one running "ping". A goroutine sends by way of the first worker; whichever
// worker gets a reply leaves it in a slot and wakes the goroutine.
type pinger struct {
	id   uint16
	to   hdr.Addr
	note *worker.Notifier
	sent [pingSlots]atomic.Int64 // when, by sequence number
	tail atomic.Uint32           // next slot to fill
	head uint32                  // next slot to read
	slot [pingSlots]pingSlot
}

// pingSlot is filled by a worker while full is false, and read while it is true.
type pingSlot struct {
	full atomic.Bool
	r    pingReply
}

// pingReply is an echo reply, or an error about an echo request.
type pingReply struct {
	from   hdr.Addr
	seq    uint16
	ttl    uint8
	failed bool
	kind   ErrorKind
	length int   // of the IP packet, bytes
	rtt    int64 // ns
}

// newPing registers a pinger for echo requests to one address.
func (s *Stack) newPing(to hdr.Addr) (*pinger, error) {
	p := &pinger{to: to, note: worker.NewNotifier()}
	for i := range s.pings {
		// The slot is part of the identifier, so that no two pings share one.
		p.id = uint16(worker.Monotonic()>>10)<<4 | uint16(i)
		if s.pings[i].CompareAndSwap(nil, p) {
			return p, nil
		}
	}
	return nil, errTooManyPings
}

func (s *Stack) endPing(p *pinger) { s.pings[p.id%maxPings].CompareAndSwap(p, nil) }

func (s *Stack) pinger(id uint16) *pinger {
	if p := s.pings[id%maxPings].Load(); p != nil && p.id == id {
		return p
	}
	return nil
}

// pingRequest is what to send.
type pingRequest struct {
	seq   uint16
	size  int // of the data
	burst int
	iface uint32   // to leave by, 0 for any
	from  hdr.Addr // zero: choose
}

// send sends a burst of echo requests and returns the source address and how many went
// out.
func (s *Stack) sendPing(p *pinger, r *pingRequest) (from hdr.Addr, n int, err error) {
	e := s.workers[0].Do(func(w *worker.Worker) {
		from, n, err = s.states[w.Index].sendPing(p, r)
	})
	return from, n, errors.Join(err, e)
}

func (st *state) sendPing(p *pinger, r *pingRequest) (from hdr.Addr, n int, err error) {
	st.refresh()
	var path Path
	if err := st.findPath(&p.to, r.iface, &path); err != nil {
		return from, 0, fmt.Errorf("%w to %s", err, p.to)
	}
	if from = r.from; from == (hdr.Addr{}) {
		if from, err = st.source(&path, &p.to); err != nil {
			return from, 0, err
		}
	}
	p.sent[r.seq%pingSlots].Store(st.w.Now())
	for ; n < r.burst; n++ {
		b := st.echoRequest(p, r, &from)
		if b == nil {
			return from, n, errors.New("out of buffers")
		}
		st.outputOne(&path, &p.to, b)
	}
	return from, n, nil
}

// echoRequest builds one request, in as many buffers as its data takes.
func (st *state) echoRequest(p *pinger, r *pingRequest, from *hdr.Addr) *pkt.Buf {
	b := st.w.Bufs.Get()
	if b == nil {
		return nil
	}
	hl, typ := hdr.IP4Len, hdr.ICMPEchoRequest
	if !p.to.Is4() {
		hl, typ = hdr.IP6Len, hdr.ICMP6EchoRequest
	}
	b.Append(hl + hdr.ICMPLen)
	// The data counts up, as ping(8)'s does.
	next, last := byte(0), b
	for left := r.size; left > 0; {
		k := min(left, last.Room())
		if k == 0 {
			c := st.w.Bufs.Get()
			if c == nil {
				st.w.Bufs.Put(b)
				return nil
			}
			last.Next, last = c, c
			b.NbSegs++
			continue
		}
		at := len(last.Data())
		last.DataLen += uint16(k)
		for i := range last.Data()[at:] {
			last.Data()[at+i] = next
			next++
		}
		left -= k
	}
	b.PktLen = uint32(hl + hdr.ICMPLen + r.size)

	d := b.Data()
	m := hdr.ICMP(d[hl:])
	m.Put(typ, 0, uint32(p.id)<<16|uint32(r.seq))
	if hl == hdr.IP4Len {
		binary.BigEndian.PutUint16(m[2:], sum(b, uint16(hl)).Fold())
		hdr.IP4(d).Put(&hdr.IP4Fields{TotalLen: int(b.PktLen), ID: uint16(st.nextID()), TTL: defaultTTL,
			Proto: hdr.ProtoICMP, Src: *from, Dst: p.to})
	} else {
		s := hdr.Pseudo(from, &p.to, hdr.ProtoICMPv6).Long(uint32(hdr.ICMPLen + r.size))
		binary.BigEndian.PutUint16(m[2:], (s + sum(b, uint16(hl))).Fold())
		hdr.IP6(d).Put(&hdr.IP6Fields{PayloadLen: hdr.ICMPLen + r.size, Next: hdr.ProtoICMPv6, HopLimit: defaultTTL,
			Src: *from, Dst: p.to})
	}
	return b
}

// pong takes an echo reply to the ping that waits for it, and returns what to count.
func (st *state) pong(from hdr.Addr, m hdr.ICMP, ttl uint8, length int) int {
	p := st.s.pinger(m.ID())
	if p == nil {
		return icmpReplyUnknown
	}
	seq := m.EchoSeq()
	p.put(st.w, pingReply{from: from, seq: seq, ttl: ttl, length: length,
		rtt: max(0, st.w.Now()-p.sent[seq%pingSlots].Load())})
	return icmpReplyMatched
}

// pingError takes an error about an echo request.
func (s *Stack) pingError(w *worker.Worker, e *Error) {
	m := hdr.ICMP(e.Quoted)
	if m.Type() != hdr.ICMPEchoRequest && m.Type() != hdr.ICMP6EchoRequest {
		return
	}
	if p := s.pinger(m.ID()); p != nil && e.Remote == p.to {
		p.put(w, pingReply{from: e.Remote, seq: m.EchoSeq(), failed: true, kind: e.Kind})
	}
}

// put fills the next slot. When the goroutine is that far behind the reply is lost, and the
// tail stays where the goroutine will look next.
func (p *pinger) put(w *worker.Worker, r pingReply) {
	for {
		t := p.tail.Load()
		s := &p.slot[t%pingSlots]
		if s.full.Load() {
			return
		}
		if p.tail.CompareAndSwap(t, t+1) {
			s.r = r
			s.full.Store(true)
			w.Notify(p.note)
			return
		}
	}
}

// take returns the next reply that has come.
func (p *pinger) take() (r pingReply, ok bool) {
	s := &p.slot[p.head%pingSlots]
	if !s.full.Load() {
		return r, false
	}
	r = s.r
	s.full.Store(false)
	p.head++
	return r, true
}

func (k ErrorKind) String() string {
	return [...]string{"host unreachable", "protocol unreachable", "port unreachable", "packet too big",
		"time exceeded", "prohibited", "parameter problem"}[k]
}
