package httpd

import (
	"io"

	"vpphost/cli"
)

func (t *TPS) commands() []*cli.Command {
	return []*cli.Command{
		{Path: "http tps", Usage: "[uri <uri>] [fifo-size <bytes>[k|m]] [private-segment-size <bytes>[m|g]] [prealloc-fifos <n>] " +
			"[debug] [no-zc] | disable",
			Complete: words(tpsWords, memoryWords),
			Help: "Serve made-up bodies over HTTP, for load tests\n" +
				"GET /test_file_SIZE answers with SIZE bytes (64, 10k, 10m, 1g); ?test_header=SIZE makes the header longer.\n" +
				"Bodies of POST and PUT are counted and thrown away.",
			Run: func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
				o, err := parseTPS(in)
				switch {
				case err != nil:
					return nil, err
				case o.disable:
					return nil, t.stop()
				}
				return nil, t.start(o)
			}},
		{Path: "http tps listener", Usage: "[add|del] uri <uri>", Complete: words(placeWords),
			Help: "Add or remove a place where http tps listens",
			Run: func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
				add, uri, err := parsePlace(in)
				if err != nil {
					return nil, err
				}
				r, err := t.running()
				switch {
				case err != nil:
					return nil, err
				case add:
					return nil, r.add(uri)
				}
				return nil, r.remove(uri)
			}},
		{Path: "show http tps", Usage: "[listeners]", Complete: words([]cli.Word{{Text: "listeners", Help: "where it listens"}}),
			Help: "Show the load test's HTTP server",
			Run: func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
				list := in.Match("listeners")
				if err := in.End(); err != nil {
					return nil, err
				}
				r, err := t.running()
				if err != nil {
					return nil, err
				}
				return r.show(list), nil
			}},
	}
}

// Text writes VPP's layout.
func (s *tpsShown) Text(w io.Writer, _ cli.Layout) error {
	_, err := io.WriteString(w, s.text())
	return err
}

var tpsWords = []cli.Word{
	{Text: "uri", Help: "where to listen: http://ip:port; " + defaultTPSURI},
	{Text: "debug", Help: "accepted"},
	{Text: "no-zc", Help: "accepted: bodies are always made in the FIFO"},
	{Text: "disable", Help: "end the server"},
}

var placeWords = []cli.Word{
	{Text: "add", Help: "begin to listen (default)"},
	{Text: "del", Help: "end it; connections that are open go on"},
	{Text: "uri", Help: "where: http://ip:port"},
}
