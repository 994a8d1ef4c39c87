// Package cc decides how many bytes a TCP connection may have in flight.
//
// A congestion controller is stateless code (Controller); what it remembers of a
// connection is a State, a small block without pointers that is embedded in the
// connection. The connection names its controller by ID and calls it at events,
// at most once per run of ACKs, never per packet:
//
//	Init          the connection is established
//	OnAck         an ACK advanced snd.una or SACKed bytes
//	OnCongestion  a loss episode begins, the retransmission timer expired, or the
//	              peer echoed an ECN mark
//	OnRecovered   the episode ended: snd.una has passed the recovery point
//	Undo          the last congestion event was spurious
//	OnIdle        sending resumes after nothing was in flight for a while
//
// and reads State.Cwnd, State.Ssthresh and PacingRate. Which bytes to send during
// recovery (RFC 6675, PRR, RACK) is the connection's business, not the
// controller's: a controller only names the target.
//
// Windows are in bytes. Delivered bytes are counted exactly (RFC 3465) and without
// its limit L: a stretch ACK of n bytes counts as much as the n/MSS ACKs that it
// stands for, and the sender paces so that this makes no burst. Bytes that SACK had
// reported count then and not again when the cumulative ACK passes them, so that the
// ACK after a filled hole, which may cover megabytes, does not open the window at
// once: the reason of L in RFC 3465 section 2.3.
//
// Read RFC 5681 and RFC 6582 (NewReno), RFC 9438 (CUBIC) and RFC 9406
// (HyStart++) before changing anything here.
package cc
