package fib

import (
	"errors"
	"fmt"
	"net/netip"

	"vpphost/cli"
	"vpphost/dataplane/hdr"
)

// Interfaces is what the commands ask about interfaces and neighbours. Called on
// control goroutines only.
type Interfaces interface {
	// IndexOf finds an interface by its name.
	IndexOf(name string) (uint32, bool)
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
	}, {
		Path:  "show ip fib",
		Usage: "[summary] [table 0] [<address>[/<length>]]",
		Help:  "Show the IPv4 forwarding table",
		Run:   func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) { return c.show(in, true) },
	}, {
		Path:  "show ip6 fib",
		Usage: "[summary] [table 0] [<address>[/<length>]]",
		Help:  "Show the IPv6 forwarding table",
		Run:   func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) { return c.show(in, false) },
	}}
}

type commands struct {
	t   *Table
	ifs Interfaces
}

// errTable answers "table N".
var errTable = errors.New("there is no table but 0")

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

func (c *commands) scanRoute(in *cli.Input) (r Route, del bool, err error) {
	paths := 0
	for !in.Done() {
		switch {
		case !r.Prefix.IsValid():
			switch {
			case in.Match("add"):
				continue
			case in.Match("del"):
				del = true
				continue
			case !scanPrefix(in, &r.Prefix):
				return r, del, in.Expect("a prefix")
			}
		case in.Match("table"):
			err = scanTable(in)
		case in.Match("via"):
			err = c.scanPath(in, &r, paths)
			paths++
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
		return fmt.Errorf("%w: drop and local cannot be mixed with other paths", cli.ErrUsage)
	}
	r.Kind = kind
	if kind != Via {
		return nil
	}
	var h Hop
	var a netip.Addr
	if in.Addr(&a) {
		h.Gateway = hdr.AddrOf(a)
	} else if err := c.scanIface(in, &h.Iface); err != nil {
		return err
	}
	r.Hops = append(r.Hops, h)
	return nil
}

func (c *commands) scanIface(in *cli.Input, iface *uint32) error {
	var name string
	if !in.Word(&name) {
		return in.Expect("a next hop or an interface")
	}
	i, ok := c.ifs.IndexOf(name)
	if !ok {
		return fmt.Errorf("unknown interface `%s'", name)
	}
	*iface = i
	return nil
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
		return nil, fmt.Errorf("%w: %s is of the other family", cli.ErrUsage, p)
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
