package httpd

import (
	"log/slog"
	"slices"
	"strings"

	"vpphost/cli"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
)

// Config is what the servers are made of.
type Config struct {
	Engine   *http.Engine
	Sessions *session.Layer
	Registry *cli.Registry // whose show commands "http cli server" runs
	Facts    Facts
	Log      *slog.Logger // nil: nothing is logged
}

// Commands are those of all servers, which are off.
func Commands(c Config) []*cli.Command {
	return slices.Concat(NewStatic(c).commands(), NewTPS(c).commands(), NewWebCLI(c).commands())
}

// logger is Log, or one that says nothing.
func (c *Config) logger() *slog.Logger {
	if c.Log != nil {
		return c.Log
	}
	return slog.New(slog.DiscardHandler)
}

// valued are the words that a value must follow.
var valued = []string{"uri", "www-root", "cache-size", "max-age", "max-req-body-size", "keepalive-timeout", "rx-buff-thresh",
	"ptr-thresh", "fifo-size", "private-segment-size", "prealloc-fifos", "index"}

// words suggests those of the lists that are not typed yet; none where a value must follow.
func words(lists ...[]cli.Word) func(*cli.Ctx, *cli.Input) []cli.Word {
	all := slices.Concat(lists...)
	return func(_ *cli.Ctx, in *cli.Input) (out []cli.Word) {
		typed := strings.Fields(in.Rest())
		if n := len(typed); n > 0 && slices.Contains(valued, typed[n-1]) {
			return nil
		}
		for _, w := range all {
			if !slices.Contains(typed, w.Text) {
				out = append(out, w)
			}
		}
		return out
	}
}
