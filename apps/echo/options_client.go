package echo

import (
	"fmt"
	"time"

	"vpphost/cli"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/transport"
)

// clientLine is the line of a client while it is read.
type clientLine struct {
	*options
	uri      string
	lg       legacy
	timed    bool // run-time was given
	sized    bool // bytes, in one of its forms
	fixed    bool // what does not go with run-time, as in VPP
	explicit bool // test-timeout
	chosen   bool // something that ends VPP's default of a timed run
	many     bool // nclients
}

// defaults of connections that come and go.
const (
	cpsClients = 128  // at a time
	cpsWaiting = 4096 // the same with a rate, where more of them mean that the server is slow
	cpsBytes   = 64
)

func parseClient(in *cli.Input) (*options, error) {
	l := &clientLine{options: &options{fifo: defaultFIFO, clients: 1, bytes: 8192, batch: 1000,
		timeout: 20 * time.Second, syn: 20 * time.Second}}
	for !in.Done() {
		known := false
		for _, group := range []func(*cli.Input) (bool, error){l.amountWord, l.timeWord, l.shapeWord, l.reportWord, l.otherWord} {
			ok, err := group(in)
			if err != nil {
				return nil, err
			}
			if known = ok; ok {
				break
			}
		}
		if !known {
			return nil, in.Unknown()
		}
	}
	return l.settle()
}

// number reads a number from 1 to most behind name.
func number(in *cli.Input, name string, most uint64, n *int) error {
	var v uint64
	if start := *in; !in.Uint(&v) || v == 0 || v > most {
		return start.Expect(fmt.Sprintf("a number from 1 to %d after %s", most, name))
	}
	*n = int(v)
	return nil
}

// amountWord reads how many connections there are and how much they carry.
func (l *clientLine) amountWord(in *cli.Input) (ok bool, err error) {
	switch {
	case in.Match("nclients"):
		err, l.many = number(in, "nclients", maxClients, &l.clients), true
	case in.Match("active"):
		err = number(in, "active", maxClients, &l.active)
	case in.Match("client-batch"):
		err = number(in, "client-batch", maxClients, &l.batch)
	case in.Match("connections"):
		var n int
		err = number(in, "connections", 1<<40, &n)
		l.connections = uint64(n)
	case in.Match("bytes"):
		if start := *in; !in.Size(&l.bytes) {
			err = start.Expect("a size after bytes")
		}
		l.chosen, l.fixed, l.sized = true, true, true
	case in.Match("mbytes"):
		err, l.lg.seen = l.legacyBytes(in, 20), true
		l.chosen, l.fixed, l.sized = true, true, true
	case in.Match("gbytes"):
		err, l.lg.seen = l.legacyBytes(in, 30), true
		l.chosen, l.fixed, l.sized = true, true, true
	default:
		return false, nil
	}
	return true, err
}

// timeWord reads how long things last.
func (l *clientLine) timeWord(in *cli.Input) (ok bool, err error) {
	switch {
	case in.Match("run-time"):
		err = seconds(in, "run-time", &l.runTime)
		l.chosen, l.timed = true, true
	case in.Match("test-timeout"):
		err = seconds(in, "test-timeout", &l.timeout)
		l.fixed, l.explicit = true, true
	case in.Match("syn-timeout"):
		err, l.synGiven = seconds(in, "syn-timeout", &l.syn), true
	case in.Match("hold"):
		err = seconds(in, "hold", &l.hold)
	default:
		return false, nil
	}
	return true, err
}

// shapeWord reads what is sent, and how fast.
func (l *clientLine) shapeWord(in *cli.Input) (ok bool, err error) {
	var n uint64
	switch {
	case in.Match("cps"):
		l.cps = true
	case in.Match("rate"):
		if start := *in; !in.Float(&l.perSecond) || l.perSecond <= 0 || l.perSecond > 1e9 {
			err = start.Expect("connections per second after rate")
		}
	case in.Match("echo-bytes"):
		l.echo, l.chosen = true, true
	case in.Match("test-bytes"):
		l.check = true
	case in.Match("request"):
		if start := *in; !in.Size(&n) || n == 0 || n > maxFIFO {
			err = start.Expect("a size from 1 to 1g after request")
		}
		l.echo, l.request = true, int(n)
	case in.Match("dgram-size"):
		err = number(in, "dgram-size", datagram.MaxLen, &l.dgram)
	case in.Match("throughput"):
		if start := *in; !in.Base10(&l.rate) || l.rate < 8 {
			err = start.Expect("bits per second after throughput")
		}
		l.rate /= 8
	case in.Match("max-tx-chunk"):
		if start := *in; !in.Size(&n) || n == 0 {
			err = start.Expect("a size above 0 after max-tx-chunk")
		}
		if n > 4<<20 {
			l.notes = append(l.notes, fmt.Sprintf("Provided max-tx-chunk %s too big, using default 4m", cli.FormatSize(n)))
			n = 4 << 20
		}
		l.chunk = int(n)
	default:
		return false, nil
	}
	return true, err
}

