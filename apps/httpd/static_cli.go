package httpd

import (
	"vpphost/cli"
)

const siteUsage = "[cache-size <bytes>[k|m|g]] [max-age <seconds>] [max-req-body-size <bytes>[k|m]] [keepalive-timeout <seconds>] " +
	"[rx-buff-thresh <bytes>[k|m]] [ptr-thresh <bytes>[k|m]] [http1-only]"

const staticUsage = "[uri <uri>] [www-root <path>] [url-handlers] " + siteUsage +
	" [fifo-size <bytes>[k|m]] [private-segment-size <bytes>[m|g]] [prealloc-fifos <n>] [debug [<n>]] | disable"

func (s *Static) commands() []*cli.Command {
	return []*cli.Command{
		{Path: "http static server", Usage: staticUsage, Complete: words(staticWords, siteWords, memoryWords),
			Help: "Serve the files of a directory over HTTP\n" +
				"Without a uri it listens on " + defaultStaticURI + ". Further directories: http static listener add.\n" +
				"FILE.br and FILE.gz are sent in the place of FILE to clients that take them, unless they are older.",
			Run: s.runServer},
		{Path: "http static listener", Usage: "[add|del] uri <uri> {www-root <path> | url-handlers} " + siteUsage,
			Complete: words(listenerWords, siteWords),
			Help:     "Add or remove a place where the static server listens, with files of its own",
			Run:      s.runListener},
		{Path: "show http static server", Usage: "cache|sessions|listeners [verbose [n]]",
			Complete: words(showStaticWords), Help: "Show the static server's cache, exchanges or listeners", Run: s.runShow},
		{Path: "clear http static cache", Usage: "[index <n>]", Help: "Throw out the files that the static server keeps in memory\n" +
			"Of one listener with index, see show http static server listeners.", Run: s.runClear},
	}
}

func (s *Static) runServer(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	o, err := parseStatic(in)
	switch {
	case err != nil:
		return nil, err
	case o.disable:
		return nil, s.stop()
	}
	return nil, s.start(o)
}

func (s *Static) runListener(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	add, o, err := parseListener(in)
	if err != nil {
		return nil, err
	}
	r, err := s.running(errStaticNone)
	switch {
	case err != nil:
		return nil, err
	case add:
		return nil, r.listen(o)
	}
	return nil, r.unlisten(o.uri)
}

func (s *Static) runClear(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	index := -1
	if in.Match("index") {
		if err := number(in, "index", "a listener's number", 0, 1<<30, &index); err != nil {
			return nil, err
		}
	}
	if err := in.End(); err != nil {
		return nil, err
	}
	r, err := s.running(errStaticOff)
	if err != nil {
		return nil, err
	}
	busy, found := 0, index < 0
	for _, x := range r.listening() {
		if index >= 0 && x.number != index {
			continue
		}
		found = true
		if x.files != nil {
			busy += x.files.Clear()
		}
	}
	if !found {
		return nil, cli.Usagef("no listener %d", index)
	}
	return cleared{busy}, nil
}

var siteWords = []cli.Word{
	{Text: "uri", Help: "where to listen: http://ip:port, tcp://ip/port"},
	{Text: "www-root", Help: "directory of the files"},
	{Text: "url-handlers", Help: "serve /version.json, /interface_list.json and /interface_stats.json"},
	{Text: "cache-size", Help: "bytes of files that are kept in memory; 10m"},
	{Text: "max-age", Help: "seconds that clients may keep a file; 600"},
	{Text: "max-req-body-size", Help: "most bytes of a request's body; 8k"},
	{Text: "keepalive-timeout", Help: "seconds that a connection may stay idle; 60"},
	{Text: "rx-buff-thresh", Help: "accepted, and not needed here"},
	{Text: "ptr-thresh", Help: "accepted, and not needed here"},
	{Text: "http1-only", Help: "accepted: HTTP/1 is all there is"},
}

var staticWords = []cli.Word{
	{Text: "debug", Help: "write every request into the log"},
	{Text: "disable", Help: "end the server"},
}

var listenerWords = []cli.Word{
	{Text: "add", Help: "begin to listen (default)"},
	{Text: "del", Help: "end it; connections that are open go on for one more request"},
}

var memoryWords = []cli.Word{
	{Text: "fifo-size", Help: "bytes each way per connection"},
	{Text: "private-segment-size", Help: "accepted: memory is taken as it is needed"},
	{Text: "prealloc-fifos", Help: "accepted: memory is taken as it is needed"},
}

var showStaticWords = []cli.Word{
	{Text: "cache", Help: "what is in memory; with verbose every file"},
	{Text: "sessions", Help: "what is being sent"},
	{Text: "listeners", Help: "where it listens"},
	{Text: "verbose", Help: "more of it"},
}
