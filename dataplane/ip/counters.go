package ip

import (
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
)

// Reasons of ethernet-input.
const (
	ethUnknownType = iota
	ethUnknownVLAN
	ethMACMismatch
	ethTooShort
)

// Reasons of ip4-input and ip6-input.
const (
	inTooShort = iota
	inBadLength
	inBadChecksum
	inBadVersion
	inBadHeader
	inBadSource
	inSpoofed
	inUnicastInBroadcast
	inNotMember
	inBadDestination
)

// Reasons of ip4-local and ip6-local.
const (
	localUnknownProto = iota
	localTooLarge
	localBadExtension
	localNoNextHeader
	localUnknownOption
	localLoopFull
)

// Reasons of ip4-lookup and ip6-lookup, which forward and send.
const (
	fwdNoRoute = iota
	fwdTTL
	fwdTooBig
	fwdNotForwardable
	fwdForwarded
	fwdFragmented
	fwdNoBuffer
)

// Reasons of ip4-icmp-input and ip6-icmp-input.
const (
	icmpBadChecksum = iota
	icmpTooShort
	icmpUnknownType
	icmpToGroup
	icmpEchoSent
	icmpReplyMatched
	icmpReplyUnknown
	icmpErrorTaken
	icmpErrorBadQuote
	icmpFragmentedND
)

// Reasons of ip4-icmp-error and ip6-icmp-error.
const (
	errUnreachable = iota
	errTooBig
	errTimeExceeded
	errParam
	errSuppressed
	errLimited
	errNoBuffer
	errNoWay
)

// Reasons of ip4-full-reassembly and ip6-full-reassembly.
const (
	reassDone = iota
	reassMalformed
	reassOverlap
	reassTimeout
	reassLimit
	reassDuplicate
)

// groups are the counters of all workers.
type groups struct {
	eth                               *stats.Group
	in, local, fwd, icmp, errs, reass [2]*stats.Group // IPv4, IPv6
}

func newGroups(set *stats.Set, workers int) *groups {
	type list []stats.Reason
	bad := func(s string) stats.Reason { return stats.Reason{Text: s, Severity: stats.Error} }
	warn := func(s string) stats.Reason { return stats.Reason{Text: s, Severity: stats.Warn} }
	info := func(s string) stats.Reason { return stats.Reason{Text: s, Severity: stats.Info} }
	g := &groups{}
	g.eth = set.New("ethernet-input", workers, list{
		ethUnknownType: bad("unknown ethernet type"),
		ethUnknownVLAN: bad("unknown vlan"),
		ethMACMismatch: bad("l3 mac mismatch"),
		ethTooShort:    bad("frame too short"),
	}...)
	for v, ip := range [2]string{"ip4", "ip6"} {
		short, icmp := ip+" length < 20 bytes", "ip4-icmp"
		if v == 1 {
			short, icmp = "ip6 length < 40 bytes", "ip6-icmp"
		}
		g.in[v] = set.New(ip+"-input", workers, list{
			inTooShort:           bad(short),
			inBadLength:          bad(ip + " length > l2 length"),
			inBadChecksum:        bad("bad " + ip + " checksum"),
			inBadVersion:         bad(ip + " version != " + ip[2:]),
			inBadHeader:          bad("bad " + ip + " header length"),
			inBadSource:          bad(ip + " source address is not a host"),
			inSpoofed:            bad(ip + " spoofed local-address packet drops"),
			inUnicastInBroadcast: bad(ip + " unicast in a broadcast frame"),
			inNotMember:          info(ip + " multicast group not joined"),
			inBadDestination:     bad(ip + " destination address is not a host"),
		}...)
		g.local[v] = set.New(ip+"-local", workers, list{
			localUnknownProto:  bad("unknown ip protocol"),
			localTooLarge:      bad("packet larger than a buffer"),
			localBadExtension:  bad("bad extension header"),
			localNoNextHeader:  info("no next header"),
			localUnknownOption: bad("unknown option that forbids delivery"),
			localLoopFull:      bad("too many packets to ourselves"),
		}...)
		g.fwd[v] = set.New(ip+"-lookup", workers, list{
			fwdNoRoute:        bad(ip + " destination lookup miss"),
			fwdTTL:            bad(ip + " ttl <= 1"),
			fwdTooBig:         bad([]string{"ip4 MTU exceeded and DF set", "ip6 MTU exceeded"}[v]),
			fwdNotForwardable: bad(ip + " packet must not be forwarded"),
			fwdForwarded:      info(ip + " packets forwarded"),
			fwdFragmented:     info(ip + " packets fragmented"),
			fwdNoBuffer:       bad("buffer allocation failure"),
		}...)
		g.icmp[v] = set.New(icmp+"-input", workers, list{
			icmpBadChecksum:   bad("bad icmp checksum"),
			icmpTooShort:      bad("payload length too small for type"),
			icmpUnknownType:   info("unknown type"),
			icmpToGroup:       info("echo request to a group ignored"),
			icmpEchoSent:      info("echo replies sent"),
			icmpReplyMatched:  info("echo replies received"),
			icmpReplyUnknown:  warn("echo replies nobody waits for"),
			icmpErrorTaken:    info("errors handed to transports"),
			icmpErrorBadQuote: bad("error quotes a packet that is not ours"),
			icmpFragmentedND:  bad("neighbor discovery message in fragments"),
		}...)
		g.errs[v] = set.New(icmp+"-error", workers, list{
			errUnreachable:  info("destination unreachable response sent"),
			errTooBig:       info("packet too big response sent"),
			errTimeExceeded: info("hop limit exceeded response sent"),
			errParam:        info("parameter problem response sent"),
			errSuppressed:   info("error about a packet that gets none"),
			errLimited:      warn("error message dropped (rate limit)"),
			errNoBuffer:     bad("buffer allocation failure"),
			errNoWay:        bad("no way back to the source"),
		}...)
		g.reass[v] = set.New(ip+"-full-reassembly", workers, list{
			reassDone:      info("packets reassembled"),
			reassMalformed: bad("malformed fragments"),
			reassOverlap:   bad("overlapping fragments"),
			reassTimeout:   bad("fragments dropped due to reassembly timeout"),
			reassLimit:     bad("drops due to concurrent reassemblies limit"),
			reassDuplicate: info("duplicate fragments"),
		}...)
	}
	return g
}

// node is one worker's counters of one group.
type node struct {
	g   *stats.Group
	row []uint64
}

func (n *node) inc(reason int) { n.row[reason]++ }

// nodes are one worker's counters; pairs are IPv4, IPv6.
type nodes struct {
	eth                               node
	in, local, fwd, icmp, errs, reass [2]node
}

func (g *groups) nodes(i int) nodes {
	at := func(g *stats.Group) node { return node{g, g.Row(i)} }
	pair := func(p [2]*stats.Group) [2]node { return [2]node{at(p[0]), at(p[1])} }
	return nodes{eth: at(g.eth), in: pair(g.in), local: pair(g.local), fwd: pair(g.fwd), icmp: pair(g.icmp),
		errs: pair(g.errs), reass: pair(g.reass)}
}

// drop counts a packet, shows it to whoever traces drops, and frees it.
func (st *state) drop(b *pkt.Buf, n *node, reason int) {
	n.row[reason]++
	st.dropped++
	st.w.TraceDrop(b, n.g.Node, n.g.Reasons[reason].Text)
	st.w.Bufs.Put(b)
}
