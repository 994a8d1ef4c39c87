package proxy

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
)

// Report is the result of "show test proxy".
type Report struct {
	Routes []RouteReport `json:"routes"`

	listeners, verbose bool
}

// RouteReport is one route.
type RouteReport struct {
	Number    uint32            `json:"number"`
	Servers   []string          `json:"serverUris"`
	Upstreams []UpstreamReport  `json:"clientUris"`
	FIFO      uint64            `json:"fifoSize"`
	MaxFIFO   uint64            `json:"maxFifoSize"`
	Idle      float64           `json:"idleTimeout"`    // seconds
	Connect   float64           `json:"connectTimeout"` // seconds
	Waiting   int               `json:"connecting"`
	Open      int               `json:"open"`
	Closing   int               `json:"closing"`
	Accepted  uint64            `json:"accepted"`
	Connected uint64            `json:"connected"`
	Bytes     Both              `json:"bytes"`
	Rate      *Both             `json:"bitsPerSecond,omitempty"` // of the flows that are listed
	Failed    map[string]uint64 `json:"failed"`                  // attempts to reach an upstream, by reason
	Ended     map[string]uint64 `json:"ended"`                   // flows, by how
	Flows     []FlowReport      `json:"flows,omitempty"`
}

// Both is something in both directions.
type Both struct {
	Clients uint64 `json:"fromClients"`
	Servers uint64 `json:"fromServers"`
}

// UpstreamReport is one client-uri.
type UpstreamReport struct {
	URI       string `json:"uri"`
	Connected uint64 `json:"connected"`
	Failed    uint64 `json:"failed"`
	Shunned   bool   `json:"shunned"` // passed over while there are others, by some worker
}

// FlowReport is one flow.
type FlowReport struct {
	Thread   int            `json:"thread"`
	Index    uint32         `json:"index"`
	Client   netip.AddrPort `json:"client"`
	Server   netip.AddrPort `json:"server"` // that it is connected to
	Source   netip.AddrPort `json:"source"` // our address there
	Upstream string         `json:"clientUri"`
	State    string         `json:"state"`
	Age      float64        `json:"age"`  // seconds
	Idle     float64        `json:"idle"` // seconds since something moved
	Bytes    Both           `json:"bytes"`
	Queued   Both           `json:"queued"` // bytes on their way through
	Rate     *Both          `json:"bitsPerSecond,omitempty"`

	route      uint32
	opened, at int64
}

// sampleTime is how long rates are measured for.
const sampleTime = 250 * time.Millisecond

// visit is how many flows are looked at before a worker goes on.
const visit = 512

func (p *Proxy) show(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
	rep := &Report{Routes: []RouteReport{}}
	for !in.Done() {
		switch {
		case in.Match("verbose"):
			rep.verbose = true
		case in.Match("listeners"):
			rep.listeners = true
		default:
			return nil, in.Unknown()
		}
	}
	return rep, p.report(c, rep, func(ctx context.Context) {
		select {
		case <-ctx.Done():
		case <-time.After(sampleTime):
		}
	})
}

// report fills rep; pause is what lies between the two looks that rates need.
func (p *Proxy) report(ctx context.Context, rep *Report, pause func(context.Context)) error {
	for _, r := range p.running() {
		if !r.attached() {
			continue
		}
		one, err := r.report()
		if err != nil {
			return err
		}
		rep.Routes = append(rep.Routes, *one)
	}
	if len(rep.Routes) == 0 || rep.listeners && !rep.verbose {
		return nil
	}
	flows, err := p.walk(ctx)
	if err != nil {
		return err
	}
	for i := range flows {
		if r := rep.route(flows[i].route); r != nil {
			r.Bytes.add(flows[i].Bytes)
		}
	}
	if !rep.verbose || len(flows) == 0 {
		return nil
	}
	pause(ctx)
	later, err := p.walk(ctx)
	if err != nil {
		return err
	}
	rep.list(flows, later)
	return nil
}

// route is the report of route n, nil when it has none.
func (rep *Report) route(n uint32) *RouteReport {
	for i := range rep.Routes {
		if rep.Routes[i].Number == n {
			return &rep.Routes[i]
		}
	}
	return nil
}

