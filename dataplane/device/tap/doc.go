// Package tap makes interfaces of the Linux kernel whose other end we are, by DPDK's
// driver: VPP's "create tap".
//
// The kernel's end gets its name, namespace, addresses and MTU here. It goes with the
// device. The driver does one system call for each packet and each poll that looks (most
// are left out while nothing comes), and has no checksum offload that would save work:
// it would compute in software. The kernel's end fills checksums in before we read. Frames are limited to an MTU of 1500 in
// the direction to the kernel: the driver refuses more.
package tap
