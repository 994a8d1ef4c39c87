package httpc

import (
	"fmt"
	"strings"
	"time"

	"vpphost/cli"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
)

const (
	maxSessions = 1 << 20
	maxFIFO     = 1 << 30
	maxUpload   = 1 << 30
	// fetchFIFO and loadFIFO are the sizes of FIFOs when the line names none: of one
	// stream, and of many sessions with small answers, which then use small chunks.
	fetchFIFO = 4 << 20
	loadFIFO  = 512 << 10
)

// options are what the line of "http client" says.
type options struct {
	uri      http.URI
	method   http.Method
	data     string
	file     string // send what is in it
	saveTo   string // name below saveDir
	fields   string // field lines from the user
	verbose  bool
	timeout  time.Duration
	scope    session.Scope
	fifo     uint32
	maxBody  uint64
	limited  bool // max-body-size was given
	redirect bool
	maxHops  int

	repeat   uint64        // requests of a load run, or
	duration time.Duration // how long it lasts; neither: fetch one resource
	sessions int
	fresh    bool          // new-connection: one for each request
	rate     float64       // requests per second of an open loop, 0: closed
	interval time.Duration // between rows, 0 for none
	quiet    bool          // say nothing but figures: a program reads them
}

// load tells whether the line asks for more than one resource.
func (o *options) load() bool { return o.repeat > 0 || o.duration > 0 }

