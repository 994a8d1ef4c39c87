package udp

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"vpphost/cli"
	"vpphost/dataplane/worker"
)

// Commands are those of UDP itself; sessions are shown by the session layer.
func Commands(u *UDP) []*cli.Command {
	c := &commands{u}
	show := &cli.Command{
		Path: "show udp",
		Help: "Show UDP's sessions, datagrams and errors of each thread",
		Run:  c.showStats,
	}
	reset := &cli.Command{
		Path: "clear udp stats",
		Help: "Clear UDP's counters",
		Run:  c.clearStats,
	}
	return []*cli.Command{show, show.As("show udp stats"), reset, {
		Path: "show udp config",
		Help: "Show UDP's configuration",
		Run:  c.showConfig,
	}, {
		Path:     "show udp ports",
		Usage:    "[ip4|ip6] [bind|all|<port>]",
		Help:     "Show the ports that are listened on; all: those of connections too",
		Run:      c.showPorts,
		Complete: words("ip4", "ip6", "bind", "all"),
	}, {
		Path:     "show udp transport ports",
		Usage:    "[ip4|ip6] [<port>]",
		Help:     "Show the ports that sessions use, and how many use each",
		Run:      c.showTransportPorts,
		Complete: words("ip4", "ip6"),
	}, {
		Path: "show udp punt",
		Help: "Show what is left to others: nothing",
		Run:  c.showPunt,
	}, {
		Path:     "set udp csum-offload",
		Usage:    "enable|disable",
		Help:     "Leave checksums to devices that complete them",
		Run:      c.setCsumOffload,
		Complete: words("enable", "disable"),
	}}
}

func words(list ...string) func(*cli.Ctx, *cli.Input) []cli.Word {
	return func(*cli.Ctx, *cli.Input) (out []cli.Word) {
		for _, s := range list {
			out = append(out, cli.Word{Text: s})
		}
		return out
	}
}

type commands struct{ u *UDP }

// ThreadStats are one worker's counters.
type ThreadStats struct {
	Thread int                 `json:"thread"`
	Active int                 `json:"connections"` // of all kinds
	Stats  WorkerStats         `json:"stats"`
	Pools  []worker.PoolMemory `json:"pools"`
}

// StatsResult is the result of "show udp".
type StatsResult []ThreadStats

// Stats are the counters of all workers. Control path.
func (u *UDP) Stats() (out StatsResult, err error) {
	for i, s := range u.shards {
		x := ThreadStats{Thread: i, Pools: []worker.PoolMemory{{Thread: i, Name: "connections"}}}
		err := s.w.Do(func(*worker.Worker) {
			x.Stats, x.Active, x.Pools[0].Usage = s.stats, s.conns.Used(), s.conns.Usage()
		})
		if err != nil {
			return nil, err
		}
		x.Pools[0].Ask()
		out = append(out, x)
	}
	return out, nil
}

