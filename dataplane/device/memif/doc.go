// Package memif is shared-memory packet interfaces, to another instance of this
// program, to VPP or to anything that speaks memif 2.0, through DPDK's driver.
//
// One side is the master (the protocol's server: it listens on a unix socket), the
// other the slave (client: it connects, and makes the shared memory). As in VPP a
// device without a role is a slave, several devices of one role share a socket and are
// told apart by their id, and either side may start first, die and come back: the
// master takes the next slave, the slave tries again ten times a second. The link is
// up while they are connected.
//
//	socket.go    who owns a socket path, in this process and in others
//	memif.go     the device
//	queue.go     the queues
//	connect.go   the goroutine that keeps it connected, and wakes the worker
//
// DPDK's driver makes the connection; frames are moved by dataplane/dpdk/memif.c, which
// says why. What else is to know of the driver:
//   - One frame is one descriptor: a frame is at most the connection's buffer size,
//     longer ones are dropped and counted ("tx frame too long"). The slave chooses the
//     size, so choose BufferSize for the MTU there. Frames that the peer has spread over
//     several descriptors are received whole.
//   - The slave may have fewer queues than the master; queues of ours beyond those of the
//     connection receive nothing, and send into the others' rings by turns. A slave with
//     more queues than a master of DPDK's driver is refused ("Invalid ring index").
//   - A peer that dies takes the shared memory with it while a worker copies. Bursts
//     and disconnects exclude each other.
//   - A closed listener stays in EAL's interrupt thread. Its descriptor is given
//     something else to look at; one descriptor is lost each time a socket is deleted.
//   - What a peer writes to shared memory is checked. What it says on the socket is not:
//     the driver believes it, so let only friends connect (file permissions, Secret).
//   - Frames are copied on both sides. Zero copy, VPP's default for slaves, is left to
//     the peer: with DPDK's driver it was slower (see memif.c).
//
// # Measured
//
// go test -bench Throughput: two processes on the two cores of an AMD EPYC (Zen 4)
// machine shared with other work, no huge pages, ring 1024, bursts of 32 out and up to
// 256 in; medians of the time per packet. Cores far apart (a cache line takes 180 ns):
//
//	bytes   send     receive   one way   payload written and read besides
//	   64    40 ns    41 ns    14 Mpps   13 Mpps
//	 1514   163 ns   100 ns    4.1 Mpps  3.6 Mpps = 44 Gb/s
//	 9014   390 ns   350 ns    1.3 Mpps  1.1 Mpps = 82 Gb/s
//
// DPDK's own bursts needed 285 and 160 ns for 1514 bytes and moved 2.4 Mpps; its zero
// copy moved 2.8 Mpps with payload written and read. Rings of 256 to 4096 differ by
// less than the runs do. Buffers of 2048 bytes are best at MTU 1500 because they are
// what fits the packet buffers; nothing else depends on the size.
package memif
