package http

import (
	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// find is the connection of a session; nil when it was given up before it was open.
func (k *Client) find(sh *shard, ss *session.Session) (uint32, *conn) {
	i := uint32(ss.Opaque)
	if i == 0 {
		return 0, nil
	}
	return i, sh.conns.At(i)
}

// Connected tells how an open ended.
func (k *Client) Connected(w *session.Worker, ss *session.Session, opaque uint64, err error) {
	sh := k.e.shards[w.Index]
	i, gen := uint32(opaque), uint16(opaque>>32)
	c := sh.conns.At(i)
	if !sh.conns.Valid(i) || sh.conns.Gen(i) != gen || ss != nil && c.state != stOpening {
		if ss != nil { // it took too long
			ss.Opaque = 0
			w.Reset(ss)
		}
		return
	}
	if err != nil {
		if c.why != failedNot {
			err = failures[c.why] // nobody has been told yet
		}
		k.cfg.Handler.OnClose(sh.bindCall(k, i, c, nil), err)
		sh.free(i, c)
		return
	}
	ss.Opaque = uint64(i)
	c.session, c.state = w.Handle(ss), stIdle
	sh.stats.Established++
	k.cfg.Handler.OnOpen(sh.bindCall(k, i, c, ss))
}

// Readable goes on with the response.
func (k *Client) Readable(w *session.Worker, ss *session.Session) {
	sh := k.e.shards[w.Index]
	if i, c := k.find(sh, ss); c != nil {
		k.run(sh, i, c, ss)
	}
}

// Writable goes on with the request.
func (k *Client) Writable(w *session.Worker, ss *session.Session) {
	sh := k.e.shards[w.Index]
	if _, c := k.find(sh, ss); c == nil || c.slot == 0 {
		w.WantWritable(ss, false)
	} else {
		sh.pump(c, ss)
	}
}

// Closed: the server sends no more.
func (k *Client) Closed(w *session.Worker, ss *session.Session) {
	sh := k.e.shards[w.Index]
	if i, c := k.find(sh, ss); c != nil {
		c.flags |= fPeerClosed
		k.run(sh, i, c, ss)
	}
}

// Gone ends a connection.
func (k *Client) Gone(w *session.Worker, ss *session.Session, why error) {
	sh := k.e.shards[w.Index]
	i, c := k.find(sh, ss)
	if c == nil {
		return
	}
	if why == transport.ErrReset {
		sh.stats.ResetByPeer++
	}
	err := failures[c.why]
	if err == nil && (c.state == stHead || c.state == stBody) {
		if err = why; err == nil {
			err = ErrTruncated
		}
	}
	c.state = stClosed
	k.cfg.Handler.OnClose(sh.bindCall(k, i, c, ss), err)
	sh.free(i, c)
}

// run does what can be done with what has come.
func (k *Client) run(sh *shard, i uint32, c *conn, ss *session.Session) {
	for more := true; more; {
		switch more = false; c.state {
		case stHead:
			more = k.response(sh, i, c, ss)
		case stBody:
			more = k.content(sh, i, c, ss)
		case stIdle:
			// What nobody has asked for (RFC 9112 9.2) would be taken for the next
			// response.
			if sh.sw.Rx(ss).Len() > 0 || c.flags&fPeerClosed != 0 {
				k.close(sh, i, c, ss)
			}
		}
	}
	sh.settleRx(ss)
}

// response takes the head of a response. It returns whether there may be more to do.
func (k *Client) response(sh *shard, i uint32, c *conn, ss *session.Session) bool {
	rx := sh.sw.Rx(ss)
	n := rx.Len()
	ended := c.flags&fPeerClosed != 0
	if n == 0 || c.judged != 0 && n < k.cfg.MaxHead && !ended && !hasLine(rx, int(c.judged)) {
		if n == 0 && ended {
			k.fail(sh, c, ss, failedTruncated)
		}
		return false
	}
	x := sh.bindCall(k, i, c, ss)
	h := &x.head
	p := rx.PeekAt(0, n)
	size, judged, ok := h.parse(p, k.cfg.MaxHead)
	if size == 0 && ok && len(p) < n {
		size, judged, ok = h.parse(sh.gather(rx, min(n, smallHead)), k.cfg.MaxHead)
		if size == 0 && ok && n > smallHead {
			size, judged, ok = h.parse(sh.gather(rx, min(n, k.cfg.MaxHead)), k.cfg.MaxHead)
		}
	}
	switch {
	case !ok:
		k.fail(sh, c, ss, failedMalformed)
		return false
	case size == 0 && ended:
		k.fail(sh, c, ss, failedTruncated)
		return false
	case size == 0:
		c.judged = uint32(judged)
		return false
	}
	c.judged = 0
	if h.status < 200 {
		sh.drop(rx, size)
		if h.status == 101 { // nobody has asked for it
			k.fail(sh, c, ss, failedMalformed)
			return false
		}
		return true
	}
	sh.stats.ResponsesReceived++
	c.minor = h.minor
	if !h.persistent() {
		c.flags |= fClose
	}
	// RFC 9112 6.3.
	c.chunks, c.state = chunks{}, stBody
	empty := false
	switch {
	case c.method == HEAD || bodyless(int(h.status)):
		empty = true
	case h.coding:
		c.flags |= fChunked
	case h.length >= 0:
		c.chunks.left = h.length
		empty = h.length == 0
	default:
		c.flags |= fToEnd | fClose
	}
	k.cfg.Handler.OnHead(x, h)
	sh.drop(rx, size)
	if empty && c.state == stBody {
		return k.done(sh, i, c, ss)
	}
	return true
}

// content takes content of the response as far as it has come.
func (k *Client) content(sh *shard, i uint32, c *conn, ss *session.Session) bool {
	rx := sh.sw.Rx(ss)
	for c.state == stBody && c.flags&fPaused == 0 {
		p := rx.PeekAt(0, rx.Len())
		if len(p) == 0 {
			switch {
			case c.flags&fPeerClosed == 0:
			case c.flags&fToEnd != 0:
				return k.done(sh, i, c, ss)
			default:
				k.fail(sh, c, ss, failedTruncated)
			}
			return false
		}
		skip, n, done := 0, len(p), false
		switch {
		case c.flags&fChunked != 0:
			var ok bool
			if skip, n, done, ok = c.chunks.next(p); !ok {
				k.fail(sh, c, ss, failedMalformed)
				return false
			}
		case c.flags&fToEnd == 0:
			n = int(min(int64(n), c.chunks.left))
			c.chunks.left -= int64(n)
			done = c.chunks.left == 0
		}
		c.body += int64(n)
		if n > 0 {
			k.cfg.Handler.OnBody(sh.bindCall(k, i, c, ss), p[skip:skip+n])
		}
		sh.drop(rx, skip+n)
		if done && c.state == stBody {
			return k.done(sh, i, c, ss)
		}
	}
	return false
}

// done ends a response.
func (k *Client) done(sh *shard, i uint32, c *conn, ss *session.Session) bool {
	if c.slot != 0 { // the server did not want all of the request
		sh.endTransfer(c)
		sh.sw.WantWritable(ss, false)
		c.flags |= fClose
	}
	if sh.sw.Rx(ss).Len() > 0 {
		c.flags |= fClose
	}
	c.state = stIdle
	k.cfg.Handler.OnDone(sh.bindCall(k, i, c, ss), sh.sw.Now()-c.sent)
	if c.state == stIdle && c.flags&(fClose|fPeerClosed) != 0 {
		k.close(sh, i, c, ss)
	}
	return false
}

// close ends a connection; Gone follows.
func (k *Client) close(sh *shard, i uint32, c *conn, ss *session.Session) {
	c.state = stClosed
	sh.due(i, c, closeWait)
	sh.sw.Close(ss)
}

// fail ends a connection whose response cannot be taken.
func (k *Client) fail(sh *shard, c *conn, ss *session.Session, why failure) {
	if why != failedTimeout {
		sh.stats.ProtocolErrors++
	}
	c.why = why
	sh.reset(c, ss)
}

// timeout is called when c has waited too long.
func (k *Client) timeout(sh *shard, i uint32, c *conn, ss *session.Session) {
	switch c.state {
	case stOpening:
		sh.stats.Timeouts++
		c.state, c.why = stClosed, failedTimeout // what Connected will find
		gen := sh.conns.Gen(i)
		sh.sw.Post(func(*worker.Worker) { // the application must not be called by a timer
			if !sh.conns.Valid(i) || sh.conns.Gen(i) != gen {
				return
			}
			if k.app.Attached() {
				k.cfg.Handler.OnClose(sh.bindCall(k, i, c, nil), ErrTimeout)
			}
			sh.free(i, c)
		})
	case stHead, stBody:
		if k.cfg.Timeout > 0 && sh.sw.Now()-c.sent >= int64(k.cfg.Timeout) {
			sh.stats.Timeouts++
			k.fail(sh, c, ss, failedTimeout)
		}
	case stClosed: // the peer does not close, and its transport lets it
		sh.sw.Reset(ss)
	}
}
