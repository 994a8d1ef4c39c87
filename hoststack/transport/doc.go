// Package transport is the seam between the session layer and the protocols.
//
// A Transport (tcp, udp, ct, later sctp, tls, quic, http) knows connections and moves
// bytes between packets and FIFOs. The session layer, which implements Upper,
// knows sessions and applications. Neither imports the other: both import this.
//
//	application ── session ──Transport──► tcp ── ip ── device
//	                  ▲                    │
//	                  └───────Upper────────┘
//
// Between two applications of one instance there is no packet: a Paired transport (ct)
// carries events from one session to the other, and the two share their FIFOs.
//
// Data crosses the seam per flow run and per burst, never per packet, and is not
// copied on the way: a transport writes received payload straight into the
// session's receive FIFO and builds segments straight from its transmit FIFO. The
// session layer owns both FIFOs and creates them when the first byte comes; a
// transport asks for them each time (Upper.RxFIFO, Upper.TxFIFO) and keeps no
// pointer to them.
//
// Every call that takes a *worker.Worker runs on that worker, the owner of the
// connection, and must not block.
package transport
