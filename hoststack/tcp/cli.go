package tcp

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"

	"vpphost/cli"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/tcp/cc"
)

// Commands are those of TCP itself; connections are shown by the session layer.
func Commands(t *TCP) []*cli.Command {
	c := &commands{t}
	return []*cli.Command{{
		Path: "show tcp stats",
		Help: "Show TCP's counters of each thread",
		Run:  c.showStats,
	}, {
		Path: "clear tcp stats",
		Help: "Clear TCP's counters",
		Run:  c.clearStats,
	}, {
		Path: "show tcp config",
		Help: "Show TCP's configuration",
		Run:  c.showConfig,
	}, {
		Path: "set tcp",
		Usage: "[cc-algo <name>] [mtu <n>] [initial-cwnd-multiplier <n>] [rwnd-min-update-ack <n>] " +
			"[csum-offload|dsack|tx-pacing (enable|on|disable|off)]",
		Help:     "Change TCP's configuration for new connections",
		Run:      c.set,
		Complete: completeSet,
	}, {
		Path:  "tcp src-address",
		Usage: "<ip-addr> [- <ip-addr>] | clear",
		Help:  "Add addresses in an interface's network, which become ours, to the sources of active opens",
		Run:   c.sources,
	}}
}

type commands struct{ t *TCP }

// ThreadStats are one worker's counters.
type ThreadStats struct {
	Thread        int                 `json:"thread"`
	PendingTimers int                 `json:"pendingTimers"`
	Connections   int                 `json:"connections"`
	TimeWaits     int                 `json:"timeWaits"`
	Stats         WorkerStats         `json:"stats"`
	Pools         []worker.PoolMemory `json:"pools"` // connections, and those in TIME_WAIT
}

// StatsResult is the result of "show tcp stats".
type StatsResult []ThreadStats

// Stats are the counters of all workers. Control path.
func (t *TCP) Stats() (out StatsResult, err error) {
	for i, s := range t.shards {
		x := ThreadStats{Thread: i, Pools: []worker.PoolMemory{{Thread: i, Name: "connections"}, {Thread: i, Name: "connections in time-wait"}}}
		err := s.w.Do(func(w *worker.Worker) {
			x.Stats = s.stats
			x.Connections = s.conns.Used()
			x.TimeWaits = s.waits.pool.Used()
			x.PendingTimers = s.armed + b2i(s.waits.timer != 0)
			x.Pools[0].Usage, x.Pools[1].Usage = s.conns.Usage(), s.waits.pool.Usage()
		})
		if err != nil {
			return nil, err
		}
		for k := range x.Pools {
			x.Pools[k].Ask()
		}
		out = append(out, x)
	}
	return out, nil
}

// Text writes VPP's layout: what is zero is not shown.
func (r StatsResult) Text(w io.Writer, _ cli.Layout) error {
	for _, x := range r {
		fmt.Fprintf(w, "Thread %d:\n", x.Thread)
		fmt.Fprintf(w, " %d pending timers\n", x.PendingTimers)
		for _, l := range x.Stats.lines() {
			if l.n != 0 {
				if _, err := fmt.Fprintf(w, " %d %s\n", l.n, l.text); err != nil {
					return err
				}
			}
		}
		for _, p := range x.Pools {
			if p.Used > 0 {
				fmt.Fprintf(w, " %d %s of %d, %s resident\n", p.Used, p.Name, p.Max, cli.FormatSize(p.Resident))
			}
		}
	}
	return nil
}

type statLine struct {
	n    uint64
	text string
}

func (s *WorkerStats) lines() []statLine {
	return []statLine{
		{s.TimerExpirations, "timer expirations"},
		{s.RxtSegs, "segments retransmitted"},
		{s.TimerRetransmits, "timer retransmit events"},
		{s.EstablishTimeouts, "timeout establish"},
		{s.Persists, "timeout persist"},
		{s.CloseWaits, "timeout close-wait"},
		{s.CloseWaitsData, "timeout close-wait w/data"},
		{s.FinWait1s, "timeout fin-wait-1"},
		{s.FinWait2s, "timeout fin-wait-2"},
		{s.LastAcks, "timeout last-ack"},
		{s.Closings, "timeout closing"},
		{s.RetransmitAborts, "timer retransmit abort"},
		{s.RstUnread, "reset on close due to unread data"},
		{s.NoBuffer, "out of buffers"},
		{s.Spurious, "timer retransmits undone, nothing was lost"},
	}
}

