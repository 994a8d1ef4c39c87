// Package device is what the dataplane asks of a network port.
//
// DPDK ports (memif, af_packet, tap, any NIC), the simulated wire of the tests
// and, later, drivers of our own all look like a Device. Control calls may block;
// the hot path is in the queues that a Device hands out. Each queue is used by
// one worker only.
//
// Ownership of buffers: RxBurst gives them to the caller; TxBurst takes the ones
// it accepted and leaves the rest with the caller, who keeps them and tries again
// later (back-pressure) rather than dropping them.
package device
