// Vppctl is the remote console of an instance: it runs one command, the lines of a
// pipe, or an interactive session over the instance's CLI socket.
//
//	vppctl [-s SOCKET] [-o text|json] [command words…]
//
// The exit status is 0 when all went well, 1 when a command failed, 2 when a command
// is unknown or used wrongly, and 3 when there is no connection. Output goes to
// standard output, errors go to standard error.
//
// It also talks to VPP's own CLI socket, where the exit status is 0 or 3, because
// that protocol has no other.
package main
