package session

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"vpphost/hoststack/transport"
)

// ErrURI is returned for a URI that is not understood.
var ErrURI = errors.New("invalid uri")

// defaultPorts of protocols that have one.
var defaultPorts = map[transport.Proto]uint16{transport.HTTP: 80, transport.TLS: 443}

// ParseURI understands VPP's forms: proto://ip/port, proto://ip:port,
// proto://[ip6]:port, proto://ip6/port, ip/port, :port (any IPv4 address), with tcp
// when no scheme is given. Nothing may follow the port, and host names are not looked
// up. The error is ErrURI and names the word that is wrong.
func ParseURI(s string) (transport.Proto, transport.Endpoint, error) {
	fail := func(format string, args ...any) (transport.Proto, transport.Endpoint, error) {
		return 0, transport.Endpoint{}, fmt.Errorf("%w: %s", ErrURI, fmt.Sprintf(format, args...))
	}
	proto, rest := transport.TCP, strings.TrimPrefix(s, "//")
	if scheme, after, ok := strings.Cut(s, "://"); ok {
		if proto, ok = protoByName(scheme); !ok || proto == transport.CT {
			return fail("unknown transport `%s'", scheme)
		}
		rest = after
	}
	host, port, ok := splitPort(rest)
	var addr netip.Addr
	switch {
	case host == "" && ok:
		addr = netip.IPv4Unspecified()
	case host == "":
		return fail("no address in `%s'", s)
	default:
		var err error
		if addr, err = netip.ParseAddr(host); err != nil || addr.Zone() != "" {
			if strings.Contains(host, ":") {
				return fail("`%s' is not an ip address (an ip6 address before :port needs brackets)", host)
			}
			return fail("`%s' is not an ip address (names are not looked up)", host)
		}
	}
	n, known := defaultPorts[proto]
	switch {
	case ok:
		v, err := strconv.ParseUint(port, 10, 16)
		if err != nil || v == 0 || port[0] == '+' {
			return fail("`%s' is not a port from 1 to 65535", port)
		}
		n = uint16(v)
	case !known:
		return fail("no port in `%s'", s)
	}
	return proto, transport.Endpoint{Addr: netip.AddrPortFrom(addr.Unmap(), n)}, nil
}

func protoByName(name string) (transport.Proto, bool) {
	for p := range transport.NumProtos {
		if p.String() == name {
			return p, true
		}
	}
	return 0, false
}

// splitPort divides ip/port, ip:port, [ip6]:port or [ip6]/port; ok is false when there
// is no port.
func splitPort(s string) (host, port string, ok bool) {
	if strings.HasPrefix(s, "[") {
		if end := strings.IndexByte(s, ']'); end > 0 {
			host, s = s[1:end], s[end+1:]
			if s == "" {
				return host, "", false
			}
			if (s[0] == ':' || s[0] == '/') && strings.Contains(host, ":") {
				return host, s[1:], true
			}
			return "[" + host + "]" + s, "", false // not an address
		}
	}
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	if strings.Count(s, ":") == 1 {
		return strings.Cut(s, ":")
	}
	return s, "", false
}

// FormatURI is the URI of an endpoint, which ParseURI understands.
func FormatURI(p transport.Proto, ep transport.Endpoint) string {
	return p.String() + "://" + ep.Addr.String()
}
