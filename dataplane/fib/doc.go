// Package fib decides where packets go: longest-prefix match for IPv4 and IPv6.
//
//	control: interfaces, "ip route"          workers
//	        │ SetLink, AddRoute …               │ Load, Resolve
//	        ▼                                    ▼
//	  Table ── publishes ──► Snapshot (immutable: two tries, links, epoch)
//
// A Table is changed under a lock by control code. After each change it publishes
// a new Snapshot through one atomic pointer; workers look things up in the
// Snapshot that they loaded and never wait. The tries are persistent (a change
// copies the path to one node), so a change costs the depth of the trie and not
// its size. The epoch counts changes: who remembers the outcome of a look-up
// compares epochs and looks up again when they differ.
//
// What is said about a prefix comes from three origins: interfaces (connected
// networks and own addresses, while the interface is up), routes typed in, and
// the defaults that an empty table has. The first of these that speaks for a
// prefix wins. Gateways are resolved when somebody asks (Resolve), not when they
// are entered, so that no order of commands matters.
//
// There is one table, VPP's table 0. IPv6 link-local addresses are not in it:
// they belong to links (RFC 4007) and need the interface to be named.
package fib
