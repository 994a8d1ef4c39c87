package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/apps/echo"
	"vpphost/apps/httpc"
	"vpphost/apps/httpd"
	"vpphost/apps/proxy"
	"vpphost/cli"
	"vpphost/cli/conf"
	"vpphost/cli/script"
	"vpphost/cli/sock"
	"vpphost/cli/table"
	"vpphost/dataplane/dpdk"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/iface"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/ports"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/trace"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/ct"
	"vpphost/hoststack/flow"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
	"vpphost/hoststack/tcp"
	"vpphost/hoststack/tcp/cc"
	"vpphost/hoststack/udp"
)

// instance is everything that one process runs, from the bottom up. It is built once,
// in order, and taken apart in the opposite order.
type instance struct {
	conf    *conf.Config
	log     *slog.Logger
	book    *logbook // nil: nothing is logged
	pool    *dpdk.Pool
	cores   []int // of the workers, -1 for any
	workers []*worker.Worker
	stats   *stats.Set
	ifs     *iface.Manager
	tracer  *trace.Tracer
	ip      *ip.Stack
	tcp     *tcp.TCP
	udp     *udp.UDP
	session *session.Layer
	http    *http.Engine
	ports   *ports.Manager
	proxy   *proxy.Proxy
	reg     *cli.Registry
	undo    []func() // how to take it apart
}

// build makes all parts; no worker runs yet.
func build(c *conf.Config, book *logbook) (*instance, error) {
	in := &instance{conf: c, log: slog.New(slog.DiscardHandler), book: book, stats: &stats.Set{}}
	if book != nil {
		in.log = slog.New(book)
	}
	for _, step := range []func() error{
		in.settle, in.tuneRuntime, in.startDPDK, in.makeWorkers, in.makeNetwork, in.makeHostStack, in.makeCommands,
	} {
		if err := step(); err != nil {
			in.close()
			return nil, err
		}
	}
	return in, nil
}

// close takes the instance apart.
func (in *instance) close() {
	for i := len(in.undo) - 1; i >= 0; i-- {
		in.undo[i]()
	}
	in.undo = nil
}

// tuneRuntime fits Go's scheduler and garbage collector to threads that never yield:
// a P for each worker and two for everything else, and few collections of a small heap.
func (in *instance) tuneRuntime() error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return fmt.Errorf("read cpu affinity: %w", err)
	}
	var allowed []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			allowed = append(allowed, cpu)
		}
	}
	var err error
	var main int
	if main, in.cores, err = in.conf.CPU.Place(allowed); err != nil {
		return err
	}
	runtime.GOMAXPROCS(len(in.cores) + 2)
	debug.SetGCPercent(400)
	if main >= 0 {
		return pinProcess(main)
	}
	return nil
}

// pinProcess puts every thread that there is on one core; later ones inherit it. The
// workers move themselves away.
func pinProcess(cpu int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	var set unix.CPUSet
	set.Set(cpu)
	for _, t := range tasks {
		tid, _ := strconv.Atoi(t.Name())
		if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("pin to cpu %d: %w", cpu, err)
		}
	}
	return nil
}

// startDPDK starts EAL and makes the packet buffers.
func (in *instance) startDPDK() error {
	d, b := &in.conf.DPDK, &in.conf.Buffers
	n, room := int(b.PerNUMA), int(b.DataSize)+pkt.Headroom
	mem := dpdk.MemFor(n, room)
	for _, mb := range d.SocketMem {
		mem = max(mem, mb)
	}
	var cards []string
	for _, dev := range d.Devs {
		cards = append(cards, dev.PCI)
	}
	// Huge pages are taken when they are there, and network cards when they are named:
	// without a word of configuration neither has to be prepared, or is disturbed.
	huge := !d.NoHugetlb && freeHugeMB() >= mem
	err := dpdk.Init(dpdk.Config{Hugepages: huge, MemMB: mem, PCI: !d.NoPCI && len(cards) > 0, Allow: cards,
		Vdevs: d.Vdevs, LogLevel: d.LogLevel, ExtraArgs: d.EALArgs, Stderr: dpdk.LevelErr, RuntimeDir: userDir()})
	if err != nil {
		return fmt.Errorf("start DPDK: %w", err)
	}
	in.pool, err = dpdk.NewPool("buffers", n, room)
	return err
}

