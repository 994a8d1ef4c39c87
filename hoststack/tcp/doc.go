// Package tcp is the Transmission Control Protocol.
//
//	ip.Stack ──Input──► shard ──run of segments──► machine ──output──► shard ──► transport.Upper
//	                      │                          ▲  (receive FIFO)             (session layer)
//	session ────Send──────┘                          │
//	                      └── header, copy+sum ◄── plan (transmit FIFO) ──► ip.Stack.Output
//
// There are two halves. The machine (machine.go and everything it calls) is the
// protocol: a connection, segments and the time go in; the connection changes, and
// what is to be done about it comes out. It reads no clock and calls nobody, so that
// tests run it on virtual time. The shard (shard.go) is what a worker has of it:
// connections, flow table, timers, and the machine, bound to the network layer below
// and the session layer above. A shard belongs to its worker. Shared are the listeners,
// an immutable snapshot, and flow.Where, which names the workers that may have a flow;
// packets that arrive elsewhere go to them through rings (handoff.go).
//
// Everything is done once per burst that can be. Packets of one flow that arrive
// behind each other are one run: the connection is looked up once, the headers are
// checked one by one, text is copied into the session's receive FIFO and summed in one
// pass, state changes once, the session layer is told once (established.go).
// Acknowledgments wait for the end of the Step, where data may carry them. Sending
// works on one header for the whole batch (header.go, transmit.go). Nothing here
// allocates, locks, or follows a Go pointer per packet.
//
// What a segment in order touches of a connection is 256 bytes (Conn); what only loss
// and reordering need is a record that exists only while something is missing (cold);
// TIME_WAIT is 64 bytes (waiter). A connection that is idle has no timer and costs no
// work; whatever many of them may ask for at once (timers, ends of TIME_WAIT, segments
// for a device that takes none) is done in portions.
//
// Where to find what:
//
//	dispatch, input      what a segment means: RFC 9293 section 3.10.7, step by step
//	established          the fast path for segments in order
//	listen, open, isn    LISTEN, SYN_SENT, SYN_RCVD; RFC 6528
//	sources              source addresses by turns
//	handoff, handerror   segments and ICMP errors that arrive at another worker
//	ack, rto             the ACK field; round-trip time and timeout, RFC 6298, RFC 7323
//	sack, recovery       loss recovery: RFC 6675, RFC 6582, RFC 6937, RFC 3042, RFC 3522
//	relost               retransmissions that were lost themselves
//	receive, reassembly  text, islands beyond gaps, delayed ACKs; RFC 5681, RFC 2018
//	send, pacing         what may be sent now: windows, SWS avoidance, probes, pacing
//	transmit, header     how it is sent
//	close, timewait      FIN in all its ways; 2 MSL
//	reset                resets and challenge ACKs, RFC 5961
//	pmtu                 ICMP errors, RFC 5927; path MTU discovery, RFC 1191, RFC 8201
//	timers               deadlines of a connection on the worker's wheel
//	ranges               sets of sequence numbers, for the scoreboard and reassembly
//	cc/                  congestion controllers
//
// Read RFC 9293 before changing anything here; comments cite it by section.
//
// Done with intent: SACK blocks go out on bare ACKs only, not on data; a run of
// segments gets one ACK, however long it is (see owe); the timeout is at least 200 ms;
// CLOSE_WAIT has no limit before the application closes.
//
// Not done: ECN, RACK-TLP, Fast Open, SYN cookies, keepalive, user timeout, sending of
// D-SACK, undo of spurious fast recoveries, segmentation offload. Keepalive would be one
// more deadline beside stateAt (see Conn.nextDeadline and machine.expire).
package tcp
