package iface

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vpphost/cli"
)

// Status is one interface as "show interface" shows it.
type Status struct {
	Name      string         `json:"name"`
	Index     uint32         `json:"index"`
	Kind      string         `json:"kind"`
	Up        bool           `json:"up"`
	LinkUp    bool           `json:"linkUp"`
	MTU       int            `json:"mtu"`
	IP4MTU    int            `json:"ip4Mtu"` // 0 when it is the MTU
	IP6MTU    int            `json:"ip6Mtu"`
	Addresses []netip.Prefix `json:"addresses"`
	Counters  Counters       `json:"counters"`
}

func state(i *Interface) string {
	if i.Up() {
		return "up"
	}
	return "down"
}

func (m *Manager) status(i *Interface) (Status, error) {
	c, err := m.Counters(i)
	return Status{Name: i.Name, Index: i.Index, Kind: i.Kind, Up: i.Up(), LinkUp: i.LinkUp(), MTU: i.MTU(),
		IP4MTU: int(i.mtu4.Load()), IP6MTU: int(i.mtu6.Load()),
		Addresses: append([]netip.Prefix{}, i.Addrs()...), Counters: c}, err
}

// some parses a list of interfaces by name or index, sorted by name; all of them when the
// list is empty. keywords are called for what is neither.
func (m *Manager) some(in *cli.Input, keyword func(in *cli.Input) bool) ([]*Interface, error) {
	var list []*Interface
	for !in.Done() {
		if keyword(in) {
			continue
		}
		var index uint32
		if in.Uint32(&index) {
			i := m.ByIndex(index)
			if i == nil {
				return nil, cli.Usagef("unknown interface index %d", index)
			}
			list = append(list, i)
			continue
		}
		i, err := m.Parse(in)
		if err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	if list == nil {
		list = m.All()
	}
	slices.SortFunc(list, func(a, b *Interface) int { return cmp.Compare(a.Name, b.Name) })
	return slices.Compact(list), nil
}

func showInterface(m *Manager) *cli.Command {
	return &cli.Command{
		Path:  "show interface",
		Usage: "[<interface>|<index> [<interface> ...]] [address|addr|features|feat]",
		Help:  "Show interface state, counters or addresses",
		Complete: func(c *cli.Ctx, in *cli.Input) []cli.Word {
			return append(m.Words(), cli.Word{Text: "addr", Help: "show addresses"}, cli.Word{Text: "features", Help: "show features"})
		},
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			what := ""
			named := false
			list, err := m.some(in, func(in *cli.Input) bool {
				var w string
				ok := in.OneOf(&w, "address", "addr", "features", "feat", "feature", "verbose")
				if ok {
					what = w
				} else {
					named = true
				}
				return ok
			})
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(what, "feat") {
				if !named {
					return nil, cli.Usagef("Interface not specified...")
				}
				return features(list), nil
			}
			rows := make(statuses, 0, len(list))
			for _, i := range list {
				s, err := m.status(i)
				if err != nil {
					return nil, err
				}
				rows = append(rows, s)
			}
			if strings.HasPrefix(what, "addr") {
				return addresses(rows), nil
			}
			return rows, nil
		},
	}
}

type statuses []Status

// counterNames are the counters that "show interface" prints, in its order.
func counterNames(c *Counters) []struct {
	name  string
	value uint64
} {
	return []struct {
		name  string
		value uint64
	}{
		{"rx packets", c.RxPackets}, {"rx bytes", c.RxBytes},
		{"tx packets", c.TxPackets}, {"tx bytes", c.TxBytes},
		{"drops", c.Drops}, {"punt", c.Punts}, {"ip4", c.IP4}, {"ip6", c.IP6},
		{"rx-no-buf", c.RxNoBuf}, {"rx-miss", c.RxMissed}, {"rx-error", c.RxErrors}, {"tx-error", c.TxErrors},
	}
}

