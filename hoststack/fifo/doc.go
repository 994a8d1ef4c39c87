// Package fifo is the byte stream between a transport and an application.
//
// A FIFO has one producer and one consumer. A transport writes received payload
// straight into the receive FIFO and builds segments straight from the transmit
// FIFO; the application does the opposite. Nothing is copied on the way.
//
//	producer: ReserveAt ─► write ─► Commit        consumer: PeekAt ─► read ─► Drop
//
//	         head                 tail      held
//	          │                    │          │
//	──dropped─┼────committed───────┼─reserved─┼──────free──────► position (uint32)
//	          └──────────── at most Size ─────────────┘
//
// Positions are free-running 32-bit counters. Bytes live in chunks of one size per
// FIFO, and position p is found in slot (p/chunk) mod 64 of the FIFO's table: no
// link is followed, so the cost of an access does not depend on how much is queued
// (layout.go has the drawing). Chunks come when bytes do and go as soon as they are
// consumed; a FIFO that becomes empty holds none.
//
// Ownership. A Segment is the memory: chunks, and the headers of FIFOs that are
// shared with another process. A Store is one worker's pool of FIFOs over a
// Segment; only that worker uses it. What decides which chunk is free and which
// byte is valid (free lists, the FIFO struct) is private to the stack and never
// lies in memory that somebody else can write.
//
// Two modes. In a local FIFO both ends run on the owning worker: plain fields, no
// atomics. Where two applications are the ends, each holds it (Store.Join), and it ends
// with the last of them. In a shared one the other end is a Remote, in another thread or
// in another process that has mapped the Segment. The other end is not trusted: of what
// it writes the stack reads only one index, and takes it only when it lies between the
// stack's own index and what the FIFO may hold. The stack alone allocates and frees
// chunks. An application gets a Segment of its own, so that the most it can damage by
// scribbling is its own data.
package fifo
