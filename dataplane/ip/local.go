package ip

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/trace"
)

// local puts a packet for us (L3, L4, L4Len, Proto set) into the vector of its protocol.
func (st *state) local(b *pkt.Buf, v int) {
	slot := st.s.slots[v][b.Proto]
	if slot == 0 {
		st.unknownProtocol(b, v)
		return
	}
	if b.Trace != 0 {
		if v == v4 {
			st.w.Trace(b, &trace.IP4Receive, b.L3)
		} else {
			st.w.Trace(b, &trace.IP6Receive, b.L3)
		}
	}
	if b.NbSegs != 1 && !st.s.handlers[slot].chains {
		if b = st.single(b, &st.count.local[v], localTooLarge); b == nil {
			return
		}
	}
	l := &st.lanes[v][slot]
	if l.n == len(l.bufs) {
		st.hand(l, slot)
	}
	l.bufs[l.n] = b
	l.n++
}

func (st *state) unknownProtocol(b *pkt.Buf, v int) {
	if v == v6 && b.Proto == hdr.NoNext {
		st.drop(b, &st.count.local[v6], localNoNextHeader)
		return
	}
	st.count.local[v].inc(localUnknownProto)
	if v == v4 {
		st.icmpError(b, protoUnreachable, 0)
		return
	}
	h := hdr.IP6(b.At(b.L3))
	st.paramProblem(b, hdr.ICMP6BadNextHeader, previousNext(h, int(b.L4-b.L3)))
}

// deliver hands over all vectors.
func (st *state) deliver() {
	for v := range st.lanes {
		for slot := 1; slot <= st.s.n; slot++ {
			if l := &st.lanes[v][slot]; l.n > 0 {
				st.hand(l, uint8(slot))
			}
		}
	}
}

func (st *state) hand(l *vector, slot uint8) {
	n := l.n
	l.n = 0
	st.s.handlers[slot].Input(st.w, l.bufs[:n])
}