// list adds the flows that were there at two looks, with what moved in between.
func (rep *Report) list(before, now []FlowReport) {
	type key struct {
		thread int
		index  uint32
		opened int64
	}
	old := map[key]*FlowReport{}
	for i := range before {
		f := &before[i]
		old[key{f.Thread, f.Index, f.opened}] = f
	}
	for _, f := range now {
		r := rep.route(f.route)
		if r == nil {
			continue
		}
		rate := Both{}
		if o := old[key{f.Thread, f.Index, f.opened}]; o != nil {
			rate = f.Bytes.rate(o.Bytes, f.at-o.at)
		}
		f.Rate = &rate
		r.Flows = append(r.Flows, f)
		if r.Rate == nil {
			r.Rate = &Both{}
		}
		r.Rate.add(rate)
	}
	for i := range rep.Routes {
		slices.SortStableFunc(rep.Routes[i].Flows, func(a, b FlowReport) int { return cmp.Compare(a.opened, b.opened) })
	}
}

func (b *Both) add(x Both) {
	b.Clients += x.Clients
	b.Servers += x.Servers
}

// rate is bits per second from before on, ns ago.
func (b Both) rate(before Both, ns int64) Both {
	per := func(now, then uint64) uint64 {
		if ns <= 0 || now < then {
			return 0
		}
		return uint64(float64(now-then) * 8e9 / float64(ns))
	}
	return Both{per(b.Clients, before.Clients), per(b.Servers, before.Servers)}
}

// report adds up a route's tallies.
func (r *route) report() (*RouteReport, error) {
	o := &r.opts
	one := &RouteReport{Number: r.number, FIFO: o.FIFO, MaxFIFO: o.MaxFIFO, Idle: o.Idle.Seconds(), Connect: o.Connect.Seconds(),
		Failed: map[string]uint64{}, Ended: map[string]uint64{}}
	for _, t := range r.servers {
		one.Servers = append(one.Servers, t.String())
	}
	for _, t := range r.clients {
		one.Upstreams = append(one.Upstreams, UpstreamReport{URI: t.String()})
	}
	for i, sh := range r.p.shards {
		if err := sh.w.Do(func(w *worker.Worker) { one.add(&r.tallies[i], w.Now()) }); err != nil {
			return nil, err
		}
	}
	return one, nil
}

func (one *RouteReport) add(t *tally, now int64) {
	one.Waiting += t.flows[connecting]
	one.Open += t.flows[open]
	one.Closing += t.flows[over]
	one.Accepted += t.accepted
	one.Connected += t.connected
	one.Bytes.add(Both{t.bytes[0], t.bytes[1]})
	for i, n := range t.failed {
		if n > 0 {
			one.Failed[failureNames[i]] += n
		}
	}
	for i, n := range t.ended {
		if n > 0 {
			one.Ended[endNames[i]] += n
		}
	}
	for i := range t.upstreams {
		u := &one.Upstreams[i]
		u.Connected += t.upstreams[i].connected
		u.Failed += t.upstreams[i].failed
		u.Shunned = u.Shunned || t.upstreams[i].shunned > now
	}
}

