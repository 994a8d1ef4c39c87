// Package pkt is the packet buffer.
//
// A Buf is DPDK's rte_mbuf itself: a Go struct laid over the C one, so that a
// burst of *Buf is what a DPDK driver takes and gives, with nothing mapped in
// between. dataplane/dpdk checks every offset at start-up. What we know of a
// packet beyond DPDK (where its headers start, where it came from) lives in the
// mbuf's private area, which follows the mbuf.
//
//	+-----------------+ 0
//	| rte_mbuf        |
//	+-----------------+ 128
//	| Meta (private)  |
//	+-----------------+ 192 = BufAddr
//	| headroom  (128) |
//	+-----------------+ BufAddr + DataOff
//	| data  (DataLen) |
//	+-----------------+
//	| tailroom        |
//	+-----------------+ BufAddr + BufLen
//
// Buffers come from a Pool in bulk, and a worker keeps a Cache of its own so
// that taking or giving one costs a few nanoseconds and no lock. Without DPDK
// (unit tests, the simulated wire) a MapPool makes buffers of the same layout
// in plain mapped memory; code above the devices cannot tell.
//
// Ownership: a Buf has one owner at a time. A function that takes a *Buf or a
// burst says who owns it afterwards. Whoever owns it last frees it.
package pkt
