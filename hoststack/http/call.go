package http

import (
	"net/netip"

	"vpphost/hoststack/session"
)

// Call is a connection of a client, with the request that is in flight on it. It belongs
// to the worker and is valid inside the callback only; Ref names it for longer.
type Call struct {
	sh     *shard
	client *Client
	index  uint32
	c      *conn
	ss     *session.Session // nil when the connection was never open
	head   ResponseHead
}

// ConnRef names a connection of a client for as long as it lives.
type ConnRef struct {
	index  uint32
	gen    uint16
	worker uint16
}

// bindCall makes the shard's Call that of c.
func (sh *shard) bindCall(k *Client, i uint32, c *conn, ss *session.Session) *Call {
	x := &sh.call
	x.sh, x.client, x.index, x.c, x.ss = sh, k, i, c, ss
	return x
}

// Get finds a connection by its name, nil when it is over or not open yet. On w. It must not
// be called inside a callback, whose own Call it would change.
func (k *Client) Get(w *session.Worker, ref ConnRef) *Call {
	sh := k.e.shards[w.Index]
	if int(ref.worker) != w.Index || !sh.conns.Valid(ref.index) || sh.conns.Gen(ref.index) != ref.gen {
		return nil
	}
	c := sh.conns.At(ref.index)
	ss := w.Get(c.session)
	if ss == nil || c.owner != k.number || c.state == stOpening || c.state == stClosed {
		return nil
	}
	return sh.bindCall(k, ref.index, c, ss)
}

// Ref names the connection.
func (x *Call) Ref() ConnRef {
	return ConnRef{x.index, x.sh.conns.Gen(x.index), uint16(x.sh.sw.Index)}
}

// Worker is the session layer's worker.
func (x *Call) Worker() *session.Worker { return x.sh.sw }

// Addrs are the two ends of the connection, zero when it is over.
func (x *Call) Addrs() (local, remote netip.AddrPort) {
	if x.ss == nil {
		return
	}
	return x.sh.sw.Addrs(x.ss)
}

// Opaque is the application's own. It begins as the opaque of Open.
func (x *Call) Opaque() uint64     { return x.c.opaque }
func (x *Call) SetOpaque(v uint64) { x.c.opaque = v }

// Busy tells whether a request is in flight.
func (x *Call) Busy() bool { return x.c.state == stHead || x.c.state == stBody }

// Reusable tells whether another request may be sent.
func (x *Call) Reusable() bool {
	return x.c.flags&(fClose|fPeerClosed) == 0 && x.c.state != stClosed && x.c.state != stOpening
}

// Send sends a request. ErrBusy: another is in flight; ErrGone: the connection takes no
// more.
func (x *Call) Send(r *Request) error {
	sh, c := x.sh, x.c
	switch {
	case x.ss == nil || !x.Reusable():
		return ErrGone
	case c.state != stIdle:
		return ErrBusy
	}
	c.flags &^= ofExchange
	c.seq++
	c.method, c.state, c.judged, c.body, c.why = r.method, stHead, 0, 0, failedNot
	c.sent = sh.sw.Now()
	sh.stats.RequestsSent++
	if d := x.client.cfg.Timeout; d > 0 {
		sh.due(x.index, c, d)
	}
	tx := sh.sw.Tx(x.ss)
	head := putBody(tx, r.head)
	body := r.body
	if len(head) == 0 {
		body = putBody(tx, body)
	}
	if len(head) < len(r.head) {
		sh.sw.Send(x.ss)
	}
	if len(head) == 0 && len(body) == 0 && r.source == nil {
		return nil
	}
	var src Source
	if r.source != nil {
		src = r.source()
	}
	t := sh.begin(c)
	t.head = append(t.head, head...)
	t.body, t.src, t.left, t.chunk = body, src, r.length, r.length < 0
	if src != nil {
		t.owner = src
	}
	sh.pump(c, x.ss)
	return nil
}

// Resume goes on with a request whose Source said ErrWait.
func (x *Call) Resume() {
	if x.ss != nil && x.c.slot != 0 && x.c.flags&fWaits != 0 {
		x.sh.pump(x.c, x.ss)
	}
}

// Pause has the content of the response wait: it stays in the receive FIFO, and when that
// is full the server waits. What has come is told on Unpause, which must not be called
// inside a callback. The time limit of the request goes on.
func (x *Call) Pause() { x.c.flags |= fPaused }

// Unpause goes on.
func (x *Call) Unpause() {
	if x.ss != nil && x.c.flags&fPaused != 0 {
		x.c.flags &^= fPaused
		x.sh.sw.Again(x.ss)
	}
}

// Close ends the connection; OnClose follows, in the next Step or later. Reset does so at
// once, throwing away what was not sent.
func (x *Call) Close() {
	if x.ss == nil || x.c.state == stClosed {
		return
	}
	x.client.close(x.sh, x.index, x.c, x.ss)
}

// Reset aborts the connection.
func (x *Call) Reset() {
	if x.ss != nil && x.c.state != stClosed {
		x.sh.reset(x.c, x.ss)
	}
}
