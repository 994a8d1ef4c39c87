package iface

import (
	"fmt"
	"io"
	"net/netip"

	"vpphost/cli"
	"vpphost/dataplane/hdr"
)

// Commands are the commands of this package.
func Commands(m *Manager) []*cli.Command {
	hardware := showHardware(m)
	create, del := createLoopback(m), deleteLoopback(m)
	return []*cli.Command{
		showInterface(m), hardware, showPlacement(m), showRxMode(m), monitor(m),
		setState(m), setAddress(m), setMTU(m), setMAC(m), setRxMode(m), setRxPlacement(m),
		create, create.As("loopback create-interface"),
		del, del.As("loopback delete-interface"),
		{
			Path: "clear interfaces",
			Help: "Clear interface statistics",
			Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
				return nil, m.ClearCounters()
			},
		},
	}
}

// Words are the names of all interfaces, for completion.
func (m *Manager) Words() (words []cli.Word) {
	for _, i := range m.All() {
		words = append(words, cli.Word{Text: i.Name, Help: i.Kind + ", " + state(i)})
	}
	return words
}

// Parse consumes the name of an interface. The error names what was typed instead.
func (m *Manager) Parse(in *cli.Input) (*Interface, error) {
	var name string
	if !in.Word(&name) {
		return nil, in.Expect("an interface name")
	}
	i := m.ByName(name)
	if i == nil {
		return nil, cli.Usagef("unknown interface %s", cli.Quote(name))
	}
	return i, nil
}

// number consumes a number of at least lo and at most hi.
func number(in *cli.Input, v *int, lo, hi int) bool {
	probe := *in
	if !probe.Int(v) || *v < lo || *v > hi {
		return false
	}
	*in = probe
	return true
}

// completeThen suggests interface names for the first word and others for the second.
func completeThen(m *Manager, second ...string) func(*cli.Ctx, *cli.Input) []cli.Word {
	return func(c *cli.Ctx, in *cli.Input) (words []cli.Word) {
		var name string
		if !in.Word(&name) {
			return m.Words()
		}
		if in.Done() {
			for _, s := range second {
				words = append(words, cli.Word{Text: s})
			}
		}
		return words
	}
}

func setState(m *Manager) *cli.Command {
	return &cli.Command{
		Path:     "set interface state",
		Usage:    "<interface> up|down",
		Help:     "Set interface state",
		Complete: completeThen(m, "up", "down"),
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			i, err := m.Parse(in)
			if err != nil {
				return nil, err
			}
			var up bool
			switch {
			case in.Match("up"):
				up = true
			case in.Match("down"):
			case in.Done():
				return nil, in.Expect("up or down")
			default:
				return nil, cli.Usagef("unknown flags %s", cli.Quote(in.Rest()))
			}
			if err := in.End(); err != nil {
				return nil, err
			}
			return nil, m.SetUp(i, up)
		},
	}
}

func setAddress(m *Manager) *cli.Command {
	return &cli.Command{
		Path:  "set interface ip address",
		Usage: "[del] <interface> <ip-addr>/<len> | del <interface> all",
		Help:  "Add or delete an IP4/IP6 address of an interface",
		Complete: func(c *cli.Ctx, in *cli.Input) []cli.Word {
			if in.Done() {
				return append(m.Words(), cli.Word{Text: "del", Help: "delete an address"})
			}
			if !in.Match("del") {
				return nil
			}
			if in.Done() {
				return m.Words()
			}
			return addressWords(m, in)
		},
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			del := in.Match("del")
			i, err := m.Parse(in)
			if err != nil {
				return nil, err
			}
			all := del && in.Match("all")
			var p netip.Prefix
			if !all && !in.Prefix(&p) {
				return nil, cli.Usagef("expected IP4/IP6 address/length %s", cli.Quote(in.Rest()))
			}
			if err := in.End(); err != nil {
				return nil, err
			}
			switch {
			case all:
				for _, p := range i.Addrs() {
					if err := m.RemoveAddr(i, p); err != nil {
						return nil, err
					}
				}
				return nil, nil
			case del:
				return nil, m.RemoveAddr(i, p)
			}
			return nil, m.AddAddr(i, p)
		},
	}
}

