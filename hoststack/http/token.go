package http

import (
	"vpphost/dataplane/worker"
)

// Token names an exchange whose reply control code will give. It is a value, and good for
// as long as anybody likes: when the exchange is over, or its connection lost, nothing
// happens.
type Token struct {
	sh     *shard
	server *Server
	index  uint32
	seq    uint32
	gen    uint16
}

// Defer takes the duty to reply out of the handler: somebody will use the Token.
func (x *Exchange) Defer() Token {
	x.c.flags |= fDeferred
	return Token{x.sh, x.server, x.index, x.c.seq, x.sh.conns.Gen(x.index)}
}

// Do runs f on the worker, between two Steps, with the exchange; with nil when that is
// over. Any goroutine.
func (t Token) Do(f func(x *Exchange)) {
	t.sh.sw.Post(func(*worker.Worker) { t.do(f) })
}

// do is Do on the worker.
func (t Token) do(f func(x *Exchange)) {
	sh := t.sh
	if !sh.conns.Valid(t.index) || sh.conns.Gen(t.index) != t.gen {
		f(nil)
		return
	}
	c := sh.conns.At(t.index)
	ss := sh.sw.Get(c.session)
	if ss == nil || c.seq != t.seq || c.flags&fActive == 0 || c.state == stClosed {
		f(nil)
		return
	}
	good := false
	defer func() {
		if !good { // f has panicked: the mailbox reports it
			sh.reset(c, ss)
		}
	}()
	f(sh.bind(t.server, t.index, c, ss))
	t.server.run(sh, t.index, c, ss)
	good = true
}

// Reply is Exchange.Reply from any goroutine. Neither header nor body may change
// afterwards.
func (t Token) Reply(status int, header, body []byte) {
	t.Do(func(x *Exchange) {
		if x != nil {
			x.Reply(status, header, body, nil)
		}
	})
}

// Resume tells that a Source which said ErrWait has bytes again, or has failed. Any
// goroutine.
func (t Token) Resume() {
	t.Do(func(x *Exchange) {
		if x != nil && x.c.slot != 0 && x.c.flags&fWaits != 0 && x.sh.pump(x.c, x.ss) {
			x.c.flags |= fWritten
		}
	})
}