func parseClient(in *cli.Input) (*options, error) {
	o := &options{method: http.GET, timeout: 10 * time.Second, maxBody: 64 << 20, maxHops: 10, sessions: 1}
	var uri string
	var b builder
	for !in.Done() {
		var err error
		switch {
		case in.Match("uri"):
			if !in.Word(&uri) {
				err = in.Expect("a URI after uri")
			}
		case in.Match("get"):
			o.method = http.GET
		case in.Match("post"):
			o.method = http.POST
		case in.Match("put"):
			o.method = http.PUT
		case in.Match("data"):
			if !in.Word(&o.data) {
				err = in.Expect("text after data")
			}
		case in.Match("file"):
			if !in.Word(&o.file) {
				err = in.Expect("a path after file")
			}
		case in.Match("save-to"):
			err = o.saveWord(in)
		case in.Match("header"):
			err = b.header(in)
		case in.Match("verbose"):
			o.verbose = true
		case in.Match("redirect"):
			o.redirect = true
		case in.Match("max-redirects"):
			err = number(in, "max-redirects", 0, 1000, &o.maxHops)
		case in.Match("max-body-size"):
			if start := *in; !in.Size(&o.maxBody) || o.maxBody == 0 {
				err = start.Expect("a size above 0 after max-body-size")
			}
			o.limited = true
		case in.Match("http1"):
		default:
			var ok bool
			if ok, err = o.loadWord(in); !ok {
				ok, err = o.commonWord(in)
			}
			if !ok {
				return nil, in.Unknown()
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if err := o.check(uri); err != nil {
		return nil, err
	}
	o.fields = b.lines(o)
	return o, nil
}

// loadWord reads one of the words of load runs; false when it is none.
func (o *options) loadWord(in *cli.Input) (ok bool, err error) {
	switch {
	case in.Match("repeat"):
		if start := *in; !in.Uint(&o.repeat) || o.repeat == 0 {
			err = start.Expect("a number above 0 after repeat")
		}
	case in.Match("duration"):
		err = seconds(in, "duration", &o.duration)
	case in.Match("sessions"):
		err = number(in, "sessions", 1, maxSessions, &o.sessions)
	case in.Match("streams"):
		var n int
		if err = number(in, "streams", 1, maxSessions, &n); err == nil && n != 1 {
			err = cli.Usagef("multiple streams are only supported with http2 and http3")
		}
	case in.Match("new-connection"):
		o.fresh = true
	case in.Match("rate"):
		var n uint64
		if start := *in; !in.Base10(&n) || n == 0 || n > 1e9 {
			err = start.Expect("requests per second after rate")
		}
		o.rate = float64(n)
	case in.Match("report-interval"):
		n := uint64(1)
		if in.Uint(&n) && (n == 0 || n > 86400) {
			err = cli.Usagef("report-interval takes 1 to 86400 seconds, got `%d'", n)
		}
		o.interval = time.Duration(n) * time.Second
	default:
		return false, nil
	}
	return true, err
}

// commonWord reads one of the words that "http client" and "http cli client" share.
func (o *options) commonWord(in *cli.Input) (ok bool, err error) {
	var n uint64
	var word string
	switch {
	case in.Match("timeout"):
		err = seconds(in, "timeout", &o.timeout)
	case in.Match("fifo-size"):
		if start := *in; !in.Size(&n) || n == 0 || n > maxFIFO {
			err = start.Expect("a size up to 1g after fifo-size")
		}
		o.fifo = uint32(n)
	case in.Match("http2"), in.Match("http3"):
		err = cli.Usagef("http2 and http3 are not supported yet: only http1")
	case in.Match("all-scope"):
		o.scope |= session.AllScope
	case in.Match("local-scope"):
		o.scope |= session.LocalScope
	case in.Match("global-scope"):
		o.scope |= session.GlobalScope
	case in.Match("use-ptr"): // bodies never move through memory of their own here
	case in.Match("private-segment-size"):
		if !in.Size(&n) {
			err = in.Expect("a size after private-segment-size")
		}
	case in.Match("prealloc-fifos"):
		if !in.Uint(&n) {
			err = in.Expect("a number after prealloc-fifos")
		}
	case in.Match("appns"):
		if !in.Word(&word) {
			err = in.Expect("a namespace after appns")
		}
	case in.Match("secret"):
		if !in.Uint(&n) {
			err = in.Expect("a number after secret")
		}
	default:
		return false, nil
	}
	return true, err
}

// check looks at the line as a whole. The words are VPP's where it has any.
func (o *options) check(uri string) error {
	switch {
	case uri == "":
		return cli.Usagef("URI not defined")
	case o.repeat > 0 && o.duration > 0:
		return cli.Usagef("combining duration and repeat is not supported")
	case o.sessions > 1 && !o.load():
		return cli.Usagef("multiple sessions are only supported with request repeating")
	case o.fresh && !o.load():
		return cli.Usagef("new-connection is only supported with request repeating")
	case o.rate > 0 && !o.load():
		return cli.Usagef("rate is only supported with request repeating")
	case o.saveTo != "" && o.load():
		return cli.Usagef("save-to is not supported with request repeating")
	case o.redirect && o.load():
		return cli.Usagef("redirect is not supported with request repeating")
	case o.data != "" && o.file != "":
		return cli.Usagef("combining data and file is not supported")
	case o.method == http.GET && o.data+o.file != "":
		return cli.Usagef("data and file are only supported with post and put")
	case o.method != http.GET && o.data+o.file == "":
		return cli.Usagef("data not defined")
	}
	if o.load() && o.interval == 0 {
		o.interval = time.Second
	}
	if o.fifo == 0 {
		o.fifo = fetchFIFO
		if o.load() {
			o.fifo = loadFIFO
		}
	}
	if o.repeat > 0 {
		o.sessions = int(min(uint64(o.sessions), o.repeat))
	}
	var err error
	o.uri, err = parseTarget(uri)
	return err
}

// saveDir is where save-to puts files, as in VPP.
const saveDir = "/tmp"

// saveWord reads the name of a file in saveDir, which must not lead out of it.
func (o *options) saveWord(in *cli.Input) error {
	if !in.Word(&o.saveTo) {
		return in.Expect("a file name after save-to")
	}
	if n := o.saveTo; n == "" || n == "." || strings.Contains(n, "..") || strings.ContainsAny(n, "/\x00") || len(n) > 255 {
		return cli.Usagef("save-to takes the name of a file in %s without `/' and `..', got %s", saveDir, cli.Quote(n))
	}
	return nil
}

// number reads one from least to most.
func number(in *cli.Input, name string, least, most uint64, v *int) error {
	var n uint64
	if start := *in; !in.Uint(&n) || n < least || n > most {
		return start.Expect(fmt.Sprintf("a number from %d to %d after %s", least, most, name))
	}
	*v = int(n)
	return nil
}

func seconds(in *cli.Input, name string, d *time.Duration) error {
	var f float64
	if start := *in; !in.Float(&f) || f <= 0 || f > 1e6 {
		return start.Expect("seconds after " + name)
	}
	*d = max(time.Duration(f*float64(time.Second)), 1)
	return nil
}