// freeHugeMB is how much memory there is in free 2 MB pages, in MiB.
func freeHugeMB() int {
	b, err := os.ReadFile("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n * 2
}

// makeWorkers makes one worker for each core asked for.
func (in *instance) makeWorkers() error {
	sharing := map[int]int{}
	for _, cpu := range in.cores {
		sharing[cpu]++
	}
	for i, cpu := range in.cores {
		yield := worker.YieldNever
		switch {
		case sharing[cpu] > 1:
			yield = worker.YieldAlways
		case len(in.cores) > 1: // a core for each is more than many machines have
			yield = worker.YieldIdle
		}
		name := fmt.Sprintf("vpp_wk_%d", i)
		if len(in.cores) == 1 {
			name = "vpp_main"
		}
		w, err := worker.New(worker.Config{Index: i, CPU: cpu, Yield: yield, Name: name, Pool: in.pool, Share: len(in.cores), Seed: randomSeed(),
			Sleep: int64(in.conf.Unix.PollSleep), Start: dpdk.ThreadStart, Stop: dpdk.ThreadStop})
		if err != nil {
			return err
		}
		in.workers = append(in.workers, w)
	}
	return nil
}

func (in *instance) makeNetwork() (err error) {
	if in.ifs, err = iface.New(in.workers, in.stats); err != nil {
		return err
	}
	in.tracer = trace.New(in.workers, in.ifs)
	in.ifs.SetTap(in.tracer)
	if in.ip, err = ip.New(in.workers, in.ifs, in.stats); err != nil {
		return err
	}
	in.ifs.SetInput(in.ip)
	in.ports = ports.New(in.ifs, in.openers())
	return nil
}

// fifoMemory is the address space of each worker's FIFOs, in bytes; memory is used as
// it is touched.
const fifoMemory = 32 << 30

func (in *instance) makeHostStack() (err error) {
	in.session, err = session.New(session.Config{Workers: in.workers, Stats: in.stats, Log: in.log, Memory: fifoMemory})
	if err != nil {
		return err
	}
	c, err := in.tcpConfig()
	if err != nil {
		return err
	}
	hasher := flow.NewHasher(randomSeed())
	in.tcp, err = tcp.New(c, in.ip, in.session.Upper(), hasher, in.workers, in.stats)
	if err != nil {
		return err
	}
	in.ip.Handle(uint8(hdr.ProtoTCP), in.tcp)
	in.session.Register(in.tcp)
	in.tcp.Start()
	in.udp, err = udp.New(in.udpConfig(), in.ip, in.session.Upper(), hasher, in.workers, in.stats)
	if err != nil {
		return err
	}
	in.ip.Handle(uint8(hdr.ProtoUDP), in.udp)
	in.session.Register(in.udp)
	in.udp.Start()
	cut, err := ct.New(in.session.Upper(), in.ip, in.workers)
	if err != nil {
		return err
	}
	in.session.Register(cut)
	h := &in.conf.HTTP
	in.http, err = http.New(in.session, http.Config{FIFO: h.FIFOSize, IdleTimeout: h.IdleTimeout})
	return err
}

// tcpConfig is the transport's configuration as startup.conf wants it.
func (in *instance) tcpConfig() (tcp.Config, error) {
	t, s := &in.conf.TCP, &in.conf.Session
	c := tcp.Default()
	id, err := cc.ByName(t.CCAlgo)
	if err != nil {
		return c, err
	}
	c.Algorithm, c.MTU, c.InitialCwnd, c.MinUpdate = id, t.MTU, t.InitialCwnd, t.RwndMinUpdate
	c.MaxRxFIFO, c.MinRxFIFO = t.MaxRxFIFO, t.MinRxFIFO
	c.NoPacing, c.TSO, c.CsumOffload, c.NoDSACK = t.NoTxPacing, t.TSO, !t.NoCsumOffload, t.NoDSACK
	c.CloseWait, c.TimeWait, c.FinWait1, c.FinWait2 = t.CloseWait, t.TimeWait, t.FinWait1, t.FinWait2
	c.LastAck, c.Closing, c.SynRcvd = t.LastAck, t.Closing, t.SynRcvd
	c.MinPort, c.MaxPort = s.MinSrcPort, s.MaxSrcPort
	return c, c.Check()
}

// udpConfig is that of UDP.
func (in *instance) udpConfig() udp.Config {
	u, s := &in.conf.UDP, &in.conf.Session
	c := udp.Default()
	c.MTU, c.CsumOffload, c.NoUnreachable = u.MTU, !u.NoCsumOffload, u.ICMPUnreachableDisabled
	c.MinPort, c.MaxPort = s.MinSrcPort, s.MaxSrcPort
	return c
}

// makeCommands fills the one registry that shell, socket, scripts and tests use.
func (in *instance) makeCommands() error {
	in.reg = cli.NewRegistry()
	in.reg.AddFormat(table.Format())
	in.reg.AddFormat(table.CSV())
	in.reg.LogPanic = func(path string, value any, stack []byte) {
		in.log.Error("a command panicked", "command", path, "panic", value, "stack", string(stack))
	}
	in.proxy = proxy.New(in.session, func(w *worker.Worker, a netip.Addr) bool {
		h := hdr.AddrOf(a)
		return in.ip.IsLocal(w, &h)
	}, in.proxyEntries())
	for _, cmds := range [][]*cli.Command{
		echo.Commands(echo.NewServer(in.session), echo.NewClient(in.session)), proxy.Commands(in.proxy),
		httpc.Commands(httpc.NewClient(in.http, in.session)),
		httpd.Commands(httpd.Config{Engine: in.http, Sessions: in.session, Registry: in.reg, Facts: in.facts(), Log: in.log}),
		script.Commands(),
		iface.Commands(in.ifs), ports.Commands(in.ports), trace.Commands(in.tracer, in.ifs.Words),
		ip.Commands(in.ip), session.Commands(in.session), tcp.Commands(in.tcp), udp.Commands(in.udp), http.Commands(in.http),
		worker.Commands(in.workers), stats.Commands(in.stats, in.workers), {worker.VersionCommand(about()), pluginsCommand()}, in.book.commands(),
	} {
		if err := in.reg.Add(cmds...); err != nil {
			return err
		}
	}
	return nil
}

// proxyEntries are the proxy's servers that startup.conf wants.
func (in *instance) proxyEntries() (list []proxy.Options) {
	for _, e := range in.conf.Proxy.Entries {
		o := proxy.Defaults()
		for _, u := range e.URIs {
			if u.Client {
				o.Client(u.URI)
			} else {
				o.Server(u.URI)
			}
		}
		o.FIFO, o.MaxFIFO, o.High = cmp.Or(e.FIFOSize, o.FIFO), cmp.Or(e.MaxFIFOSize, o.MaxFIFO), cmp.Or(e.HighWatermark, o.High)
		o.Idle, o.Connect = cmp.Or(e.IdleTimeout, o.Idle), cmp.Or(e.ConnectTimeout, o.Connect)
		list = append(list, o)
	}
	return list
}

// run starts the workers, the socket and the startup script.
func (in *instance) run(ctx context.Context) error {
	for _, w := range in.workers {
		if err := w.Run(); err != nil {
			return err
		}
		in.undo = append(in.undo, w.Stop)
	}
	in.undo = append(in.undo, in.ports.Close)
	in.undo = append(in.undo, in.endSessions)
	if err := in.addConfigured(); err != nil {
		return err
	}
	in.watchLinks()
	if in.conf.Unix.Log != "" {
		if err := in.record(in.conf.Unix.Log); err != nil {
			return err
		}
	}
	if in.conf.Session.Enable {
		if err := in.session.Enable(); err != nil {
			return err
		}
	}
	if err := in.listen(); err != nil {
		return err
	}
	if _, err := in.proxy.Configured(); err != nil {
		return fmt.Errorf("test-proxy: %w", err)
	}
	if in.conf.Unix.Exec != "" {
		if err := script.RunFile(ctx, in.reg, in.conf.Unix.Exec, os.Stdout, cli.Options{}); err != nil {
			return err
		}
	}
	return nil
}

// farewell is how long the last packets stay in a memif ring for a peer that sleeps: it
// naps for 8 ms at most.
const farewell = 20 * time.Millisecond

// endSessions resets all sessions, or their peers would wait for somebody who has gone.
func (in *instance) endSessions() {
	if len(in.session.Apps()) > 0 && in.session.Disable() == nil {
		time.Sleep(farewell)
	}
}

// linkPoll is how often the wires are looked at.
const linkPoll = 100 * time.Millisecond

// watchLinks keeps the interfaces' idea of their wires up to date.
func (in *instance) watchLinks() {
	ctx, cancel := context.WithCancel(context.Background())
	go in.ifs.WatchLinks(ctx, linkPoll)
	in.undo = append(in.undo, cancel)
}

// listen opens the socket of the command line.
func (in *instance) listen() error {
	u := &in.conf.Unix
	addr := u.CLIListen
	if addr == "" {
		addr = freeSocket(u.RuntimeDir)
	}
	srv := sock.New(sock.Config{Address: addr, Engine: in.reg, Prompt: u.CLIPrompt, Banner: banner(u),
		HistoryLimit: u.CLIHistoryLimit, LineMode: u.CLILineMode, Log: in.log})
	if err := in.reg.Add(srv.Commands()...); err != nil {
		return err
	}
	if err := srv.Start(); err != nil {
		return fmt.Errorf("cli-listen %s: %w", addr, err)
	}
	in.undo = append(in.undo, func() { _ = srv.Close() })
	return nil
}

// freeSocket is the default path of the command line's socket in a runtime directory,
// or, when another instance has it, the next that is free.
func freeSocket(dir string) string {
	first := filepath.Join(dir, "cli.sock")
	path := first
	for n := 2; n < 100 && errors.Is(sock.Reclaim(path), sock.ErrInUse); n++ {
		path = filepath.Join(dir, fmt.Sprintf("cli-%d.sock", n))
	}
	if path != first {
		fmt.Fprintf(os.Stderr, "vpphost: %s is another instance's; vppctl -s %s reaches this one\n", first, path)
	}
	return path
}

func randomSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.NativeEndian.Uint64(b[:])
}
