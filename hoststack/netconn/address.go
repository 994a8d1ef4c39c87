package netconn

import (
	"context"
	"net"
	"net/netip"
	"strconv"

	"vpphost/hoststack/transport"
)

// protoOf is the transport of a network of package net, and the IP versions that it
// allows.
func protoOf(network string) (p transport.Proto, v4, v6 bool, err error) {
	base, version := network, byte(0)
	if n := len(network); n > 0 && (network[n-1] == '4' || network[n-1] == '6') {
		base, version = network[:n-1], network[n-1]
	}
	switch base {
	case "tcp":
		p = transport.TCP
	case "udp":
		p = transport.UDP
	default:
		return 0, false, false, net.UnknownNetworkError(network)
	}
	return p, version != '6', version != '4', nil
}

// resolve finds the addresses that host:port stands for, those that were asked for only.
// An empty host stands for any address, of both versions.
func (n *Net) resolve(ctx context.Context, network, address string) (p transport.Proto, list []netip.AddrPort, err error) {
	p, v4, v6, err := protoOf(network)
	if err != nil {
		return p, nil, err
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return p, nil, err
	}
	port, err := portOf(service)
	if err != nil {
		return p, nil, err
	}
	var addrs []netip.Addr
	if a, perr := netip.ParseAddr(host); perr == nil {
		addrs = []netip.Addr{a}
	} else if host == "" {
		addrs = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	} else if n.cfg.Lookup == nil {
		return p, nil, &net.DNSError{Err: "names are not looked up", Name: host, IsNotFound: true}
	} else if addrs, err = n.cfg.Lookup(ctx, host); err != nil {
		return p, nil, err
	}
	for _, a := range addrs {
		if a = a.Unmap(); a.Zone() == "" && (a.Is4() && v4 || a.Is6() && v6) {
			list = append(list, netip.AddrPortFrom(a, port))
		}
	}
	if len(list) == 0 {
		return p, nil, &net.AddrError{Err: "no suitable address", Addr: host}
	}
	return p, list, nil
}

// portOf is a port by number, or by one of the names that everybody uses.
func portOf(service string) (uint16, error) {
	switch service {
	case "":
		return 0, nil
	case "http":
		return 80, nil
	case "https":
		return 443, nil
	case "domain":
		return 53, nil
	}
	v, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return 0, &net.AddrError{Err: "invalid port", Addr: service}
	}
	return uint16(v), nil
}

// addrPort is the address of package net, mapped ones as IPv4; false for another kind.
func addrPort(a net.Addr) (netip.AddrPort, bool) {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	default:
		return ap, false
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), true
}
