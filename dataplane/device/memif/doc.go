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
//	connect.go   the goroutine that keeps it connected, and wakes the worker
//
// The driver's faults, and what is done about them, are in dataplane/dpdk/memif.c and
// here:
//   - A frame that spans two descriptors corrupts later ones. None is ever sent: a
//     frame is at most the connection's buffer size, longer ones are dropped and
//     counted ("tx frame too long"). Choose BufferSize for the MTU on the slave side;
//     the master uses what the slave offers.
//   - A peer that dies takes the shared memory with it while a worker copies. Bursts
//     and disconnects exclude each other.
//   - A zero-copy slave loses the buffers that its peer holds when it disconnects. They
//     are freed before the next connection.
//   - A closed listener stays in EAL's interrupt thread. Its descriptor is given
//     something else to look at; one descriptor is lost each time a socket is deleted.
//   - A peer is trusted: a hostile one could name memory regions that do not exist and
//     crash this process, and with zero copy it may write to all packet buffers.
package memif
