// Package filecache keeps the files of a directory tree in memory, for workers that must
// neither lock, nor allocate, nor wait for a disk.
//
//	worker ── Reader.Get(key) ──► table ──► Entry ──► body, header          no lock, no wait
//	             │ not there, or to be looked at again
//	             ▼ (a goroutine)
//	          Cache.Open(path) ──► os.Root ──► arena ──► Entry ──► Reader.Take
//
// One Cache has one directory and a limit in bytes, and any number of workers read it.
// Everything that a worker touches is off the Go heap: entries (entry.go) are slots of
// one array, their keys, header lines and bytes lie in blocks of one region (arena.go), and
// the table that finds them (table.go) holds numbers only.
//
// Ownership. The cache belongs to goroutines, under Cache.mu, which no worker ever takes.
// A worker that uses an entry pins it: it counts, in an array of its own, how often it holds
// each entry. To free an entry the cache first takes it out of the table and marks it dead,
// and then looks at the pins of all workers; a worker first pins and then looks at the mark.
// One of the two always sees the other. A dead entry that is pinned waits and is looked at
// again. So what a reader holds is never freed, and workers share no cache line that a
// request writes to, but for the time of last use, ten times a second.
//
// The order of eviction is that of last use. A file is looked at on the disk again when a
// second has passed: in the background at first, so that nobody waits, even if that takes a
// while; if nobody has asked for it during two seconds, before it is served. Requests for one file that is not there
// are one read. A file that is too large for the cache has an entry without bytes that keeps
// it open; readers read it piece by piece from the disk.
//
// Nothing outside of the directory can be reached: names are cleaned before they get here,
// and os.Root refuses symbolic links that lead out, absolute ones too. What is neither a
// regular file nor a directory is refused, and never waited for.
package filecache
