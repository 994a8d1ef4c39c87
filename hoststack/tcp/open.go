package tcp

import (
	"errors"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/flow"
	"vpphost/hoststack/tcp/cc"
	"vpphost/hoststack/transport"
)

// Connect begins an active open: RFC 9293 section 3.10.1.
func (t *TCP) Connect(w *worker.Worker, ep transport.Endpoint, opaque uint32) (transport.Conn, error) {
	s := t.shards[w.Index]
	now := w.Now()
	i, c, after, err := s.active(ep, now)
	if err != nil {
		return transport.Conn{}, err
	}
	c.session = opaque
	c.state = SynSent
	s.number(c, after, now)
	c.rcvScale = s.cfg.wscale()
	c.offer(s.cfg.MinRxFIFO)
	c.mss = defaultMSS4
	s.limitState(c, now)
	c.set(fSynOwed)
	c.startTiming(c.sndNxt, now)
	c.rtxAt = tickAfter(now, c.rtoNs())
	s.queue(i, c)
	s.arm(i, c, now)
	return s.name(i, c), nil
}

// active finds the way and the ends of an active open, and allocates it. after, unless
// 0, is what its initial sequence number must lie beyond.
func (s *shard) active(ep transport.Endpoint, now int64) (i uint32, n *Conn, after uint32, err error) {
	c := &s.stray // for the path; what goes to the network layer may not be on the stack
	x := tuple{remote: hdr.AddrOf(ep.Addr.Addr()), rport: ep.Addr.Port()}
	if x.remote.IsZero() || isGroup(&x.remote) || x.rport == 0 {
		return 0, nil, 0, transport.ErrBadAddress
	}
	c.remote = x.remote
	if err := s.t.net.FindPath(s.w, &c.remote, ep.Iface, &c.path); err != nil {
		return 0, nil, 0, transport.ErrNoRoute
	}
	hash, pooled, pool := uint32(0), false, false
	if ep.Local.Addr().IsValid() && !ep.Local.Addr().IsUnspecified() {
		x.local = hdr.AddrOf(ep.Local.Addr())
	} else if ep.Local.Port() == 0 {
		hash, pooled = s.pooled(&x)
		pool = !x.local.IsZero()
	}
	if x.local.IsZero() {
		a, err := s.t.net.Source(s.w, &c.path, &c.remote)
		if err != nil {
			return 0, nil, 0, transport.ErrNoSource
		}
		x.local = a
	}
	if x.local.Is4() != x.remote.Is4() {
		return 0, nil, 0, transport.ErrBadAddress
	}
	if !pooled {
		hash, err = s.port(&x, ep.Local.Port())
	}
	if errors.Is(err, transport.ErrNoPort) {
		if hash, after = s.recycle(&x, pool, now); after != 0 {
			err = nil
		}
	}
	if err != nil {
		return 0, nil, 0, err
	}
	i, n = s.alloc(&x, hash)
	if n == nil {
		s.ports.Free(s.t.hasher.Hash(&x.local, &x.remote, 0, x.rport), x.lport)
		return 0, nil, 0, transport.ErrNoMemory
	}
	n.path = c.path
	n.set(fPort)
	return i, n, after, nil
}

// port chooses the local port, unless want says which, such that the flow belongs to
// this worker, and returns the flow's hash.
func (s *shard) port(x *tuple, want uint16) (hash uint32, err error) {
	state := func(p uint16) flow.PortState {
		x.lport = p
		hash = s.t.hasher.Hash(&x.local, &x.remote, p, x.rport)
		switch {
		case flow.Owner(hash, len(s.t.shards)) != s.w.Index:
			return flow.PortForeign
		case s.lookup(hash, x) != 0 || x.local == x.remote && p == x.rport:
			return flow.PortTaken
		}
		return flow.PortFree
	}
	key := s.t.hasher.Hash(&x.local, &x.remote, 0, x.rport)
	if want != 0 {
		if state(want) != flow.PortFree {
			return 0, transport.ErrInUse
		}
		s.ports.Take(key, want)
		return hash, nil
	}
	x.lport, err = s.ports.Alloc(key, state)
	return hash, err
}

// number chooses c's initial sequence number, which lies beyond after unless that is
// 0, and its timestamp offset.
func (s *shard) number(c *Conn, after uint32, now int64) {
	iss, off := s.t.secret.isn(&c.local, &c.remote, c.lport, c.rport, now)
	if after != 0 && iss.Before(hdr.SeqOf(after)) {
		iss = hdr.SeqOf(after)
	}
	c.tsOffset = off
	c.stats.iss, c.stats.recover = iss, iss
	c.sndUna, c.sndNxt = iss, iss.Add(1)
}

// offer sets the window that the SYN offers, of a FIFO that does not exist yet.
func (c *Conn) offer(wnd uint32) {
	c.rxSize = wnd
	c.rcvAdv = c.rcvNxt.Add(int(min(wnd, 65535)))
	c.rcvEdge = c.rcvAdv
}

