// Package udp is the User Datagram Protocol (RFC 768, RFC 8200 section 8.1) as a transport.
//
//	ip ──Input──► input.go    runs of one flow, looked up once
//	                 ├──► receive.go  verify and copy in one pass into the session's FIFO
//	                 ├──► listen.go   a new remote of a listener, or its connectionless session
//	                 ├──► handoff.go  flows of another worker
//	                 └──► nobody: ICMP port unreachable
//	session ──Send──► send.go   a batch of datagrams, straight from the FIFO
//	                 ├──► header.go     one pattern for all
//	                 ├──► fragment.go   what is larger than the path (RFC 791, RFC 8200 section 4.5)
//	                 └──► aim.go        where the datagrams of a connectionless session go
//	ip ──Error──► icmp.go
//
// What a FIFO holds is package datagram's: one record for each datagram, enqueued as a whole
// or dropped and counted.
//
// Connections (conn.go) are of three kinds. An active one has both ends, and a source port
// such that its hash names the worker that opened it. An accepted one is made by the first
// datagram of a remote to a listener, and ends when nothing has come or gone for a while. A
// connectionless one is a listener's, one on each worker, and talks to everybody. All but
// the last are in the flow table; a worker without the flow hands datagrams to the one that
// has it, as TCP does. Flows come before listeners, so they may share a port.
//
// An ICMP error of the hard kind (port or protocol unreachable, prohibited) ends the
// connection, active or accepted, with ErrRefused or ErrNoRoute: what POSIX tells a connected
// socket by ECONNREFUSED. Soft errors are counted. "Too big" makes the path narrower, for
// ten minutes (RFC 1191 section 6.3, RFC 8201 section 4).
//
// Datagrams leave without DF, as fragments when they are larger than the path, unless
// datagram.Options forbid it. UDP has no flow control: what finds no room in the receiver's
// FIFO is lost, and counted. The sender waits for room in the device, never drops.
//
// Measured on one Zen 5 core without a device, in batches of 64 (BenchmarkReceive,
// BenchmarkSend): a datagram of 1472 bytes costs 62 ns to receive and 67 ns to send, copy and
// checksum included, one of 64 bytes 33 and 40; in a connectionless session 64 and 81.
//
// Counters are called as in VPP ("show errors") and in RFC 4113 ("show udp").
//
// Unlike VPP, errors of ICMPv6 count as those of ICMP do, datagrams of any size are
// fragmented and put together, and no session migrates.
package udp
