// Package gso cuts large TCP and UDP packets into packets of the MTU and joins packets
// into large ones, as a network card with segmentation offload does. What a large
// packet is, the virtio-net header in front of it says (struct virtio_net_hdr in
// include/uapi/linux/virtio_net.h): type, segment size, where the checksum goes.
//
// The stack's rule is one packet, one buffer, no larger than the MTU. The kernel's is
// 64 kB at a time. A driver that ends at the kernel puts this package between the two,
// and the stack knows nothing of it:
//
//   - Splitter cuts what the kernel hands over.
//   - Join tells how many packets of a burst can leave as one.
//
// Both are pure: bytes in, bytes out. Cutting what was joined gives the packets that
// were there before, but for the IP identification, which means nothing in a packet that
// may not be fragmented (RFC 6864) and counts up from the first one's in others, and for
// the transport checksum, which the last device completes.
package gso
