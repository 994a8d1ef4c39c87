// Package proxy is the builtin proxy: "test proxy server".
//
// A route accepts sessions on its server-uris and opens one to a client-uri for each. The
// two are a flow, on one worker.
//
//	client ──► server-uri ──[ flow ]──► client-uri ──► server
//	            (down.go)                (up.go)
//
//	accepted ─► connecting ──connected──► open ──► over
//	                 │  ▲                           ▲
//	                 └──┘ the next upstream         │ no upstream left, idle,
//	                 └──────────────────────────────┘ or either end gone
//
// They are spliced (session.Worker.Splice): from then on bytes, back-pressure, half-closes
// and resets pass from one to the other in the session layer, and the proxy is called only
// when an end closes. What the client has sent before the upstream answers waits in its
// FIFO. UDP is no different: each remote has a flow, a FIFO holds datagrams with their
// boundaries, and one that meets a full FIFO is dropped.
//
// With several client-uris flows go to them in turn. One that refuses, is out of reach or
// does not answer within the connect timeout is passed over for a while (shun), and the flow goes to
// the next; when none is left the client is reset. A flow that has moved nothing for the
// idle timeout is closed. A route never connects to a listener of its own instance's proxy:
// each such flow would make another one.
//
// Ownership. A flow is a record without pointers in a pool of its worker (flow.go), named by
// Session.Opaque of both sessions, with one timer on the wheel and no goroutine. Routes are
// made and ended by commands (proxy.go), under a lock; workers read them as a snapshot. Each
// route has two applications of the session layer, so that stopping it is detaching these.
// Counters are a route's on each worker (tally.go); commands read them, and the flows some
// at a time, by worker.Do (show.go).
//
// Clients of this instance reach a route through the network only, not cut-through: such a
// session has its FIFOs in common with the client already.
//
// Unlike VPP: fifo-size is where FIFOs begin, max-fifo-size to what they grow (64 KiB
// chunks bound that to 4032 KiB), and they do not shrink during a flow, so that the low
// watermark says nothing. There is no buffer besides the FIFOs, no FIFO made in advance and
// no private segment: those options are accepted.
package proxy
