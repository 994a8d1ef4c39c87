package neigh

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"vpphost/cli"
	"vpphost/dataplane/hdr"
)

// Interfaces is what the commands ask about interfaces.
type Interfaces interface {
	// Parse consumes the name of an interface; Words are all names, for completion.
	Parse(in *cli.Input) (uint32, error)
	Words() []cli.Word
	NameOf(iface uint32) string
}

// Commands are the commands of the neighbour tables.
func Commands(s *Tables, ifs Interfaces) []*cli.Command {
	c := &commands{s, ifs}
	show := func(path, help string, v4, v6 bool) *cli.Command {
		return &cli.Command{Path: path, Usage: "[<interface>]", Help: help, Complete: c.complete,
			Run: func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) { return c.show(in, v4, v6) }}
	}
	set := func(path string) *cli.Command {
		return &cli.Command{Path: path, Usage: "[del] <interface> <ip-address> <mac-address> [static]",
			Help: "Add or delete a neighbor", Run: c.set, Complete: c.complete}
	}
	ip := show("show ip neighbors", "Show all neighbors", true, true)
	ip4 := show("show ip4 neighbors", "Show IPv4 neighbors", true, false)
	ip6 := show("show ip6 neighbors", "Show IPv6 neighbors", false, true)
	return []*cli.Command{
		ip, ip.As("show ip neighbor"), ip4, ip4.As("show ip4 neighbor"), ip6, ip6.As("show ip6 neighbor"),
		set("set ip neighbor"),
		set("ip neighbor"),
		{Path: "clear ip neighbors", Usage: "[<interface>]", Help: "Forget neighbors that were learned", Run: c.clear, Complete: c.complete},
	}
}

type commands struct {
	s   *Tables
	ifs Interfaces
}

// complete suggests an interface as the first word.
func (c *commands) complete(_ *cli.Ctx, in *cli.Input) []cli.Word {
	if in.Match("del"); in.Done() {
		return c.ifs.Words()
	}
	return nil
}

// only takes an interface name and nothing else, or nothing: 0.
func (c *commands) only(in *cli.Input) (iface uint32, err error) {
	if in.Done() {
		return 0, nil
	}
	if iface, err = c.ifs.Parse(in); err == nil {
		err = in.End()
	}
	return iface, err
}

// Listing is what "show ip neighbors" shows.
type Listing struct {
	Neighbors []Info `json:"neighbors"`
}

// Info is one neighbour.
type Info struct {
	Age       float64    `json:"age"` // seconds since the address was last heard
	IP        netip.Addr `json:"ip"`
	Static    bool       `json:"static"`
	State     string     `json:"state"`
	MAC       hdr.MAC    `json:"mac"`
	Interface string     `json:"interface"`
}

func (c *commands) show(in *cli.Input, v4, v6 bool) (cli.Result, error) {
	only, err := c.only(in)
	if err != nil {
		return nil, err
	}
	list, err := c.s.List()
	if err != nil {
		return nil, err
	}
	out := &Listing{Neighbors: []Info{}}
	for _, n := range list {
		if is4 := n.Addr.Is4(); only != 0 && n.Iface != only || is4 && !v4 || !is4 && !v6 {
			continue
		}
		out.Neighbors = append(out.Neighbors, Info{Age: float64(n.Age) / 1e9, IP: n.Addr.Netip(), Static: n.State == Static,
			State: n.State.String(), MAC: n.MAC, Interface: c.ifs.NameOf(n.Iface)})
	}
	return out, nil
}

// Text is VPP's table; nothing when it is empty.
func (l *Listing) Text(w io.Writer, _ cli.Layout) error {
	if len(l.Neighbors) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s%s%s%s%s\n", centre("Age", 12), centre("IP", 40), centre("Flags", 6), centre("Ethernet", 20), centre("Interface", 24))
	for _, n := range l.Neighbors {
		flag := "D"
		if n.Static {
			flag = "S"
		}
		_, err = fmt.Fprintf(w, "%12.4f%s%s%s%s\n", n.Age, centre(n.IP.String(), 40), centre(flag, 6), centre(n.MAC.String(), 20), n.Interface)
	}
	return err
}

// centre pads s to width as VPP does: a spare blank goes to the left.
func centre(s string, width int) string {
	pad := max(0, width-len(s))
	return strings.Repeat(" ", pad-pad/2) + s + strings.Repeat(" ", pad/2)
}

// set is "set ip neighbor".
func (c *commands) set(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	var (
		iface       uint32
		ip          netip.Addr
		mac         hdr.MAC
		del, static bool
	)
	for !in.Done() {
		switch {
		case in.Match("delete"), in.Match("del"):
			del = true
		case in.Match("static"):
			static = true
		case iface == 0:
			var err error
			if iface, err = c.ifs.Parse(in); err != nil {
				return nil, err
			}
		case !ip.IsValid():
			if !in.Addr(&ip) {
				return nil, in.Expect("an ip address")
			}
		case mac.IsZero():
			if !in.MAC((*[6]byte)(&mac)) {
				return nil, in.Expect("a mac address")
			}
		default:
			return nil, in.Unknown()
		}
	}
	switch {
	case iface == 0, !ip.IsValid(), mac.IsZero() && !del:
		return nil, in.Expect("interface, IP address and MAC")
	case mac.IsGroup():
		return nil, cli.Usagef("%s is not the address of one neighbor", mac)
	case ip.IsMulticast() || ip.IsUnspecified():
		return nil, cli.Usagef("%s is not the address of one neighbor", ip)
	case del:
		return nil, c.s.Delete(iface, hdr.AddrOf(ip))
	}
	return nil, c.s.Set(iface, hdr.AddrOf(ip), mac, static)
}

// clear is "clear ip neighbors".
func (c *commands) clear(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	only, err := c.only(in)
	if err != nil {
		return nil, err
	}
	list, err := c.s.List()
	if err != nil {
		return nil, err
	}
	done := map[uint32]bool{}
	for _, n := range list {
		if (only == 0 || n.Iface == only) && !done[n.Iface] {
			done[n.Iface] = true
			if err := c.s.Flush(n.Iface, false); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}
