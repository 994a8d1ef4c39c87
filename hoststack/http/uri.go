package http

import (
	"errors"
	"fmt"
	"strings"

	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// ErrNoTLS is returned for https and tls URIs.
var ErrNoTLS = errors.New("tls is not supported yet")

// URI is where a server listens, or what a client asks for.
type URI struct {
	Proto    transport.Proto // that carries HTTP: TCP
	Endpoint transport.Endpoint
	Target   string // begins with "/"
}

const defaultPort = 80

// ParseListen understands the URIs that servers get: http://ip:port, http://ip (port 80)
// and, as other URIs of VPP, http://ip/port; tcp:// or no scheme means http as well. The
// error is session.ErrURI or ErrNoTLS.
func ParseListen(s string) (URI, error) {
	scheme, _, ok := strings.Cut(s, "://")
	switch {
	case !ok || scheme == "tcp" || scheme == "http":
	case scheme == "https" || scheme == "tls":
		return URI{}, fmt.Errorf("`%s': %w", s, ErrNoTLS)
	default:
		return URI{}, fmt.Errorf("%w: `%s' is no transport of http", session.ErrURI, scheme)
	}
	_, ep, err := session.ParseURI(s)
	return URI{transport.TCP, ep, "/"}, err
}

// ParseURI understands the URIs that clients get: in http://… all from the third slash on
// is the target, and a port may follow the address behind a colon. Other forms are those of
// ParseListen. The error is session.ErrURI or ErrNoTLS.
func ParseURI(s string) (URI, error) {
	rest, ok := strings.CutPrefix(s, "http://")
	if !ok {
		return ParseListen(s)
	}
	host, target := rest, "/"
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, target = rest[:i], rest[i:]
	}
	target, _, _ = strings.Cut(target, "#")
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	for _, c := range []byte(target) {
		if chars[c]&isTarget == 0 {
			return URI{}, fmt.Errorf("%w: `%s' needs percent-encoding", session.ErrURI, target)
		}
	}
	// The session layer's parser knows the default port of http.
	_, ep, err := session.ParseURI("http://" + bracket(host))
	return URI{transport.TCP, ep, target}, err
}

// bracket puts an IPv6 address that stands alone into brackets.
func bracket(host string) string {
	if strings.Count(host, ":") > 1 && !strings.HasPrefix(host, "[") {
		return "[" + host + "]"
	}
	return host
}

// Host is the value of the Host field in requests for u: the port is left out when it is
// the default (RFC 9110 7.2, RFC 3986 6.2.3).
func (u URI) Host() string {
	a := u.Endpoint.Addr
	switch {
	case a.Port() != defaultPort:
		return a.String()
	case a.Addr().Is6():
		return "[" + a.Addr().String() + "]"
	}
	return a.Addr().String()
}

func (u URI) String() string { return "http://" + u.Host() + u.Target }