// takeSYN takes the numbers and options of the peer's SYN. What we offered that the
// peer does not mention is off.
func (s *shard) takeSYN(c *Conn, seg *segment, now int64) {
	o := &seg.opt
	c.stats.irs = seg.seq
	c.rcvNxt = seg.seq.Add(1)
	c.lastAck = c.rcvNxt
	c.rcvScale, c.sndScale = 0, 0
	if o.has&optWScale != 0 {
		c.set(fWScale)
		c.rcvScale, c.sndScale = s.cfg.wscale(), o.wscale
	}
	if o.has&optTS != 0 {
		c.set(fTS)
		c.tsRecent, c.tsStamp = o.tsVal, tsStampAt(now)
	}
	if o.has&optSACKPerm != 0 {
		c.set(fSACK)
	}
	// RFC 7323 section 2.2: the window of a SYN is never scaled.
	c.sndWnd, c.sndWl1, c.sndWl2 = seg.wnd, seg.seq, seg.ack
	c.stats.maxWnd = seg.wnd
	peer := uint16(defaultMSS4)
	if !c.is4() {
		peer = defaultMSS6
	}
	if o.has&optMSS != 0 {
		peer = max(o.mss, minMSS)
	}
	c.stats.peerMSS = peer
	c.setMSS(s.ourMSS(c))
}

// ourMSS is the MSS that we announce: what the path lets in, and a buffer holds
// (RFC 9293 section 3.7.1, RFC 6691).
func (s *shard) ourMSS(c *Conn) uint16 {
	mtu := int(c.path.MTU)
	if s.cfg.MTU != 0 {
		mtu = min(mtu, int(s.cfg.MTU))
	}
	mtu = min(mtu, s.w.Bufs.Pool().Room()-pkt.Headroom)
	return uint16(max(mtu-ipLen(c.is4())-hdr.TCPLen, minMSS))
}

// setMSS sets what a full segment carries: the least of both ends' MSS, less the
// options that every segment has (RFC 6691 section 3).
func (c *Conn) setMSS(ours uint16) {
	c.mss = min(ours, c.stats.peerMSS) - uint16(c.tcpLen()-hdr.TCPLen)
}

// synSent takes the segment in s.seg in SYN_SENT: RFC 9293 section 3.10.7.3.
func (s *shard) synSent(c *Conn, now int64) {
	seg := &s.seg
	c.stats.segsIn++
	// First, check the ACK bit.
	if seg.flags&hdr.ACK != 0 && seg.ack != c.sndNxt {
		s.count(inAckInvalid)
		if seg.flags&hdr.RST == 0 {
			s.refuse(seg)
		}
		return
	}
	// Second, check the RST bit.
	if seg.flags&hdr.RST != 0 {
		s.count(inRst)
		if seg.flags&hdr.ACK != 0 {
			s.gone(c, causeRefused)
		}
		return
	}
	// Third, there is no security. Fourth, check the SYN bit.
	if seg.flags&hdr.SYN == 0 {
		s.count(inDispatch)
		return // fifth
	}
	wnd := uint32(c.rcvWnd())
	s.takeSYN(c, seg, now)
	c.offer(wnd)
	// Text on a SYN is not taken; it will come again (section 3.10.7.3: "may be
	// queued").
	if seg.flags&hdr.ACK == 0 {
		// Simultaneous open.
		s.count(inSyn)
		c.state = SynRcvd
		s.limitState(c, now)
		c.set(fSynOwed)
		return
	}
	s.count(inSynAck)
	c.sndUna = seg.ack
	if c.has(fTiming) {
		c.clear(fTiming)
		s.measured(c, max(now-c.rttTime, 1))
	}
	s.establish(c, now)
	s.ackAtOnce(c)
	s.out.events |= evOpened
}

// establish enters ESTABLISHED: the handshake is complete, what is known of the path
// starts the congestion controller.
func (m *machine) establish(c *Conn, now int64) {
	if c.tries > 0 && c.srtt == 0 {
		c.rto = synRTO // RFC 6298 section 5.7
	}
	iw := m.cfg.initialWindow(uint32(c.mss))
	if c.tries > 0 {
		iw = uint32(c.mss) // RFC 5681 section 3.1: the SYN was lost
	}
	c.state = Established
	c.backoff, c.tries = 0, 0
	c.rtxAt, c.stateAt = 0, 0
	c.clear(fSynOwed)
	c.stats.opened = now
	cc.ByID(c.ccID).Init(&c.cong, now, uint32(c.mss), iw)
}

// opened asks the session layer to attach a session to c; false when c is over.
func (s *shard) opened(i uint32, c *Conn, now int64) bool {
	var a transport.Attach
	var err error
	up := s.t.upper
	if c.has(fPassive) {
		s.leaveBacklog(c)
		a, err = up.Accepted(s.w, s.name(i, c), c.session)
	} else {
		a, err = up.Connected(s.w, s.name(i, c), c.session, nil)
	}
	if err != nil {
		c.set(fPassive) // nobody is to be told
		if !c.has(fGone) {
			s.out.events |= evReset
			s.out.reset = c.abort()
			s.gone(c, causeAppRefused)
		}
		return false
	}
	c.session = a.Session
	c.set(fAttached)
	if c.has(fGone) || c.state == Closed {
		return false
	}
	if c.has(fPassive) {
		s.window[c.stats.slot] = min(a.RxSize, 65535)
	}
	c.rxSize = min(a.RxSize, uint32(65535)<<c.rcvScale)
	c.rcvEdge = c.rcvNxt.Add(int(c.rxSize))
	// The window that the SYN offered may be a small part of what there is: say so,
	// or the peer's first flight is held up.
	if c.rcvWnd() < min(int(c.rxSize), 10*int(c.mss)) {
		s.ackAtOnce(c)
	}
	return true
}
