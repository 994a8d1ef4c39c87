package ip

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// Output sends IP packets, complete from the IP header on, to dst along p. Their
// buffers need 14 bytes of headroom. Output owns them: they go out at the end of the
// Step, wait while the neighbour is resolved, or are dropped and counted. A path that
// is out of date, or the zero Path, is found anew. Packets larger than the path are
// fragmented where IP allows it; others come back as an Error of kind TooBig.
func (s *Stack) Output(w *worker.Worker, p *Path, dst *hdr.Addr, bufs []*pkt.Buf) {
	s.states[w.Index].output(p, dst, bufs)
}

func (st *state) output(p *Path, dst *hdr.Addr, bufs []*pkt.Buf) {
	st.refresh()
	if p.Epoch != st.epoch && !st.renew(p, dst, bufs) {
		return
	}
	mtu, plain := uint32(p.MTU), true
	for _, b := range bufs {
		plain = plain && b.PktLen <= mtu && b.NbSegs == 1
	}
	if !plain {
		st.outputEach(p, bufs)
		return
	}
	st.send(p, bufs)
}

// send sends packets that fit the path, each in one buffer unless it stays inside.
func (st *state) send(p *Path, bufs []*pkt.Buf) {
	if p.Flags&PathLocal != 0 {
		st.loop(p, bufs)
		return
	}
	e := st.neigh.At(p.Adj)
	if !e.Ready() {
		st.neigh.Send(p.Adj, bufs)
		return
	}
	lo, hi := binary.LittleEndian.Uint64(e.Rewrite[:]), binary.LittleEndian.Uint64(e.Rewrite[6:])
	for _, b := range bufs {
		d := b.Prepend(hdr.EtherLen)
		_ = d[13]
		binary.LittleEndian.PutUint64(d, lo)
		binary.LittleEndian.PutUint64(d[6:], hi)
	}
	st.s.ifs.Tx(st.w, e.Iface, bufs)
}

// renew finds a path again. When there is none any more it drops the packets.
func (st *state) renew(p *Path, dst *hdr.Addr, bufs []*pkt.Buf) bool {
	if err := st.findPath(dst, p.bound(), p); err == nil {
		if p.Flags&PathTxCsum == 0 {
			for _, b := range bufs {
				if b.Flags&pkt.CsumPartial != 0 {
					completeChecksum(b)
				}
			}
		}
		return true
	}
	for _, b := range bufs {
		st.drop(b, &st.count.fwd[version(b)], fwdNoRoute)
	}
	return false
}

// version tells which IP version a packet to be sent is of: v4 or v6.
func version(b *pkt.Buf) int {
	if d := b.Data(); len(d) > 0 && d[0]>>4 == 6 {
		return v6
	}
	return v4
}

// outputEach sends packets of which some do not fit the path, or consist of several
// buffers, such as the reply to an echo request that came in small fragments.
func (st *state) outputEach(p *Path, bufs []*pkt.Buf) {
	for k, b := range bufs {
		if b.PktLen > uint32(p.MTU) && !(p.Flags&PathTSO != 0 && b.Flags&pkt.CsumPartial != 0) {
			st.sendPieces(p, b)
			continue
		}
		if b.NbSegs != 1 && p.Flags&PathLocal == 0 {
			v := version(b)
			if bufs[k] = st.single(b, &st.count.fwd[v], fwdNoBuffer); bufs[k] == nil {
				continue
			}
		}
		st.send(p, bufs[k:k+1])
	}
}
