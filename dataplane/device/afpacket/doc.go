// Package afpacket connects to an interface of the Linux kernel through AF_PACKET
// sockets: VPP's host-interface. There are two drivers, ours (Device) and DPDK's (DPDK).
//
// Either device has a MAC address of its own (the interface is promiscuous), so that the
// kernel on our end takes no interest in our packets. Nothing the kernel sends on our end
// is received. No call waits: what the kernel has no room for, or what is to go out by an
// interface that is down, is refused.
//
// # Ours
//
//	kernel ──recvmmsg──► slots of 64 kB ──whole, or cut by gso.Splitter──► buffers
//	kernel ◄──sendmmsg── headers here, text in the buffers ◄──gso.Join── buffers
//
// Every packet has a virtio-net header in front (PACKET_VNET_HDR, gso.Header), both ways,
// so that the kernel at the other end keeps its habits: segments of up to 64 kB arrive
// whole and are cut here, checksums that it has left out or verified are not looked at
// (pkt.L4Good); what the stack sends without a checksum goes without one (Info.TxCsum),
// and segments that belong together go as one. Nothing has to be switched off with
// ethtool, at either end: what an interface cannot do the kernel does in software.
//
// There are no mapped rings. A receive ring has frames of one size, which would have to be
// that of the largest packet, and takes a copy of its own: the kernel's into the ring, ours
// out of it. recvmmsg copies from the sender's memory into slots that stay in our cache.
// TPACKET_V3, which has blocks in place of frames, hands over a block that is not full only
// after a millisecond or more. A transmit ring lends the kernel its pages, and veth has it
// copy them; sendmmsg gathers the text from the buffers that TCP has just written, which is
// the only copy. On a busy machine of two cores, 64 kB UDP segments into the receiver alone:
// ring (TPACKET_V2, 256 frames) 10 Gb/s with drops, recvmmsg 22 Gb/s; datagrams of 40 bytes:
// 13 000 a second and 190 000. There is no C either: two raw system calls that never wait.
//
// The price of it all is that a poll which finds nothing is a system call (0.3 us and more)
// and not a look at memory. After a while without packets only one poll in eight makes it;
// before the worker sleeps it asks for certain (the receive queue is a device.Bell).
//
// What an interface has no room for is refused and kept. That needs the way past its
// queueing discipline, on which the kernel does not cut large packets in the place of an
// interface that cannot: there segments go alone. With Options.QueueingDiscipline they are
// joined there too, and the kernel cuts them, but drops unseen what has no room.
//
// One segment in a hundred may come out of order: a TCP of the kernel that sends now on the
// thread of its program and now on our CPU, where our acknowledgment has arrived, goes
// through a queue per CPU (netif_rx). One CPU in rps_cpus of our interface ends that.
//
// One TCP stream over veth, a core for us and one for the kernel, AMD EPYC, Linux 6.18, Gb/s
// from the kernel and to it:
//
//	ours, the kernel as it is                    20.7  18.8
//	ours, the kernel's end with tx off            9.1  18.6
//	ours, cksum-gso-disable, tx off               9.1   3.9
//	DPDK's, tx off                                9.1   3.5
//
// # DPDK's
//
// Rings (TPACKET_V2) whose frames hold one packet of the MTU. What the kernel's other end
// sends arrives as it leaves the kernel, which may not be what would be on a wire:
//   - Transport checksums may be missing. The kernel says so, and such packets are
//     marked pkt.L4Good: they have never left this machine.
//   - Segments and datagrams may be larger than the MTU ("offload"). What does not fit a
//     ring frame is cut by the kernel; such packets are dropped and counted ("rx cut by
//     the kernel"). OpenDPDK warns of settings that lead to it and names the remedy.
//
// An empty poll takes 39 ns; sending 1.3 us for 64 and 2 us for 1500 bytes over veth, in
// which the kernel also receives them.
package afpacket
