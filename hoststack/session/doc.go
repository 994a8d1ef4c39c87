// Package session joins transports and applications.
//
//	              control goroutines: Attach, Listen, Connect, Detach, commands
//	                         │ worker.Do
//	┌────────────────────────▼────────────────────────────── one worker ───────┐
//	│ Input, Timers   transport ──Upper──► flags and queues        (upper.go)  │
//	│ Events          queue ──► App callbacks ──► transport        (events.go) │
//	│ Output          scheduler ──► Transport.Send                 (output.go) │
//	│                 FIFOs of idle sessions are given back        (cool.go)   │
//	└──────────────────────────────────────────────────────────────────────────┘
//
// A transport only leaves a note when something happens to a session (Upper): the
// session goes into a queue once, whatever happens to it in a Step. In the Events phase
// the application is told, in the order open, Readable, Writable, Closed, Gone. So
// neither is ever entered twice: an application may close, reset, connect or send in
// every callback, and hears of what that leads to in the next Step.
//
// A session is 64 bytes in a pool of its worker, off the Go heap, and owns two FIFOs
// while there are bytes in them (session.go). An idle one costs nothing else; what a
// million of them have used goes back to the kernel when they end (mem.Pool, cool.go).
// Commands that look at all sessions do so in many short visits to the worker. It is freed when the transport has said
// Gone and the application has been told. Its slot waits until no queue names it any
// more; a Handle carries the slot's generation.
//
// Who may send is decided by a round-robin list with a budget for each turn and each
// Step; paced sessions wait in a heap, and a wheel timer wakes a sleeping worker for
// the first of them (queue.go, output.go). When the device pushes back the scheduler
// stops until the next Step.
//
// Two applications of one instance talk cut-through (package ct) when the client has local
// scope: Worker.dial picks the transport, and from then on a session is a session. Both
// ends are on one worker and hold the same two FIFOs: the writer makes one, the reader
// joins it, and the writer gives it back for both.
//
// Two sessions of packets can be spliced (splice.go): what the peer of one sends lies in the
// FIFO from which the other sends, so that a proxy copies nothing and is not called. Here,
// too, both are on one worker and hold the same two FIFOs.
//
// Sessions of UDP hold datagrams in their FIFOs (datagram.go, package datagram). A listener
// without connections has one session on each worker, which begins and ends with it.
//
// A callback that panics costs its application: it is called no more, its sessions are
// reset, some each Step, and a goroutine stops its listeners (Layer.failed).
//
// What is shared: the lists of applications and listeners, immutable snapshots behind
// atomic pointers, changed under Layer.mu by control code. Everything else belongs to
// one worker. A listener is also a session of worker 0, so that "show session" lists it
// as VPP does.
//
// Unlike VPP, a session has no FIFO until the first byte, filters of "show session" look
// at all threads, a client of local scope reaches the servers of global scope too (so two
// servers of different scope cannot share an endpoint), one without local scope always
// goes through the network layer, and a source port towards a peer belongs to the worker
// that the flow's hash names, so that no session ever migrates (package flow).
package session
