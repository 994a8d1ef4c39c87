package httpc

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vpphost/cli"
	"vpphost/hoststack/http"
)

const clientUsage = "uri <http://ip[:port][/target]> [get | post | put] [data <text> | file <path>] [header {Key:Value}]... " +
	"[save-to <name>] [verbose] [redirect] [max-redirects <n>] [timeout <seconds>] [max-body-size <bytes>[k|m|g]] " +
	"[repeat <n> | duration <seconds>] [sessions <n>] [new-connection] [rate <requests/s>[k|m]] [report-interval [<seconds>]] " +
	"[fifo-size <bytes>[k|m|g]] [all-scope|local-scope|global-scope] [http1] [streams 1] [use-ptr] " +
	"[private-segment-size <bytes>] [prealloc-fifos <n>] [appns <id> [secret <n>]]"

const cliUsage = "uri <http://ip[:port]/show/version> [query <path>] [no-output] [verbose] [timeout <seconds>] [fifo-size <kbytes>] " +
	"[all-scope|local-scope|global-scope] [private-segment-size <bytes>] [prealloc-fifos <n>] [appns <id> [secret <n>]]"

// Commands are the HTTP clients.
func Commands(c *Client) []*cli.Command {
	return []*cli.Command{
		{Path: "http client", Usage: clientUsage, Help: "Fetch a resource by HTTP, or load a server with requests",
			Run: c.runClient, Complete: words(clientWords)},
		{Path: "http cli client", Usage: cliUsage, Help: "Run a show command of another instance by HTTP",
			Run: c.runCLI, Complete: words(cliWords)},
	}
}

func (c *Client) runClient(x *cli.Ctx, in *cli.Input) (cli.Result, error) {
	o, err := parseClient(in)
	if err != nil {
		return nil, err
	}
	if o.load() {
		o.quiet = x.Options.JSON
		return c.load(x, o, x.Emit)
	}
	if !c.busy.CompareAndSwap(false, true) {
		return nil, errRunning
	}
	defer c.busy.Store(false)
	r, err := c.get(x, clientName, o)
	return show(r, err, o.verbose, false)
}

// show makes a Result of what get returns. What came before an error is not shown.
func show(r *Response, err error, verbose, silent bool) (cli.Result, error) {
	if err != nil {
		return nil, err
	}
	r.verbose, r.silent = verbose, silent
	return r, nil
}

const cliClientName = "http_cli_client"

func (c *Client) runCLI(x *cli.Ctx, in *cli.Input) (cli.Result, error) {
	o, silent, err := parseCLI(in)
	if err != nil {
		return nil, err
	}
	if !c.cliing.CompareAndSwap(false, true) {
		return nil, errRunning
	}
	defer c.cliing.Store(false)
	r, err := c.get(x, cliClientName, o)
	res, err := show(r, err, o.verbose, silent)
	if err == nil && r.Status/100 != 2 {
		err = fmt.Errorf("error: the server answered %s", strings.TrimSpace(fmt.Sprint(r.Status, " ", r.Reason)))
	}
	return res, err
}

// parseCLI reads the line of "http cli client". A FIFO's size is in KiB there, as in VPP.
func parseCLI(in *cli.Input) (o *options, silent bool, err error) {
	o = &options{method: http.GET, timeout: 10 * time.Second, maxBody: 64 << 20, sessions: 1}
	var uri, query string
	var n uint64
	for !in.Done() && err == nil {
		switch {
		case in.Match("uri"):
			if !in.Word(&uri) {
				err = in.Expect("a URI after uri")
			}
		case in.Match("query"): // a separate word up to 24.10
			if !in.Word(&query) {
				err = in.Expect("a path after query")
			}
		case in.Match("no-output"):
			silent = true
		case in.Match("verbose"):
			o.verbose = true
		case in.Match("fifo-size"):
			if start := *in; !in.Size(&n) || n == 0 || n > maxFIFO>>10 {
				err = start.Expect("kbytes up to 1m after fifo-size")
			}
			o.fifo = uint32(n) << 10
		default:
			var ok bool
			if ok, err = o.commonWord(in); !ok {
				err = in.Unknown()
			}
		}
	}
	if err == nil {
		err = o.check(uri)
	}
	if err == nil && query != "" {
		o.uri, err = parseTarget("http://" + o.uri.Host() + "/" + strings.TrimPrefix(query, "/"))
	}
	var b builder
	b.add("Accept", "text/plain")
	o.fields = b.lines(o)
	return o, silent, err
}

