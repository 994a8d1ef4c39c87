// Package ip is the network layer: IPv4 (RFC 791, 1122, 1812), IPv6 (RFC 8200), ICMP
// (RFC 792) and ICMPv6 (RFC 4443).
//
//	iface ──Input──► ethernet.go ──► neigh (ARP)
//	                     └──► ip4.go, ip6.go: validate, classify
//	                            ├──► local.go: one vector per protocol ──► Handler.Input
//	                            │       └──► icmpinput.go, neigh (ND)
//	                            ├──► reassembly.go: fragments for us
//	                            └──► forward.go: for others ──► output.go
//	Handler ──Output──► output.go ──► rewrite of the adjacency ──► iface.Tx
//	                       ├──► neigh.Send while the neighbour is not known
//	                       ├──► fragment.go where a packet is larger than the path
//	                       └──► to ourselves: loop.go, in again in the next Step
//
// seam.go is what transports see. stack.go puts the parts together, state.go is one
// worker's part: nothing that a packet touches is shared between workers. path.go finds
// the way to a destination; icmperror.go makes ICMP errors, at a limited rate; icmpinput.go
// takes messages in; offload.go completes checksums that no device will; ping.go and
// cli_ping.go are "ping".
//
// Packets are handled in the order of arrival, a burst at a time. Those for one
// protocol are collected and handed over in one call per IP version, so that the
// transport can take packets of one flow as a run. What was looked up for one packet
// (is this address ours? is that source sane?) is remembered in small direct-mapped
// caches until the forwarding table changes.
//
// Measured on one Zen 5 core: from the Ethernet header to the transport 13 ns a packet in
// bursts of 64, output 4 ns (the interface's queue included).
//
// Counters are named after VPP's graph nodes, so that "show errors" reads as it does
// there.
//
// Ranges of addresses may be ours besides those of the interfaces (span.go): TCP asks for
// them as sources of many connections.
//
// Any address of ours is accepted on any interface (the weak model of RFC 1122 section
// 3.3.4.2, as VPP does). IPv4 options are skipped. Source routes are not followed (RFC
// 7126, RFC 5095).
package ip
