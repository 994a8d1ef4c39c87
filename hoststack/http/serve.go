package http

import (
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// smallHead is how much of a head that lies in several pieces is copied at first.
const smallHead = 2048

// Accept takes a new connection.
func (s *Server) Accept(w *session.Worker, ss *session.Session) error {
	sh := s.e.shards[w.Index]
	ep, ok := w.ListenEndpoint(ss)
	place := -1
	if ok {
		place = s.findListener(ep)
	}
	if place < 0 {
		return transport.ErrNoListener
	}
	i, c := sh.alloc(s.number, stHead)
	if c == nil {
		return transport.ErrNoMemory
	}
	c.session, c.listener = w.Handle(ss), uint32(place)
	ss.Opaque = uint64(i)
	s.open[w.Index].n++
	sh.stats.Accepted++
	sh.due(i, c, s.listenerOf(c).limits.HeadTimeout)
	return nil
}

// Readable goes on with the requests.
func (s *Server) Readable(w *session.Worker, ss *session.Session) {
	sh := s.e.shards[w.Index]
	i := uint32(ss.Opaque)
	s.run(sh, i, sh.conns.At(i), ss)
}

// Writable goes on with the reply.
func (s *Server) Writable(w *session.Worker, ss *session.Session) {
	sh := s.e.shards[w.Index]
	i := uint32(ss.Opaque)
	c := sh.conns.At(i)
	if c.slot == 0 {
		w.WantWritable(ss, false)
		return
	}
	if sh.pump(c, ss) {
		c.flags |= fWritten
		s.run(sh, i, c, ss)
	}
}

// Closed goes on without what has not come.
func (s *Server) Closed(w *session.Worker, ss *session.Session) {
	sh := s.e.shards[w.Index]
	i := uint32(ss.Opaque)
	c := sh.conns.At(i)
	c.flags |= fPeerClosed
	s.run(sh, i, c, ss)
}

// Gone ends a connection.
func (s *Server) Gone(w *session.Worker, ss *session.Session, why error) {
	sh := s.e.shards[w.Index]
	i := uint32(ss.Opaque)
	c := sh.conns.At(i)
	if why == transport.ErrReset {
		sh.stats.ResetByPeer++
	}
	if c.flags&fActive != 0 {
		err := failures[c.why]
		if err == nil {
			err = why
		}
		if err == nil {
			err = ErrGone
		}
		c.state = stClosed
		c.flags &^= fActive
		s.listenerOf(c).handler.Done(sh.bind(s, i, c, ss), err)
	}
	s.open[w.Index].n--
	sh.free(i, c)
}

// run does what can be done with what has come, and tells the stack what was read.
func (s *Server) run(sh *shard, i uint32, c *conn, ss *session.Session) {
	for turns := 0; ; {
		more := false
		switch c.state {
		case stHead:
			if turns == maxTurn {
				sh.sw.Again(ss)
				break
			}
			turns++
			more = s.request(sh, i, c, ss)
		case stBody:
			more = s.content(sh, i, c, ss)
		case stReply:
			more = s.settle(sh, i, c, ss)
		case stLinger:
			rx := sh.sw.Rx(ss)
			sh.drop(rx, rx.Len())
			if c.flags&fPeerClosed != 0 {
				s.close(sh, i, c, ss)
			}
		}
		if !more {
			break
		}
	}
	sh.settleRx(ss)
}

// request takes the head of a request and has it served. It returns whether there may be
// more to do.
func (s *Server) request(sh *shard, i uint32, c *conn, ss *session.Session) bool {
	rx := sh.sw.Rx(ss)
	n := rx.Len()
	if n == 0 {
		if c.flags&fPeerClosed != 0 {
			s.close(sh, i, c, ss)
		}
		return false
	}
	l := s.listenerOf(c)
	if c.judged != 0 && n < l.limits.Head && c.flags&fPeerClosed == 0 && !hasLine(rx, int(c.judged)) {
		return false
	}
	x := sh.bind(s, i, c, ss)
	h := &x.head
	p := rx.PeekAt(0, n)
	size, judged, status := h.parse(p, &l.limits)
	if size == 0 && status == 0 && len(p) < n {
		p = sh.gather(rx, min(n, smallHead))
		size, judged, status = h.parse(p, &l.limits)
		if size == 0 && status == 0 && n > smallHead {
			size, judged, status = h.parse(sh.gather(rx, min(n, l.limits.Head)), &l.limits)
		}
	}
	switch {
	case status != 0:
		return s.refuse(sh, i, c, ss, status)
	case size == 0 && c.flags&fPeerClosed != 0:
		return s.refuse(sh, i, c, ss, 400)
	case size == 0:
		c.judged = uint32(judged)
		if c.flags&fBegun == 0 {
			c.flags |= fBegun
			sh.due(i, c, l.limits.HeadTimeout)
		}
		return false
	}
	s.begin(c, h, &l.limits)
	sh.stats.RequestsReceived++
	switch {
	case h.length > l.limits.Body:
		return s.refuse(sh, i, c, ss, 413)
	case h.form == asteriskForm && c.state == stReply:
		sh.replyStatus(i, c, ss, s, 204, nil)
	default:
		x.path = nil
		c.flags |= fActive
		l.handler.ServeHTTP(x)
	}
	sh.drop(rx, size)
	if c.state != stBody {
		return s.settle(sh, i, c, ss)
	}
	sh.due(i, c, l.limits.BodyTimeout)
	switch {
	case c.flags&fExpect == 0:
	case c.flags&fReplied != 0:
		// Whether the content comes now is the client's choice, so nobody knows where
		// the next request would begin (RFC 9110 10.1.1).
		c.flags |= fClose | fLinger
		c.state = stReply
	case rx.Len() == 0:
		sh.sendContinue(c, ss)
	}
	return true
}

// begin makes c ready for the exchange that h begins.
func (s *Server) begin(c *conn, h *RequestHead, lim *Limits) {
	c.flags &^= ofExchange
	c.seq++
	c.opaque, c.judged, c.body, c.mark, c.why = 0, 0, 0, 0, failedNot
	c.chunks = chunks{}
	c.method, c.minor = h.method, h.minor
	if !h.persistent() || lim.Requests > 0 && c.seq >= uint32(lim.Requests) {
		c.flags |= fClose
	}
	switch c.state = stReply; {
	case h.coding:
		c.state = stBody
		c.flags |= fChunked
	case h.length > 0:
		c.state = stBody
		c.chunks.left = h.length
	}
	if c.state == stBody && h.expect == expectContinue && h.minor >= 1 {
		c.flags |= fExpect
	}
}

// refuse answers what is not a request that can be served, and closes.
func (s *Server) refuse(sh *shard, i uint32, c *conn, ss *session.Session, status int) bool {
	if status != 408 {
		sh.stats.ProtocolErrors++
	}
	c.flags = c.flags&^ofExchange | fClose | fLinger
	c.state, c.method, c.minor, c.judged = stReply, GET, 1, 0
	sh.replyStatus(i, c, ss, s, status, nil)
	return s.settle(sh, i, c, ss)
}

// fail ends an exchange whose content cannot be read to its end: with a status, or with a
// reset when a reply is under way.
func (s *Server) fail(sh *shard, i uint32, c *conn, ss *session.Session, status int, why failure) {
	c.why = why
	if c.flags&fWritten == 0 && (c.flags&fReplied != 0 || why == failedTruncated) {
		sh.reset(c, ss)
		return
	}
	c.flags |= fClose | fLinger
	c.state = stReply
	if c.flags&fReplied == 0 {
		sh.replyStatus(i, c, ss, s, status, nil)
	}
}

// content takes content of the request as far as it has come.
func (s *Server) content(sh *shard, i uint32, c *conn, ss *session.Session) bool {
	rx := sh.sw.Rx(ss)
	l := s.listenerOf(c)
	for c.state == stBody {
		p := rx.PeekAt(0, rx.Len())
		if len(p) == 0 {
			if c.flags&fPeerClosed != 0 {
				sh.stats.ProtocolErrors++
				s.fail(sh, i, c, ss, 400, failedTruncated)
			}
			return c.state == stReply
		}
		skip, n, done := 0, 0, false
		if c.flags&fChunked != 0 {
			var ok bool
			if skip, n, done, ok = c.chunks.next(p); !ok {
				sh.stats.ProtocolErrors++
				s.fail(sh, i, c, ss, 400, failedMalformed)
				return true
			}
		} else {
			n = int(min(int64(len(p)), c.chunks.left))
			c.chunks.left -= int64(n)
			done = c.chunks.left == 0
		}
		if c.body += int64(n); c.body > l.limits.Body {
			s.fail(sh, i, c, ss, 413, failedTooLarge)
			return true
		}
		if c.flags&fWantBody != 0 && (n > 0 || done) {
			l.handler.Body(sh.bind(s, i, c, ss), p[skip:skip+n], done)
		}
		sh.drop(rx, skip+n)
		if done && c.state == stBody {
			c.state = stReply
			if c.slot != 0 {
				sh.due(i, c, l.limits.WriteTimeout)
			}
		}
	}
	return true
}

// settle ends the exchange when its reply is written. It returns whether the next request
// may follow.
func (s *Server) settle(sh *shard, i uint32, c *conn, ss *session.Session) bool {
	if c.state != stReply {
		return false
	}
	if c.flags&(fReplied|fDeferred) == 0 {
		sh.replyStatus(i, c, ss, s, 500, nil) // the handler has forgotten
	}
	if c.flags&fWritten == 0 {
		return false
	}
	l := s.listenerOf(c)
	if c.flags&fActive != 0 {
		c.flags &^= fActive
		l.handler.Done(sh.bind(s, i, c, ss), failures[c.why])
	}
	if c.flags&fClose != 0 {
		s.shut(sh, i, c, ss)
		return c.state == stLinger
	}
	c.state = stHead
	c.flags &^= ofExchange
	sh.due(i, c, l.limits.IdleTimeout)
	return true
}

// shut ends a connection after its last reply. A peer that is still sending gets time to
// read it: a reset would destroy what is on its way (RFC 9112 9.6).
func (s *Server) shut(sh *shard, i uint32, c *conn, ss *session.Session) {
	if c.flags&fLinger == 0 && sh.sw.Rx(ss).Len() == 0 {
		s.close(sh, i, c, ss)
		return
	}
	c.state = stLinger
	sh.sw.HalfClose(ss)
	sh.due(i, c, lingerTime)
}

// close ends a connection; Gone follows.
func (s *Server) close(sh *shard, i uint32, c *conn, ss *session.Session) {
	c.state = stClosed
	sh.due(i, c, closeWait)
	sh.sw.Close(ss)
}

// timeout is called when c has waited too long. What it leads to is told to the handler in
// the next Step.
func (s *Server) timeout(sh *shard, i uint32, c *conn, ss *session.Session) {
	lim := &s.listenerOf(c).limits
	switch c.state {
	case stHead:
		sh.stats.Timeouts++
		if sh.sw.Rx(ss).Len() == 0 {
			s.close(sh, i, c, ss) // idle
			return
		}
		s.refuse(sh, i, c, ss, 408)
	case stBody:
		least := int64(lim.BodyRate) * int64(lim.BodyTimeout) / 1e9
		if int64(uint32(c.body)-c.mark) >= least {
			c.mark = uint32(c.body)
			sh.due(i, c, lim.BodyTimeout)
			return
		}
		sh.stats.Timeouts++
		s.fail(sh, i, c, ss, 408, failedTimeout)
		sh.sw.Again(ss)
	case stReply:
		s.stalled(sh, i, c, ss, lim)
	case stLinger:
		s.close(sh, i, c, ss)
	case stClosed: // the peer does not close, and its transport lets it
		sh.sw.Reset(ss)
	}
}

// stalled looks at a reply that is not written whole. Time that its maker takes is not
// counted.
func (s *Server) stalled(sh *shard, i uint32, c *conn, ss *session.Session, lim *Limits) {
	pos, _ := sh.sw.Tx(ss).Positions()
	if c.slot == 0 || pos != c.mark || sh.sw.Unacked(ss) == 0 {
		c.mark = pos
		sh.due(i, c, lim.WriteTimeout)
		return
	}
	sh.stats.Timeouts++
	c.why = failedTimeout
	sh.reset(c, ss)
}
