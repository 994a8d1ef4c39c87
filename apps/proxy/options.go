package proxy

import (
	"errors"
	"fmt"
	"time"

	"vpphost/cli"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

const (
	defaultServerURI = "tcp://0.0.0.0/23"
	defaultClientURI = "tcp://6.0.2.2/23"
	defaultFIFO      = 64 << 10
	defaultMaxFIFO   = 128 << 20
	defaultHigh      = 80
	defaultLow       = 50
	defaultIdle      = 600 * time.Second
	defaultConnect   = 20 * time.Second

	minFIFO      = 4 << 10
	maxFIFO      = 1 << 30
	maxTimeout   = 30 * 24 * 3600 // seconds
	datagramFIFO = 1 << 20        // least size of a FIFO of datagrams, bytes: some large ones
	maxUpstreams = 64             // of a route: a flow remembers in a word which it has tried
)

// Options are what a command, or an entry of startup.conf, says.
type Options struct {
	Pairs         []Pair
	FIFO, MaxFIFO uint64        // bytes each way of a flow: at first, and at most
	High          uint8         // percent of a FIFO that are full when it grows
	Idle          time.Duration // flows end after so long without a byte
	Connect       time.Duration // how long an upstream may take to answer
}

// Pair is one route: where to listen, and to whom to connect in turn.
type Pair struct{ Servers, Clients []string }

// Defaults are the options of a command that gives none.
func Defaults() Options {
	return Options{FIFO: defaultFIFO, MaxFIFO: defaultMaxFIFO, High: defaultHigh, Idle: defaultIdle, Connect: defaultConnect}
}

// Server adds a server-uri: to the last pair, or to a new one when that is complete.
func (o *Options) Server(uri string) {
	if n := len(o.Pairs); n == 0 || len(o.Pairs[n-1].Servers) > 0 && len(o.Pairs[n-1].Clients) > 0 {
		o.Pairs = append(o.Pairs, Pair{})
	}
	p := &o.Pairs[len(o.Pairs)-1]
	p.Servers = append(p.Servers, uri)
}

// Client adds a client-uri to the last pair.
func (o *Options) Client(uri string) {
	if len(o.Pairs) == 0 {
		o.Pairs = append(o.Pairs, Pair{})
	}
	p := &o.Pairs[len(o.Pairs)-1]
	p.Clients = append(p.Clients, uri)
}

// line is a parsed command line.
type line struct {
	Options
	bare  bool // nothing was said
	stop  bool
	notes []string
}

// parse reads a command line.
func parse(in *cli.Input) (*line, error) {
	l := &line{Options: Defaults(), bare: in.Done()}
	low, high := uint64(defaultLow), uint64(defaultHigh)
	var lowGiven, ignored bool
	for !in.Done() {
		var err error
		var uri string
		var n uint64
		switch {
		case in.Match("server-uri"):
			if !in.Word(&uri) {
				return nil, in.Expect("a URI after server-uri")
			}
			l.Server(uri)
		case in.Match("client-uri"):
			if !in.Word(&uri) {
				return nil, in.Expect("a URI after client-uri")
			}
			l.Client(uri)
		case in.Match("fifo-size"):
			err = sizeOf(in, &l.FIFO, "fifo-size")
		case in.Match("max-fifo-size"):
			err = sizeOf(in, &l.MaxFIFO, "max-fifo-size")
		case in.Match("high-watermark"):
			err = within(in, &high, "high-watermark", 1, 100)
		case in.Match("low-watermark"):
			lowGiven, err = true, within(in, &low, "low-watermark", 0, 100)
		case in.Match("idle-timeout"):
			if err = within(in, &n, "idle-timeout", 1, maxTimeout); err == nil {
				l.Idle = time.Duration(n) * time.Second
			}
		case in.Match("connect-timeout"):
			if err = within(in, &n, "connect-timeout", 1, maxTimeout); err == nil {
				l.Connect = time.Duration(n) * time.Second
			}
		case in.Match("rcv-buf-size"), in.Match("prealloc-fifos"), in.Match("private-segment-size"), in.Match("private-segment-count"):
			if !in.Size(&n) {
				return nil, in.Expect("a number")
			}
			ignored = true
		case in.Match("stop"):
			l.stop = true
		default:
			return nil, in.Unknown()
		}
		if err != nil {
			return nil, err
		}
	}
	if lowGiven && low > high {
		return nil, cli.Usagef("low-watermark %d is above high-watermark %d", low, high)
	}
	l.High = uint8(high)
	if ignored {
		l.notes = append(l.notes, "note: segments and FIFOs are made as needed")
	}
	return l, l.check()
}

func sizeOf(in *cli.Input, v *uint64, name string) error {
	if start := *in; !in.Size(v) || *v < minFIFO || *v > maxFIFO {
		return start.Expect(fmt.Sprintf("a size from %s to %s after %s", cli.FormatSize(minFIFO), cli.FormatSize(maxFIFO), name))
	}
	return nil
}

func within(in *cli.Input, v *uint64, name string, low, high uint64) error {
	if start := *in; !in.Uint(v) || *v < low || *v > high {
		return start.Expect(fmt.Sprintf("a number from %d to %d after %s", low, high, name))
	}
	return nil
}

// check completes the pairs of a command that starts something.
func (l *line) check() error {
	if l.stop {
		if len(l.Pairs) > 1 || len(l.Pairs) == 1 && (len(l.Pairs[0].Clients) > 0 || len(l.Pairs[0].Servers) != 1) {
			return cli.Usagef("stop takes one server-uri, or none for all")
		}
		return nil
	}
	if l.bare {
		return nil
	}
	if len(l.Pairs) == 0 {
		l.Pairs = []Pair{{}}
	}
	if len(l.Pairs) == 1 {
		p := &l.Pairs[0]
		if len(p.Servers) == 0 {
			p.Servers = []string{defaultServerURI}
			l.notes = append(l.notes, "No server-uri provided! Using default: "+defaultServerURI)
		}
		if len(p.Clients) == 0 {
			p.Clients = []string{defaultClientURI}
			l.notes = append(l.notes, "No client-uri provided! Using default: "+defaultClientURI)
		}
	}
	for _, p := range l.Pairs {
		if _, err := p.targets(); err != nil {
			return err
		}
	}
	return nil
}

// target is one parsed URI.
type target struct {
	proto transport.Proto
	ep    transport.Endpoint
}

func (t target) String() string { return session.FormatURI(t.proto, t.ep) }

// parseURI reads a URI of a protocol that can be proxied.
func parseURI(name, uri string) (target, error) {
	p, ep, err := session.ParseURI(uri)
	if err != nil {
		return target{}, cli.Usagef("%s: %w", name, err)
	}
	if p != transport.TCP && p != transport.UDP {
		return target{}, cli.Usagef("%s %s: only tcp and udp are proxied", name, uri)
	}
	return target{p, ep}, nil
}

// targets are the pair's servers, followed by its clients.
func (p *Pair) targets() (list []target, err error) {
	for i, uri := range append(append([]string(nil), p.Servers...), p.Clients...) {
		name := "server-uri"
		if i >= len(p.Servers) {
			name = "client-uri"
		}
		t, err := parseURI(name, uri)
		switch {
		case err != nil:
			return nil, err
		case i > 0 && t.proto != list[0].proto:
			return nil, cli.Usagef("%s %s: not the protocol of server-uri %s", name, uri, p.Servers[0])
		case name == "client-uri" && t.ep.Addr.Addr().IsUnspecified():
			return nil, cli.Usagef("client-uri %s: not an address to connect to", uri)
		}
		list = append(list, t)
	}
	switch {
	case len(p.Servers) == 0:
		return nil, cli.Usagef("client-uri %s has no server-uri", p.Clients[0])
	case len(p.Clients) == 0:
		return nil, cli.Usagef("server-uri %s has no client-uri", p.Servers[0])
	case len(p.Clients) > maxUpstreams:
		return nil, cli.Usagef("more than %d client-uris for server-uri %s", maxUpstreams, p.Servers[0])
	}
	return list, nil
}

var errNotRunning = errors.New("proxy not running")
