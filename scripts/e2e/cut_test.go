package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// alone starts an instance that has an address and no wire, with the echo server.
func alone(t *testing.T, conf string) *instance {
	t.Helper()
	i := start(t, "vpp", func(i *instance) { i.conf = conf })
	i.ctl("create loopback interface")
	i.ctl("set interface state loop0 up")
	i.ctl("set interface ip address loop0 6.0.1.1/24")
	i.ctl("set interface ip address loop0 fd00:6::1/64")
	i.ctl("test echo server uri tcp://0.0.0.0/1234")
	return i
}

// nothingHeld is what "show segment-manager verbose" says of a worker without FIFOs.
var nothingHeld = regexp.MustCompile(`chunks 0 refused \d+\n\s+fifos 0 of `)

// atRest waits until only the echo server's two listeners are left, and no FIFO.
func atRest(t *testing.T, i *instance) {
	t.Helper()
	eventually(t, "sessions and FIFOs go", func() bool {
		s, m := i.ctl("show session"), i.ctl("show segment-manager verbose")
		return strings.Contains(s, "Thread 0: 2 sessions") && !strings.Contains(s, "Thread 1: 2") &&
			len(nothingHeld.FindAllString(m, -1)) == strings.Count(m, "chunks ")
	})
}

// TestCutThrough: a client and a server of one instance, with one worker and with two.
func TestCutThrough(t *testing.T) {
	for name, conf := range map[string]string{"one worker": "", "two workers": "cpu { workers 2 }"} {
		t.Run(name, func(t *testing.T) {
			i := alone(t, conf)
			const client = "test echo client uri tcp://6.0.1.1/1234 local-scope "
			for _, c := range []struct {
				args  string
				total float64
			}{
				{"bytes 10g", 10 << 30},
				{"bytes 100m echo-bytes test-bytes", 100 << 20},
				{"bytes 1m test-bytes fifo-size 4k", 1 << 20},
				{"nclients 1000 bytes 100k echo-bytes test-bytes", 1000 * 100 << 10},
				{"nclients 10000 bytes 1 fifo-size 4k", 10000},
			} {
				objs := i.json(time.Minute, client+c.args)
				if tx, peer := field(t, objs, "tx"), field(t, objs, "peerReceived"); tx != c.total || peer != c.total {
					t.Errorf("%s: %.0f bytes sent and %.0f received, want %.0f", c.args, tx, peer, c.total)
				}
			}
			for addr, words := range map[string]string{
				"6.0.1.1/1234":   "all-scope",
				"127.0.0.1/1234": "local-scope",
			} {
				i.ctl("vperf client uri tcp://" + addr + " bytes 1m " + words)
			}
			if out, e, status := i.run("vperf client uri tcp://6.0.1.2/1234 local-scope"); status != 1 || !strings.Contains(e, "scope not supported") {
				t.Errorf("somebody else's address: %d %s%s", status, out, e)
			}
			atRest(t, i)
			// No packet was made of all that.
			if out := i.ctl("show errors"); strings.Contains(out, "tcp4-output") {
				t.Errorf("packets were sent:\n%s", out)
			}
		})
	}
}

// TestCutThroughEnds: clients that are killed, a server that is stopped, the session
// layer disabled in the middle of transfers.
func TestCutThroughEnds(t *testing.T) {
	i := alone(t, "cpu { workers 2 }")
	const args = "test echo client uri tcp://6.0.1.1/1234 local-scope nclients 4 run-time 60 echo-bytes throughput 100m"
	begin := func() (wait func() (string, int), c *exec.Cmd) {
		c = exec.Command(filepath.Join(bin, "vppctl"), append([]string{"-s", i.sock()}, strings.Fields(args)...)...)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill() })
		eventually(t, "the client runs", func() bool {
			return strings.Count(i.ctl("show session verbose"), "][CT:T] 6.0.1.1:0->6.0.1.1:1235") == 4
		})
		return func() (string, int) {
			done := make(chan struct{})
			go func() { _ = c.Wait(); close(done) }()
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Fatal("the client does not end")
			}
			return out.String(), c.ProcessState.ExitCode()
		}, c
	}
	show := i.ctl
	wait, c := begin()
	if out := show("show session verbose"); strings.Count(out, "][CT:T] 6.0.1.1:1235->6.0.1.1:0") != 4 || !strings.Contains(out, "[1:") {
		t.Errorf("the servers' ends are not shown:\n%s", out)
	}
	if out := show("show session verbose 2 proto ct"); !strings.Contains(out, " peer session: ") {
		t.Errorf("nothing is known of the ends:\n%s", out)
	}
	_ = c.Process.Signal(os.Interrupt)
	if out, status := wait(); status == 0 || !strings.Contains(out, "bytes/second") {
		t.Errorf("Ctrl-C: %d %s", status, out)
	}
	atRest(t, i)

	wait, c = begin()
	_ = c.Process.Kill()
	_, _ = wait()
	atRest(t, i)

	wait, _ = begin()
	show("test echo server stop")
	if out, status := wait(); status != 1 || !strings.Contains(out, "reset") {
		t.Errorf("the server stops: %d %s", status, out)
	}
	show("test echo server uri tcp://0.0.0.0/1234 local-scope")
	if out, e, status := i.run("test echo client uri tcp://6.0.1.1/1234 bytes 1"); status != 1 || !strings.Contains(e, "refused") {
		t.Errorf("a client from the network met a local server: %d %s%s", status, out, e)
	}
	atRest(t, i)

	wait, _ = begin()
	show("session disable")
	if out, status := wait(); status != 1 {
		t.Errorf("the session layer is disabled: %d %s", status, out)
	}
	// Without local scope all goes through the network layer.
	show("session enable")
	show("test echo server uri tcp://0.0.0.0/1234")
	show("test echo client uri tcp://6.0.1.1/1234 bytes 10m echo-bytes test-bytes")
	if out := show("show errors"); !strings.Contains(out, "tcp4-output") {
		t.Errorf("no packet was sent:\n%s", out)
	}
}
