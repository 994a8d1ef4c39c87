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
	more     []transport.Endpoint // server: where it listens besides
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

	notes []string // said before the test begins
}

// legacy marks a line that uses words from before 2023.
type legacy struct{ seen, fifoBare bool }

func parseServer(in *cli.Input) (*options, error) {
	o := &options{fifo: defaultFIFO, echo: true}
	var uri string
	var more []string
	var lg legacy
	var ignored string
	var n uint64
	for !in.Done() {
		switch {
		case in.Match("uri"):
			if uri != "" {
				more = append(more, uri)
			}
			if !in.Word(&uri) {
				return nil, in.Expect("a URI after uri")
			}
		case in.Match("fifo-size"):
			if err := o.fifoSize(in, &lg); err != nil {
				return nil, err
			}
		case in.Match("report-interval"):
			if err := o.reportInterval(in); err != nil {
				return nil, err
			}
		case in.Match("raw"):
			o.raw = true
		case in.Match("stop"):
			o.stop = true
		case in.Match("no-echo"):
			lg.seen, o.echo = true, false
		case in.Match("test-bytes"):
			o.check = true
		case o.scopeWord(in):
		case in.Match("private-segment-size"), in.Match("private-segment-count"),
			in.Match("prealloc-fifos"), in.Match("rcv-buf-size"):
			if !in.Size(&n) {
				return nil, in.Expect("a number")
			}
			ignored = "segments and FIFOs are made as needed"
		default:
			return nil, in.Unknown()
		}
	}
	if ignored != "" {
		o.notes = append(o.notes, "note: "+ignored)
	}
	if uri == "" && !o.stop {
		o.notes = append(o.notes, "No uri provided! Using default: "+defaultServerURI)
		uri = defaultServerURI
	}
	if err := o.finish(uri, lg); err != nil {
		return nil, err
	}
	for _, u := range more {
		_, ep, err := o.endpoint(u)
		if err != nil {
			return nil, err
		}
		o.more = append(o.more, ep)
	}
	return o, nil
}

