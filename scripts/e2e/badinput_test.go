package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func repoRoot(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Each bad line is answered by one line that names what is wrong, with the status that
// scripts rely on, and changes nothing.
func TestBadInput(t *testing.T) {
	vpp1, vpp2 := memifPair(t)
	vpp1.ctl("test echo server uri tcp://0.0.0.0/1234")
	before := vpp1.ctl("show interface addr") + vpp1.ctl("show session verbose") + vpp1.ctl("show ip fib")
	for _, c := range []struct {
		line   string
		want   string // in the answer
		status int
	}{
		{"frobnicate now", "unknown input `frobnicate now'", 2},
		{"show frobnicate", "show: unknown input `frobnicate'", 2},
		{"show session verb 2", "verb 2", 2},
		{"s", "ambiguous", 2},
		{"set interface state nosuch up", "nosuch", 2},
		{"set interface state memif0/0 sideways", "sideways", 2},
		{"set interface ip address memif0/0 6.0.1.300/24", "6.0.1.300/24", 2},
		{"set interface ip address memif0/0 6.0.1.1/33", "6.0.1.1/33", 2},
		{"set interface mtu 10 memif0/0", "10", -1},
		{"set interface mac address memif0/0 zz:00", "zz:00", 2},
		{"create interface memif id 0 master", "memif0/0", -1},
		{"create interface memif id nine", "nine", 2},
		{"create interface memif id 5 ring-size 1000", "1000", -1},
		{"create host-interface name nosuch0", "nosuch0", -1},
		{"delete interface memif memif0/9", "memif0/9", -1},
		{"ip route add 10.0.0.0/33 via 6.0.1.2", "10.0.0.0/33", 2},
		{"ip route add 10.0.0.0/8 via nowhere", "nowhere", 2},
		{"ip route del 10.99.0.0/16", "10.99.0.0/16", -1},
		{"ping 300.0.0.1", "300.0.0.1", 2},
		{"ping 6.0.1.2 repeat many", "many", 2},
		{"test echo server uri tcp://0.0.0.0/1234", "already running", 1},
		{"test echo client uri tcp://6.0.1.2/99999", "99999", 2},
		{"test echo client uri tcp://example.org/80", "example.org", 2},
		{"test echo client uri xyz://6.0.1.2/80", "xyz", 2},
		{"test echo client uri tcp://6.0.1.2/80 bogus 3", "bogus 3", 2},
		{"test echo client uri tcp://6.0.1.2/4321 bytes 1", "refused", 1},
		{"test echo client uri tcp://9.9.9.9/4321 bytes 1", "no route", 1},
		{"test echo client run-time 3 bytes 5", "timed run", 2},
		{"http client", "URI not defined", 2},
		{"http client uri http://example.org/", "example.org", 2},
		{"http client uri https://6.0.1.2/", "tls", 2},
		{"http client uri http://6.0.1.2/ post", "data not defined", 2},
		{"http client uri http://6.0.1.2/ save-to ../x", "../x", 2},
		{"http client uri http://6.0.1.2:4321/", "failed to connect: refused", 1},
		{"http client uri http://6.0.1.2:4321/ repeat 10 sessions 3", "failed to connect: refused", 1},
		{"http cli client uri http://9.9.9.9/show/version", "no route", 1},
		{"trace add nosuch-input 5", "nosuch-input", -1},
		{"exec /nonexistent", "/nonexistent", 1},
		{"wait forever", "forever", 2},
	} {
		out, errText, status := vpp1.run(c.line)
		all := strings.TrimSpace(out + errText)
		lines := strings.Count(all, "\n") + 1
		if strings.HasPrefix(c.line, "test echo client") {
			lines = 1 // VPP's "test failed" goes before the error
		}
		if lines != 1 || !strings.Contains(all, c.want) {
			t.Errorf("%s\nprints %q\nwant one line with %q", c.line, all, c.want)
		}
		if c.status >= 0 && status != c.status || c.status < 0 && status != 1 && status != 2 {
			t.Errorf("%s\nexit status %d, want %d", c.line, status, c.status)
		}
	}
	after := vpp1.ctl("show interface addr") + vpp1.ctl("show session verbose") + vpp1.ctl("show ip fib")
	if before != after {
		t.Errorf("bad input changed something:\n%s\nbefore:\n%s", after, before)
	}
	// A second listener on the same port of another instance's address is its own affair;
	// on the same instance it is refused by name.
	if _, errText, status := vpp2.run("test echo server uri tcp://7.7.7.7/70000"); status != 2 || !strings.Contains(errText, "70000") {
		t.Errorf("port 70000: status %d, %q", status, errText)
	}
}

func TestBadConfig(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ text, want string }{
		{"unix { nodaemon", "1:"},
		{"unix { nodaemon }\nfrob { x }\n", "2:1"},
		{"unix {\n  nodaemon\n  frobnicate 3\n}\n", "3:3"},
		{"cpu { corelist-workers x-y }\n", "x-y"},
		{"tcp { cc-algo vegas }\n", "vegas"},
		{"session { min-src-port 70000 }\n", "70000"},
	} {
		path := filepath.Join(dir, "startup.conf")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(filepath.Join(bin, "vpphost"), "--check-config", "-c", path).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) || !strings.Contains(string(out), "startup.conf") {
			t.Errorf("%q:\nprints %q, %v; want an error with %q", c.text, out, err, c.want)
		}
		if n := strings.Count(strings.TrimSpace(string(out)), "\n"); n != 0 {
			t.Errorf("%q: more than one line: %q", c.text, out)
		}
	}
	if out, err := exec.Command(filepath.Join(bin, "vpphost"), "--check-config", "-c", repoRoot(t)+"/startup.conf").CombinedOutput(); err != nil {
		t.Errorf("our own startup.conf: %v: %s", err, out)
	}
}
