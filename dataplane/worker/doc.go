// Package worker runs the engine of one core.
//
// A Worker is one locked, pinned OS thread that runs Step again and again. A
// Step reads the clock once, then runs the worker's nodes phase by phase:
//
//	Input   poll the devices; packets run through ip and the transports at once
//	Handoff packets that other workers have received for this one
//	Timers  expire the timer wheel
//	Events  session events to applications
//	Output  the session scheduler builds segments
//	Flush   what was queued for a device goes out, at most one burst a call
//	mailbox functions that control code asked to have run here
//
// Step is the whole engine and takes the time as an argument: production calls
// it in a loop (Run), a test calls it by hand with a time of its own.
//
// Ownership: everything a node touches belongs to the worker, so nothing is
// locked. Control code enters by Do (waits) or Post (does not), which run a
// function between two Steps. In the other direction a worker wakes a goroutine
// only through a Notifier: making a goroutine runnable from the worker's thread
// would put it on the run queue of a P that never yields.
//
// When nothing happens the worker goes to sleep on its own thread: in epoll when every
// device can wake it, by itself (WatchFD) or when asked to (AddArmer), else in growing
// naps (see idle.go). Where several workers may share a core they yield it. Other
// workers wake it with Wake, control code with a letter.
//
// Packets go from worker to worker through a Ring (ring.go), and by no other way.
//
// The timer wheel handles a bounded number of timers in a Step, so that many that come due
// together hold up nothing else (wheel.go). A gap between two Steps is a stall; how much of
// it the thread has waited for its core is told apart (stall.go). Pools of the worker's
// memory have names (account.go), under which "show memory" lists them.
//
// The commands about threads, nodes, packet buffers and the process are here as well
// (cli_*.go), as is the hook by which nodes report traced packets (trace.go).
package worker
