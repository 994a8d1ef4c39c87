package iface

import (
	"encoding/binary"
	"slices"

	"vpphost/dataplane/device"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// inputNode polls all interfaces of one kind that a worker serves: "memif-input".
type inputNode struct {
	s     *station
	kind  string
	polls []poll
	node  *worker.Added
}

// poll is one receive queue of one interface; a loopback has none and is read from its
// port.
type poll struct {
	p      *port
	queue  int
	rx     device.RxQueue
	copies device.RxCopier // the same, where frames are copied
}

// Step takes at most one burst from each queue.
func (n *inputNode) Step(w *worker.Worker, now int64) (work int) {
	for k := range n.polls {
		if w.Held() {
			break
		}
		x := &n.polls[k]
		if x.rx == nil {
			work += n.s.loop(x.p, now)
			continue
		}
		var got int
		if x.copies != nil {
			got = n.s.copyIn(x.copies)
		} else {
			got = x.rx.RxBurst(n.s.burst)
		}
		if got != 0 {
			n.s.receive(x.p, x.queue, n.s.burst[:got], now)
			work += got
		}
	}
	return work
}

// spares are empty buffers, all of bufs but the first gone.
type spares struct {
	bufs []*pkt.Buf
	gone int
}

// refill takes buffers from the worker's cache. They are those that were freed last, and
// the first to be used: their bytes are still in the core's own cache, which the whole pool
// would not fit.
func (f *spares) refill(c *pkt.Cache) {
	n := c.GetN(f.bufs[:f.gone])
	if n < f.gone {
		copy(f.bufs[f.gone-n:], f.bufs[:n])
	}
	f.gone -= n
}

// giveBack returns all of them.
func (f *spares) giveBack(c *pkt.Cache) {
	c.PutN(f.bufs[f.gone:])
	f.gone = len(f.bufs)
}

// copyIn receives from a queue that copies, into s.burst.
func (s *station) copyIn(q device.RxCopier) int {
	f := &s.spare
	if f.gone > 0 {
		f.refill(s.w.Bufs)
	}
	got := q.RxCopy(f.bufs[f.gone:])
	if got > 0 {
		copy(s.burst, f.bufs[f.gone:f.gone+got])
		f.gone += got
	}
	return got
}

// receive stamps and counts a burst and hands it to the stack.
func (s *station) receive(p *port, queue int, bufs []*pkt.Buf, now int64) {
	var bytes, ip4, ip6 uint64
	index := p.i.Index
	for _, b := range bufs {
		b.Arrived, b.Iface = now, index
		b.Hash, b.Trace = 0, 0
		bytes += uint64(b.PktLen)
		if b.DataLen < ethernetHeader {
			continue
		}
		switch hdr.EtherType(binary.BigEndian.Uint16(b.At(12))) {
		case hdr.EtherIP4:
			ip4++
		case hdr.EtherIP6:
			ip6++
		}
	}
	c := p.c
	c.RxPackets += uint64(len(bufs))
	c.RxBytes += bytes
	c.IP4 += ip4
	c.IP6 += ip6
	if s.m.tap != nil {
		s.m.tap.Received(s.w, index, p.i.Kind, queue, bufs)
	}
	if s.m.input == nil {
		s.w.Bufs.PutN(bufs)
		c.Drops += uint64(len(bufs))
		return
	}
	s.m.input.Input(s.w, p.i, bufs)
}

// startPolling adds the queues of p that are this worker's to its input node, and has
// the device wake the worker where it can.
func (s *station) startPolling(p *port) {
	var add []poll
	if p.i.loopback() {
		add = append(add, poll{p: p})
	}
	for q, w := range p.i.rx {
		if w == s.w {
			x := poll{p: p, queue: q, rx: p.i.Dev.Rx(q)}
			x.copies, _ = x.rx.(device.RxCopier)
			add = append(add, x)
		}
	}
	if len(add) == 0 {
		return
	}
	n := s.inputs[p.i.Kind]
	if n == nil {
		n = &inputNode{s: s, kind: p.i.Kind}
		n.node = s.w.Add(worker.Input, p.i.Kind+"-input", n)
		s.inputs[p.i.Kind] = n
	}
	n.polls = append(n.polls, add...)
	if !p.i.loopback() {
		s.listen(p, add)
	}
	s.spin(p.i.mode, 1)
}

func (s *station) stopPolling(p *port) {
	n := s.inputs[p.i.Kind]
	if n == nil {
		return
	}
	before := len(n.polls)
	n.polls = slices.DeleteFunc(n.polls, func(x poll) bool { return x.p == p })
	if len(n.polls) == before {
		return
	}
	s.spare.giveBack(s.w.Bufs) // who still polls takes them again
	if len(n.polls) == 0 {
		s.w.Remove(n.node)
		delete(s.inputs, p.i.Kind)
	}
	s.unlisten(p)
	s.spin(p.i.mode, -1)
}

// listen has the device wake the worker: by its descriptors, or by the bells of the
// queues that this worker polls. Without either the worker has to look for itself.
func (s *station) listen(p *port, polls []poll) {
	want := slices.Clone(p.i.info.WakeFDs)
	if r, ok := p.i.Dev.(device.Ringer); ok && len(want) == 0 {
		bells := r.Bells()
		for _, x := range polls {
			if b, ok := x.rx.(device.Bell); ok && x.queue < len(bells) {
				want = append(want, bells[x.queue])
				p.bells = append(p.bells, b)
				s.w.AddArmer(b)
			}
		}
	}
	for _, fd := range want {
		if s.w.WatchFD(fd) == nil {
			p.fds = append(p.fds, fd)
		}
	}
	if len(p.fds) == 0 || len(p.fds) < len(want) {
		p.deaf = true
		s.w.Deaf(1)
	}
}

func (s *station) unlisten(p *port) {
	for _, b := range p.bells {
		s.w.RemoveArmer(b)
	}
	for _, fd := range p.fds {
		if !s.stopped {
			s.w.UnwatchFD(fd)
		}
	}
	p.fds, p.bells = nil, nil
	if p.deaf {
		p.deaf = false
		s.w.Deaf(-1)
	}
}

// wakes tells whether the device can wake a worker.
func (i *Interface) wakes() bool {
	_, ok := i.Dev.(device.Ringer)
	return ok || len(i.info.WakeFDs) > 0
}
