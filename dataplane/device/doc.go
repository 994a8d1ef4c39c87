// Package device is what the dataplane asks of a network port.
//
// DPDK ports (memif, tap, any NIC), our own af_packet driver and the simulated wire of
// the tests all look like a Device. Control calls may block;
// the hot path is in the queues that a Device hands out. Each queue is used by
// one worker only.
//
// Ownership of buffers: RxBurst gives them to the caller; TxBurst takes the ones
// it accepted and leaves the rest with the caller, who keeps them and tries again
// later (back-pressure) rather than dropping them.
package device
