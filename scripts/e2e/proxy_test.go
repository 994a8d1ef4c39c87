package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// proxyChain is two proxies in a row, with a kernel at each end:
//
//	client 10.78.0.2 ──veth── p1 ──memif── p2 ──veth── 10.79.0.2 server
//
// What the client sends to 10.78.0.1 goes to the server, on the ports that serve names.
func proxyChain(t *testing.T) (p1, p2 *instance, client, server string) {
	t.Helper()
	needKernel(t)
	sock := filepath.Join(t.TempDir(), "memif.sock")
	side := func(name string, n int, role string) (*instance, string) {
		ours, theirs := namespace(t), namespace(t)
		a, b := "va"+ours[2:], "vb"+ours[2:]
		sh(t, "ip link add "+a+" netns "+ours+" type veth peer name "+b+" netns "+theirs)
		sh(t, "ip -n "+ours+" link set "+a+" up")
		sh(t, fmt.Sprintf("ip -n %s addr add 10.%d.0.2/24 dev %s", theirs, 77+n, b))
		sh(t, "ip -n "+theirs+" link set "+b+" up")
		i := start(t, name, withNS(ours), withMemif(sock))
		setupMemif(i, n, role)
		i.ctl("create host-interface name " + a)
		i.ctl("set interface state host-" + a + " up")
		i.ctl(fmt.Sprintf("set interface ip address host-%s 10.%d.0.1/24", a, 77+n))
		return i, theirs
	}
	p1, client = side("p1", 1, "master")
	p2, server = side("p2", 2, "slave")
	waitPing(t, p1, "6.0.1.2")
	waitPing(t, p1, "10.78.0.2")
	waitPing(t, p2, "10.79.0.2")
	return p1, p2, client, server
}

// serveChain has port passed through both proxies.
func serveChain(p1, p2 *instance, proto string, port int) {
	p1.t.Helper()
	p1.ctl(fmt.Sprintf("test proxy server server-uri %s://0.0.0.0/%d client-uri %s://6.0.1.2/%d", proto, port, proto, port))
	p2.ctl(fmt.Sprintf("test proxy server server-uri %s://0.0.0.0/%d client-uri %s://10.79.0.2/%d", proto, port, proto, port))
}

// TestProxyChain: a web server's file of 1 GB, an echo of 1 GB and iperf3 through two proxies
// in a row, with the kernel's sockets at both ends.
func TestProxyChain(t *testing.T) {
	p1, p2, client, server := proxyChain(t)
	for _, port := range []int{80, 9, 7, 5201} {
		serveChain(p1, p2, "tcp", port)
	}

	// Nobody listens behind the chain: the reset comes through at once.
	begin := time.Now()
	out := runIn(t, client, "sh", "-c", "curl -sS -m 20 http://10.78.0.1/ 2>&1; echo status $?")
	if !strings.Contains(out, "status 56") && !strings.Contains(out, "status 52") || time.Since(begin) > 10*time.Second {
		t.Errorf("no upstream: %s in %v", out, time.Since(begin))
	}

	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	makeFile(t, file, fileSize)
	want, _, _ := strings.Cut(sh(t, "sha256sum "+file), " ")
	nginx(t, server, "listen 10.79.0.2:80; root "+dir+";")
	eventually(t, "nginx", func() bool {
		return strings.Contains(runIn(t, client, "sh", "-c", "curl -sS -o /dev/null -w %{http_code} http://10.78.0.1/none 2>&1; true"), "404")
	})
	begin = time.Now()
	got := strings.Fields(runIn(t, client, "sh", "-c", "curl -sS http://10.78.0.1/file | sha256sum"))[0]
	if got != want {
		t.Errorf("curl through two proxies: sha256 %s, not %s", got, want)
	}
	t.Logf("1 GB from nginx through two proxies, hashed: %.2f Gb/s", fileSize*8e-9/time.Since(begin).Seconds())

	// Upload, with the end of the stream as the end of the file.
	const part = fileSize / 4
	if err := os.Truncate(file, part); err != nil {
		t.Fatal(err)
	}
	want, _, _ = strings.Cut(sh(t, "sha256sum "+file), " ")
	into := filepath.Join(dir, "into")
	in(t, server, "socat", "-u", "TCP-LISTEN:9,bind=10.79.0.2,reuseaddr", "CREATE:"+into)
	time.Sleep(300 * time.Millisecond)
	runIn(t, client, "socat", "-u", "FILE:"+file, "TCP:10.78.0.1:9")
	eventually(t, "the upload", func() bool { s, err := os.Stat(into); return err == nil && s.Size() == part })
	if got, _, _ := strings.Cut(sh(t, "sha256sum "+into), " "); got != want {
		t.Errorf("socat through two proxies: sha256 %s, not %s", got, want)
	}

	// Both ways at once, and each connection's half-close.
	_, echo := in(t, server, peer(), "serve", "10.79.0.2:7")
	expectLine(t, echo, "listening")
	runIn(t, client, peer(), "echo", "10.78.0.1:7", strconv.Itoa(fileSize/8))
	out = runIn(t, client, "sh", "-c", "seq 1 200000 | socat -t 30 - TCP:10.78.0.1:7 | sha256sum; seq 1 200000 | sha256sum")
	if l := strings.Split(strings.TrimSpace(out), "\n"); len(l) != 2 || l[0] != l[1] {
		t.Errorf("socat: what went and what came differ: %s", out)
	}

	in(t, server, "iperf3", "-s", "-B", "10.79.0.2")
	time.Sleep(300 * time.Millisecond)
	for _, more := range []string{"", "-R -P 8", "--bidir"} {
		args := append([]string{"iperf3", "-c", "10.78.0.1", "-t", "2", "-f", "g"}, strings.Fields(more)...)
		out := runIn(t, client, args...)
		t.Logf("iperf3 %s:\n%s", more, lastLines(out, "receiver"))
	}
	for _, p := range []*instance{p1, p2} {
		text := p.ctl("show test proxy")
		if strings.Contains(text, "timed out") || !strings.Contains(text, "closed") {
			t.Error(text)
		}
		eventually(t, "the end of all flows", func() bool {
			return !strings.Contains(strings.ReplaceAll(p.ctl("show test proxy"), "flows: 0 open, 0 connecting, 0 closing;", ""), " open, ")
		})
		p.ctl("test proxy server stop")
		if out, _, status := p.run("test proxy server stop"); status != 1 {
			t.Errorf("stopped twice: %s", out)
		}
	}
}

