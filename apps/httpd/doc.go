// Package httpd are the builtin HTTP servers, on the engine of hoststack/http:
//
//	http static server   files of directories, and a few JSON pages   static.go site.go cold.go builtin.go
//	http tps             bodies of any size, made up on the spot       tps.go
//	http cli server      show commands as web pages                    webcli.go page.go
//
// Each is a Server of the engine with any number of listeners, started and stopped by its
// commands (cli.go and *_cli.go). At most one of each runs.
//
//	worker    ServeHTTP ──► file in the cache? ──► Reply ──► Done: let the file go
//	              │ no: Defer
//	              ▼
//	          errand ──► goroutine: disk, registry ──► Token.Do, Token.Reply, Token.Stream
//
// A worker answers at once what it can answer without waiting: a file that the cache has
// (package filecache), a 304, a made-up body. Everything that waits for a disk or for a
// command it gives to a goroutine, as an errand: a ring for each worker that one goroutine
// empties (errand.go). The goroutine answers through the engine's Token. A file that is too
// large for the cache is copied from the disk into the engine's ring by a goroutine of its
// own, which the ring stops when the peer reads slowly.
//
// What is kept of an exchange is in a pool of its worker, off the Go heap; a request that
// finds its file in the cache allocates nothing.
//
// Ownership. A run (staticRun, tpsRun, webRun) has everything that one start has made. Its
// end goes in this order: the engine's Server closes, so that no callback begins; errands
// run to their end; each worker has done what they posted; memory is unmapped.
//
// RFC 9110 is obeyed where it concerns files: conditional requests, ranges, validators,
// encodings that lie beside a file. Paths cannot leave a root: the engine resolves dot
// segments after decoding, and the cache opens files through os.Root.
package httpd
