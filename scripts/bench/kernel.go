package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// kernelPair is two network namespaces joined by veth, each used by processes on its own
// core.
type kernelPair struct {
	*wire
	cpu   [2]int
	cc    string // congestion controller in use
	iperf *exec.Cmd
	peer  *exec.Cmd // answers and sinks, see peer.go
	nginx *exec.Cmd // nil until a row wants it
	dir   string    // its files
	self  string
	files int // that a process may have open
}

const kernelNet = "10.210.77."

func kernelAddr(i int) string { return fmt.Sprintf("%s%d", kernelNet, i) }

func newKernelPair(cpu [2]int) (k *kernelPair, err error) {
	k = &kernelPair{cpu: cpu, files: allowFiles(1 << 20)}
	if k.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if k.wire, err = newWire(); err != nil {
		return nil, err
	}
	steps := []string{"ip -n " + k.ns[0] + " addr add " + kernelAddr(1) + "/24 dev " + k.dev[0],
		"ip -n " + k.ns[0] + " link set lo up", "ip -n " + k.ns[1] + " link set lo up"}
	for i := range maxSources { // source addresses
		steps = append(steps, fmt.Sprintf("ip -n %s addr add %s/24 dev %s", k.ns[1], kernelAddr(2+i), k.dev[1]))
	}
	// Room for many connections, and ports that may be used again in the next run.
	for _, ns := range k.ns {
		for _, set := range []string{"net.ipv4.ip_local_port_range=1024\t65535", "net.ipv4.tcp_tw_reuse=1",
			"net.core.somaxconn=65535", "net.ipv4.tcp_max_syn_backlog=65535"} {
			_ = exec.Command("ip", "netns", "exec", ns, "sysctl", "-qw", set).Run()
		}
	}
	err = shell(steps...)
	if err == nil {
		out, _ := exec.Command("ip", "netns", "exec", k.ns[1], "sysctl", "-n", "net.ipv4.tcp_congestion_control").Output()
		k.cc = strings.TrimSpace(string(out))
		k.iperf = k.command(context.Background(), 0, "iperf3", "-s", "-4")
		k.peer = k.command(context.Background(), 0, k.self, "peer", kernelAddr(1))
		err = errors.Join(k.iperf.Start(), k.peer.Start())
	}
	if err != nil {
		k.close()
		return nil, err
	}
	time.Sleep(300 * time.Millisecond)
	return k, nil
}

// command is a command in namespace i, on that side's core.
func (k *kernelPair) command(ctx context.Context, i int, args ...string) *exec.Cmd {
	full := append([]string{"netns", "exec", k.ns[i], "taskset", "-c", fmt.Sprint(k.cpu[i])}, args...)
	c := exec.CommandContext(ctx, "ip", full...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return c
}

// serveWeb starts nginx.
func (k *kernelPair) serveWeb() error {
	if k.nginx != nil {
		return nil
	}
	var root string
	var err error
	if k.dir, err = os.MkdirTemp("", "vpphost-bench-"); err == nil {
		root, err = webRoot(k.dir)
	}
	conf := filepath.Join(k.dir, "nginx.conf")
	if err == nil {
		err = os.WriteFile(conf, []byte(nginxConf(k.dir, root)), 0o600)
	}
	if err != nil {
		return err
	}
	k.nginx = k.command(context.Background(), 0, "nginx", "-c", conf)
	if err := k.nginx.Start(); err != nil {
		k.nginx = nil
		return err
	}
	time.Sleep(300 * time.Millisecond)
	return nil
}

func (k *kernelPair) close() {
	if k.dir != "" {
		_ = os.RemoveAll(k.dir)
	}
	for _, c := range []*exec.Cmd{k.iperf, k.peer, k.nginx} {
		if c != nil && c.Process != nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}
	k.wire.close()
}

// kernel is the kernel as a contender, with segmentation and receive offloads or without.
type kernel struct {
	*kernelPair
	offloads bool
}

func (k kernel) name() string {
	if k.offloads {
		return "kernel TSO"
	}
	return "kernel"
}

// close leaves the namespaces to their owner: two contenders share them.
func (k kernel) close() {}

func (k kernel) measure(ctx context.Context, r *row, seconds int) (out outcome, err error) {
	offloaded := r.kind == web || r.kind == stream && !r.check && (r.link != veth || r.large)
	if r.kind == prompt || r.kind == relay || r.kind == datagram && r.echo || k.offloads && !offloaded || !k.offloads && (r.large || r.kind == web) {
		return out, errNone
	}
	words := "tx on tso off gso off gro off"
	if k.offloads {
		words = "tx on tso on gso on gro on"
	}
	if err := errors.Join(k.setMTU(r.mtu), k.wire.offload(words)); err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errStuck)
	defer cancel()
	server := k.peer
	count := min(r.count, k.files-1000)
	var args []string
	switch r.kind {
	case stream:
		server = k.iperf
		args = []string{"iperf3", "-4", "-J", "-c", kernelAddr(1), "-t", fmt.Sprint(seconds), "-P", fmt.Sprint(r.streams)}
		if r.echo {
			args = append(args, "--bidir")
		}
	case datagram:
		server = k.iperf
		args = []string{"iperf3", "-4", "-J", "-u", "-b", "0", "-l", "1472", "-c", kernelAddr(1), "-t", fmt.Sprint(seconds)}
	case web:
		if err := k.serveWeb(); err != nil {
			return out, err
		}
		server = k.nginx
		args = wrkWords(r, seconds, r.url(kernelAddr(1)))
	case request:
		args = []string{k.self, "ask", kernelAddr(1), fmt.Sprint(r.size), fmt.Sprint(seconds)}
	case connect, idle:
		args = []string{k.self, "connect", kernelAddr(1), fmt.Sprint(count), fmt.Sprint(r.sources)}
	}
	from := 1
	if r.inside {
		from = 0
	}
	client := k.command(ctx, from, args...)
	client.Stderr = os.Stderr
	before, begin := usageOf(server.Process.Pid), time.Now()
	switch r.kind {
	case idle:
		out.values, err = k.holds(client, count)
	case web:
		client.Stderr = nil
		out.values, err = wrkRate(r, client)
	default:
		var text []byte
		text, err = client.Output()
		switch {
		case ctx.Err() != nil:
			return out, context.Cause(ctx)
		case r.kind == stream:
			out.values, err = iperfGbits(text, err)
		case r.kind == datagram:
			out.values, err = iperfDatagrams(text, err)
		case err == nil:
			out.values, err = numbers(text, len(r.figures()))
		}
	}
	if err != nil {
		return out, fmt.Errorf("%s: %w", args[0], err)
	}
	passed := time.Since(begin)
	out.cpu[0], out.waited = usageOf(server.Process.Pid).since(before, passed)
	if s := client.ProcessState; s != nil {
		out.cpu[1] = float64(s.UserTime()+s.SystemTime()) / float64(passed)
	}
	return out, nil
}

