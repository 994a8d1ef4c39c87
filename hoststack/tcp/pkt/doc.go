// Package pkt runs packet scripts: tests of TCP's behaviour on the wire, written as
// text and played on virtual time.
//
// A script is one conversation between the stack under test and a peer that the
// script plays itself. It lives in a .pkt file, one event a line:
//
//	# Three segments are lost, SACK tells which.
//	set mss 1000
//	0      listen
//	+0     < S 0 win 65535 <mss 1000, sackok>
//	+0     > S. 0 ack 1 <mss 1460, sackok>
//	+.05   < . 1 ack 1 win 65535
//	+0     accept
//	+0     write 3000
//	+0     > . 1:1001 ack 1
//	…
//
// A line begins with a time in seconds: "0.5" since the start, "+.5" after the line
// before, "+.5~.1" with a tolerance, "+.2..1" a range, "*" whenever it comes (within a
// minute), "=" in the same burst as the line before. Then comes the event:
//
//	<  a segment that the peer sends
//	>  a segment that the stack must send now, the next one that it sends
//	   everything else is an action of the application, or an assertion
//
// Segments: flags (S F R P U E W, and "." for ACK), sequence number and its end if there
// is data ("1:1001"), "ack N", "win N", "<options>". Numbers count from each side's
// initial sequence number, which is 0; data begins at 1. In what is expected, window and
// options are compared only where they are written ("<>" means: none), PSH only where
// there is a P. Options: mss N, sackok, wscale N, ts [VAL [ECR]], sack A:B C:D, nop, eol,
// hex XXXX; where an option is expected, N may be "*". The times in ts are in the clock of its sender, counted from its first value;
// a lone ts is the present time and an echo of the latest value. After the options may
// follow: ecn ect0|ect1|ce|not, badsum (the checksum is wrong), ttl N, urg N, late (does
// not update what a lone ts echoes). "[2]" after the direction names a second connection
// of the peer.
//
// ICMP errors: "< icmp host|port|proto|prohibited|time SEQ", "< icmp toobig MTU SEQ",
// about a segment of ours that began at SEQ.
//
// Actions and assertions are the Host's own, see there, and besides:
//
//	set NAME VALUE  before the first event: a setting of the Host, or
//	                "set peer-isn N", the peer's first sequence number
//	nothing         nothing is sent until the time of this line
//	ignore, heed    what is sent does not matter until the peer heeds it again
//
// The stack is behind the Host interface, so that this package knows neither sessions
// nor devices. Payload is a fixed pattern (Pattern), so that a byte in the wrong place is
// found.
package pkt