// Text writes it as "show tcp stats" does: what is zero is not shown.
func (r StatsResult) Text(w io.Writer, _ cli.Layout) error {
	for _, x := range r {
		fmt.Fprintf(w, "Thread %d:\n %d connections\n", x.Thread, x.Active)
		s := &x.Stats
		for _, l := range []struct {
			n    uint64
			text string
		}{
			{s.InDatagrams, "datagrams received"}, {s.InBytes, "bytes received"},
			{s.NoPorts, "datagrams for no listener"}, {s.InErrors, "datagrams received in error"},
			{s.OutDatagrams, "datagrams sent"}, {s.OutBytes, "bytes sent"},
			{s.OutErrors, "datagrams not sent"}, {s.Fragmented, "datagrams sent in fragments"},
		} {
			if l.n != 0 {
				fmt.Fprintf(w, " %d %s\n", l.n, l.text)
			}
		}
		for _, p := range x.Pools {
			if p.Used > 0 {
				if _, err := fmt.Fprintf(w, " %d %s of %d, %s resident\n", p.Used, p.Name, p.Max, cli.FormatSize(p.Resident)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *commands) showStats(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if err := in.End(); err != nil {
		return nil, err
	}
	r, err := c.u.Stats()
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (c *commands) clearStats(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if err := in.End(); err != nil {
		return nil, err
	}
	for _, s := range c.u.shards {
		if err := s.w.Do(func(*worker.Worker) { s.stats = WorkerStats{} }); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// ConfigResult is the result of "show udp config".
type ConfigResult struct {
	MTU           uint16 `json:"mtu"` // 0: that of the path
	CsumOffload   bool   `json:"csumOffload"`
	Unreachable   bool   `json:"icmpUnreachable"`
	MaxConns      int    `json:"maxConnections"`
	MinPort       uint16 `json:"minSrcPort"`
	MaxPort       uint16 `json:"maxSrcPort"`
	ListenersUsed int    `json:"listeners"`
}

func (c *commands) showConfig(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if err := in.End(); err != nil {
		return nil, err
	}
	g := c.u.Config()
	return &ConfigResult{MTU: g.MTU, CsumOffload: g.CsumOffload, Unreachable: !g.NoUnreachable, MaxConns: g.MaxConns,
		MinPort: g.MinPort, MaxPort: g.MaxPort, ListenersUsed: c.u.listeners.Len()}, nil
}

func enabled(b bool) string {
	if b {
		return "enabled"
	}
	return "disabled"
}

func (r *ConfigResult) Text(w io.Writer, _ cli.Layout) error {
	mtu := "that of the path"
	if r.MTU != 0 {
		mtu = fmt.Sprint(r.MTU)
	}
	_, err := fmt.Fprintf(w, `-----------
udp config
-----------
default mtu: %s
checksum offload: %s
icmp unreachable: %s
source ports: %d to %d
listeners: %d
max connections per thread: %d
`, mtu, enabled(r.CsumOffload), enabled(r.Unreachable), r.MinPort, r.MaxPort, r.ListenersUsed, r.MaxConns)
	return err
}

func (c *commands) setCsumOffload(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	var on bool
	if !in.OnOff(&on) {
		return nil, in.Expect("enable or disable after csum-offload")
	}
	if err := in.End(); err != nil {
		return nil, err
	}
	g := c.u.Config()
	g.CsumOffload = on
	if err := c.u.SetConfig(g); err != nil {
		return nil, err
	}
	return cli.Text(fmt.Sprintf("UDP checksum offload: %s\n", enabled(on))), nil
}

func (c *commands) showPunt(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if err := in.End(); err != nil {
		return nil, err
	}
	return cli.Text("IPV4 UDP ports punt : none\nIPV6 UDP ports punt : none\n"), nil
}

// Port is a local port in use.
type Port struct {
	Port  uint16 `json:"port"`
	Proto string `json:"proto"` // ip4, ip6
	Node  string `json:"node,omitempty"`
	Desc  string `json:"desc,omitempty"`
	Refs  int    `json:"refCount"` // listeners and connections
}

// portFilter is which of them are shown.
type portFilter struct {
	proto string // empty: both
	port  uint16 // 0: all
}

func (f *portFilter) shows(p *Port) bool {
	return (f.proto == "" || f.proto == p.Proto) && (f.port == 0 || f.port == p.Port)
}

// readProto takes ip4 or ip6.
func (f *portFilter) readProto(in *cli.Input) {
	switch {
	case in.Match("ip4"):
		f.proto = "ip4"
	case in.Match("ip6"):
		f.proto = "ip6"
	}
}

func ipName(v4 bool) string {
	if v4 {
		return "ip4"
	}
	return "ip6"
}

// bound are the ports that are listened on.
func (u *UDP) bound() (list []Port) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range u.slots {
		l := &u.slots[i]
		if !l.used {
			continue
		}
		mode := "accepting"
		if l.opts.Connectionless {
			mode = "connectionless"
		}
		name := ipName(l.addr.Is4())
		list = append(list, Port{Port: l.port, Proto: name, Node: "udp" + name[2:] + "-input",
			Desc: fmt.Sprintf("%s, %s", l.addr, mode), Refs: 1})
	}
	return list
}

// lookStep is how many connections one visit to a worker looks at.
const lookStep = 4096

// inUse are the ports of connections, and how many have each.
func (u *UDP) inUse() ([]Port, error) {
	var refs [2][]int
	for v := range refs {
		refs[v] = make([]int, 1<<16)
	}
	for _, s := range u.shards {
		for from, more := uint32(1), true; more; from += lookStep {
			err := s.w.Do(func(*worker.Worker) {
				more = from+lookStep < s.conns.Fresh()
				for i := from; i < min(from+lookStep, s.conns.Fresh()); i++ {
					if c := s.at(i); c != nil && c.kind != free && c.kind != connectionless {
						refs[b2i(!c.is4())][c.lport]++
					}
				}
			})
			if err != nil {
				return nil, err
			}
		}
	}
	var list []Port
	for v := range refs {
		for p, n := range refs[v] {
			if n > 0 {
				list = append(list, Port{Port: uint16(p), Proto: ipName(v == 0), Refs: n})
			}
		}
	}
	return list, nil
}

// Ports are the result of "show udp ports".
type Ports []Port

func (c *commands) showPorts(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	var f portFilter
	f.readProto(in)
	all := false
	switch {
	case in.Done() || in.Match("bind"):
	case in.Match("all"):
		all = true
	default:
		if !in.Uint16(&f.port) || f.port == 0 {
			return nil, in.Expect("ip4, ip6, bind, all or a port")
		}
		all = true
	}
	if err := in.End(); err != nil {
		return nil, err
	}
	list := c.u.bound()
	if all {
		used, err := c.u.inUse()
		if err != nil {
			return nil, err
		}
		for i := range used {
			p := &used[i]
			p.Node = "udp" + p.Proto[2:] + "-input"
			p.Desc = fmt.Sprintf("%d sessions", p.Refs)
		}
		list = append(list, used...)
	}
	return Ports(f.sorted(list)), nil
}

func (f *portFilter) sorted(list []Port) []Port {
	list = slices.DeleteFunc(list, func(p Port) bool { return !f.shows(&p) })
	slices.SortStableFunc(list, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	return list
}

func (r Ports) Text(w io.Writer, _ cli.Layout) error {
	fmt.Fprintf(w, "%s%s%s%s\n", cli.Left("port", 10), cli.Left("proto", 7), cli.Left("node", 16), "desc")
	for _, p := range r {
		if _, err := fmt.Fprintf(w, "%s%s%s%s\n", cli.Left(fmt.Sprint(p.Port), 10), cli.Left(p.Proto, 7), cli.Left(p.Node, 16), p.Desc); err != nil {
			return err
		}
	}
	return nil
}

// TransportPorts is the result of "show udp transport ports".
type TransportPorts []Port

func (c *commands) showTransportPorts(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	var f portFilter
	f.readProto(in)
	if !in.Done() && (!in.Uint16(&f.port) || f.port == 0) {
		return nil, in.Expect("ip4, ip6 or a port")
	}
	if err := in.End(); err != nil {
		return nil, err
	}
	used, err := c.u.inUse()
	if err != nil {
		return nil, err
	}
	list := f.sorted(append(c.u.bound(), used...))
	var out TransportPorts
	for _, p := range list {
		p.Node, p.Desc = "", ""
		if n := len(out); n > 0 && out[n-1].Port == p.Port && out[n-1].Proto == p.Proto {
			out[n-1].Refs += p.Refs
			continue
		}
		out = append(out, p)
	}
	return out, nil
}

func (r TransportPorts) Text(w io.Writer, _ cli.Layout) error {
	fmt.Fprintf(w, "%s%s%s\n", cli.Left("port", 10), cli.Left("proto", 7), "ref-cnt")
	for _, p := range r {
		if _, err := fmt.Fprintf(w, "%s%s%d\n", cli.Left(fmt.Sprint(p.Port), 10), cli.Left(p.Proto, 7), p.Refs); err != nil {
			return err
		}
	}
	return nil
}
