package httpd

import (
	"vpphost/cli"
	"vpphost/hoststack/http"
)

// webOptions are what "http cli server" says.
type webOptions struct {
	uri      http.URI
	fifo     uint32
	listener string // add, del or nothing
	disable  bool
}

func parseWeb(in *cli.Input) (*webOptions, error) {
	o := &webOptions{}
	uri := defaultWebURI
	var n uint64
	for !in.Done() {
		start := *in
		switch {
		case in.Match("uri"):
			if !in.Word(&uri) {
				return nil, in.Expect("a URI after uri")
			}
			continue
		case in.Match("listener"):
			if !in.OneOf(&o.listener, "add", "del") {
				return nil, in.Expect("add or del after listener")
			}
			continue
		case in.Match("fifo-size"): // in KiB here, unless it has a suffix
			rest := in.Rest()
			if !in.Size(&n) || n == 0 || n > 1<<30 {
				return nil, cli.Usagef("expected KiB up to 1m after fifo-size, got %s", cli.Quote(rest))
			}
			if isDigits(rest) {
				n <<= 10
			}
			if n > 1<<30 {
				return nil, cli.Usagef("expected KiB up to 1m after fifo-size, got %s", cli.Quote(rest))
			}
			o.fifo = uint32(n)
			continue
		case in.Match("disable"), in.Match("stop"):
			o.disable = true
			continue
		case in.Match("http1-only"):
			continue
		case in.Match("http3-enabled"), in.Match("http3"):
			return nil, cli.Usagef("%s: HTTP/3 is not supported yet", cli.Quote(start.Rest()))
		}
		if ok, err := memoryWord(in, &o.fifo); err != nil {
			return nil, err
		} else if !ok {
			return nil, in.Unknown()
		}
	}
	var err error
	o.uri, err = listenURI(uri)
	return o, err
}

// isDigits tells whether the first word of s is a number without a suffix.
func isDigits(s string) bool {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i == len(s) || s[i] == ' '
}

func (s *WebCLI) commands() []*cli.Command {
	server := &cli.Command{
		Path: "http cli server",
		Usage: "[uri <uri>] [listener add|del] [fifo-size <KiB>] [private-segment-size <bytes>[m|g]] [prealloc-fifos <n>] " +
			"[http1-only] | disable",
		Complete: words(webWords, memoryWords),
		Help: "Serve show commands over HTTP\n" +
			"GET /show/interface is \"show interface\"; a slash in a word is %2F. Browsers get HTML, others text;\n" +
			"?format=json, text or html chooses. Only show commands can be run.",
		Run: func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
			o, err := parseWeb(in)
			switch {
			case err != nil:
				return nil, err
			case o.disable:
				return nil, s.stop()
			case o.listener == "del":
				return nil, s.unlisten(o.uri)
			}
			return nil, s.start(o)
		},
	}
	return []*cli.Command{server, server.As("test http server")} // its name in old releases
}

var webWords = []cli.Word{
	{Text: "uri", Help: "where to listen: http://ip:port; " + defaultWebURI},
	{Text: "listener", Help: "add or del: another place to listen, or one less"},
	{Text: "http1-only", Help: "accepted: HTTP/1 is all there is"},
	{Text: "disable", Help: "end the server"},
}
