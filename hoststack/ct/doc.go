// Package ct is cut-through: the transport between two applications of one instance.
//
// No packet is made and no byte copied: the transmit FIFO of one session is the receive
// FIFO of the other, which the session layer sees to (transport.Paired). What is left
// for a transport is to tell each end what the other has done.
//
//	client                      pair                      server
//	w.Send     ──► Send         new bytes?   Delivered ──►  Readable
//	Writable   ◄── Acked        gone bytes?  RxSpace   ◄──  w.Dropped
//	w.Close    ──► Close        at the end   PeerClosed ──► Closed
//
// Whom the session layer sends here is a matter of scope, see session.Options. ct keeps
// the listeners of the instance, whatever their protocol, and finds those that an
// endpoint means: one on exactly that address, or, when the address is this instance's,
// a wildcard.
//
// Ownership. Both ends of a pair live on the worker that connects, as in VPP. Listeners
// accept on all workers, so there is never a reason to have the ends on two: nothing is
// shared between workers, no event crosses, and the reader finds in its cache what the
// writer has just written. The price is that one stream uses one core; on the machine
// where that was decided a stream that fills and checks every byte moved 119 to 171 Gb/s
// so, and one that touches none 40 Gb/s from core to core, over memif.
//
// An end is a side of its pair, and both come and go together: a pair is over when
// either end resets it, when one closes with bytes unread (as in TCP: data was lost), or
// when both have ended their direction and everything that was written has been read.
// Until the server's application has accepted, which takes until the next Step, the
// client is told nothing: a server that refuses makes its connect fail.
package ct