// Text writes VPP's layout: one line per interface and non-zero counter.
func (s statuses) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	b.WriteString(cli.Center("Name", 32) + cli.Center("Idx", 5) + cli.Center("State", 10) +
		cli.Center("MTU (L3/IP4/IP6/MPLS)", 21) + cli.Center("Counter", 16) + cli.Center("Count", 16) + "\n")
	for k := range s {
		i := &s[k]
		up := "down"
		if i.Up {
			up = "up"
		}
		b.WriteString(cli.Left(i.Name, 32) + cli.Center(fmt.Sprint(i.Index), 5) + cli.Center(up, 10) +
			cli.Center(fmt.Sprintf("%d/%d/%d/0", i.MTU, i.IP4MTU, i.IP6MTU), 21))
		indent := ""
		for _, c := range counterNames(&i.Counters) {
			if c.value != 0 {
				fmt.Fprintf(&b, "%s%-16s%16d\n", indent, c.name, c.value)
				indent = strings.Repeat(" ", 68)
			}
		}
		if indent == "" {
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type addresses []Status

// Text writes VPP's layout of "show interface addr".
func (s addresses) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	for _, i := range s {
		up := "dn"
		if i.Up {
			up = "up"
		}
		fmt.Fprintf(&b, "%s (%s):\n", i.Name, up)
		for _, p := range i.Addresses {
			fmt.Fprintf(&b, "  L3 %s\n", p)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// feature is what "show interface features" shows: what the device does for us. There are
// no feature arcs to configure.
type feature struct {
	Name    string   `json:"name"`
	Offload []string `json:"offload"`
}

type featureList []feature

func features(list []*Interface) featureList {
	out := featureList{}
	for _, i := range list {
		f := feature{Name: i.Name, Offload: []string{}}
		for _, o := range []struct {
			name string
			on   bool
		}{{"rx-checksum", i.info.RxCsum}, {"tx-checksum", i.info.TxCsum}, {"tcp-segmentation", i.info.TSO}} {
			if o.on {
				f.Offload = append(f.Offload, o.name)
			}
		}
		out = append(out, f)
	}
	return out
}

// Text writes one block per interface.
func (l featureList) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	for _, f := range l {
		fmt.Fprintf(&b, "Feature paths configured on %s...\n\ndevice-offload:\n", f.Name)
		for _, o := range f.Offload {
			fmt.Fprintf(&b, "  %s\n", o)
		}
		if len(f.Offload) == 0 {
			b.WriteString("  none configured\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// rates are one line of "monitor interface".
type rates struct {
	Name  string  `json:"name"`
	RxPPS float64 `json:"rxPps"`
	RxBPS float64 `json:"rxBps"`
	TxPPS float64 `json:"txPps"`
	TxBPS float64 `json:"txBps"`
}

// Text writes VPP's line.
func (r rates) Text(w io.Writer, _ cli.Layout) error {
	_, err := fmt.Fprintf(w, "rx: %spps %sbps tx: %spps %sbps\n", cli.FormatBase10(r.RxPPS), cli.FormatBase10(r.RxBPS),
		cli.FormatBase10(r.TxPPS), cli.FormatBase10(r.TxBPS))
	return err
}

func monitor(m *Manager) *cli.Command {
	return &cli.Command{
		Path:     "monitor interface",
		Usage:    "<interface> [interval <seconds>] [count <count>]",
		Help:     "Show the rates of an interface again and again until interrupted",
		Complete: completeThen(m, "interval", "count"),
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			i, err := m.Parse(in)
			if err != nil {
				return nil, err
			}
			interval, count := 1.0, 0
			for !in.Done() {
				switch {
				case in.Match("interval"):
					probe := *in
					if !probe.Float(&interval) || interval < .01 || interval > 86400 {
						return nil, in.Expect("seconds after interval")
					}
					*in = probe
				case in.Match("count"):
					if !number(in, &count, 1, math.MaxInt32) {
						return nil, in.Expect("a number after count")
					}
				default:
					return nil, in.Unknown()
				}
			}
			return nil, m.watch(c, i, interval, count)
		},
	}
}

// watch emits rates until c is done, which is how the command is meant to end.
func (m *Manager) watch(c *cli.Ctx, i *Interface, interval float64, count int) error {
	t := time.NewTicker(time.Duration(interval * 1e9))
	defer t.Stop()
	last, err := m.Counters(i)
	at := time.Now()
	for n := 0; err == nil && (count == 0 || n < count); n++ {
		select {
		case <-c.Done():
			return nil
		case <-t.C:
		}
		var now Counters
		if now, err = m.Counters(i); err != nil {
			break
		}
		s := time.Since(at).Seconds()
		at = time.Now()
		rate := func(a, b uint64) float64 {
			if a < b { // cleared in between
				b = 0
			}
			return float64(a-b) / s
		}
		err = c.Emit(rates{Name: i.Name,
			RxPPS: rate(now.RxPackets, last.RxPackets), RxBPS: 8 * rate(now.RxBytes, last.RxBytes),
			TxPPS: rate(now.TxPackets, last.TxPackets), TxBPS: 8 * rate(now.TxBytes, last.TxBytes)})
		last = now
	}
	return err
}
