package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// wire is two network namespaces joined by veth.
type wire struct {
	ns  [2]string
	dev [2]string
}

var wires int // made so far, for their names

func newWire() (*wire, error) {
	wires++
	id := fmt.Sprintf("vb%d-%d", os.Getpid()%1000000, wires)
	w := &wire{}
	for i := range 2 {
		w.ns[i], w.dev[i] = fmt.Sprintf("%s-%d", id, i), fmt.Sprintf("%s%c", id, 'a'+i)
	}
	steps := []string{
		"ip netns add " + w.ns[0], "ip netns add " + w.ns[1],
		// Without IPv6 nothing is sent but by the tests.
		"ip netns exec " + w.ns[0] + " sysctl -qw net.ipv6.conf.default.disable_ipv6=1",
		"ip netns exec " + w.ns[1] + " sysctl -qw net.ipv6.conf.default.disable_ipv6=1",
		"ip link add " + w.dev[0] + " netns " + w.ns[0] + " type veth peer name " + w.dev[1] + " netns " + w.ns[1],
		"ip -n " + w.ns[0] + " link set " + w.dev[0] + " up", "ip -n " + w.ns[1] + " link set " + w.dev[1] + " up",
	}
	if err := shell(steps...); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// offload switches segmentation and receive offloads of both ends; without them,
// checksums too are completed by who sends.
func (w *wire) offload(words string) error {
	for i := range 2 {
		if err := shell(fmt.Sprintf("ip netns exec %s ethtool -K %s %s", w.ns[i], w.dev[i], words)); err != nil {
			return err
		}
	}
	return nil
}

func (w *wire) setMTU(mtu int) error {
	for i := range 2 {
		if err := shell(fmt.Sprintf("ip -n %s link set %s mtu %d", w.ns[i], w.dev[i], mtu)); err != nil {
			return err
		}
	}
	return nil
}

// close deletes the namespaces, and the interfaces with them.
func (w *wire) close() {
	for _, ns := range w.ns {
		_ = exec.Command("ip", "netns", "del", ns).Run()
	}
}

// shell runs commands whose words hold no blanks.
func shell(lines ...string) error {
	for _, line := range lines {
		f := strings.Fields(line)
		if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
