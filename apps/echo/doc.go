// Package echo is the builtin load test: "test echo server" and "test echo client", also
// under VPP's newer words "vperf server" and "vperf client".
//
// The client opens a control session to the URI's port, over TCP whatever the test is,
// and sends a Config (wire.go) that says what the test is; the server answers each with a
// copy of its own. Test data flows on sessions to the port above. This is the protocol of
// VPP 26.10's perf applications, so either end may be a VPP. In raw mode there is neither
// control session nor second port: plain streams, or datagrams, to whatever listens there.
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
// There are three kinds of tests, each in the files that begin with its name:
//
//	throughput   all sessions are opened, then they send (throughput*.go)
//	cps          connections per second: each opens, transfers, closes, and another
//	             follows (cps*.go)
//	udp          datagrams: loss, order, jitter, round trips (udp*.go, order.go)
//
// Each is a test (run.go): an application whose callbacks and a node on each worker open
// sessions, produce and check bytes in place in the FIFOs, and keep all state in
// pointer-free slices of package mem, which go when the run ends. The command's own
// goroutine drives the phases, prints the rows (report.go has their clock, *_report.go
// their text) and watches for time-outs and Ctrl-C; it is woken through a
// worker.Notifier and reads counters, or distributions in worker.Do. Results are values:
// the text, "| json", "| csv" and the graph of "plot" are made from the same.
//
// Throughput: of the sessions only those that are "active" send; with "hold" all stay
// open for a while after the transfer, and then close. With "request" a session has one
// message in flight at a time, and the client measures how long each waits for its echo
// (package latency). To the server that is an echo test.
//
// Connections per second: a worker has its share of the places, and a place has one
// connection after the other, whose serial number tells what comes too late for an
// earlier one. Without a rate the loop is closed: a place that becomes free is taken at
// once. With a rate it is open: connections are due by the clock, and how long each takes
// counts from then, so that a server that stalls cannot hide it by being asked less
// ("coordinated omission"). A failure is counted by its reason (reason.go) and never ends
// the run; want of a source port puts the open off.
//
// Datagrams: VPP's begin with four bytes that say where in the pattern the rest begins
// when they are echoed. Ours are numbered there, which is a place in the pattern too, so
// that either end may be a VPP; between our own ends (Config.Ext) all are, and carry the
// time instead of the pattern unless test-bytes asks for it. What is lost never holds up
// a test: it ends when nothing has come for a second. A server that has no room to send a
// datagram back drops it.
//
// Byte i of every stream is i mod 256 (pattern.go), as in VPP.
package echo
