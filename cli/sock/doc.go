// Package sock carries the command line over a socket: the server in an instance,
// and the client that vppctl is made of.
//
//	address.go listen.go   where to listen; when a socket is in use
//	server.go              clients, their goroutines, their end
//	telnet.go              VPP's protocol: telnet bytes around lines
//	lines.go               the stock vppctl, nc and scripts: a line in, text out
//	terminal.go            telnet and stock vppctl at a keyboard: line editing
//	frames.go framed.go    our own protocol
//	spool.go               output on its way to a client
//	client.go stock.go     the client, for our server and for stock VPP's
//	cli.go                 show cli-sessions
//
// One socket, two protocols. A server greets everybody as VPP does, with telnet
// options that ask for the terminal type, and the answer decides:
//
//	"vppctl"         a program: no echo, prompt, banner or history; a NUL byte after
//	                 the output of each line. The stock vppctl waits for it
//	"vpphost-ctl/1"  our client: both sides go on in frames, see frames.go, which
//	                 carry the exit status, interrupts and completion
//	anything else    a person at a terminal
//	no answer        lines, with a prompt, as nc and socat want it
//
// What a client does to the instance. Each client has a cli.Session (history and
// macros) and goroutines of its own; a panic in one ends that client only. Output
// goes through a bounded spool, so that a client that stops reading blocks its own
// command and, after a while, loses its connection. A client that hangs up has its
// running command cancelled. Lines are bounded, and so is the number of clients.
//
// There is no authentication: who may connect is a matter of the permissions of the
// socket file (group-writable, as VPP's), and a TCP socket is for loopback only.
//
// Telnet: RFC 854 (commands), RFC 1091 (terminal type), RFC 1073 (window size).
package sock