// lastLines are the lines of text that contain a word.
func lastLines(text, word string) string {
	var lines []string
	for _, l := range strings.Split(text, "\n") {
		if strings.Contains(l, word) {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}

// TestProxyScript runs scripts/proxy.cli, the example that ships, with nginx behind one of
// its routes and one of the two upstreams of the other; and the routes of startup.conf.
func TestProxyScript(t *testing.T) {
	needKernel(t)
	ns, dir := namespace(t), t.TempDir()
	vpp := start(t, "vpp", withNS(ns), func(i *instance) {
		i.conf = "test-proxy { server-uri tcp://0.0.0.0/8000 client-uri tcp://6.0.2.2/80 }"
	})
	out := vpp.ctl("exec " + filepath.Join(repoRoot(t), "scripts", "proxy.cli"))
	for _, want := range []string{"[1] tcp://0.0.0.0:8000 -> ", "[2] tcp://0.0.0.0:80 -> tcp://6.0.2.2:80", "[3] tcp://0.0.0.0:8080 -> "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	makeFile(t, filepath.Join(dir, "file"), 1<<20)
	// The kernel owns both ends, and would go from one to the other by itself, but for the
	// address: clients use the proxy's.
	nginx(t, ns, "listen 6.0.2.2:80; root "+dir+";")
	in(t, ns, "socat", "TCP-LISTEN:8081,bind=6.0.2.2,fork,reuseaddr", "TCP:6.0.2.2:80")
	waitPing(t, vpp, "6.0.2.2")
	want := strings.Fields(sh(t, "sha256sum "+filepath.Join(dir, "file")))[0]
	for _, port := range []string{"80", "8080", "8000", "8080"} {
		eventually(t, "port "+port, func() bool {
			return strings.Contains(runIn(t, ns, "sh", "-c", "curl -sS http://6.0.1.1:"+port+"/file 2>&1 | sha256sum"), want)
		})
	}
	if out := vpp.ctl("show test proxy"); !strings.Contains(out, "upstream tcp://6.0.2.2:8080: 0 connected") || !strings.Contains(out, "upstream tcp://6.0.2.2:8081: 2 connected, 0 failed") {
		t.Error(out)
	}
	if objs := vpp.json(time.Minute, "show test proxy verbose"); len(objs) != 1 || len(objs[0]["routes"].([]any)) != 3 {
		t.Errorf("%v", objs)
	}
}

// TestProxyDatagrams: UDP through two proxies in a row: socat, iperf3, and dig with dnsmasq
// behind.
func TestProxyDatagrams(t *testing.T) {
	p1, p2, client, server := proxyChain(t)
	serveChain(p1, p2, "tcp", 5201)
	for _, port := range []int{5201, 9, 53} {
		serveChain(p1, p2, "udp", port)
	}

	in(t, server, "socat", "-b", "65535", "UDP4-RECVFROM:9,bind=10.79.0.2,fork,reuseaddr", "EXEC:cat")
	for _, size := range []int{1, 1400, 9000, 60000} {
		eventually(t, fmt.Sprintf("%d bytes", size), func() bool {
			out := runIn(t, client, "sh", "-c", fmt.Sprintf("head -c %d /dev/zero | socat -b 65535 -t 1 - UDP4:10.78.0.1:9 | wc -c", size))
			return strings.TrimSpace(out) == strconv.Itoa(size)
		})
	}

	in(t, server, "dnsmasq", "-k", "--conf-file=/dev/null", "--pid-file=", "--no-resolv", "--no-hosts", "--user=root",
		"--bind-interfaces", "--listen-address=10.79.0.2", "--address=/proxy.test/192.0.2.7")
	eventually(t, "dig", func() bool {
		return strings.Contains(runIn(t, client, "sh", "-c", "dig +time=1 +tries=1 +short proxy.test @10.78.0.1 2>&1; true"), "192.0.2.7")
	})

	in(t, server, "iperf3", "-s", "-B", "10.79.0.2")
	time.Sleep(300 * time.Millisecond)
	for _, more := range []string{"-b 200M", "-b 200M -R", "-b 2G -l 1400"} {
		args := append([]string{"iperf3", "-u", "-c", "10.78.0.1", "-t", "2", "-f", "m"}, strings.Fields(more)...)
		t.Logf("iperf3 -u %s:\n%s", more, lastLines(runIn(t, client, args...), "receiver"))
	}
	for _, p := range []*instance{p1, p2} {
		if text := p.ctl("show test proxy verbose"); !strings.Contains(text, "udp://0.0.0.0:53") {
			t.Error(text)
		}
		p.ctl("test proxy server stop")
	}
}
