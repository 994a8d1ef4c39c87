// Package vdev makes a device.Device of any DPDK port: the virtual devices of
// startup.conf (net_null, net_ring, net_pcap, …) and PCI devices that EAL has found.
// The devices with options of their own (memif, afpacket, tap) are built on it.
//
// A frame must fit one packet buffer, in both directions: what is longer is dropped
// at this edge and counted as an error, so that the stack sees single buffers only.
package vdev
