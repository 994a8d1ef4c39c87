package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKernelUDP: datagrams of all sizes, fragments among them, between the real program and
// socat; ports where nobody listens; either end as the client.
func TestKernelUDP(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(t *testing.T) (*instance, string)
	}{
		{"veth", func(t *testing.T) (*instance, string) { return veth(t, "", "") }},
		{"veth without offload", func(t *testing.T) (*instance, string) { return veth(t, "cksum-gso-disable", "tx off gro off") }},
		{"tap", func(t *testing.T) (*instance, string) { return tap(t) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			us, kernel := tc.make(t)
			us.ctl("test echo server raw uri udp://0.0.0.0/7")
			for _, n := range []int{1, 1472, 1473, 9000, 65507} {
				echoedBySocat(t, kernel, "UDP4:10.77.0.1:7", n)
			}
			us.ctl("test echo server stop")
			us.ctl("test echo server raw uri udp://[::]/7")
			for _, n := range []int{1, 1452, 1453, 65507} {
				echoedBySocat(t, kernel, "UDP6:[fd00:77::1]:7", n)
			}
			us.ctl("test echo server stop")

			// They refuse, and are refused.
			for _, to := range []string{"UDP4:10.77.0.1:7", "UDP6:[fd00:77::1]:7"} {
				c := exec.Command("timeout", "10", "ip", "netns", "exec", kernel, "socat", "-t3", "-", to)
				c.Stdin = strings.NewReader("is anybody there")
				if out, _ := c.CombinedOutput(); !strings.Contains(string(out), "Connection refused") {
					t.Errorf("%s: the kernel hears %q", to, out)
				}
			}
			if out := us.ctl("show errors"); !strings.Contains(out, "No listener for dst port") {
				t.Errorf("not counted:\n%s", out)
			}

			_, serve := in(t, kernel, peer(), "dgrams", "10.77.0.2:9")
			expectLine(t, serve, "listening")
			out := us.ctlFor(time.Minute, "test echo client raw uri udp://10.77.0.2/9 bytes 100k throughput 20m echo-bytes test-bytes") // what a socket holds
			if !strings.Contains(out, "lost 0 datagrams") {
				t.Error(out)
			}
			if out := us.ctl("show udp"); !strings.Contains(out, "datagrams received") {
				t.Error(out)
			}
		})
	}
}

// echoedBySocat sends one datagram of n bytes and wants it back.
func echoedBySocat(t *testing.T, kernel, to string, n int) {
	t.Helper()
	want := make([]byte, n)
	for i := range want {
		want[i] = byte(i*7 + i>>8 + n)
	}
	file := filepath.Join(t.TempDir(), "dgram")
	if err := os.WriteFile(file, want, 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("timeout", "10", "ip", "netns", "exec", kernel, "sh", "-c", fmt.Sprintf("socat -t 1 -b 65507 - %s < %s", to, file))
	got, err := c.Output()
	if err != nil || string(got) != string(want) {
		t.Errorf("%s: of %d bytes %d came back, %v", to, n, len(got), err)
	}
}
