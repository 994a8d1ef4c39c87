package iface

import (
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
)

// Reasons for dropping a frame that should have been sent.
const (
	dropDown = iota
	dropDeleted
	dropFull
	dropLink
)

// linkNews is how old, in ns, the stack's idea of a wire may be: a device that has taken
// frames since has a link, whatever LinkUp says.
const linkNews = int64(250e6)

func newDrops(set *stats.Set, workers int) *stats.Group {
	if set == nil {
		set = &stats.Set{}
	}
	return set.New("interface-output", workers,
		stats.Reason{Text: "interface is down"},
		stats.Reason{Text: "interface is deleted"},
		stats.Reason{Text: "no free tx slots"},
		stats.Reason{Text: "link is down"})
}

// Tx queues Ethernet frames for interface index; they go out at the end of the
// Step, or before when a burst is full. It owns the buffers. On a loopback they come
// in again in the next Step.
func (m *Manager) Tx(w *worker.Worker, index uint32, bufs []*pkt.Buf) {
	p := m.stations[w.Index].port(index)
	if p == nil {
		m.drops.Add(w, dropDeleted, uint64(len(bufs)))
		w.Bufs.PutN(bufs)
		return
	}
	if !p.up {
		p.drop(dropDown, bufs)
		return
	}
	if m.tap != nil {
		m.tap.Sent(w, index, bufs)
	}
	for len(bufs) > 0 {
		limit := len(p.q)
		if p.out != nil && !p.blocked {
			if p.n >= pkt.MaxBurst {
				p.flush()
				continue
			}
			limit = pkt.MaxBurst
		}
		n := copy(p.q[p.n:limit], bufs)
		if n == 0 {
			p.drop(dropFull, bufs)
			return
		}
		p.n += n
		bufs = bufs[n:]
	}
}

// TxRoom is how many frames Tx would take now without dropping: at most one burst, and 0
// while the device refuses frames. An interface that is down or gone always has room:
// what is sent there is dropped at once, and waiting would not help.
func (m *Manager) TxRoom(w *worker.Worker, index uint32) int {
	p := m.stations[w.Index].port(index)
	if p == nil || !p.up {
		return pkt.MaxBurst
	}
	if p.blocked && p.tried != w.Steps() {
		p.flush()
	}
	if p.blocked || p.behind {
		return 0
	}
	if p.n == pkt.MaxBurst && p.out != nil {
		p.flush()
		if p.blocked {
			return 0
		}
	}
	return max(0, pkt.MaxBurst-p.n)
}

// Step is the "<name>-tx" node: it sends what waits here, then what other workers have
// handed over. On a worker without a queue it is "<name>-handoff".
func (p *port) Step(w *worker.Worker, now int64) (sent int) {
	if p.n > 0 {
		sent = p.flush()
	}
	if len(p.from) > 0 {
		sent += p.collect()
	}
	return sent
}

// flush offers everything in the queue to the device, in order, and keeps what it
// refuses.
func (p *port) flush() (sent int) {
	p.tried = p.s.w.Steps()
	for sent < p.n {
		n, bytes := p.send(p.q[sent:min(p.n, sent+pkt.MaxBurst)])
		if !p.shared {
			p.c.TxPackets += uint64(n)
			p.c.TxBytes += bytes
		}
		if n == 0 {
			break
		}
		p.took = p.s.w.Now()
		sent += n
	}
	if sent == p.n {
		p.n = 0
	} else if sent > 0 {
		p.n = copy(p.q, p.q[sent:p.n])
	}
	if p.n > 0 && !p.i.LinkUp() && p.s.w.Now()-p.took > linkNews {
		// Nobody is at the other end; what waits for one would be stale.
		p.discard(dropLink)
	}
	p.setBlocked(p.n > 0)
	return sent
}

// send offers a burst to the device and returns how many frames of how many bytes it is
// done with.
func (p *port) send(burst []*pkt.Buf) (n int, bytes uint64) {
	if p.copies != nil {
		n = p.copies.TxCopy(burst)
		for _, b := range burst[:n] {
			bytes += uint64(b.PktLen)
		}
		p.s.w.Bufs.PutN(burst[:n])
		return n, bytes
	}
	for _, b := range burst {
		bytes += uint64(b.PktLen)
	}
	n = p.out.TxBurst(burst)
	// The first n belong to the device now and must not be looked at.
	for _, b := range burst[n:] {
		bytes -= uint64(b.PktLen)
	}
	return n, bytes
}

// setBlocked notes whether the device refuses frames. While it does nothing tells the
// worker when to try again, so that it must not sleep for long.
func (p *port) setBlocked(blocked bool) {
	if p.blocked == blocked {
		return
	}
	p.blocked = blocked
	if blocked {
		p.s.w.Deaf(1)
	} else {
		p.s.w.Deaf(-1)
	}
}