func parseClient(in *cli.Input) (*options, error) {
	o := &options{fifo: defaultFIFO, clients: 1, bytes: 8192, batch: 1000,
		timeout: 20 * time.Second, syn: 20 * time.Second}
	var uri string
	var lg legacy
	var n uint64
	byDefault, timed, fixed, explicit := true, false, false, false
	for !in.Done() {
		var err error
		switch {
		case in.Match("uri"):
			if !in.Word(&uri) {
				return nil, in.Expect("a URI after uri")
			}
		case in.Match("nclients"):
			if start := *in; !in.Uint(&n) || n == 0 || n > maxClients {
				return nil, start.Expect(fmt.Sprintf("a number from 1 to %d after nclients", maxClients))
			}
			o.clients = int(n)
		case in.Match("active"):
			if start := *in; !in.Uint(&n) || n == 0 || n > maxClients {
				return nil, start.Expect("a number above 0 after active")
			}
			o.active = int(n)
		case in.Match("hold"):
			err = seconds(in, "hold", &o.hold)
		case in.Match("bytes"):
			if start := *in; !in.Size(&o.bytes) || o.bytes == 0 {
				return nil, start.Expect("a size above 0 after bytes")
			}
			byDefault, fixed = false, true
		case in.Match("mbytes"):
			err, byDefault, fixed = o.legacyBytes(in, 20), false, true
			lg.seen = true
		case in.Match("gbytes"):
			err, byDefault, fixed = o.legacyBytes(in, 30), false, true
			lg.seen = true
		case in.Match("run-time"):
			err = seconds(in, "run-time", &o.runTime)
			byDefault, timed = false, true
		case in.Match("test-timeout"):
			err = seconds(in, "test-timeout", &o.timeout)
			fixed, explicit = true, true
		case in.Match("syn-timeout"):
			err, o.synGiven = seconds(in, "syn-timeout", &o.syn), true
		case in.Match("echo-bytes"):
			o.echo, byDefault = true, false
		case in.Match("request"):
			if start := *in; !in.Size(&n) || n == 0 || n > maxFIFO {
				return nil, start.Expect("a size from 1 to 1g after request")
			}
			o.echo, o.request = true, int(n)
		case in.Match("test-bytes"):
			o.check = true
		case in.Match("fifo-size"):
			err = o.fifoSize(in, &lg)
		case in.Match("throughput"):
			if start := *in; !in.Base10(&o.rate) || o.rate < 8 {
				return nil, start.Expect("bits per second after throughput")
			}
			o.rate /= 8
		case in.Match("max-tx-chunk"):
			if start := *in; !in.Size(&n) || n == 0 {
				return nil, start.Expect("a size above 0 after max-tx-chunk")
			}
			if n > 4<<20 {
				o.notes = append(o.notes, fmt.Sprintf("Provided max-tx-chunk %s too big, using default 4m", cli.FormatSize(n)))
				n = 4 << 20
			}
			o.chunk = int(n)
		case in.Match("client-batch"):
			if start := *in; !in.Uint(&n) || n == 0 || n > maxClients {
				return nil, start.Expect("a number above 0 after client-batch")
			}
			o.batch = int(n)
		case in.Match("report-interval-total"):
			o.total = true
			err = o.reportInterval(in)
		case in.Match("report-interval"):
			err = o.reportInterval(in)
		case in.Match("raw"):
			o.raw = true
		case in.Match("verbose"):
			o.verbose = true
		case in.Match("no-return"):
			lg.seen = true
		case in.Match("no-output"):
			lg.seen, o.quiet = true, true
		case o.scopeWord(in), in.Match("preallocate-fifos"), in.Match("preallocate-sessions"):
		case in.Match("private-segment-size"):
			if !in.Size(&n) {
				return nil, in.Expect("a size after private-segment-size")
			}
		default:
			return nil, in.Unknown()
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case timed && fixed:
		return nil, cli.Usagef("failed: invalid arguments for a timed run! (run-time excludes bytes and test-timeout)")
	case o.rate != 0 && o.chunk != 0:
		return nil, cli.Usagef("failed: can't set fixed tx chunk for a throughput run! (throughput excludes max-tx-chunk)")
	case o.request != 0 && (o.rate != 0 || o.chunk != 0):
		return nil, cli.Usagef("failed: a request is sent whole and at once! (request excludes throughput and max-tx-chunk)")
	case byDefault:
		o.runTime = 10 * time.Second
	}
	if o.active = min(o.active, o.clients); o.active == 0 {
		o.active = o.clients
	}
	o.patient = !explicit && o.runTime == 0
	if o.runTime > 0 {
		o.bytes = 0
		if o.interval == 0 && !o.quiet {
			o.interval = time.Second
		}
	}
	if uri == "" {
		o.notes = append(o.notes, "No uri provided. Using default: "+defaultClientURI)
		uri = defaultClientURI
	}
	if err := o.finish(uri, lg); err != nil {
		return nil, err
	}
	if uint64(o.request) > o.fifo {
		return nil, cli.Usagef("failed: a request of %s does not fit fifo-size %s", cli.FormatSize(uint64(o.request)), cli.FormatSize(o.fifo))
	}
	if o.ep.Addr.Addr().IsUnspecified() {
		return nil, cli.Usagef("the client needs an address to connect to, got `%s'", uri)
	}
	return o, nil
}

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
	case proto != transport.TCP:
		return proto, ep, cli.Usagef("`%s': only tcp is supported", uri)
	case ep.Addr.Port() == 0:
		return proto, ep, cli.Usagef("`%s' has no port", uri)
	case ep.Addr.Port() == 65535 && !o.raw:
		return proto, ep, cli.Usagef("`%s': the data port above it is out of range", uri)
	}
	return proto, ep, nil
}
