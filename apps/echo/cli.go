package echo

import (
	"slices"
	"strings"

	"vpphost/cli"
)

const serverUsage = "[uri <proto://ip/port>]... [fifo-size <bytes>[k|m|g]] [report-interval [<seconds>]] [raw [no-echo] [test-bytes]] " +
	"[all-scope|local-scope|global-scope] [stop]"

const clientUsage = "[uri <proto://ip/port>] [nclients <n>] [active <n>] [hold <seconds>] [bytes <bytes>[k|m|g] | run-time <seconds>] " +
	"[test-timeout <seconds>] [syn-timeout <seconds>] [echo-bytes] [request <bytes>[k|m|g]] [test-bytes] " +
	"[fifo-size <bytes>[k|m|g]] [throughput <bits/s>[k|m|g]] [max-tx-chunk <bytes>[k|m]] [dgram-size <bytes>] [client-batch <n>] " +
	"[report-interval[-total] [<seconds>]] [report-jitter] [plot] [cps [connections <n>] [rate <n>]] [raw] [all-scope|local-scope|global-scope] [verbose] [mbytes <n> | gbytes <n>] [no-return] [no-output]"

// Commands are the test commands, under the words of old and new VPP.
func Commands(s *Server, c *Client) []*cli.Command {
	server := &cli.Command{Path: "test echo server", Usage: serverUsage,
		Help: "Start or stop the throughput test server", Run: s.command, Complete: words(serverWords)}
	client := &cli.Command{Path: "test echo client", Usage: clientUsage,
		Help: "Run a test against a server: throughput, requests or connections per second", Run: c.command, Complete: words(clientWords)}
	return []*cli.Command{server, server.As("vperf server"), client, client.As("vperf client"),
		client.As("test echo clients")} // VPP registers the plural; a user types either
}

func (s *Server) command(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
	o, err := parseServer(in)
	if err != nil {
		return nil, err
	}
	if o.stop {
		return nil, s.stop()
	}
	r, err := s.start(o)
	if err != nil {
		return nil, err
	}
	for _, n := range o.notes {
		_ = c.Emit(cli.Text(n + "\n"))
	}
	if o.interval == 0 {
		return nil, nil
	}
	r.watch(c, c.Emit)
	if c.Err() == nil { // somebody else has stopped it
		return nil, nil
	}
	return cli.Text("Aborted.\n"), s.stopRun(r)
}

func (cl *Client) command(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
	o, err := parseClient(in)
	if err != nil {
		return nil, err
	}
	for _, n := range o.notes {
		_ = c.Emit(cli.Text(n + "\n"))
	}
	return cl.run(c, o, c.Emit)
}

var serverWords = []cli.Word{
	{Text: "uri", Help: "where to listen: tcp://ip/port, udp://ip/port; several times for several places"},
	{Text: "fifo-size", Help: "bytes each way per session"},
	{Text: "report-interval", Help: "print every test, until Ctrl-C"},
	{Text: "raw", Help: "plain streams, echoed: no control session"},
	{Text: "no-echo", Help: "with raw: swallow everything"},
	{Text: "test-bytes", Help: "with raw: verify every byte, reset at a wrong one"},
	{Text: "global-scope", Help: "reached by the network, and by clients here (default)"},
	{Text: "local-scope", Help: "reached by clients in this instance only, cut-through"},
	{Text: "all-scope", Help: "both"},
	{Text: "stop", Help: "end the server"},
}

var clientWords = []cli.Word{
	{Text: "uri", Help: "where to connect: tcp://ip/port, udp://ip/port"},
	{Text: "nclients", Help: "number of connections; with cps how many at a time, 128 unless given"},
	{Text: "active", Help: "how many of them send; the others stay idle"},
	{Text: "hold", Help: "seconds that all stay open after the transfer"},
	{Text: "bytes", Help: "bytes each connection sends; with cps 64 unless given, 0 to open and close"},
	{Text: "run-time", Help: "seconds to send for"},
	{Text: "test-timeout", Help: "seconds the test may take; 20 without progress unless given"},
	{Text: "syn-timeout", Help: "seconds that connecting may take; 20 without progress unless given; with cps each connection, and its transfer"},
	{Text: "echo-bytes", Help: "the server sends everything back"},
	{Text: "request", Help: "bytes of a message; each waits for the echo of the last"},
	{Text: "cps", Help: "connections per second: each opens, transfers and closes, and another follows"},
	{Text: "connections", Help: "with cps: how many in all, instead of a run-time"},
	{Text: "rate", Help: "with cps: how many are begun each second, whether or not the server keeps up"},
	{Text: "test-bytes", Help: "write a pattern and verify every byte"},
	{Text: "fifo-size", Help: "bytes each way per session"},
	{Text: "throughput", Help: "bits per second of all connections together"},
	{Text: "max-tx-chunk", Help: "most bytes written at a time"},
	{Text: "dgram-size", Help: "bytes of a datagram; 1460 unless given, 1440 with IPv6"},
	{Text: "report-jitter", Help: "rows show the jitter of datagrams, not their round trip"},
	{Text: "uso", Help: "accepted: datagrams are always cut where they leave"},
	{Text: "client-batch", Help: "connections started at a time"},
	{Text: "report-interval", Help: "seconds between rows"},
	{Text: "report-interval-total", Help: "the same, with totals"},
	{Text: "plot", Help: "draw the rates as a graph when done"},
	{Text: "raw", Help: "plain streams to any server: no control session"},
	{Text: "global-scope", Help: "connect through the network (default)"},
	{Text: "local-scope", Help: "connect to a server in this instance, cut-through"},
	{Text: "all-scope", Help: "connect cut-through, or else through the network"},
	{Text: "verbose", Help: "print start and end times"},
	{Text: "mbytes", Help: "MB each connection sends (old word)"},
	{Text: "gbytes", Help: "GB each connection sends (old word)"},
	{Text: "no-return", Help: "do not echo (old word, now the default)"},
	{Text: "no-output", Help: "print the result only (old word)"},
}

// words suggests those of list that are not typed yet; none where a value must follow.
func words(list []cli.Word) func(*cli.Ctx, *cli.Input) []cli.Word {
	return func(_ *cli.Ctx, in *cli.Input) (out []cli.Word) {
		typed := strings.Fields(in.Rest())
		if n := len(typed); n > 0 && slices.Contains(valued, typed[n-1]) {
			return nil
		}
		for _, w := range list {
			if !slices.Contains(typed, w.Text) {
				out = append(out, w)
			}
		}
		return out
	}
}

// valued are the words that a value must follow.
var valued = []string{"uri", "nclients", "active", "hold", "bytes", "run-time", "test-timeout", "syn-timeout", "request",
	"connections", "rate", "dgram-size", "fifo-size", "throughput", "max-tx-chunk", "client-batch", "mbytes", "gbytes"}
