package httpd

import (
	"errors"

	"vpphost/cli"
	"vpphost/hoststack/http"
)

const (
	defaultStaticURI = "tcp://0.0.0.0:80"
	defaultCache     = 10 << 20
	minCache         = 128 << 10
	maxCache         = 64 << 30
	defaultMaxAge    = 600
	defaultMaxBody   = 8192
)

// siteOptions are those of a listener.
type siteOptions struct {
	uriText   string
	uri       http.URI
	root      string
	handlers  bool
	cacheSize uint64
	maxAge    int
	maxBody   uint64
	keepalive int // seconds; 0: the engine's
}

// staticOptions are what "http static server" says.
type staticOptions struct {
	siteOptions
	disable bool
	fifo    uint32
	debug   uint64
}

// listens tells whether the server is to listen at once.
func (o *siteOptions) listens() bool { return o.uriText != "" || o.root != "" || o.handlers }

func defaultSite() siteOptions {
	return siteOptions{cacheSize: defaultCache, maxAge: defaultMaxAge, maxBody: defaultMaxBody}
}

// word reads one of the words of a listener; false when it is another.
func (o *siteOptions) word(in *cli.Input) (ok bool, err error) {
	start := *in
	var n uint64
	switch {
	case in.Match("uri"):
		if !in.Word(&o.uriText) {
			return true, in.Expect("a URI after uri")
		}
	case in.Match("www-root"):
		if !in.Word(&o.root) {
			return true, in.Expect("a directory after www-root")
		}
	case in.Match("url-handlers"):
		o.handlers = true
	case in.Match("cache-size"):
		if at := *in; !in.Size(&o.cacheSize) || o.cacheSize > maxCache {
			return true, at.Expect("a size up to 64g after cache-size")
		}
		if o.cacheSize < minCache {
			return true, cli.Usagef("cache-size must be at least 128kb")
		}
	case in.Match("max-age"):
		err = number(in, "max-age", "seconds", 0, 1<<31-1, &o.maxAge)
	case in.Match("max-req-body-size"), in.Match("max-body-size"):
		if at := *in; !in.Size(&o.maxBody) || o.maxBody == 0 || o.maxBody > 1<<62 {
			return true, at.Expect("a size above 0 after max-req-body-size")
		}
	case in.Match("keepalive-timeout"):
		err = number(in, "keepalive-timeout", "seconds", 1, 1<<20, &o.keepalive)
	case in.Match("rx-buff-thresh"), in.Match("ptr-thresh"): // of VPP's buffers; ours need none
		if at := *in; !in.Size(&n) {
			return true, at.Expect("a size")
		}
	case in.Match("http1-only"): // it is all there is
	case in.Match("http3"), in.Match("http3-enabled"):
		return true, cli.Usagef("%s: HTTP/3 is not supported yet", cli.Quote(start.Rest()))
	default:
		return false, nil
	}
	return true, err
}

// finish checks what depends on the whole line.
func (o *siteOptions) finish() (err error) {
	if o.uriText == "" {
		o.uriText = defaultStaticURI
	}
	if o.uri, err = listenURI(o.uriText); err != nil {
		return err
	}
	if o.root == "" && !o.handlers {
		return cli.Usagef("Must set www-root or url-handlers")
	}
	return nil
}

// listenURI understands where a server shall listen.
func listenURI(s string) (http.URI, error) {
	u, err := http.ParseListen(s)
	switch {
	case errors.Is(err, http.ErrNoTLS):
		return u, cli.Usagef("%w", err)
	case err != nil:
		return u, cli.Usagef("%w", err)
	case u.Endpoint.Addr.Port() == 0:
		return u, cli.Usagef("`%s' has no port", s)
	}
	return u, nil
}

// number reads a number from lo to hi.
func number(in *cli.Input, word, what string, lo, hi int, v *int) error {
	var n uint64
	if start := *in; !in.Uint(&n) || n > uint64(hi) || int(n) < lo {
		return start.Expect(what + " after " + word)
	}
	*v = int(n)
	return nil
}

// memoryWord reads the words about FIFOs and segments that all servers have.
func memoryWord(in *cli.Input, fifo *uint32) (ok bool, err error) {
	var n uint64
	switch {
	case in.Match("fifo-size"):
		if start := *in; !in.Size(&n) || n == 0 || n > 1<<30 {
			return true, start.Expect("a size up to 1g after fifo-size")
		}
		*fifo = uint32(n)
	case in.Match("private-segment-size"): // memory is taken as bytes come
		if start := *in; !in.Size(&n) {
			return true, start.Expect("a size after private-segment-size")
		}
	case in.Match("prealloc-fifos"):
		if start := *in; !in.Uint(&n) {
			return true, start.Expect("a number after prealloc-fifos")
		}
	default:
		return false, nil
	}
	return true, nil
}

func parseStatic(in *cli.Input) (*staticOptions, error) {
	o := &staticOptions{siteOptions: defaultSite()}
	for !in.Done() {
		if ok, err := o.word(in); ok || err != nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		if ok, err := memoryWord(in, &o.fifo); ok || err != nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		switch {
		case in.Match("disable"), in.Match("stop"):
			o.disable = true
		case in.Match("debug"):
			if o.debug = 1; !in.Done() {
				in.Uint(&o.debug)
			}
		default:
			return nil, in.Unknown()
		}
	}
	if o.disable || !o.listens() {
		return o, nil
	}
	return o, o.finish()
}

// parseListener reads "http static listener": whether to add one, and which.
func parseListener(in *cli.Input) (add bool, o *siteOptions, err error) {
	site := defaultSite()
	add = true
	for !in.Done() {
		if ok, err := site.word(in); ok || err != nil {
			if err != nil {
				return false, nil, err
			}
			continue
		}
		switch {
		case in.Match("add"):
			add = true
		case in.Match("del"):
			add = false
		default:
			return false, nil, in.Unknown()
		}
	}
	switch {
	case site.uriText == "":
		return false, nil, cli.Usagef("Must set uri")
	case !add:
		site.uri, err = listenURI(site.uriText)
		return add, &site, err
	}
	return add, &site, site.finish()
}
