// Package httpc has the HTTP client applications: "http client", which fetches one
// resource or loads a server with requests, and "http cli client", which reads the command
// line of another instance. Both are made of the client engine of package http.
//
//	command goroutine                        workers
//	options.go  the line, checked whole
//	fetch.go    one request, redirects  ◄──  fetch callbacks, bytes through a pipe
//	load.go     phases, rows, Ctrl-C    ◄──  loadworker.go: connections, requests, counts
//	report.go   rows and the summary
//
// A load run is either a closed loop, in which each session sends its next request when
// the last one is answered, or an open loop ("rate"), in which requests are due at even
// distances whatever the server does (pace.go). In an open loop a request's time counts
// from the moment it was due: a server that stalls is charged for all the requests that
// should have been sent meanwhile, which is what a closed loop omits.
//
// Each worker owns its sessions, as pointer-free records, its share of the requests, and
// what it has counted; nothing is shared between workers while requests flow, and a request
// allocates nothing. The command's goroutine reads the counts in worker.Do, once a row.
//
// In a fetch the body goes through a ring (pipe.go) to the goroutine, which prints it or
// writes it to a file. When that is slow the ring fills, the connection is paused, and TCP's
// window has the server wait; the worker never does.
package httpc
