package ip

import (
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// loop sends packets to ourselves: they come in again in the next Step.
func (st *state) loop(p *Path, bufs []*pkt.Buf) {
	q := &st.looped
	n := copy(q.bufs[q.n:], bufs)
	q.n += n
	for _, b := range bufs[:n] {
		b.Iface = p.Iface
		// Nothing can have been damaged: a checksum that was left to the device counts
		// as verified.
		if b.Flags&pkt.CsumPartial != 0 {
			b.Flags = pkt.L4Good
		} else {
			b.Flags = 0
		}
	}
	for _, b := range bufs[n:] {
		st.drop(b, &st.count.local[version(b)], localLoopFull)
	}
}

// stepLoop is the node ip-loop: it takes in what was sent to ourselves in the Step
// before.
func (st *state) stepLoop(w *worker.Worker, now int64) int {
	n := st.looped.n
	if n == 0 {
		return 0
	}
	st.looped, st.looping = st.looping, st.looped
	st.looping.n = 0
	bufs := st.looping.bufs[:n]
	for len(bufs) > 0 {
		// One interface after the other, as they come.
		k := 1
		for k < len(bufs) && k < pkt.MaxBurst && bufs[k].Iface == bufs[0].Iface {
			k++
		}
		i := st.s.ifs.ByIndex(bufs[0].Iface)
		if i == nil {
			i = st.s.ifs.ByIndex(0)
		}
		st.begin(i, true)
		for _, b := range bufs[:k] {
			b.Arrived, b.Trace = now, 0
			if version(b) == v6 {
				st.ip6(b, 0)
			} else {
				st.ip4(b, 0)
			}
		}
		st.end()
		bufs = bufs[k:]
	}
	return n
}
