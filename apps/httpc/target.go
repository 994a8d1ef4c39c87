package httpc

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"vpphost/cli"
	"vpphost/hoststack/http"
)

// parseTarget understands the URI of a client (vpp-cli.md E): everything from the third
// slash on is the target.
func parseTarget(uri string) (http.URI, error) {
	u, err := http.ParseURI(uri)
	switch {
	case err != nil:
		return u, cli.Usagef("%w", err)
	case u.Endpoint.Addr.Addr().IsUnspecified():
		return u, cli.Usagef("the client needs an address to connect to, got `%s'", uri)
	}
	return u, nil
}

var errRedirect = errors.New("error: redirected to where we cannot go")

// follow is where a Location field leads from u (RFC 9110 10.2.2, RFC 3986 5.2).
func follow(u http.URI, location string) (http.URI, error) {
	base, err := url.Parse("http://" + u.Host() + u.Target)
	if err != nil {
		return u, fmt.Errorf("%w: %w", errRedirect, err)
	}
	to, err := base.Parse(location)
	if err != nil || location == "" {
		return u, fmt.Errorf("%w: `%s'", errRedirect, printable(location))
	}
	if to.Scheme != "http" {
		return u, fmt.Errorf("%w: `%s': only http is supported", errRedirect, printable(location))
	}
	to.Fragment, to.User = "", nil
	next, err := parseTarget(to.String())
	if err != nil {
		return u, fmt.Errorf("%w: `%s': %w", errRedirect, printable(location), err)
	}
	return next, nil
}

// redirected is the method of the request that follows an answer with the given status to
// one with method m; false when the status is no redirection that we follow (RFC 9110 15.4).
func redirected(status int, m http.Method) (http.Method, bool) {
	switch status {
	case 301, 302: // a POST becomes a GET, as all clients have it
		if m == http.POST {
			m = http.GET
		}
	case 303:
		m = http.GET
	case 307, 308:
	default:
		return m, false
	}
	return m, true
}

// printable is s without what a terminal might obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