// reportWord reads what is printed.
func (l *clientLine) reportWord(in *cli.Input) (ok bool, err error) {
	switch {
	case in.Match("report-interval-total"):
		l.total = true
		err = l.reportInterval(in)
	case in.Match("report-interval"):
		err = l.reportInterval(in)
	case in.Match("report-jitter"):
		l.jitter = true
	case in.Match("plot"):
		l.plot = true
	case in.Match("verbose"):
		l.verbose = true
	case in.Match("no-output"):
		l.lg.seen, l.quiet = true, true
	default:
		return false, nil
	}
	return true, err
}

// otherWord reads the rest.
func (l *clientLine) otherWord(in *cli.Input) (ok bool, err error) {
	var n uint64
	switch {
	case in.Match("uri"):
		if !in.Word(&l.uri) {
			err = in.Expect("a URI after uri")
		}
	case in.Match("fifo-size"):
		err = l.fifoSize(in, &l.lg)
	case in.Match("raw"):
		l.raw = true
	case in.Match("no-return"):
		l.lg.seen = true
	case l.scopeWord(in), in.Match("preallocate-fifos"), in.Match("preallocate-sessions"), in.Match("uso"):
	case in.Match("private-segment-size"):
		if !in.Size(&n) {
			err = in.Expect("a size after private-segment-size")
		}
	default:
		return false, nil
	}
	return true, err
}

// settle checks what depends on the whole line, and fills in the defaults.
func (l *clientLine) settle() (*options, error) {
	o := l.options
	if err := l.conflicts(); err != nil {
		return nil, err
	}
	switch {
	case o.cps:
		l.settleCPS()
	case !l.chosen:
		o.runTime = 10 * time.Second
	}
	if o.active = min(o.active, o.clients); o.active == 0 {
		o.active = o.clients
	}
	o.patient = !l.explicit && o.runTime == 0
	if o.runTime > 0 && !o.cps {
		o.bytes = 0
	}
	if o.interval == 0 && (o.runTime > 0 || o.cps) && !o.quiet {
		o.interval = time.Second
	}
	if l.uri == "" {
		o.notes = append(o.notes, "No uri provided. Using default: "+defaultClientURI)
		l.uri = defaultClientURI
	}
	if err := o.finish(l.uri, l.lg); err != nil {
		return nil, err
	}
	if uint64(o.request) > o.fifo {
		return nil, cli.Usagef("failed: a request of %s does not fit fifo-size %s", cli.FormatSize(uint64(o.request)), cli.FormatSize(o.fifo))
	}
	if err := o.checkUDP(); err != nil {
		return nil, err
	}
	if o.ep.Addr.Addr().IsUnspecified() {
		return nil, cli.Usagef("the client needs an address to connect to, got `%s'", l.uri)
	}
	return o, nil
}

// conflicts names words that do not go together.
func (l *clientLine) conflicts() error {
	switch {
	case l.cps && (l.request != 0 || l.rate != 0 || l.chunk != 0 || l.active != 0 || l.hold != 0):
		return cli.Usagef("failed: connections that come and go send once and close! (cps excludes request, throughput, max-tx-chunk, active and hold)")
	case !l.cps && (l.connections != 0 || l.perSecond != 0):
		return cli.Usagef("failed: connections and rate are for a test of connections per second (cps)")
	case !l.cps && l.sized && l.bytes == 0:
		return cli.Usagef("expected a size above 0 after bytes, got `0'")
	case !l.cps && l.timed && l.fixed:
		return cli.Usagef("failed: invalid arguments for a timed run! (run-time excludes bytes and test-timeout)")
	case l.rate != 0 && l.chunk != 0:
		return cli.Usagef("failed: can't set fixed tx chunk for a throughput run! (throughput excludes max-tx-chunk)")
	case l.request != 0 && (l.rate != 0 || l.chunk != 0):
		return cli.Usagef("failed: a request is sent whole and at once! (request excludes throughput and max-tx-chunk)")
	}
	return nil
}

// settleCPS fills in the defaults of connections that come and go.
func (l *clientLine) settleCPS() {
	o := l.options
	if !l.sized {
		o.bytes = cpsBytes
	}
	if !l.many {
		o.clients = cpsClients
		if o.perSecond != 0 {
			o.clients = cpsWaiting
		}
	}
	if o.connections == 0 && o.runTime == 0 {
		o.runTime = 10 * time.Second
	}
}

// checkUDP names words that do not go with datagrams, or only with them.
func (o *options) checkUDP() error {
	udp := o.proto == transport.UDP
	switch {
	case udp && o.cps:
		return cli.Usagef("failed: datagrams have no connections to count! (cps excludes udp)")
	case udp && o.request != 0:
		return cli.Usagef("failed: a lost request would never be answered! (request excludes udp; throughput with echo-bytes measures round trips)")
	case udp && o.hold != 0:
		return cli.Usagef("failed: datagrams have no connections to hold! (hold excludes udp)")
	case !udp && (o.dgram != 0 || o.jitter):
		return cli.Usagef("failed: dgram-size and report-jitter are for datagrams (uri udp://)")
	case udp && (o.echo || o.check) && o.dgram != 0 && o.dgram < leastNumbered:
		return cli.Usagef("failed: datagrams of %d bytes have no room for a number, which takes %d (dgram-size)", o.dgram, leastNumbered)
	case udp && o.dgram > int(o.fifo)/2:
		return cli.Usagef("failed: datagrams of %d bytes do not fit fifo-size %s", o.dgram, cli.FormatSize(o.fifo))
	}
	return nil
}