var clientWords = append([]cli.Word{
	{Text: "uri", Help: "what to ask for: http://ip:port/target"},
	{Text: "get", Help: "a GET request (default)"},
	{Text: "post", Help: "a POST request, with data or file"},
	{Text: "put", Help: "a PUT request, with data or file"},
	{Text: "data", Help: "the body of the request; in braces when it holds blanks"},
	{Text: "file", Help: "a file that is the body of the request"},
	{Text: "header", Help: "a field Key:Value, in braces when it holds blanks; several times for several"},
	{Text: "save-to", Help: "name of a file in " + saveDir + " for the body"},
	{Text: "verbose", Help: "print latency, status line and fields"},
	{Text: "redirect", Help: "go where the server sends us"},
	{Text: "max-redirects", Help: "how often; 10 by default"},
	{Text: "max-body-size", Help: "longest body to take; 64m by default, when it is printed"},
	{Text: "repeat", Help: "requests to make: a load run"},
	{Text: "duration", Help: "seconds to make requests for: a load run"},
	{Text: "sessions", Help: "connections of a load run"},
	{Text: "new-connection", Help: "a new connection for each request"},
	{Text: "rate", Help: "requests per second, whatever the server does; latency counts from when one was due"},
	{Text: "report-interval", Help: "seconds between rows; 1 by default"},
	{Text: "http1", Help: "HTTP/1.1 (default)"},
	{Text: "streams", Help: "streams per connection: 1 with HTTP/1.1"},
	{Text: "use-ptr", Help: "bodies are never copied here (accepted)"},
}, commonWords...)

var cliWords = append([]cli.Word{
	{Text: "uri", Help: "the server and the command: http://ip:port/show/version"},
	{Text: "query", Help: "the command, when it is not in the URI (old word)"},
	{Text: "no-output", Help: "print nothing of the answer"},
	{Text: "verbose", Help: "print latency, status line and fields"},
}, commonWords...)

var commonWords = []cli.Word{
	{Text: "timeout", Help: "seconds without progress, or in a load run that a request may take; 10 by default"},
	{Text: "fifo-size", Help: "size of the FIFOs of a session"},
	{Text: "global-scope", Help: "connect through the network (default)"},
	{Text: "local-scope", Help: "connect to a server in this instance, cut-through"},
	{Text: "all-scope", Help: "connect cut-through, or else through the network"},
	{Text: "private-segment-size", Help: "segments are made as needed (accepted)"},
	{Text: "prealloc-fifos", Help: "FIFOs are made as needed (accepted)"},
	{Text: "appns", Help: "namespace (accepted)"},
	{Text: "secret", Help: "of the namespace (accepted)"},
}

// several are the words that may be typed more than once; valued those that a value must
// follow.
var (
	several = []string{"header"}
	valued  = []string{"uri", "query", "data", "file", "header", "save-to", "max-redirects", "max-body-size", "repeat", "duration",
		"sessions", "rate", "streams", "timeout", "fifo-size", "private-segment-size", "prealloc-fifos", "appns", "secret"}
)

// words suggests those of list that are not typed yet; none where a value must follow.
func words(list []cli.Word) func(*cli.Ctx, *cli.Input) []cli.Word {
	return func(_ *cli.Ctx, in *cli.Input) (out []cli.Word) {
		typed := strings.Fields(in.Rest())
		if n := len(typed); n > 0 && slices.Contains(valued, typed[n-1]) {
			return nil
		}
		for _, w := range list {
			if slices.Contains(several, w.Text) || !slices.Contains(typed, w.Text) {
				out = append(out, w)
			}
		}
		return out
	}
}