// addressWords suggests what may be deleted from the interface that in names.
func addressWords(m *Manager, in *cli.Input) (words []cli.Word) {
	var name string
	in.Word(&name)
	i := m.ByName(name)
	if i == nil || !in.Done() {
		return nil
	}
	for _, p := range i.Addrs() {
		words = append(words, cli.Word{Text: p.String()})
	}
	return words
}

func setMTU(m *Manager) *cli.Command {
	return &cli.Command{
		Path:  "set interface mtu",
		Usage: "[packet|ip4|ip6] <value> <interface>",
		Help:  "Set interface MTU",
		Complete: func(c *cli.Ctx, in *cli.Input) []cli.Word {
			var what string
			var n int
			switch named := in.OneOf(&what, "packet", "ip4", "ip6"); {
			case in.Done() && !named:
				return []cli.Word{{Text: "packet", Help: "all packets, as without a word"}, {Text: "ip4"}, {Text: "ip6"}}
			case in.Int(&n) && in.Done():
				return m.Words()
			}
			return nil
		},
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			what := "packet"
			in.OneOf(&what, "packet", "ip4", "ip6")
			var n int
			if !in.Int(&n) {
				return nil, in.Expect("an MTU")
			}
			i, err := m.Parse(in)
			if err == nil {
				err = in.End()
			}
			if err != nil {
				return nil, err
			}
			if what == "packet" {
				return nil, m.SetMTU(i, n)
			}
			return nil, m.SetIPMTU(i, what == "ip6", n)
		},
	}
}

func setMAC(m *Manager) *cli.Command {
	return &cli.Command{
		Path:     "set interface mac address",
		Usage:    "<interface> <mac-address>",
		Help:     "Set interface MAC address",
		Complete: completeThen(m),
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			i, err := m.Parse(in)
			if err != nil {
				return nil, err
			}
			var mac hdr.MAC
			if !in.MAC((*[6]byte)(&mac)) {
				return nil, in.Expect("a MAC address")
			}
			if err := in.End(); err != nil {
				return nil, err
			}
			return nil, m.SetMAC(i, mac)
		},
	}
}

func createLoopback(m *Manager) *cli.Command {
	return &cli.Command{
		Path:  "create loopback interface",
		Usage: "[mac <mac-addr>] [instance <instance>]",
		Help:  "Create a loopback interface",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			var mac hdr.MAC
			instance := -1
			for !in.Done() {
				switch {
				case in.Match("mac"):
					if !in.MAC((*[6]byte)(&mac)) {
						return nil, in.Expect("a MAC address")
					}
					if err := checkMAC(mac); err != nil {
						return nil, cli.Usagef("mac %s: %w", mac, err)
					}
				case in.Match("instance"):
					if !number(in, &instance, 0, maxInstance) {
						return nil, in.Expect("an instance of at most 16383")
					}
				default:
					return nil, in.Unknown()
				}
			}
			i, err := m.AddLoopback(instance)
			if err != nil {
				return nil, err
			}
			if !mac.IsZero() {
				if err := m.SetMAC(i, mac); err != nil {
					return nil, err
				}
			}
			return created{i.Name}, nil
		},
	}
}

// created is a new interface. Its text is the name, as VPP prints it.
type created struct {
	Name string `json:"name"`
}

func (c created) Text(w io.Writer, _ cli.Layout) error {
	_, err := fmt.Fprintln(w, c.Name)
	return err
}

func deleteLoopback(m *Manager) *cli.Command {
	return &cli.Command{
		Path:  "delete loopback interface",
		Usage: "intfc <interface>",
		Help:  "Delete a loopback interface",
		Complete: func(c *cli.Ctx, in *cli.Input) (words []cli.Word) {
			if !in.Match("intfc") {
				return []cli.Word{{Text: "intfc", Help: "interface to delete"}}
			}
			for _, i := range m.All() {
				if i.loopback() && in.Done() {
					words = append(words, cli.Word{Text: i.Name})
				}
			}
			return words
		},
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			if !in.Match("intfc") {
				return nil, in.Expect("intfc")
			}
			i, err := m.Parse(in)
			if err == nil {
				err = in.End()
			}
			if err != nil {
				return nil, err
			}
			if !i.loopback() {
				return nil, cli.Usagef("%s is not a loopback", i.Name)
			}
			return nil, m.Delete(i)
		},
	}
}
