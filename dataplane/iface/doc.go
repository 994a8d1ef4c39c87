// Package iface holds the interfaces of an instance and moves packets between their
// devices and the stack.
//
//	device.RxBurst ──► <kind>-input ──Input──► ethernet, ip        per worker, Input phase
//	ip ──Tx──► queue of this worker ──► <name>-tx ──► device.TxBurst        Flush phase
//	                 └─ loopback: comes in again in the next Step
//
// Reading order: iface.go (what others use), manager.go (create and delete), port.go (a
// worker's part of an interface), rx.go, tx.go, loopback.go, handoff.go, placement.go.
//
// Who owns what. The Manager, behind one mutex, belongs to control code. What workers
// look up (ByIndex, ByName, addresses, MTU) is an immutable snapshot behind an atomic
// pointer. Each worker has a station with one port per interface: queue of frames to
// send, counters, receive queues to poll. Only that worker touches it; control code
// goes through worker.Do. An interface that is down has no port that polls. Deleting one
// first takes it out of the snapshot, then out of every station, and only then stops
// the device, so that no worker is inside a queue when it goes away.
//
// Back-pressure. A device that is full refuses frames; they stay in the port's queue,
// in order, and TxRoom is 0 until it has taken them all. Senders that ask TxRoom are told
// of at most one burst (256) and therefore lose nothing; a second burst's worth of the
// queue is kept for those who do not ask (ARP, ICMP, bare ACKs), and only what exceeds
// that is dropped, and counted as tx-error.
//
// Receive queues are dealt to the workers in turn. A worker sends on a transmit queue
// of its own where the device has enough of them; otherwise worker i uses queue i % n,
// whose owner, worker i % n, takes the frames from a ring (handoff.go). When the device is
// busy everybody who shares a queue has a turn of one burst.
package iface
