// Package datagram is the form of a FIFO that keeps message boundaries: each datagram is
// a record, written as a whole or not at all.
//
//	+----------------------+
//	| head, 8 bytes        |  length, how much of it is done, segment, class, flags
//	+----------------------+
//	| ends, 40 bytes       |  of sessions without connection only: who, to whom
//	+----------------------+
//	| payload              |
//	+----------------------+
//	| padding to 8 bytes   |
//	+----------------------+
//
// Records begin at multiples of 8, so that no head lies in two chunks of the FIFO. Payload
// may: it is written and read in place, in pieces.
//
//	Write(tx) ─► Begin ─► Piece … ─► End ─► Commit        Read(rx) ─► Next ─► Piece … ─► Done
//
// Both directions have the same form: what a session has received, another can send as it
// is, FIFO and all. A record with a segment size is several datagrams of that size (as with
// Linux's UDP_SEGMENT): a Reader gives them one after the other. Who reads may stop in the
// middle of such a record; the head notes how much is done.
//
// A Reader trusts no length that it reads: what does not fit the FIFO ends the reading, and
// Done throws the rest away.
//
// Options are what an application may ask of a datagram endpoint (transport.Endpoint.Ext).
package datagram
