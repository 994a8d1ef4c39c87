package ports

import (
	"fmt"
	"io"
	"strings"

	"vpphost/cli"
	"vpphost/dataplane/device"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/iface"
)

func createTap(m *Manager) *cli.Command {
	values := map[string]func() []cli.Word{}
	for _, w := range strings.Fields("id if-name hw-addr num-rx-queues num-tx-queues rx-ring-size tx-ring-size host-ns host-bridge " +
		"host-ip4-addr host-ip6-addr host-ip4-gw host-ip6-gw host-mac-addr host-if-name host-mtu-size") {
		values[w] = nil
	}
	return &cli.Command{
		Path: "create tap",
		Usage: "[id <if-id>] [hw-addr <mac-addr>] [if-name <if-name>] [num-rx-queues <n>] [num-tx-queues <n>] [rx-ring-size <size>] " +
			"[tx-ring-size <size>] [host-ns <netns>] [host-bridge <bridge>] [host-ip4-addr <ip4>/<len>] [host-ip6-addr <ip6>/<len>] " +
			"[host-ip4-gw <ip4>] [host-ip6-gw <ip6>] [host-mac-addr <mac-addr>] [host-if-name <name>] [host-mtu-size <size>] " +
			"[no-gso|gso [gro-coalesce]|csum-offload] [persist] [attach]",
		Help: "Create an interface whose other end is an interface of the kernel",
		Complete: keywords(values, strings.Fields("id hw-addr if-name num-rx-queues num-tx-queues rx-ring-size tx-ring-size host-ns "+
			"host-bridge host-ip4-addr host-ip6-addr host-ip4-gw host-ip6-gw host-mac-addr host-if-name host-mtu-size "+
			"no-gso gso gro-coalesce csum-offload persist attach")...),
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			o, err := parseTap(in)
			if err != nil {
				return nil, err
			}
			return created(m.Tap(o))
		},
	}
}

func parseTap(in *cli.Input) (o TapOptions, err error) {
	o = TapOptions{ID: -1, RxQueues: 1, TxQueues: 1, RxRing: defaultTapRing, TxRing: defaultTapRing}
	for err == nil && !in.Done() {
		switch {
		case in.Match("id"):
			err = number(in, "an id", &o.ID, 0, maxTapID-1)
		case in.Match("if-name"):
			err = ifName(in, &o.IfName)
		case in.Match("hw-addr"):
			err = macAddr(in, &o.MAC)
		case in.Match("num-rx-queues"):
			err = number(in, "a number of queues", &o.RxQueues, 1, maxQueues)
		case in.Match("num-tx-queues"):
			err = number(in, "a number of queues", &o.TxQueues, 1, maxQueues)
		case in.Match("rx-ring-size"):
			err = ringSize(in, &o.RxRing, maxTapRing)
		case in.Match("tx-ring-size"):
			err = ringSize(in, &o.TxRing, maxTapRing)
		case in.Match("no-gso"):
			o.GSO, o.GROCoalesce = false, false
		case in.Match("gso"):
			o.GSO, o.Csum = true, true
		case in.Match("gro-coalesce"):
			o.GROCoalesce = true
		case in.Match("csum-offload"):
			o.Csum = true
		case in.Match("persist"):
			o.Persist = true
		case in.Match("attach"):
			o.Attach = true
		case in.Match("tun"):
			err = cli.Usagef("tun interfaces are not supported")
		case in.Match("packed"), in.Match("in-order"): // of a ring that we do not have
		default:
			err = parseTapHost(in, &o)
		}
	}
	if err == nil && o.GROCoalesce && !o.GSO {
		err = cli.Usagef("gro-coalesce needs gso")
	}
	return o, err
}

