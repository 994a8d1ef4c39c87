// Package netconn gives Go programs the sessions of the stack as net.Conn, net.Listener and
// net.PacketConn: what blocks, has deadlines, and may be used by any goroutine. net/http
// and everything else that takes a net.Listener or a dial function runs on it unchanged.
//
//	goroutines                             worker
//	Conn.Read  ◄── loan: pieces of ────── exchange ◄── Readable  receive FIFO
//	               the receive FIFO
//	Conn.Write ──► ring ────────────────► pump ──────► w.Send    transmit FIFO
//	Accept     ◄── backlog ────────────── Accept
//	Dial       ──► want ────────────────► w.Dial
//	PacketConn ◄─► packets, each way ───► port
//
// A Net is one session application. Net.Dial, Listen, ListenPacket and Dialer are those of
// package net, and so are the errors: *net.OpError, in which errors.Is finds net.ErrClosed,
// os.ErrDeadlineExceeded, io.EOF (not wrapped), those of contexts, the system's
// (syscall.ECONNREFUSED …) and the stack's own (transport.ErrNoRoute …). Names are looked
// up only by a function of the caller's.
//
// # Between goroutine and worker
//
// A worker must never wait for a goroutine, lock what one may hold, or make one ready by
// itself (see package worker). A FIFO of a session is the worker's alone. So:
//
// Receiving. The worker lends received bytes where they lie: pieces of the FIFO go through
// a queue of sixteen, and the goroutine copies from them into the caller's buffer. It
// counts what it has eaten; the worker drops that from the FIFO when it comes by, which is
// with the next data, with the next write of that connection, or when it is asked to. The
// worker copies nothing, no connection has a receive buffer besides its FIFO, and an idle
// one has none at all. Who does not read keeps the FIFO full and the peer's window shut.
// When a session ends with unread data its FIFO is taken along (session.TakeRx) and freed
// when all is read, so that nobody ever reads from memory that belongs to another.
//
// Sending. The goroutine copies into a ring of its connection, of 4 KiB at first and of 128
// KiB when it was found full, and the worker moves that into the transmit FIFO. This copy
// costs the worker, and buys that a write needs no answer from the worker before its first
// byte, and that a FIFO holds nothing for who might write. Lending free space of the FIFO
// would save it. When FIFO and ring are full, Write waits. A connection that writes nothing
// for some seconds loses its ring.
//
// Asking. Connections that want something form a stack (one compare-and-swap) that a node
// of the worker empties in each Step; each is in it once, whatever it wants. A sleeping
// worker is woken. Waking goes the other way through worker.Notifier, of which there is one
// for each direction of a connection: all of one Step cost one write to an eventfd, and
// none where nobody waits. What the worker tells lies in atomics that are written before,
// so a token only says: look again. Deadlines and Close leave tokens of their own.
//
// Accepting. A session waits as a record without a pointer into the heap, in a queue of its
// listener and worker; the connection is made by who accepts, and takes over what has come
// meanwhile. A full queue resets the peer and is counted (Stats.BacklogFull).
//
// # Ends
//
// Close sends what was written, as the kernel does: for up to a minute when the FIFO has no
// room for it now. Unread data at Close, or SetLinger(0), reset the peer. CloseWrite and
// CloseRead end one direction. When the application is detached ("session disable", the end
// of the instance, Net.Close) every call ends with net.ErrClosed.
//
// There is no WriteTo: it would hand FIFO memory to a writer for as long as that takes, and
// Close would have to wait for it. ReadFrom reads into the ring.
//
// # Datagrams
//
// A PacketConn of ListenPacket has a session on each worker, one of Dial a single one. Both
// ways datagrams are copied through a queue (packets), one copy more than a stream, as they
// must be whole. A full queue leaves them in the FIFO, a full FIFO has UDP drop and count
// them. ReadBatch, WriteBatch, ReadMsgUDP and WriteMsgUDP with Linux's control messages
// (traffic class and ECN, packet info, UDP_SEGMENT) are those that quic-go looks for. An
// ICMP error ends the session of a connected socket: one call reports it, and the next
// write opens another with the same port, so that it looks as in the kernel. Clients that
// would be cut through do not reach a PacketConn.
package netconn
