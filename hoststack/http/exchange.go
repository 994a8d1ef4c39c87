package http

import (
	"bytes"
	"net/netip"

	"vpphost/hoststack/session"
)

// Handler serves the requests of a Listener, on the workers of their connections. It must
// not block. A Handler that panics ends its Server.
type Handler interface {
	// ServeHTTP is called when the head of a request is complete. The reply may be given
	// here, from Body, or later by control code (Exchange.Defer); with none of these the
	// engine answers 500.
	ServeHTTP(x *Exchange)
	// Body is called with the content of the request, without its chunked coding, if
	// Exchange.WantBody was. The last call may have an empty piece.
	Body(x *Exchange, piece []byte, last bool)
	// Done ends what ServeHTTP began, once for every call of that. With a nil err the
	// whole reply is in the transmit FIFO. Otherwise the connection is lost, or the
	// engine has answered: ErrMalformed, ErrTooLarge or ErrTimeout.
	Done(x *Exchange, err error)
}

// NopHandler implements what a Handler without interest in bodies does not need.
type NopHandler struct{}

func (NopHandler) Body(*Exchange, []byte, bool) {}
func (NopHandler) Done(*Exchange, error)        {}

// Exchange is a request and its reply. It and the bytes that it gives belong to the worker
// and are valid inside the callback only. What tells about the head of the request may be
// asked in ServeHTTP only, unless it says otherwise.
type Exchange struct {
	sh     *shard
	server *Server
	index  uint32
	c      *conn
	ss     *session.Session
	head   RequestHead
	path   []byte
}

// bind makes the shard's Exchange that of c.
func (sh *shard) bind(s *Server, i uint32, c *conn, ss *session.Session) *Exchange {
	x := &sh.x
	x.sh, x.server, x.index, x.c, x.ss = sh, s, i, c, ss
	return x
}

// Head is the parsed head.
func (x *Exchange) Head() *RequestHead { return &x.head }

// Method is the request's method, here and later. It is never CONNECT nor unknown.
func (x *Exchange) Method() Method { return x.c.method }

// Minor is the digit after HTTP/1, here and later.
func (x *Exchange) Minor() int { return int(x.c.minor) }

// Target is the request target as it came.
func (x *Exchange) Target() []byte { return x.head.target }

// RawPath is the path in it, with its escapes.
func (x *Exchange) RawPath() []byte { return x.head.path }

// Path is what CleanPath makes of RawPath.
func (x *Exchange) Path() []byte {
	if !x.head.odd {
		return x.head.path
	}
	if len(x.path) == 0 {
		x.path, _ = CleanPath(x.sh.path[:0], x.head.path) // it was judged with the head
	}
	return x.path
}

// Query is what follows the first "?" of the target, nil when there is none.
func (x *Exchange) Query() []byte { return x.head.query }

// QueryValue is the value of name in a query such as name=value&other, with its escapes.
func (x *Exchange) QueryValue(name string) (value []byte, ok bool) {
	for pair, rest := []byte(nil), x.head.query; len(rest) > 0; {
		pair, rest, _ = bytes.Cut(rest, []byte("&"))
		if k, v, _ := bytes.Cut(pair, []byte("=")); string(k) == name {
			return v, true
		}
	}
	return nil, false
}

// Header is the value of the first field of that name, which is in lower case.
func (x *Exchange) Header(name string) ([]byte, bool) { return x.head.Header(name) }

// NumFields and FieldAt give all fields.
func (x *Exchange) NumFields() int                     { return x.head.NumFields() }
func (x *Exchange) FieldAt(i int) (name, value []byte) { return x.head.FieldAt(i) }

// Host is where the request was addressed to; see RequestHead.Host.
func (x *Exchange) Host() []byte { return x.head.Host() }

// ContentLength is the length of the request's content, 0 when it has none and -1 when it
// comes in chunks.
func (x *Exchange) ContentLength() int64 {
	if x.head.coding {
		return -1
	}
	return max(x.head.length, 0)
}

// What follows may be used in all callbacks.

// Listener is whose Handler is called.
func (x *Exchange) Listener() *Listener { return x.server.listenerOf(x.c) }

// Worker is the session layer's worker.
func (x *Exchange) Worker() *session.Worker { return x.sh.sw }

// Addrs are the two ends of the connection.
func (x *Exchange) Addrs() (local, remote netip.AddrPort) { return x.sh.sw.Addrs(x.ss) }

// Opaque is the handler's own, for this exchange. It begins as 0.
func (x *Exchange) Opaque() uint64     { return x.c.opaque }
func (x *Exchange) SetOpaque(v uint64) { x.c.opaque = v }

// WantBody asks for Body to be called. In ServeHTTP.
func (x *Exchange) WantBody() { x.c.flags |= fWantBody }

// Replied tells whether a reply was given, by the handler or by the engine.
func (x *Exchange) Replied() bool { return x.c.flags&fReplied != 0 }

// Scratch is an empty slice with a capacity of 8 KiB to build the fields of a reply in. It
// belongs to the worker.
func (x *Exchange) Scratch() []byte { return x.sh.scratch[:0] }

// CloseAfter ends the connection after this exchange. Before the reply, so that it says so.
func (x *Exchange) CloseAfter() { x.c.flags |= fClose }

// Reply answers with content in memory, which must not change before owner is released; a
// nil owner means that it never changes. header are whole field lines, each with its CRLF,
// and are copied. Not among them: Content-Length, Transfer-Encoding, Connection, Date and
// Server, which are written here. HEAD and the statuses that have no content are seen to.
// Only the first reply counts.
func (x *Exchange) Reply(status int, header, body []byte, owner Releaser) {
	x.sh.reply(x.index, x.c, x.ss, x.server, status, header, body, int64(len(body)), nil, owner)
}

// ReplySource answers with length bytes that src makes, or with as many as it makes when
// length is -1: in chunks, or to the end of the connection where the client speaks
// HTTP/1.0.
func (x *Exchange) ReplySource(status int, header []byte, length int64, src Source) {
	x.sh.reply(x.index, x.c, x.ss, x.server, status, header, nil, length, src, src)
}

// ReplyStatus answers with a status and a line of HTML that says it.
func (x *Exchange) ReplyStatus(status int, header []byte) {
	x.sh.replyStatus(x.index, x.c, x.ss, x.server, status, header)
}
