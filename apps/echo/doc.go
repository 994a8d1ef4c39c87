// Package echo is the builtin throughput test: "test echo server" and "test echo
// client", also under VPP's newer words "vperf server" and "vperf client".
//
// The client opens a control session to the URI's port and sends a Config (wire.go)
// that says what the test is; the server answers each with a copy of its own. Test
// data flows on sessions to the port above. This is the protocol of VPP 26.10's
// perf applications, so either end may be a VPP. In raw mode there is neither
// control session nor second port: plain streams to whatever listens there.
//
//	client                          server
//	SYNC   {test UNI|BI, …}   ──►   prepares, answers
//	START                     ──►   clears its counters, answers
//	data sessions to port+1   ──►   counts, verifies, echoes
//	STOP                      ──►   adds up, answers
//	SYNC   {test ECHO}        ──►   answers with the bytes it received
//
// Both may be in one instance; with local-scope the client's sessions are cut-through.
//
// Of the data sessions only those that are "active" send; with "hold" all stay open for
// a while after the transfer, and then close. What an end keeps of a session is in
// memory of its own (package mem), which goes when the run or the server ends.
//
// A client run has two halves. Callbacks and a node on each worker (clientworker.go)
// open sessions, produce and check bytes in place in the FIFOs, and keep all state in
// pointer-free slices. The command's own goroutine (run.go) drives the phases, prints
// the interval rows (report.go) and watches for time-outs and Ctrl-C; it is woken
// through a worker.Notifier and reads counters in worker.Do.
//
// With "request" a session has one message in flight at a time, and the client measures
// how long each waits for its echo (histogram.go). To the server that is an echo test.
//
// Byte i of every data session is i mod 256 (pattern.go), as in VPP.
package echo
