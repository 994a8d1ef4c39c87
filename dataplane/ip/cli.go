package ip

import (
	"fmt"
	"io"

	"vpphost/cli"
	"vpphost/dataplane/fib"
	"vpphost/dataplane/iface"
	"vpphost/dataplane/neigh"
)

// Commands are the commands of the network layer, those of its forwarding table and of
// its neighbour tables included.
func Commands(s *Stack) []*cli.Command {
	c := &commands{s}
	out := []*cli.Command{{
		Path:  "ping",
		Usage: "{<ip-addr> | ipv4 <ip4-addr> | ipv6 <ip6-addr>} [source <interface>|<ip-addr>] [size <pktsize:60>] [interval <sec:1>] [repeat <cnt:5>] [table-id <id:0>] [burst <count:1>] [verbose]",
		Help:  "Send ICMP echo requests",
		Run:   c.ping,
		Complete: func(_ *cli.Ctx, in *cli.Input) (words []cli.Word) {
			var last, w string
			for in.Word(&w) {
				last = w
			}
			switch last {
			case "source":
				return c.s.ifs.Words()
			case "", "size", "interval", "repeat", "burst", "table-id":
				return nil
			}
			for _, w := range []string{"source", "size", "interval", "repeat", "burst", "verbose"} {
				words = append(words, cli.Word{Text: w})
			}
			return words
		},
	}, {
		Path:     "enable ip6 interface",
		Usage:    "<interface>",
		Complete: c.complete,
		Help:     "Enable IPv6 on an interface: it gets a link-local address",
		Run:      func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) { return c.enable6(in, true) },
	}, {
		Path:     "disable ip6 interface",
		Usage:    "<interface>",
		Complete: c.complete,
		Help:     "Take the link-local address away again, unless there are other IPv6 addresses",
		Run:      func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) { return c.enable6(in, false) },
	}, {
		Path:     "show ip6 interface",
		Usage:    "<interface>",
		Complete: c.complete,
		Help:     "Show the IPv6 addresses and groups of an interface",
		Run:      c.show6,
	}}
	out = append(out, fib.Commands(s.fib, names{s})...)
	return append(out, neigh.Commands(s.neigh, names{s})...)
}

type commands struct{ s *Stack }

// scanIface takes an interface name and nothing else.
func (c *commands) scanIface(in *cli.Input) (*iface.Interface, error) {
	i, err := c.s.ifs.Parse(in)
	if err == nil {
		err = in.End()
	}
	return i, err
}

// complete suggests an interface.
func (c *commands) complete(_ *cli.Ctx, in *cli.Input) []cli.Word {
	if in.Done() {
		return c.s.ifs.Words()
	}
	return nil
}

func (c *commands) enable6(in *cli.Input, on bool) (cli.Result, error) {
	i, err := c.scanIface(in)
	if err != nil {
		return nil, err
	}
	if i.Index == 0 {
		return nil, iface.ErrLocal
	}
	c.s.EnableIP6(i, on)
	return nil, nil
}

// IP6Interface is what "show ip6 interface" shows.
type IP6Interface struct {
	Name      string   `json:"name"`
	Up        bool     `json:"up"`
	Enabled   bool     `json:"enabled"`
	LinkLocal string   `json:"linkLocal,omitempty"`
	Global    []string `json:"global"`
	Groups    []string `json:"groups"`
}

func (c *commands) show6(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	i, err := c.scanIface(in)
	if err != nil {
		return nil, err
	}
	out := &IP6Interface{Name: i.Name, Global: []string{}, Groups: []string{}}
	l := c.s.fib.Load().Link(i.Index)
	if l == nil || !l.IP6 {
		return out, nil
	}
	out.Up, out.Enabled, out.LinkLocal = l.Up, true, l.LinkLocal.String()
	out.Groups = append(out.Groups, "ff02::1", l.LinkLocal.SolicitedNode().String())
	for _, a := range l.Addrs {
		if a.Addr.Is4() {
			continue
		}
		out.Global = append(out.Global, fmt.Sprintf("%s/%d", a.Addr, a.Bits))
		out.Groups = append(out.Groups, a.Addr.SolicitedNode().String())
	}
	return out, nil
}

// Text is VPP's layout.
func (i *IP6Interface) Text(w io.Writer, _ cli.Layout) error {
	if !i.Enabled {
		_, err := fmt.Fprintf(w, "IPv6 not enabled on %s\n", i.Name)
		return err
	}
	state := "down"
	if i.Up {
		state = "up"
	}
	fmt.Fprintf(w, "%s is admin %s\n  Link-local address(es):\n    %s\n", i.Name, state, i.LinkLocal)
	if len(i.Global) > 0 {
		fmt.Fprintf(w, "  Global unicast address(es):\n")
		for _, a := range i.Global {
			fmt.Fprintf(w, "    %s\n", a)
		}
	}
	_, err := fmt.Fprintf(w, "  Joined group address(es):\n")
	for _, g := range i.Groups {
		_, err = fmt.Fprintf(w, "    %s\n", g)
	}
	return err
}