func (c *commands) showStats(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if err := in.End(); err != nil {
		return nil, err
	}
	r, err := c.t.Stats()
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (c *commands) clearStats(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if err := in.End(); err != nil {
		return nil, err
	}
	for _, s := range c.t.shards {
		if err := s.w.Do(func(*worker.Worker) { s.stats = WorkerStats{} }); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// ConfigResult is the result of "show tcp config".
type ConfigResult struct {
	MaxRxFIFO   uint32  `json:"maxRxFifo"`
	MinRxFIFO   uint32  `json:"minRxFifo"`
	MTU         uint16  `json:"mtu"` // 0: that of the path
	InitialCwnd uint32  `json:"initialCwndMultiplier"`
	Pacing      bool    `json:"txPacing"`
	TSO         bool    `json:"tso"`
	CsumOffload bool    `json:"csumOffload"`
	DSACK       bool    `json:"dsack"`
	CCAlgo      string  `json:"ccAlgo"`
	MinUpdate   uint32  `json:"rwndMinUpdateAck"`
	CloseWait   float64 `json:"closeWaitTime"` // seconds, as what follows
	TimeWait    float64 `json:"timeWaitTime"`
	FinWait1    float64 `json:"finWait1Time"`
	FinWait2    float64 `json:"finWait2Time"`
	LastAck     float64 `json:"lastAckTime"`
	Closing     float64 `json:"closingTime"`
	SynRcvd     float64 `json:"synRcvdTime"`
	Backlog     uint32  `json:"backlog"`
	MaxConns    int     `json:"maxConnections"`
}

func (c *commands) showConfig(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if err := in.End(); err != nil {
		return nil, err
	}
	g := c.t.Config()
	return &ConfigResult{MaxRxFIFO: g.MaxRxFIFO, MinRxFIFO: g.MinRxFIFO, MTU: g.MTU, InitialCwnd: g.InitialCwnd,
		Pacing: !g.NoPacing, TSO: g.TSO, CsumOffload: g.CsumOffload, DSACK: !g.NoDSACK, CCAlgo: g.Algorithm.String(),
		MinUpdate: g.MinUpdate, CloseWait: g.CloseWait.Seconds(), TimeWait: g.TimeWait.Seconds(),
		FinWait1: g.FinWait1.Seconds(), FinWait2: g.FinWait2.Seconds(), LastAck: g.LastAck.Seconds(),
		Closing: g.Closing.Seconds(), SynRcvd: g.SynRcvd.Seconds(), Backlog: g.Backlog, MaxConns: g.MaxConns}, nil
}

func enabled(b bool) string {
	if b {
		return "enabled"
	}
	return "disabled"
}

// Text writes VPP's layout, and what VPP does not have behind it.
func (r *ConfigResult) Text(w io.Writer, _ cli.Layout) error {
	tso := "disallowed"
	if r.TSO {
		tso = "allowed, not used"
	}
	dsack := "disabled"
	if r.DSACK {
		dsack = "allowed, not sent"
	}
	mtu := "that of the path"
	if r.MTU != 0 {
		mtu = fmt.Sprint(r.MTU)
	}
	sec := func(s float64) string { return strconv.FormatFloat(s, 'f', -1, 64) }
	_, err := fmt.Fprintf(w, `-----------
tcp config
-----------
max rx fifo size: %s
min rx fifo size: %s
default mtu: %s
initial cwnd multiplier: %d
tx pacing: %s
tso: %s
checksum offload: %s
dsack: %s
congestion control algorithm: %s
min rwnd update ack: %d
close_wait time: %s sec
time_wait time: %s sec
fin_wait1 time: %s sec
fin_wait2 time: %s sec
last_ack time: %s sec
fin_ack time: %s sec
syn_rcvd time: %s sec
listen backlog: %d
max connections per thread: %d
`, cli.FormatSize(uint64(r.MaxRxFIFO)), cli.FormatSize(uint64(r.MinRxFIFO)), mtu, r.InitialCwnd, enabled(r.Pacing),
		tso, enabled(r.CsumOffload), dsack, r.CCAlgo, r.MinUpdate, sec(r.CloseWait), sec(r.TimeWait),
		sec(r.FinWait1), sec(r.FinWait2), sec(r.LastAck), sec(r.Closing), sec(r.SynRcvd), r.Backlog, r.MaxConns)
	return err
}

// set is "set tcp": the line is read whole before anything changes.
func (c *commands) set(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	g := c.t.Config()
	var said string
	say := func(format string, args ...any) { said += fmt.Sprintf(format, args...) + "\n" }
	onOff := func(what, said string, v *bool) error {
		var on bool
		if !in.OnOff(&on) {
			return in.Expect("enable or disable after " + what)
		}
		*v = on
		say("%s: %s", said, enabled(on))
		return nil
	}
	if in.Done() {
		return nil, in.Expect("something to set")
	}
	for !in.Done() {
		var err error
		switch {
		case in.Match("cc-algo"):
			var name string
			if !in.Word(&name) {
				return nil, in.Expect("a name after cc-algo")
			}
			id, e := cc.ByName(name)
			if e != nil {
				return nil, cli.Usagef("%w", e)
			}
			g.Algorithm = id
			say("TCP congestion control algorithm for new connections: %s", id)
		case in.Match("mtu"):
			if !in.Uint16(&g.MTU) {
				return nil, in.Expect("a number after mtu")
			}
			say("TCP default mtu: %d", g.MTU)
		case in.Match("initial-cwnd-multiplier"):
			if !in.Uint32(&g.InitialCwnd) {
				return nil, in.Expect("a number after initial-cwnd-multiplier")
			}
			say("TCP initial cwnd multiplier: %d", g.InitialCwnd)
		case in.Match("rwnd-min-update-ack"):
			if !in.Uint32(&g.MinUpdate) {
				return nil, in.Expect("a number after rwnd-min-update-ack")
			}
			say("TCP min rwnd update ack: %d", g.MinUpdate)
		case in.Match("csum-offload"):
			err = onOff("csum-offload", "TCP checksum offload", &g.CsumOffload)
		case in.Match("dsack"):
			dsack := !g.NoDSACK
			err = onOff("dsack", "TCP D-SACK for new connections", &dsack)
			g.NoDSACK = !dsack
		case in.Match("tx-pacing"):
			pacing := !g.NoPacing
			err = onOff("tx-pacing", "TCP pacing", &pacing)
			g.NoPacing = !pacing
		default:
			return nil, in.Unknown()
		}
		if err != nil {
			return nil, err
		}
	}
	if err := c.t.SetConfig(g); err != nil {
		return nil, err
	}
	return cli.Text(said), nil
}

// completeSet suggests the words of "set tcp".
func completeSet(_ *cli.Ctx, in *cli.Input) []cli.Word {
	var w, last string
	for in.Word(&w) {
		last = w
	}
	words := func(l ...string) (out []cli.Word) {
		for _, s := range l {
			out = append(out, cli.Word{Text: s})
		}
		return out
	}
	switch last {
	case "cc-algo":
		var out []cli.Word
		for id := range cc.NumIDs {
			out = append(out, cli.Word{Text: id.String()})
		}
		return out
	case "csum-offload", "dsack", "tx-pacing":
		return words("enable", "disable")
	case "mtu", "initial-cwnd-multiplier", "rwnd-min-update-ack":
		return nil
	}
	return words("cc-algo", "mtu", "initial-cwnd-multiplier", "rwnd-min-update-ack", "csum-offload", "dsack", "tx-pacing")
}

// sources is "tcp src-address".
func (c *commands) sources(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if in.Match("clear") {
		if err := in.End(); err != nil {
			return nil, err
		}
		return nil, c.t.ClearSources()
	}
	var first, last netip.Addr
	if in.Done() {
		return nil, cli.Usagef("at least one v4 or v6 address required")
	}
	if !in.Addr(&first) {
		return nil, in.Expect("a v4 or v6 address")
	}
	last = first
	if in.Match("-") && !in.Addr(&last) {
		return nil, in.Expect("an address after -")
	}
	if err := in.End(); err != nil {
		return nil, err
	}
	return nil, c.t.AddSources(first, last)
}
