package sock

import (
	"fmt"
	"net"
	"strings"
)

// ParseAddress reads what cli-listen and vppctl -s take, and returns what package
// net takes:
//
//	/path  unix:/path          unix socket
//	abstract:name  @name       unix socket without a file
//	host:port  tcp:host:port   TCP, loopback only
func ParseAddress(s string) (network, address string, err error) {
	kind, rest, ok := strings.Cut(s, ":")
	switch {
	case s == "":
		return "", "", fmt.Errorf("no socket address")
	case strings.ContainsRune(kind, '/'), !ok && s[0] != '@':
		return "unix", s, nil
	case kind == "unix":
		if rest == "" {
			return "", "", fmt.Errorf("socket address %s: no path", s)
		}
		return "unix", rest, nil
	case s[0] == '@':
		kind, rest = "abstract", s[1:]
		fallthrough
	case kind == "abstract":
		name, option, _ := strings.Cut(rest, ",")
		if option != "" {
			return "", "", fmt.Errorf("socket address %s: option %s is not supported", s, option)
		}
		if name == "" {
			return "", "", fmt.Errorf("socket address %s: no name", s)
		}
		return "unix", "@" + name, nil
	case kind == "tcp":
		s = rest
	}
	if err := checkLoopback(s); err != nil {
		return "", "", err
	}
	return "tcp", s, nil
}

// checkLoopback refuses a TCP address that others can reach: there is no password.
func checkLoopback(hostport string) error {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return fmt.Errorf("socket address: %w", err)
	}
	if host == "localhost" {
		return nil
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("socket address %s: the command line has no password, only loopback addresses are allowed", hostport)
	}
	return nil
}
