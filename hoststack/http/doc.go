// Package http is an HTTP/1.1 engine (RFC 9110, RFC 9112), server and client, that runs to
// completion on the worker.
//
//	        Handler (apps/httpd)                        ClientHandler (apps/httpc)
//	   ServeHTTP, Body, Done │ ▲ Reply, Defer       OnHead, OnBody, OnDone │ ▲ Send
//	┌────────────────────────▼─┴───────────────────────────────────────────▼─┴──────┐
//	│ serve.go     head ─► ServeHTTP ─► body ─► Done         receive.go             │
//	│ request.go   pure parsers, in place in the RX FIFO     response.go chunked.go │
//	│ reply.go     head and body into the TX FIFO            transfer.go            │
//	│ deadline.go  one coarse wheel for all connections of a worker                 │
//	└───────────────────────────────────────────────────────────────────────────────┘
//	                 session.App callbacks, FIFOs (any stream transport)
//
// One Engine is made for an instance. It has a shard on each worker: a pool of
// connections, the deadlines, counters, and buffers that all connections of the worker
// use in turn. Servers and Clients are session applications that share the shards. A
// connection is a pointer-free struct of the pool (conn.go); an idle one costs that, its
// session and its TCP connection. No request and no connection allocates on the Go heap
// once the shard's tables have grown.
//
// Requests are parsed where they lie. Only a head that goes over a border of FIFO chunks
// is copied, into a buffer of the shard. A head that is not complete is looked at again
// when the next line end comes, so that a drip of bytes costs little. One exchange is
// under way on a connection at a time: pipelined requests wait in the receive FIFO until
// the reply before them is in the transmit FIFO, and a connection serves maxTurn requests
// before others get their turn.
//
// A reply goes into the transmit FIFO at once as far as there is room. What does not fit
// waits in a slot of the shard (transfer.go), which names memory with an owner, or a
// Source that writes straight into the FIFO. Control code replies later through a Token
// (token.go), and streams through a ring that blocks the goroutine and never the worker
// (stream.go).
//
// Who owns what: a *Exchange, a *Call and all bytes they give belong to the shard and are
// valid inside the callback. Body memory of a reply belongs to its Releaser until that is
// called.
//
// Strictness (RFC 9112 2.2, 5.1, 6.1, 6.3, 11.2): whatever two parsers could read in two
// ways is refused and the connection closed: whitespace before the colon, folded lines,
// bare CR, NUL, two Content-Length fields, Content-Length beside Transfer-Encoding,
// Transfer-Encoding in HTTP/1.0. A bare LF ends a line of a head, as section 2.2 allows,
// but not one of a chunk.
package http
