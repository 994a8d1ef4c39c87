package simtest

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"vpphost/dataplane/device"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/iface"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/ct"
	"vpphost/hoststack/flow"
	"vpphost/hoststack/session"
	"vpphost/hoststack/tcp"
	"vpphost/hoststack/tcp/cc"
	"vpphost/hoststack/transport"
	"vpphost/hoststack/udp"
)

// Options of a host.
type Options struct {
	MTU              int    // of script hosts' interface; 0: 1500
	RxFIFO, TxFIFO   uint32 // bytes; 0: DefaultFIFO
	CC               cc.ID
	MinPort, MaxPort uint16 // of active opens; 0: tcp's defaults
	Workers          int    // 0: 1
	Buffers          int    // packet buffers; 0: 2048
	Room             int    // of a buffer, bytes; 0: enough for an MTU of 2000
	Trust            bool   // do not look for misuse of buffers: faster
	TCP              func(*tcp.Config)
	UDP              func(*udp.Config)
}

// DefaultFIFO is the size of FIFOs where a test does not care, in bytes.
const DefaultFIFO = 4 << 20

// Host is one instance of the stack.
type Host struct {
	Name     string
	Pool     pkt.Pool
	Workers  []*worker.Worker
	Ifaces   *iface.Manager
	IP       *ip.Stack
	Sessions *session.Layer
	TCP      *tcp.TCP
	UDP      *udp.UDP
	Stats    stats.Set

	options Options
	ifs     []*iface.Interface
	apps    []*session.AppHandle
}

// NewHost adds a host to the world.
func (w *World) NewHost(name string, o Options) (*Host, error) {
	if o.Buffers == 0 {
		o.Buffers = 2048
	}
	if o.Room == 0 {
		o.Room = pkt.DefaultRoom
	}
	h := &Host{Name: name, options: o}
	var err error
	if h.Pool, err = takePool(o.Buffers, o.Room, o.Trust); err != nil {
		return nil, err
	}
	for i := range max(o.Workers, 1) {
		k, err := worker.New(worker.Config{Index: i, Pool: h.Pool, Share: o.Workers, CPU: -1, Clock: w.Now,
			Seed: w.seed<<16 + uint64(len(w.Hosts)<<8+i)})
		if err != nil {
			return nil, err
		}
		h.Workers = append(h.Workers, k)
	}
	if h.Ifaces, err = iface.New(h.Workers, &h.Stats); err != nil {
		return nil, err
	}
	if h.IP, err = ip.New(h.Workers, h.Ifaces, &h.Stats); err != nil {
		return nil, err
	}
	if h.Sessions, err = session.New(session.Config{Workers: h.Workers, Stats: &h.Stats}); err != nil {
		return nil, err
	}
	cfg := tcp.Default()
	cfg.Algorithm = o.CC
	cfg.Seed = w.seed<<8 + uint64(len(w.Hosts)) + 1
	cfg.MaxConns = 1 << 16
	cfg.Backlog = 1 << 16
	if o.MinPort != 0 {
		cfg.MinPort, cfg.MaxPort = o.MinPort, o.MaxPort
	}
	if o.TCP != nil {
		o.TCP(&cfg)
	}
	h.TCP, err = tcp.New(cfg, h.IP, h.Sessions.Upper(), flow.NewHasher(w.seed), h.Workers, &h.Stats)
	if err != nil {
		return nil, err
	}
	h.Sessions.Register(h.TCP)
	h.IP.Handle(hdr.ProtoTCP, h.TCP)
	h.TCP.Start()
	ucfg := udp.Default()
	ucfg.Seed = cfg.Seed
	ucfg.MaxConns = 1 << 16
	ucfg.MinPort, ucfg.MaxPort = cfg.MinPort, cfg.MaxPort
	if o.UDP != nil {
		o.UDP(&ucfg)
	}
	h.UDP, err = udp.New(ucfg, h.IP, h.Sessions.Upper(), flow.NewHasher(w.seed), h.Workers, &h.Stats)
	if err != nil {
		return nil, err
	}
	h.Sessions.Register(h.UDP)
	h.IP.Handle(hdr.ProtoUDP, h.UDP)
	h.UDP.Start()
	cut, err := ct.New(h.Sessions.Upper(), h.IP, h.Workers)
	if err != nil {
		return nil, err
	}
	h.Sessions.Register(cut)
	if err := h.Sessions.Enable(); err != nil {
		return nil, err
	}
	w.Hosts = append(w.Hosts, h)
	return h, nil
}