// holds measures what open connections take of the kernel's memory. The client keeps them
// until its input ends.
func (k kernel) holds(client *exec.Cmd, count int) ([]float64, error) {
	before := slab()
	in, err := client.StdinPipe()
	if err != nil {
		return nil, err
	}
	client.Args = append(client.Args, "hold")
	out, err := client.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := client.Start(); err != nil {
		return nil, err
	}
	_, _ = out.Read(make([]byte, 100)) // it has opened all, or ended
	time.Sleep(time.Second)
	grown := slab() - before
	_ = in.Close()
	_, _ = io.Copy(io.Discard, out)
	return []float64{float64(grown) / 2 / float64(count)}, client.Wait()
}

// iperfGbits reads iperf3's JSON: received bits, of the slower direction when both are in
// use.
func iperfGbits(text []byte, err error) ([]float64, error) {
	var r struct {
		Error string `json:"error"`
		End   struct {
			Received struct {
				Bps float64 `json:"bits_per_second"`
			} `json:"sum_received"`
			Reverse *struct {
				Bps float64 `json:"bits_per_second"`
			} `json:"sum_received_bidir_reverse"`
		} `json:"end"`
	}
	if jerr := json.Unmarshal(text, &r); jerr != nil {
		return nil, errors.Join(err, jerr)
	}
	if r.Error != "" {
		return nil, errors.New(r.Error)
	}
	bps := r.End.Received.Bps
	if r.End.Reverse != nil {
		bps = min(bps, r.End.Reverse.Bps)
	}
	return []float64{bps / 1e9}, nil
}

// iperfDatagrams reads the same of a test over UDP: bits that arrived, percent lost.
func iperfDatagrams(text []byte, err error) ([]float64, error) {
	var r struct {
		Error string `json:"error"`
		End   struct {
			Sum struct {
				Bps  float64 `json:"bits_per_second"`
				Lost float64 `json:"lost_percent"`
			} `json:"sum"`
		} `json:"end"`
	}
	if jerr := json.Unmarshal(text, &r); jerr != nil {
		return nil, errors.Join(err, jerr)
	}
	if r.Error != "" {
		return nil, errors.New(r.Error)
	}
	return []float64{r.End.Sum.Bps / 1e9 * (1 - r.End.Sum.Lost/100), r.End.Sum.Lost}, nil
}

// numbers reads n numbers.
func numbers(text []byte, n int) ([]float64, error) {
	v := make([]float64, n)
	to := make([]any, n)
	for i := range v {
		to[i] = &v[i]
	}
	_, err := fmt.Sscan(string(text), to...)
	return v, err
}
