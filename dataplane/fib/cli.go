package fib

import (
	"fmt"
	"net/netip"

	"vpphost/cli"
	"vpphost/dataplane/hdr"
)

// Interfaces is what the commands ask about interfaces and neighbours. Called on
// control goroutines only.
type Interfaces interface {
	// Parse consumes the name of an interface; Words are all names, for completion.
	Parse(in *cli.Input) (uint32, error)
	Words() []cli.Word
	// Describe tells an interface's name, address and MTU.
	Describe(iface uint32) (name string, mac hdr.MAC, mtu int)
	// Neighbor tells the link-layer address of a neighbour, when it is known.
	Neighbor(iface uint32, a hdr.Addr) (hdr.MAC, bool)
}

// Commands are the commands of the forwarding table.
func Commands(t *Table, ifs Interfaces) []*cli.Command {
	c := &commands{t, ifs}
	return []*cli.Command{{
		Path:  "ip route",
		Usage: "[add|del] <prefix> [table 0] via <next-hop> [<interface>] | <interface> | drop | local [via ...]",
		Help:  "Add or delete a route",
		Run:   c.route,
		Complete: func(x *cli.Ctx, in *cli.Input) []cli.Word {
			var last, w string
			via := false
			for in.Word(&w) {
				last = w
				via = via || w == "via"
			}
			switch {
			case last == "":
				return words("add", "del")
			case last == "add", last == "del", last == "table":
				return nil
			case last == "via":
				return append(c.ifs.Words(), words("drop", "local")...)
			case !via:
				return words("via", "table")
			}
			return append(c.ifs.Words(), words("via")...)
		},
	}, {
		Path:     "show ip fib",
		Usage:    "[summary] [table 0] [<address>[/<length>]]",
		Help:     "Show the IPv4 forwarding table",
		Complete: func(*cli.Ctx, *cli.Input) []cli.Word { return words("summary") },
		Run:      func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) { return c.show(in, true) },
	}, {
		Path:     "show ip6 fib",
		Usage:    "[summary] [table 0] [<address>[/<length>]]",
		Help:     "Show the IPv6 forwarding table",
		Complete: func(*cli.Ctx, *cli.Input) []cli.Word { return words("summary") },
		Run:      func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) { return c.show(in, false) },
	}}
}

// words are suggestions without help.
func words(list ...string) (out []cli.Word) {
	for _, w := range list {
		out = append(out, cli.Word{Text: w})
	}
	return out
}

type commands struct {
	t   *Table
	ifs Interfaces
}

// errTable answers "table N".
var errTable = cli.Usagef("there is no table but 0")

func scanTable(in *cli.Input) error {
	var n uint32
	if !in.Uint32(&n) {
		return in.Expect("a table number")
	}
	if n != 0 {
		return errTable
	}
	return nil
}

// scanPrefix takes a prefix, or an address as the prefix of only itself.
func scanPrefix(in *cli.Input, p *netip.Prefix) bool {
	if in.Prefix(p) {
		return true
	}
	var a netip.Addr
	if !in.Addr(&a) {
		return false
	}
	*p = netip.PrefixFrom(a, a.BitLen())
	return true
}

// route is "ip route".
func (c *commands) route(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	r, del, err := c.scanRoute(in)
	switch {
	case err != nil:
		return nil, err
	case del:
		return nil, c.t.DelRoute(r)
	}
	return nil, c.t.AddRoute(r)
}

// unsupported are words of VPP's that may follow a next hop, and are no interfaces.
var unsupported = []string{"weight", "preference", "next-hop-table", "resolve-via-host", "resolve-via-attached",
	"resolve-via-connected", "udp-encap", "out-labels"}

func (c *commands) scanRoute(in *cli.Input) (r Route, del bool, err error) {
	paths := 0
	var word string
	for !in.Done() {
		switch {
		case !r.Prefix.IsValid():
			switch {
			case in.Match("add"):
				continue
			case in.Match("del"):
				del = true
				continue
			case in.Match("table"):
				if err = scanTable(in); err != nil {
					return r, del, err
				}
				continue
			case !scanPrefix(in, &r.Prefix):
				return r, del, in.Expect("a prefix")
			}
		case in.Match("table"):
			err = scanTable(in)
		case in.Match("via"):
			err = c.scanPath(in, &r, paths)
			paths++
		case paths > 0 && in.OneOf(&word, unsupported...):
			err = cli.Usagef("%s is not supported", word)
		case paths > 0 && r.Kind == Via && r.Hops[len(r.Hops)-1].Iface == 0:
			err = c.scanIface(in, &r.Hops[len(r.Hops)-1].Iface)
		default:
			err = in.Unknown()
		}
		if err != nil {
			return r, del, err
		}
	}
	if !r.Prefix.IsValid() {
		err = in.Expect("a prefix")
	} else if paths == 0 && !del {
		err = in.Expect("via")
	}
	return r, del, err
}

// scanPath takes what follows "via".
func (c *commands) scanPath(in *cli.Input, r *Route, before int) error {
	kind := Via
	switch {
	case in.Match("drop"):
		kind = Drop
	case in.Match("local"):
		kind = Receive
	}
	if before > 0 && (kind != Via || r.Kind != Via) {
		return cli.Usagef("drop and local cannot be mixed with other paths")
	}
	r.Kind = kind
	if kind != Via {
		return nil
	}
	var h Hop
	var a netip.Addr
	if in.Addr(&a) {
		h.Gateway = hdr.AddrOf(a)
	} else if in.Done() {
		return in.Expect("a next hop or an interface")
	} else if err := c.scanIface(in, &h.Iface); err != nil {
		return err
	}
	r.Hops = append(r.Hops, h)
	return nil
}

func (c *commands) scanIface(in *cli.Input, iface *uint32) (err error) {
	*iface, err = c.ifs.Parse(in)
	return err
}

// show is "show ip fib" and "show ip6 fib".
func (c *commands) show(in *cli.Input, v4 bool) (cli.Result, error) {
	var p netip.Prefix
	summary := false
	for !in.Done() {
		switch {
		case in.Match("summary"):
			summary = true
		case in.Match("table"), in.Match("index"):
			if err := scanTable(in); err != nil {
				return nil, err
			}
		case !p.IsValid() && in.Prefix(&p):
		case !p.IsValid() && scanPrefix(in, &p):
			// A bare address shows the entry that its packets take.
			a := hdr.AddrOf(p.Addr())
			p = c.t.Load().Lookup(&a).Prefix
		default:
			return nil, in.Unknown()
		}
	}
	if p.IsValid() && p.Addr().Is4() != v4 {
		return nil, cli.Usagef("%s is of the other family", p)
	}
	s := c.t.Load()
	if summary {
		return summarize(s, v4), nil
	}
	out := &Listing{V4: v4, Epoch: s.Epoch}
	s.Walk(v4, func(e *Entry) {
		if !p.IsValid() || e.Prefix == p.Masked() {
			out.Entries = append(out.Entries, c.describe(s, e))
		}
	})
	if p.IsValid() && len(out.Entries) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, p.Masked())
	}
	return out, nil
}
