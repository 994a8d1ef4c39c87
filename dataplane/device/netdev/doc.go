// Package netdev is the kernel's side of a device: network interfaces of Linux, their
// addresses and routes, offloads, and the namespaces they live in.
//
// Drivers that end at the kernel (af_packet, tap) use it to find and set up the
// interface at the other end. Everything is control path: rtnetlink(7) and ethtool
// ioctls on sockets that live for one call.
//
// A network namespace belongs to a thread. In runs a function on a thread that has
// entered one; sockets and devices made in it stay in that namespace wherever they
// are used later.
package netdev
