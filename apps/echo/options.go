package echo

import (
	"fmt"
	"time"

	"vpphost/cli"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

const (
	defaultServerURI = "tcp://0.0.0.0/1234"
	defaultClientURI = "tcp://6.0.1.1/1234"
	defaultFIFO      = 4 << 20
	minFIFO          = 4 << 10
	maxFIFO          = 1 << 30
	maxClients       = 1 << 20
)

// options are what the command line of a client or server says.
type options struct {
	proto    transport.Proto
	ep       transport.Endpoint
	more     []place // server: where it listens besides
	scope    session.Scope
	raw      bool // plain streams: no control session, no second port
	echo     bool // the server sends everything back
	request  int  // bytes of a message, one in flight a session; 0: send what fits
	check    bool // verify every byte
	verbose  bool
	quiet    bool // no-output: only the result
	stop     bool // server: end it
	fifo     uint64
	clients  int
	active   int           // of these, send: the others stay idle
	hold     time.Duration // how long all stay open after the transfer
	bytes    uint64        // per session, 0 in a timed run
	runTime  time.Duration // 0: until bytes are through
	timeout  time.Duration // of the test
	patient  bool          // the time-out counts from the last progress
	syn      time.Duration // of connecting, counted from the last progress unless synGiven
	synGiven bool
	rate     uint64        // bytes per second of all sessions, 0: unlimited
	chunk    int           // most bytes written to a FIFO at a time, 0: what fits
	batch    int           // sessions started in one Step
	interval time.Duration // between report rows, 0 for none
	total    bool          // rows show totals, not intervals
	plot     bool          // draw the rates when done
	jitter   bool          // rows show the jitter of datagrams
	dgram    int           // payload of a datagram, 0 for what fits a packet

	cps         bool    // connections that come and go; clients is how many at a time
	connections uint64  // of them, so many in all; 0: for runTime
	perSecond   float64 // so many are due each second; 0: as many as go

	notes []string // said before the test begins
}

// place is what a URI names.
type place struct {
	proto transport.Proto
	ep    transport.Endpoint
}

// places are all of them.
func (o *options) places() []place { return append([]place{{o.proto, o.ep}}, o.more...) }

// legacy marks a line that uses words from before 2023.
type legacy struct{ seen, fifoBare bool }

// scopeWord reads one of the words of a scope. They add up, as in VPP.
func (o *options) scopeWord(in *cli.Input) bool {
	switch {
	case in.Match("all-scope"):
		o.scope |= session.AllScope
	case in.Match("local-scope"):
		o.scope |= session.LocalScope
	case in.Match("global-scope"):
		o.scope |= session.GlobalScope
	default:
		return false
	}
	return true
}

func (o *options) legacyBytes(in *cli.Input, shift uint) error {
	var n uint64
	if start := *in; !in.Uint(&n) || n == 0 || n > 1<<(50-shift) {
		return start.Expect("a number above 0")
	}
	o.bytes = n << shift
	return nil
}

func (o *options) fifoSize(in *cli.Input, lg *legacy) error {
	rest := in.Rest()
	if start := *in; !in.Size(&o.fifo) || o.fifo == 0 || o.fifo > maxFIFO {
		return start.Expect("a size up to 1g after fifo-size")
	}
	// The digit before the blank tells a bare number from one with a suffix.
	word := rest
	for i := range rest {
		if rest[i] == ' ' {
			word = rest[:i]
			break
		}
	}
	lg.fifoBare = word[len(word)-1] <= '9'
	return nil
}

func (o *options) reportInterval(in *cli.Input) error {
	n := uint64(1)
	if in.Uint(&n) && (n == 0 || n > 86400) {
		return cli.Usagef("report-interval takes 1 to 86400 seconds, got `%d'", n)
	}
	o.interval = time.Duration(n) * time.Second
	return nil
}

func seconds(in *cli.Input, name string, d *time.Duration) error {
	var f float64
	if start := *in; !in.Float(&f) || f <= 0 || f > 1e6 {
		return start.Expect("seconds after " + name)
	}
	*d = time.Duration(f * float64(time.Second))
	return nil
}

// finish checks what depends on the whole line.
func (o *options) finish(uri string, lg legacy) error {
	// Up to 23.02 a FIFO size was in KiB; only lines in that dialect mean it so.
	if lg.seen && lg.fifoBare && o.fifo < 64<<10 {
		o.notes = append(o.notes, fmt.Sprintf("note: fifo-size %d taken as KiB, as in releases that had these options", o.fifo))
		o.fifo <<= 10
	}
	o.fifo = max(o.fifo, minFIFO)
	if o.stop {
		return nil
	}
	var err error
	o.proto, o.ep, err = o.endpoint(uri)
	return err
}

// endpoint is what a URI names.
func (o *options) endpoint(uri string) (transport.Proto, transport.Endpoint, error) {
	proto, ep, err := session.ParseURI(uri)
	switch {
	case err != nil:
		return proto, ep, cli.Usagef("%w", err)
	case proto != transport.TCP && proto != transport.UDP:
		return proto, ep, cli.Usagef("`%s': only tcp and udp are supported", uri)
	case ep.Addr.Port() == 0:
		return proto, ep, cli.Usagef("`%s' has no port", uri)
	case ep.Addr.Port() == 65535 && !o.raw:
		return proto, ep, cli.Usagef("`%s': the data port above it is out of range", uri)
	}
	return proto, ep, nil
}