// walk describes all flows, in many short visits to the workers.
func (p *Proxy) walk(ctx context.Context) (list []FlowReport, err error) {
	for _, sh := range p.shards {
		for from, more := uint32(1), true; more; from += visit {
			if err := ctx.Err(); err != nil {
				return list, err
			}
			list = slices.Grow(list, visit)
			err := sh.w.Do(func(*worker.Worker) {
				end := min(from+visit, sh.flows.Fresh())
				more = end == from+visit
				for i := from; i < end; i++ {
					if sh.flows.Valid(i) && sh.flows.At(i).route != 0 {
						list = append(list, sh.describe(i))
					}
				}
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// describe is flow i; on its worker.
func (sh *shard) describe(i uint32) FlowReport {
	f, w := sh.flows.At(i), sh.w
	now := w.Now()
	last := sh.look(f)
	o := FlowReport{Thread: w.Index, Index: i, route: f.route, opened: f.opened, at: now,
		State: f.label(), Age: float64(now-f.opened) / 1e9, Idle: float64(now-last) / 1e9,
		Bytes: Both{f.bytes[0], f.bytes[1]}}
	if r := sh.p.route(f.route); r != nil {
		o.Upstream = r.clients[f.upstream].String()
	}
	client, server := sh.sessions(f)
	if client != nil {
		_, o.Client = w.Addrs(client)
		o.Queued.Servers = uint64(w.Unacked(client))
	}
	if server != nil {
		o.Source, o.Server = w.Addrs(server)
		o.Queued.Clients = uint64(w.Unacked(server))
	}
	return o
}

// label is the flow's state for people.
func (f *flow) label() string {
	switch {
	case f.state == connecting && f.clientEnd:
		return "connecting, client closed"
	case f.state == connecting:
		return "connecting"
	case f.state == over:
		return "closing"
	case f.clientEnd && f.serverEnd:
		return "both closed"
	case f.clientEnd:
		return "client closed"
	case f.serverEnd:
		return "server closed"
	}
	return "open"
}

// Text is a paragraph for each route.
func (rep *Report) Text(w io.Writer, _ cli.Layout) error {
	if len(rep.Routes) == 0 {
		_, err := io.WriteString(w, "proxy not running\n")
		return err
	}
	var b strings.Builder
	for i := range rep.Routes {
		rep.Routes[i].text(&b, rep.listeners, rep.verbose)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *RouteReport) text(b *strings.Builder, listeners, verbose bool) {
	var to []string
	for _, u := range r.Upstreams {
		to = append(to, u.URI)
	}
	fmt.Fprintf(b, "[%d] %s -> %s\n", r.Number, strings.Join(r.Servers, ", "), strings.Join(to, ", "))
	if listeners {
		fmt.Fprintf(b, "  fifo-size %s max-fifo-size %s idle-timeout %g connect-timeout %g\n",
			cli.FormatSize(r.FIFO), cli.FormatSize(r.MaxFIFO), r.Idle, r.Connect)
		if !verbose {
			return
		}
	}
	fmt.Fprintf(b, "  flows: %d open, %d connecting, %d closing; %d accepted, %d connected\n",
		r.Open, r.Waiting, r.Closing, r.Accepted, r.Connected)
	fmt.Fprintf(b, "  bytes: %s from clients, %s from servers\n", cli.FormatBase10(float64(r.Bytes.Clients)), cli.FormatBase10(float64(r.Bytes.Servers)))
	if r.Rate != nil {
		fmt.Fprintf(b, "  rate: %sb/s from clients, %sb/s from servers\n", cli.FormatBase10(float64(r.Rate.Clients)), cli.FormatBase10(float64(r.Rate.Servers)))
	}
	for _, u := range r.Upstreams {
		if len(r.Upstreams) > 1 || u.Failed > 0 {
			fmt.Fprintf(b, "  upstream %s: %d connected, %d failed", u.URI, u.Connected, u.Failed)
			if u.Shunned {
				b.WriteString(", passed over for now")
			}
			b.WriteByte('\n')
		}
	}
	counts(b, "failed", r.Failed, failureNames[:])
	counts(b, "ended", r.Ended, endNames[:])
	if len(r.Flows) > 0 {
		fmt.Fprintf(b, "  %-24s%-24s%-15s%9s%9s%10s%10s%12s%12s\n", "Client", "Server", "State", "Age", "Idle", "Up", "Down", "Up b/s", "Down b/s")
	}
	for i := range r.Flows {
		f := &r.Flows[i]
		fmt.Fprintf(b, "  %-24s%-24s%-15s%9.1f%9.1f%10s%10s%12s%12s\n", end1(f.Client), end1(f.Server), f.State, f.Age, f.Idle,
			cli.FormatBase10(float64(f.Bytes.Clients)), cli.FormatBase10(float64(f.Bytes.Servers)),
			cli.FormatBase10(float64(f.Rate.Clients)), cli.FormatBase10(float64(f.Rate.Servers)))
	}
}

// end1 is an address, or a dash where there is none any more.
func end1(a netip.AddrPort) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

// counts prints what is not zero, in the order of names.
func counts(b *strings.Builder, title string, n map[string]uint64, names []string) {
	var parts []string
	for _, name := range names {
		if n[name] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[name], name))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(b, "  %s: %s\n", title, strings.Join(parts, ", "))
	}
}

var _ session.App = down{}
var _ session.App = up{}
