package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// kernelPair is two network namespaces joined by veth, each used by a process on its
// own core.
type kernelPair struct {
	ns    [2]string
	dev   [2]string
	cpu   [2]int
	cc    string // congestion controller in use
	srv   *exec.Cmd
	sinks *exec.Cmd
}

const (
	kernelServer = "10.210.77.1"
	kernelClient = "10.210.77.2"
	connectPort  = "5299"
)

func newKernelPair(cpu [2]int) (*kernelPair, error) {
	id := fmt.Sprintf("vb%d", os.Getpid()%100000)
	k := &kernelPair{cpu: cpu}
	for i := range 2 {
		k.ns[i] = fmt.Sprintf("%s-%d", id, i)
		k.dev[i] = fmt.Sprintf("%s%c", id, 'a'+i)
	}
	steps := []string{
		"ip netns add " + k.ns[0], "ip netns add " + k.ns[1],
		"ip link add " + k.dev[0] + " netns " + k.ns[0] + " type veth peer name " + k.dev[1] + " netns " + k.ns[1],
		"ip -n " + k.ns[0] + " addr add " + kernelServer + "/24 dev " + k.dev[0],
		"ip -n " + k.ns[1] + " addr add " + kernelClient + "/24 dev " + k.dev[1],
		"ip -n " + k.ns[0] + " link set " + k.dev[0] + " up", "ip -n " + k.ns[1] + " link set " + k.dev[1] + " up",
		"ip -n " + k.ns[0] + " link set lo up", "ip -n " + k.ns[1] + " link set lo up",
	}
	for _, s := range steps {
		if err := run(s); err != nil {
			k.close()
			return nil, err
		}
	}
	out, _ := exec.Command("ip", "netns", "exec", k.ns[1], "sysctl", "-n", "net.ipv4.tcp_congestion_control").Output()
	k.cc = strings.TrimSpace(string(out))
	var err error
	if k.srv, err = k.start(0, "iperf3", "-s", "-4"); err == nil {
		self, _ := os.Executable()
		k.sinks, err = k.start(0, self, "sink", kernelServer+":"+connectPort)
	}
	if err != nil {
		k.close()
		return nil, err
	}
	time.Sleep(300 * time.Millisecond)
	return k, nil
}

// command is a command in namespace i, on that side's core.
func (k *kernelPair) command(i int, args ...string) *exec.Cmd {
	full := append([]string{"netns", "exec", k.ns[i], "taskset", "-c", fmt.Sprint(k.cpu[i])}, args...)
	return exec.Command("ip", full...)
}

func (k *kernelPair) start(i int, args ...string) (*exec.Cmd, error) {
	c := k.command(i, args...)
	return c, c.Start()
}

// offload switches segmentation and receive offloads of both ends.
func (k *kernelPair) offload(on bool) error {
	word := "off"
	if on {
		word = "on"
	}
	for i := range 2 {
		err := run(fmt.Sprintf("ip netns exec %s ethtool -K %s tso %s gso %s gro %s", k.ns[i], k.dev[i], word, word, word))
		if err != nil {
			return err
		}
	}
	return nil
}

// iperf runs iperf3 from namespace i and returns received bits per second; of one direction when both
// are in use.
func (k *kernelPair) iperf(i, seconds int, args ...string) (float64, error) {
	full := append([]string{"iperf3", "-4", "-J", "-c", kernelServer, "-t", fmt.Sprint(seconds)}, args...)
	out, err := k.command(i, full...).Output()
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
	if jerr := json.Unmarshal(out, &r); jerr != nil {
		return 0, fmt.Errorf("iperf3: %w", errors.Join(err, jerr))
	}
	if r.Error != "" {
		return 0, errors.New("iperf3: " + r.Error)
	}
	bps := r.End.Received.Bps
	if r.End.Reverse != nil {
		bps = min(bps, r.End.Reverse.Bps)
	}
	return bps, nil
}

// connects opens n connections from the client namespace and returns how many a second.
func (k *kernelPair) connects(n int) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	out, err := k.command(1, self, "connect", kernelServer+":"+connectPort, fmt.Sprint(n)).Output()
	if err != nil {
		return 0, err
	}
	var v float64
	_, err = fmt.Sscan(string(out), &v)
	return v, err
}

func (k *kernelPair) close() {
	for _, c := range []*exec.Cmd{k.srv, k.sinks} {
		if c != nil && c.Process != nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}
	for _, ns := range k.ns {
		_ = exec.Command("ip", "netns", "del", ns).Run()
	}
}

func run(line string) error {
	f := strings.Fields(line)
	if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}