// parseTapHost takes the words about the kernel's end.
func parseTapHost(in *cli.Input, o *TapOptions) error {
	switch {
	case in.Match("host-if-name"):
		return linuxName(in, &o.HostName)
	case in.Match("host-bridge"):
		return linuxName(in, &o.HostBridge)
	case in.Match("host-ns"):
		if !in.Word(&o.HostNS) || o.HostNS == "" {
			return in.Expect("a network namespace")
		}
	case in.Match("host-mac-addr"):
		return macAddr(in, &o.HostMAC)
	case in.Match("host-ip4-addr"):
		probe := *in
		if !probe.Prefix(&o.HostIP4) || !o.HostIP4.Addr().Is4() {
			return in.Expect("an IPv4 address with a length")
		}
		*in = probe
	case in.Match("host-ip6-addr"):
		probe := *in
		if !probe.Prefix(&o.HostIP6) || !o.HostIP6.Addr().Is6() {
			return in.Expect("an IPv6 address with a length")
		}
		*in = probe
	case in.Match("host-ip4-gw"):
		probe := *in
		if !probe.Addr(&o.HostGW4) || !o.HostGW4.Is4() {
			return in.Expect("an IPv4 address")
		}
		*in = probe
	case in.Match("host-ip6-gw"):
		probe := *in
		if !probe.Addr(&o.HostGW6) || !o.HostGW6.Is6() {
			return in.Expect("an IPv6 address")
		}
		*in = probe
	case in.Match("host-mtu-size"):
		return number(in, "an MTU", &o.HostMTU, 68, 65535)
	default:
		return in.Unknown()
	}
	return nil
}

// ifName consumes a name for an interface of ours.
func ifName(in *cli.Input, v *string) error {
	probe := *in
	if !probe.Word(v) || *v == "" || len(*v) > 63 || strings.ContainsAny(*v, " \t{}|") {
		return in.Expect("an interface name of at most 63 characters")
	}
	*in = probe
	return nil
}

func deleteTap(m *Manager) *cli.Command {
	return &cli.Command{
		Path:     "delete tap",
		Usage:    "<interface>",
		Help:     "Delete a tap interface",
		Complete: func(c *cli.Ctx, in *cli.Input) []cli.Word { return m.names(KindTap)() },
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			i, err := m.one(in, KindTap)
			if err == nil {
				err = in.End()
			}
			if err != nil {
				return nil, err
			}
			return nil, m.Delete(i, KindTap)
		},
	}
}

// TapStatus is one tap interface: its options and what its device says.
type TapStatus struct {
	Name    string          `json:"name"`
	Index   uint32          `json:"index"`
	MAC     hdr.MAC         `json:"mac"`
	Up      bool            `json:"up"`
	Options TapOptions      `json:"options"`
	Details []device.Detail `json:"details"`
}

// TapList is what "show tap" shows.
type TapList []TapStatus

func showTap(m *Manager) *cli.Command {
	return &cli.Command{
		Path:     "show tap",
		Usage:    "[<interface> ...]",
		Help:     "Show tap interfaces",
		Complete: func(c *cli.Ctx, in *cli.Input) []cli.Word { return m.names(KindTap)() },
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			var only []*iface.Interface
			for !in.Done() {
				i, err := m.one(in, KindTap)
				if err != nil {
					return nil, err
				}
				only = append(only, i)
			}
			if only == nil {
				only = m.ifs.All()
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			out := TapList{}
			for _, i := range only {
				if o, ok := m.taps[i]; ok {
					out = append(out, TapStatus{Name: i.Name, Index: i.Index, MAC: i.MAC(), Up: i.Up(), Options: o, Details: details(i)})
				}
			}
			return out, nil
		},
	}
}

// Text writes VPP's layout.
func (l TapList) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	for _, t := range l {
		o := &t.Options
		fmt.Fprintf(&b, "Interface: %s (ifindex %d)\n  name \"%s\"\n", t.Name, t.Index, o.HostName)
		if o.HostNS != "" {
			fmt.Fprintf(&b, "  host-ns \"%s\"\n", o.HostNS)
		}
		if o.HostBridge != "" {
			fmt.Fprintf(&b, "  host-bridge \"%s\"\n", o.HostBridge)
		}
		if !o.HostMAC.IsZero() {
			fmt.Fprintf(&b, "  host-mac-addr: %s\n", o.HostMAC)
		}
		for _, p := range []struct {
			name string
			set  bool
			v    any
		}{{"host-ip4-addr", o.HostIP4.IsValid(), o.HostIP4}, {"host-ip6-addr", o.HostIP6.IsValid(), o.HostIP6},
			{"host-mtu-size", o.HostMTU != 0, o.HostMTU}} {
			if p.set {
				fmt.Fprintf(&b, "  %s \"%v\"\n", p.name, p.v)
			}
		}
		state := "admin-down"
		if t.Up {
			state = "admin-up"
		}
		fmt.Fprintf(&b, "  Mac Address: %s\n  Device instance: %d\n  flags %s\n  Number of RX Virtqueue  %d\n  Number of TX Virtqueue  %d\n",
			t.MAC, o.ID, state, o.RxQueues, o.TxQueues)
		for _, d := range t.Details {
			fmt.Fprintf(&b, "  %s: %v\n", d.Name, d.Value)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
