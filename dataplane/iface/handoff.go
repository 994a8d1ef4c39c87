package iface

import (
	"slices"

	"vpphost/dataplane/device"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// ringLen is the length of the ring that hands frames from one worker to the one that owns
// a transmit queue.
const ringLen = 1024

// newRing makes such a ring to worker to.
type newRing func(to *worker.Worker, n int) (*worker.Ring, error)

// wireTx gives every port its way out: a transmit queue of its own, or a ring to the
// worker that owns the queue. Queue q belongs to worker q. On an error there is nothing
// to undo.
func wireTx(i *Interface, stations []*station, ports []*port, ring newRing) error {
	if i.Dev == nil {
		return nil
	}
	queues := max(1, i.info.TxQ)
	for k, p := range ports {
		owner := k % queues
		if owner == k {
			p.out = i.Dev.Tx(k)
			p.copies, _ = p.out.(device.TxCopier)
			continue
		}
		r, err := ring(stations[owner].w, ringLen)
		if err != nil {
			for _, p := range ports {
				p.closeRings()
			}
			return err
		}
		p.out, p.shared = r, true
		ports[owner].from = append(ports[owner].from, r)
	}
	return nil
}

// collect sends what other workers have handed over, at most a burst of each. While the
// device refuses frames the rest stays with them: what this worker sends itself needs the
// queue as well. Then everybody has a turn of a burst, this worker too.
func (p *port) collect() (sent int) {
	for range len(p.from) + 1 {
		if p.blocked {
			break
		}
		if p.turn == len(p.from) {
			p.turn = 0
			if p.behind {
				p.behind = false // up to the next call TxRoom has something to give
				return sent
			}
			continue
		}
		r := p.from[p.turn]
		p.turn++
		if p.n = r.RxBurst(p.q[:pkt.MaxBurst]); p.n > 0 { // it was empty, or we were blocked
			sent += p.flush()
		}
	}
	p.behind = p.blocked && slices.ContainsFunc(p.from, func(r *worker.Ring) bool { return r.Len() > 0 })
	return sent
}

// discardRings drops what other workers have handed over.
func (p *port) discardRings(why int) {
	p.behind = false
	for _, r := range p.from {
		for {
			n := r.RxBurst(p.s.burst)
			if n == 0 {
				break
			}
			p.drop(why, p.s.burst[:n])
		}
	}
}

func (p *port) closeRings() {
	for _, r := range p.from {
		r.Close()
	}
	p.from = nil
}