// attach makes an interface of a wire's end: up, with the addresses of side on wire n.
func (h *Host) attach(dev device.Device, n, side, mtu int) error {
	return h.AttachDevice(dev, mtu, netip.PrefixFrom(Addr4(n, side), 24), netip.PrefixFrom(Addr6(n, side), 64))
}

// AttachDevice makes an interface of a device: up, with addresses. mtu 0 leaves it.
func (h *Host) AttachDevice(dev device.Device, mtu int, addrs ...netip.Prefix) error {
	i, err := h.Ifaces.Add(fmt.Sprintf("sim%d", len(h.ifs)), "sim", dev)
	if err != nil {
		return err
	}
	h.ifs = append(h.ifs, i)
	if mtu != 0 {
		if err := h.Ifaces.SetMTU(i, mtu); err != nil {
			return err
		}
	}
	var errs []error
	for _, a := range addrs {
		errs = append(errs, h.Ifaces.AddAddr(i, a))
	}
	return errors.Join(append(errs, h.Ifaces.SetUp(i, true))...)
}

// Attach attaches an application with the host's FIFO sizes.
func (h *Host) Attach(name string, app session.App) (*session.AppHandle, error) {
	o := session.Options{RxFIFO: h.options.RxFIFO, TxFIFO: h.options.TxFIFO}
	if o.RxFIFO == 0 {
		o.RxFIFO = DefaultFIFO
	}
	if o.TxFIFO == 0 {
		o.TxFIFO = DefaultFIFO
	}
	a, err := h.Sessions.Attach(name, app, o)
	if err == nil {
		h.apps = append(h.apps, a)
	}
	return a, err
}

// SetCC changes the congestion controller of connections to come.
func (h *Host) SetCC(id cc.ID) error {
	cfg := h.TCP.Config()
	cfg.Algorithm = id
	return h.TCP.SetConfig(cfg)
}

// Connect starts an active open to addr that plays p, on the workers in turn.
func (a *App) Connect(handle *session.AppHandle, addr netip.AddrPort, p Plan) error {
	a.plans = append(a.plans, p)
	return handle.Connect(transport.TCP, transport.Endpoint{Addr: addr}, uint64(len(a.plans)-1))
}

// change adds a change of tcp's configuration.
func (o *Options) change(f func(c *tcp.Config)) {
	before := o.TCP
	o.TCP = func(c *tcp.Config) {
		if before != nil {
			before(c)
		}
		f(c)
	}
}

// set takes a "set tcp" line of a packet script.
func (o *Options) set(key, value string) error {
	n, err := strconv.Atoi(value)
	switch key {
	case "initial-cwnd-multiplier":
		o.change(func(c *tcp.Config) { c.InitialCwnd = uint32(n) })
	case "min-rx-fifo":
		o.change(func(c *tcp.Config) { c.MinRxFIFO = uint32(n) })
	case "max-rx-fifo":
		o.change(func(c *tcp.Config) { c.MaxRxFIFO = uint32(n) })
	case "no-tx-pacing":
		o.change(func(c *tcp.Config) { c.NoPacing = true })
		return nil
	case "cc-algo":
		o.CC, err = cc.ByName(value)
	default:
		return fmt.Errorf("unknown tcp setting %q", key)
	}
	return err
}

// Errors are the counters of h that are not zero, one a line.
func (h *Host) Errors() (lines []string) {
	for _, g := range h.Stats.Groups() {
		for _, k := range h.Workers {
			for i, n := range g.Row(k.Index) {
				if n != 0 {
					lines = append(lines, fmt.Sprintf("%s: %d %s: %s", h.Name, n, g.Node, g.Reasons[i].Text))
				}
			}
		}
	}
	return lines
}
