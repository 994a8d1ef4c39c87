package session

import (
	"errors"
	"strings"
	"testing"

	"vpphost/hoststack/transport"
)

func TestParseURI(t *testing.T) {
	for _, c := range []struct{ uri, want string }{
		{"tcp://6.0.1.1/1234", "tcp://6.0.1.1:1234"},
		{"tcp://6.0.1.1:1234", "tcp://6.0.1.1:1234"},
		{"tcp://2001:db8::1/1234", "tcp://[2001:db8::1]:1234"},
		{"tcp://[2001:db8::1]:1234", "tcp://[2001:db8::1]:1234"},
		{"tcp://[2001:db8::1]/1234", "tcp://[2001:db8::1]:1234"},
		{"udp://0.0.0.0/53", "udp://0.0.0.0:53"},
		{"sctp://::/1", "sctp://[::]:1"},
		{"quic://[::]:443", "quic://[::]:443"},
		{"//1.2.3.4:80", "tcp://1.2.3.4:80"},
		{"1.2.3.4/80", "tcp://1.2.3.4:80"},
		{"1.2.3.4:80", "tcp://1.2.3.4:80"},
		{"[::1]:80", "tcp://[::1]:80"},
		{":8080", "tcp://0.0.0.0:8080"},
		{"tcp://:8080", "tcp://0.0.0.0:8080"},
		{"http://1.2.3.4", "http://1.2.3.4:80"},
		{"http://2001:db8::1", "http://[2001:db8::1]:80"},
		{"http://[2001:db8::1]", "http://[2001:db8::1]:80"},
		{"tls://1.2.3.4", "tls://1.2.3.4:443"},
		{"tcp://::ffff:1.2.3.4/5", "tcp://1.2.3.4:5"},
		{"tcp://1.2.3.4/65535", "tcp://1.2.3.4:65535"},
		{"tcp://1.2.3.4/0080", "tcp://1.2.3.4:80"},
	} {
		p, ep, err := ParseURI(c.uri)
		if err != nil || FormatURI(p, ep) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.uri, FormatURI(p, ep), err, c.want)
		}
	}
	for uri, word := range map[string]string{
		"":                           "no address",
		"tcp://":                     "no address",
		"tcp://1.2.3.4":              "no port",
		"tcp://1.2.3.4/":             "`'",
		"tcp://1.2.3.4/65536":        "`65536'",
		"tcp://1.2.3.4/0":            "`0'",
		"tcp://1.2.3.4:-1":           "`-1'",
		"tcp://1.2.3.4:+1":           "`+1'",
		"tcp://1.2.3.4/80x":          "`80x'",
		"tcp://1.2.3.4/80/x":         "`80/x'",
		"ftp://1.2.3.4/80":           "`ftp'",
		"TCP://1.2.3.4/80":           "`TCP'",
		"://1.2.3.4/80":              "`'",
		"tcp://example.com/80":       "`example.com'",
		"tcp://1.2.3/80":             "`1.2.3'",
		"tcp://1.2.3.4.5/80":         "`1.2.3.4.5'",
		"tcp://2001:db8::1:99999/80": "`2001:db8::1:99999'",
		"tcp://[2001:db8::1]80":      "`[2001:db8::1]80'",
		"tcp://[2001:db8::1":         "`[2001:db8::1'",
		"tcp://[1.2.3.4]:80":         "`[1.2.3.4]:80'",
		"tcp://fe80::1%eth0/80":      "`fe80::1%eth0'",
		"tcp://2001:db8::1":          "no port",
		"tcp://2001:db8::zz:80":      "brackets",
		"tcp://1.2.3.4 /80":          "`1.2.3.4 '",
	} {
		_, _, err := ParseURI(uri)
		if !errors.Is(err, ErrURI) || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: %v; want it to name %s", uri, err, word)
		}
	}
}

func FuzzURI(f *testing.F) {
	for _, s := range []string{"tcp://6.0.1.1/1234", "udp://[2001:db8::1]:53", "sctp://::/1", ":80", "http://1.2.3.4", "//[::]/9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ep, err := ParseURI(s)
		if err != nil {
			if !errors.Is(err, ErrURI) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if p >= transport.NumProtos || !ep.Addr.IsValid() || ep.Addr.Port() == 0 {
			t.Fatalf("%q: %v %v", s, p, ep)
		}
		q, eq, err := ParseURI(FormatURI(p, ep))
		if err != nil || q != p || eq.Addr != ep.Addr {
			t.Fatalf("%q: %s does not come back: %v %v %v", s, FormatURI(p, ep), q, eq, err)
		}
	})
}
