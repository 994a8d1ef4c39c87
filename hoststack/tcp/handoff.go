package tcp

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/flow"
)

// Not every device delivers a flow to the worker that its hash names: one with a single
// queue delivers all of them to one worker. An active open lives on the worker that its
// hash names, so packets for a connection that is not here go there; a SYN opens a
// connection where it arrives, and what follows it arrives there as well.

// handOff gives the packets of a flow that nobody here knows to the worker that its hash
// names, as copies; false when that is this worker, or when they may open a connection.
// This is the slow way, through the mailbox: it allocates.
func (s *shard) handOff(run []*pkt.Buf, hash uint32) bool {
	owner := flow.Owner(hash, len(s.t.shards))
	if owner == s.w.Index {
		return false
	}
	first := hdr.TCP(run[0].At(run[0].L4))
	if first.Flags()&(hdr.SYN|hdr.ACK|hdr.RST) == hdr.SYN {
		return false
	}
	copies := make([]*pkt.Buf, 0, len(run))
	for _, b := range run {
		c := s.w.Bufs.Get()
		if c == nil || c.Room() < int(b.DataLen) {
			s.stats.NoBuffer++
			s.snt[outNoBuffer]++
			if c != nil {
				s.w.Bufs.Put(c)
			}
			continue
		}
		copy(c.Append(int(b.DataLen)), b.Data())
		c.Meta = b.Meta
		c.Trace = 0 // a record of this worker
		copies = append(copies, c)
	}
	if len(copies) == 0 {
		return true // what is out of buffers must not take memory from elsewhere
	}
	to := s.t.shards[owner]
	to.w.Post(func(*worker.Worker) { to.input(copies) })
	return true
}
