// Package dpdk is our binding to DPDK: EAL, mempool, mbuf, ethdev and hot-plug, as
// far as this program needs them. It is the only cgo in the packet path.
//
// Init starts EAL once per process. NewPool makes packet buffers, which are pkt.Buf
// on the Go side and rte_mbuf on the C side (CheckLayout compares the two). Attach
// creates a port while the program runs, Port.Configure gives it queues, and
// RxQueue and TxQueue move bursts:
//
//	worker ─ RxQueue.RxBurst ─ cgo ─ dp_rx (queue.c) ─┬─ driver
//	                                                  ├─ afpacket.c, tap.c ─ driver
//	                                                  └─ memif_burst.c
//
// One cgo call moves a burst of up to pkt.MaxBurst. The C side makes one segment of
// every packet or drops and counts it, clears pkt.Meta, and keeps from a driver what
// it would corrupt or choke on. memif.c and afpacket.c stand in for what two
// drivers of DPDK 22.11 do badly; they read the drivers' private structures, check at
// creation that these look as expected, and refuse the device when they do not.
//
// # Memory
//
// EAL runs without huge pages unless asked. Burst arrays must be off the Go heap
// (mem.Slice): their addresses cross as numbers and are not checked.
//
// # Threads
//
// EAL's own main thread is a goroutine's locked thread that only sleeps; EAL must not
// pin anything, so its one lcore floats over all CPUs. A worker's thread calls
// ThreadStart to get an lcore id, and with it a cache in every mempool. Everything
// else may be called from any goroutine; ports are created, configured and removed
// one at a time. No worker may be in a queue call of a port while the port is
// stopped or closed, except for a memif port that reconnects (see memif.c).
//
// # Measured
//
// go test -bench ., AMD EPYC (Zen 4), no huge pages, a machine shared with other work:
//
//	start of EAL                                    170 ms, of which 100 ms are a sleep
//	empty poll (cgo and driver)                      35 ns
//	our part of a packet received and sent, burst 32 6 ns (net_ring 8.5 in all)
//	pool alloc and free, burst 32, per buffer        6 ns
//	memif, af_packet, tap                            see their packages
package dpdk
