package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var nsSerial atomic.Int32

// needKernel leaves a test out where scripts/test.sh has said that it cannot run.
func needKernel(t *testing.T) {
	t.Helper()
	if os.Getenv("VPPHOST_NO_KERNEL") != "" {
		t.Skip("VPPHOST_NO_KERNEL is set: no root or no namespaces here")
	}
}

// namespace makes a network namespace that goes away with the test.
func namespace(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("ve%d-%d", os.Getpid(), nsSerial.Add(1))
	sh(t, "ip netns add "+name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	sh(t, "ip -n "+name+" link set lo up")
	return name
}

func sh(t *testing.T, line string) string {
	t.Helper()
	f := strings.Fields(line)
	out, err := exec.Command(f[0], f[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// veth joins an instance in one namespace, by af_packet, with the kernel in another:
// 10.77.0.1 and fd00:77::1 are ours, .2 and ::2 the kernel's. create are option words of
// create host-interface, ethtool what to change at the kernel's end, "" for nothing.
func veth(t *testing.T, create, ethtool string, opts ...func(*instance)) (us *instance, kernel string) {
	t.Helper()
	needKernel(t)
	ours, theirs := namespace(t), namespace(t)
	a, b := "va"+ours[2:], "vb"+ours[2:]
	sh(t, "ip link add "+a+" netns "+ours+" type veth peer name "+b+" netns "+theirs)
	if ethtool != "" {
		sh(t, "ip netns exec "+theirs+" ethtool -K "+b+" "+ethtool)
	}
	sh(t, "ip -n "+ours+" link set "+a+" up")
	sh(t, "ip -n "+theirs+" addr add 10.77.0.2/24 dev "+b)
	sh(t, "ip -n "+theirs+" addr add fd00:77::2/64 dev "+b+" nodad")
	sh(t, "ip -n "+theirs+" link set "+b+" up")
	us = start(t, "vpp", append(opts, withNS(ours))...)
	us.ctl("create host-interface name " + a + " " + create)
	us.ctl("set interface state host-" + a + " up")
	us.ctl("set interface ip address host-" + a + " 10.77.0.1/24")
	us.ctl("set interface ip address host-" + a + " fd00:77::1/64")
	waitPing(t, us, "10.77.0.2")
	waitPing(t, us, "fd00:77::2")
	return us, theirs
}

// tap joins an instance with the kernel of a namespace by a tap device.
func tap(t *testing.T, opts ...func(*instance)) (us *instance, kernel string) {
	t.Helper()
	needKernel(t)
	ns := namespace(t)
	us = start(t, "vpp", append(opts, withNS(ns))...)
	us.ctl("create tap id 0 host-if-name vpptap host-ip4-addr 10.77.0.2/24 host-ip6-addr fd00:77::2/64")
	us.ctl("set interface state tap0 up")
	us.ctl("set interface ip address tap0 10.77.0.1/24")
	us.ctl("set interface ip address tap0 fd00:77::1/64")
	waitPing(t, us, "10.77.0.2")
	return us, ns
}

// in starts a program in a namespace; it ends with the test.
func in(t *testing.T, ns string, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	c := exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c, bufio.NewReader(out)
}

func peer() string { return filepath.Join(bin, "peer") }

// runIn runs a program in a namespace to its end and returns what it prints.
func runIn(t *testing.T, ns string, args ...string) string {
	t.Helper()
	out, err := exec.Command("timeout", append([]string{"120", "ip", "netns", "exec", ns}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

const fileSize = 1 << 30

// exchange sends size bytes each way, with the kernel as client and as server, and
// compares SHA-256.
func exchange(t *testing.T, us *instance, kernel string, size int) {
	us.ctl("test echo server raw uri tcp://0.0.0.0/7")
	runIn(t, kernel, peer(), "echo", "10.77.0.1:7", fmt.Sprint(size))

	// socat is a second client program: small, and with a half-close.
	out := runIn(t, kernel, "sh", "-c", "seq 1 200000 | socat -t 30 - TCP:10.77.0.1:7 | sha256sum; seq 1 200000 | sha256sum")
	if l := strings.Split(strings.TrimSpace(out), "\n"); len(l) != 2 || l[0] != l[1] {
		t.Errorf("socat: what went and what came differ: %s", out)
	}
	us.ctl("test echo server stop")

	_, sink := in(t, kernel, peer(), "sink", "10.77.0.2:9")
	expectLine(t, sink, "listening")
	us.ctlFor(2*time.Minute, fmt.Sprintf("test echo client raw uri tcp://10.77.0.2/9 bytes %d test-timeout 110", size))
	want := strings.TrimSpace(runIn(t, kernel, peer(), "hash", fmt.Sprint(size)))
	expectLine(t, sink, fmt.Sprintf("%d %s <nil>", size, want))

	_, serve := in(t, kernel, peer(), "serve", "10.77.0.2:10")
	expectLine(t, serve, "listening")
	us.ctlFor(2*time.Minute, "test echo client raw uri tcp://10.77.0.2/10 bytes 200m echo-bytes test-bytes test-timeout 110")
	us.ctlFor(time.Minute, "test echo client raw uri tcp://10.77.0.2/10 nclients 200 bytes 10k echo-bytes test-bytes")
}

func expectLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	got, err := r.ReadString('\n')
	if strings.TrimSpace(got) != want {
		t.Fatalf("peer printed %q, %v; want %q", got, err, want)
	}
}

// TestKernelOverVeth leaves the kernel as it is: large segments and partial checksums go
// both ways.
func TestKernelOverVeth(t *testing.T) {
	us, kernel := veth(t, "", "")
	exchange(t, us, kernel, fileSize)
	us.ctl("test echo server raw uri tcp://[::]/7")
	runIn(t, kernel, peer(), "echo", "[fd00:77::1]:7", "50000000")
	hw := us.ctl("show hardware-interfaces")
	for _, large := range []string{"rx large packets: ", "tx large packets: "} {
		if _, n, ok := strings.Cut(hw, large); !ok || strings.HasPrefix(n, "0\n") {
			t.Errorf("%snone in\n%s", large, hw)
		}
	}
	for _, bad := range []string{"rx malformed", "rx unknown", "rx longer", "tx checksum", "tx refused"} {
		if strings.Contains(hw, bad) {
			t.Errorf("%s in\n%s", bad, hw)
		}
	}
}

// TestKernelWithoutOffload: the kernel's end, ours, or both do without.
func TestKernelWithoutOffload(t *testing.T) {
	for _, tc := range []struct{ name, create, ethtool string }{
		{"kernel", "", "tx off gro off"},
		{"ours", "cksum-gso-disable", ""},
		{"dpdk", "dpdk", "tx off"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			us, kernel := veth(t, tc.create, tc.ethtool)
			exchange(t, us, kernel, fileSize/8)
		})
	}
}

func TestKernelOverTap(t *testing.T) {
	us, kernel := tap(t)
	exchange(t, us, kernel, fileSize)
}

// TestCaptureIsClean lets tshark judge our packets, first with all checksums in them, then
// as they are between offloads, TCP's checksums apart.
func TestCaptureIsClean(t *testing.T) {
	t.Run("checksums", func(t *testing.T) {
		us, kernel := veth(t, "cksum-gso-disable", "tx off")
		judge(t, us, kernel, 10000, "TRUE")
	})
	t.Run("large", func(t *testing.T) {
		us, kernel := veth(t, "", "")
		judge(t, us, kernel, 500, "FALSE")
	})
}

// judge captures an exchange of more than least TCP packets.
func judge(t *testing.T, us *instance, kernel string, least int, tcpChecksums string) {
	file := filepath.Join(t.TempDir(), "capture.pcap")
	dev := strings.Fields(sh(t, "ip -n "+kernel+" -o link show type veth"))[1]
	dev, _, _ = strings.Cut(dev, "@")
	dump, _ := in(t, kernel, "tcpdump", "-i", dev, "-w", file, "-B", "65536", "-U")
	time.Sleep(time.Second)
	us.ctl("test echo server raw uri tcp://0.0.0.0/7")
	runIn(t, kernel, peer(), "echo", "10.77.0.1:7", "50000000")
	us.ctl("ping 10.77.0.2 repeat 2 interval 0.1")
	us.ctl("ping fd00:77::2 repeat 2 interval 0.1")
	_, serve := in(t, kernel, peer(), "serve", "10.77.0.2:10")
	expectLine(t, serve, "listening")
	us.ctlFor(time.Minute, "test echo client raw uri tcp://10.77.0.2/10 nclients 20 bytes 100k echo-bytes test-bytes")
	time.Sleep(time.Second)
	_ = dump.Process.Signal(os.Interrupt)
	_ = dump.Wait()
	tshark := func(filter string) string {
		out, err := exec.Command("tshark", "-r", file, "-d", "tcp.port==1-65535,data", // whatever a port is known for
			"-o", "tcp.check_checksum:"+tcpChecksums, "-o", "ip.check_checksum:TRUE",
			"-Y", filter, "-c", "2000000", "-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info").Output()
		if err != nil {
			t.Fatalf("tshark %s: %v", filter, err)
		}
		return string(out)
	}
	if n := strings.Count(tshark("tcp"), "\n"); n < least {
		t.Fatalf("the capture holds %d TCP packets only", n)
	}
	for _, bad := range []string{
		"tcp.checksum.status == 0 && tcp.checksum != 0xffff", "ip.checksum.status == 0", "icmp.checksum.status == 0", "icmpv6.checksum.status == 0",
		"_ws.malformed", "_ws.expert.severity == 8388608",
	} {
		if out := tshark(bad); out != "" {
			t.Errorf("tshark finds %q in\n%s", bad, head(out, 5))
		}
	}
}

func head(s string, n int) string {
	l := strings.SplitAfter(s, "\n")
	return strings.Join(l[:min(n, len(l))], "")
}
