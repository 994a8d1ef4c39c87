package dpdk

// #include "shim.h"
import "C"

// ThreadStart registers the calling thread with EAL, so that it has a cache in every
// mempool. It is worker.Config.Start: the caller's goroutine is locked to its thread.
// A thread that cannot be registered (EAL knows 128) works all the same, slower.
func ThreadStart() {
	if Running() {
		C.dp_thread_start()
	}
}

// ThreadStop gives up what ThreadStart took, on the same thread.
func ThreadStop() {
	if Running() {
		C.dp_thread_stop()
	}
}

// Lcore is the calling thread's number in EAL, -1 when it is not registered.
func Lcore() int { return int(C.dp_lcore()) }
