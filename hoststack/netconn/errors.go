package netconn

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"vpphost/hoststack/transport"
)

// failure is an error of the stack as a system call would have returned it: errors.Is
// finds the stack's own error and the system's (syscall.ECONNREFUSED …).
type failure struct {
	call string
	err  error
}

func (f *failure) Error() string { return f.call + ": " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// Timeout tells of a peer that has not answered; package net asks.
func (f *failure) Timeout() bool { return errors.Is(f.err, syscall.ETIMEDOUT) }

// Temporary is part of net.Error.
func (f *failure) Temporary() bool {
	return f.Timeout() || errors.Is(f.err, syscall.ECONNRESET) || errors.Is(f.err, syscall.ECONNABORTED)
}

// opError is err as package net words it.
func opError(op, network string, local, remote net.Addr, err error) error {
	return &net.OpError{Op: op, Net: network, Source: local, Addr: remote, Err: err}
}

// errDeadline ends an operation whose deadline has come.
var errDeadline = os.ErrDeadlineExceeded

// ErrTooMany is returned when a Net has two million connections.
var ErrTooMany = errors.New("too many connections")

// tcpAddr and udpAddr are addresses as package net has them; nil when not known.
func tcpAddr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return (*net.TCPAddr)(nil)
	}
	return net.TCPAddrFromAddrPort(a)
}

func udpAddr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return (*net.UDPAddr)(nil)
	}
	return net.UDPAddrFromAddrPort(a)
}

// addrOf is an address of a transport.
func addrOf(p transport.Proto, a netip.AddrPort) net.Addr {
	if p == transport.UDP {
		return udpAddr(a)
	}
	return tcpAddr(a)
}
