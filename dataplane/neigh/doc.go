// Package neigh finds the Ethernet address of neighbours: ARP (RFC 826) for IPv4,
// neighbour discovery (RFC 4861) for IPv6.
//
//	ip output ── Send ──► Entry ready?  ── yes ──► rewrite put in front, Host.Tx
//	                        │ no: packet waits, ARP request or solicitation goes out
//	ip input ── InputARP, InputND ──► learn ──► waiting packets go out
//	                                    └─ Post ─► tables of the other workers
//
// Reading order: entry.go (what is known of one neighbour), table.go (the entries of
// one worker), resolve.go (the states and their timers), learn.go (what a message
// changes), arp.go, nd.go, tables.go (all workers together), cli.go.
//
// Each worker has a Table of its own, in memory off the Go heap, which nobody else
// touches, but for the list of what it has asked for (asking.go). ARP and ND messages
// reach whichever worker polls the queue, so what one worker learns it posts to the
// others: always to one that has asked, within a limit to the rest. Each runs the states
// of its own entries.
//
// The states are those of RFC 4861 section 7.3.2, for both families: incomplete (3
// requests, one a second), reachable (15 to 45 s), stale (used as it is until the next
// packet), delay (5 s of hope for a confirmation), probe (3 requests to the old
// address), gone. Differences: duplicate address detection (RFC 4862 section 5.4) is
// not done, as addresses are given by an operator; routers are not discovered and
// redirects not followed, as routes are typed in; groups are not announced to routers
// (RFC 2710), as those that we listen to do not leave the link.
package neigh
