// Package flow finds connections and local ports.
//
//	packet ──Hasher.Hash──► 32-bit hash ──Table.Find──► candidate connections
//	                                         │              the transport compares
//	                                         │              the tuple it keeps itself
//	                                         └─none──► Listeners.Lookup ──► listener
//
// A Table belongs to one worker and one transport: eight bytes a connection, the
// full hash and an index, open addressing. It does not know tuples. With 32 bits
// of hash compared, a candidate that is not the one is met once in thousands of
// look-ups, so the transport's comparison against its own connection, whose cache
// line it needs anyway, is the cheapest verification. The table grows and shrinks a
// few entries per change: no operation waits for a rehash.
//
// The hash is symmetric (both directions of a flow have the same), so that it can
// also name a worker for the flow (Owner), and keyed with a random seed, so that
// nobody outside can choose colliding tuples.
//
// Where is shared by all workers: it names those that may have a flow, for packets that
// arrive elsewhere. Each worker keeps it up to date as flows enter and leave its Table.
//
// Exchange hands packets over that way: one for each worker, rings between them.
//
// Listeners is shared by all workers: an immutable snapshot behind a pointer.
//
// Ports picks source ports for active opens. It belongs to one worker. Each pair of a
// local address and a peer has all ports to itself: which of them are taken is kept in
// bitmaps of 512 ports, made when the first of these is taken. A tuple that is in the
// worker's Table for another reason, or hashes to another worker, is not ours to take.
// See RFC 6056 for the choice of ports.
package flow
