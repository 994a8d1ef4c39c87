package tcp

import (
	"math/bits"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/flow"
)

// A connection lives where it was opened: an active one on the worker that its hash names,
// so that no two workers take the same port; a passive one where its SYN came in, if all
// workers receive from that interface, else on the worker that its hash names. What comes
// in elsewhere (the device has fewer queues than there are workers, or deals the packets
// of a flow to another worker than before) is handed over. flow.Where tells whom to; as it
// may err, a packet notes whom it has been to.

// maxRing is how many packets may be under way from one worker to another: a peer sends
// some thousand while a worker that shares its core waits for it. minRing is several
// bursts.
const (
	maxRing = 4096
	minRing = 1024
)

// ringLen is as long as n rings can be that together hold half of the buffers.
func ringLen(buffers, n int) int {
	return max(minRing, min(maxRing, 1<<bits.Len(uint(buffers/2/n))>>1))
}

// handoff is one worker's part.
type handoff struct {
	s     *shard
	to    []*worker.Ring // by worker, nil for itself
	from  []*worker.Ring
	burst []*pkt.Buf
	gave  bool // packets of the present burst, and set them to nil
	// handed tells that the present burst comes from another worker; carried is the ICMP
	// error that does, and been whom it has been to.
	handed  bool
	carried ip.Error
	been    uint64
}

// joinShards makes the rings between all shards, unless there is only one.
func (t *TCP) joinShards() (err error) {
	if len(t.shards) < 2 {
		return nil
	}
	if t.where, err = flow.NewWhere(); err != nil {
		return err
	}
	for k, s := range t.shards {
		s.handoff.s = s
		s.to = make([]*worker.Ring, len(t.shards))
		if s.burst, err = mem.Slice[*pkt.Buf](pkt.MaxBurst); err != nil {
			return err
		}
		if err = s.flows.Share(t.where, k); err != nil {
			return err
		}
	}
	buffers, _ := t.shards[0].w.Bufs.Pool().Usage()
	size := ringLen(buffers, len(t.shards)-1) // as a rule one worker receives
	for _, s := range t.shards {
		for k, other := range t.shards {
			if other == s {
				continue
			}
			r, err := worker.NewRing(other.w, size)
			if err != nil {
				return err
			}
			s.to[k], other.from = r, append(other.from, r)
			s.w.HandsOver(r)
		}
	}
	return nil
}

// Step is tcp-handoff: it takes what others have handed over, at most a burst of each.
func (h *handoff) Step(_ *worker.Worker, _ int64) (work int) {
	for _, r := range h.from {
		if n := r.RxBurst(h.burst); n > 0 {
			h.handed = true
			h.s.takeOver(h.burst[:n])
			h.handed = false
			work += n
		}
	}
	return work
}

// takeOver takes segments, and ICMP errors among them.
func (s *shard) takeOver(bufs []*pkt.Buf) {
	for len(bufs) > 0 {
		if bufs[0].Proto == hdr.ProtoICMP {
			s.takeError(bufs[0])
			bufs = bufs[1:]
			continue
		}
		n := 1
		for n < len(bufs) && bufs[n].Proto != hdr.ProtoICMP {
			n++
		}
		s.input(bufs[:n])
		bufs = bufs[n:]
	}
}

// everybody is a packet that has been to all workers.
const everybody = ^uint64(0)

// elsewhere hands a run of a flow that is not here to a worker that may have it, or that
// is to have it; false when that is nobody but this one.
func (s *shard) elsewhere(run []*pkt.Buf, hash uint32) bool {
	been := uint64(1) << s.w.Index
	if s.handed {
		for _, b := range run {
			been |= b.Scratch[0]
		}
	}
	to := 0
	if others := s.t.where.Workers(hash) &^ been; others != 0 {
		to = bits.TrailingZeros64(others)
	} else {
		to = flow.Owner(hash, len(s.t.shards))
		if been>>to&1 != 0 || !opens(run[0]) || s.t.net.Everywhere(run[0].Iface) {
			return false
		}
		been = everybody
	}
	for _, b := range run {
		b.Scratch[0] = been
		b.Trace = 0 // a record of this worker
	}
	n := s.to[to].TxBurst(run)
	s.in[inHanded] += uint64(n)
	s.in[inHandoffFull] += uint64(len(run) - n)
	clear(run[:n])
	s.gave = s.gave || n > 0
	return true
}

// opens tells whether a segment may open a connection.
func opens(b *pkt.Buf) bool {
	return hdr.TCP(b.At(b.L4)).Flags()&(hdr.SYN|hdr.ACK|hdr.RST) == hdr.SYN
}

// keptOf are the packets of a burst that were not handed over.
func (s *shard) keptOf(bufs []*pkt.Buf) []*pkt.Buf {
	s.gave = false
	n := 0
	for _, b := range bufs {
		if b != nil {
			bufs[n] = b
			n++
		}
	}
	return bufs[:n]
}
