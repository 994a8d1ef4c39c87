package proxy

import (
	"vpphost/cli"
)

const serverUsage = "[server-uri <proto://ip/port>]... [client-uri <proto://ip/port>]... [fifo-size <bytes>[k|m|g]] " +
	"[max-fifo-size <bytes>[k|m|g]] [high-watermark <percent>] [low-watermark <percent>] [idle-timeout <seconds>] " +
	"[connect-timeout <seconds>] [rcv-buf-size <n>] [prealloc-fifos <n>] [private-segment-size <bytes>] " +
	"[private-segment-count <n>] [stop]"

// Commands are the proxy's commands.
func Commands(p *Proxy) []*cli.Command {
	return []*cli.Command{
		{Path: "test proxy server", Usage: serverUsage,
			Help: "Pass what comes to one address on to another", Run: p.command, Complete: words(serverWords)},
		{Path: "show test proxy", Usage: "[verbose] [listeners]",
			Help: "Routes of the proxy, and with verbose every flow", Run: p.show, Complete: words(showWords)},
	}
}

func (p *Proxy) command(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
	l, err := parse(in)
	if err != nil {
		return nil, err
	}
	if l.stop {
		uri := ""
		if len(l.Pairs) > 0 {
			uri = l.Pairs[0].Servers[0]
		}
		return nil, p.Stop(uri)
	}
	if l.bare {
		n, err := p.Configured()
		if err == nil && n == 0 {
			return cli.Text("startup.conf has no test-proxy section: nothing to start. Give a server-uri and a client-uri.\n"), nil
		}
		return nil, err
	}
	if err := p.Start(l.Options); err != nil {
		return nil, err
	}
	var notes string
	for _, n := range l.notes {
		notes += n + "\n"
	}
	if notes == "" {
		return nil, nil
	}
	return cli.Text(notes), nil
}

var serverWords = []cli.Word{
	{Text: "server-uri", Help: "where to listen: tcp://ip/port or udp://ip/port; several times for several places"},
	{Text: "client-uri", Help: "where to connect; several times: in turn, and the next when one refuses"},
	{Text: "fifo-size", Help: "bytes each way of a flow at first (64k)"},
	{Text: "max-fifo-size", Help: "bytes that they grow to (128m, of which 4032k are used)"},
	{Text: "high-watermark", Help: "percent of a FIFO that make it grow (80)"},
	{Text: "low-watermark", Help: "accepted: FIFOs do not shrink while they are in use"},
	{Text: "idle-timeout", Help: "seconds without a byte that end a flow (600)"},
	{Text: "connect-timeout", Help: "seconds that an upstream may take to answer (20)"},
	{Text: "rcv-buf-size", Help: "accepted: bytes are not copied"},
	{Text: "prealloc-fifos", Help: "accepted: FIFOs are made as needed"},
	{Text: "private-segment-size", Help: "accepted: memory is taken as needed"},
	{Text: "private-segment-count", Help: "accepted: memory is taken as needed"},
	{Text: "stop", Help: "end all, or with server-uri the one that listens there"},
}

var showWords = []cli.Word{
	{Text: "verbose", Help: "every flow, with its rate"},
	{Text: "listeners", Help: "where it listens, and whom it connects to"},
}

func words(list []cli.Word) func(*cli.Ctx, *cli.Input) []cli.Word {
	return func(*cli.Ctx, *cli.Input) []cli.Word { return list }
}
