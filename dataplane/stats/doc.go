// Package stats counts what happens to packets, by name.
//
// Every drop has a counter. A package declares its reasons once as a Group (a
// node of VPP's graph: "ip4-input"), and each worker counts in its own row, so
// that counting is one addition without lock or atomic. Rows are read on their
// worker (worker.Do) when "show errors" asks.
package stats
