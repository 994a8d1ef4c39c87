package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWikiFlow(t *testing.T) {
	vpp1, vpp2 := memifPair(t)
	out := vpp2.ctl("ping 6.0.1.1 repeat 3 interval 0.05")
	if !strings.Contains(out, "3 sent, 3 received, 0% packet loss") {
		t.Errorf("ping printed\n%s", out)
	}
	if out := vpp1.ctl("ping fd00:6::2 repeat 2 interval 0.05"); !strings.Contains(out, "2 received") {
		t.Errorf("ping over IPv6 printed\n%s", out)
	}
	vpp1.ctl("test echo server uri tcp://0.0.0.0/1234")
	for _, line := range []string{
		"test echo client uri tcp://6.0.1.1/1234 bytes 64m",
		"test echo client uri tcp://6.0.1.1:1234 bytes 64m echo-bytes",
		"test echo client uri 6.0.1.1/1234 bytes 10m test-bytes echo-bytes",
		"test echo client uri tcp://6.0.1.1/1234 fifo-size 4096 test-timeout 100 no-return mbytes 100",
		"vperf client nclients 4 bytes 2m throughput 320m uri tcp://6.0.1.1:1234",
		"vperf client uri tcp://6.0.1.1:1234 verbose echo-bytes run-time 1",
		"test echo client uri tcp://6.0.1.1/1234 request 64 nclients 3 run-time 1 test-bytes",
	} {
		out := vpp2.ctl(line)
		if !strings.Contains(out, "bytes/second") {
			t.Errorf("%s printed\n%s", line, out)
		}
	}
	vpp1.ctl("test echo server stop")
	vpp1.ctl("test echo server uri tcp://[::]/1234")
	objs := vpp2.json(time.Minute, "test echo client uri tcp://[fd00:6::1]:1234 nclients 3 bytes 10m test-bytes echo-bytes")
	if n := field(t, objs, "rx"); n != 3*10<<20 {
		t.Errorf("%.0f bytes came back over IPv6, want %d", n, 3*10<<20)
	}
}

func TestEveryByteIsCounted(t *testing.T) {
	vpp1, vpp2 := memifPair(t)
	vpp1.ctl("test echo server uri tcp://0.0.0.0/1234")
	for _, c := range []struct {
		args  string
		total float64
	}{
		{"nclients 10 bytes 100m echo-bytes", 10 * 100 << 20},
		{"nclients 1000 bytes 10k echo-bytes test-bytes", 1000 * 10 << 10},
		{"nclients 10000 bytes 1000", 10000 * 1000},
		{"nclients 50000 bytes 1 test-timeout 60", 50000},
	} {
		objs := vpp2.json(2*time.Minute, "test echo client uri tcp://6.0.1.1/1234 "+c.args)
		if n := field(t, objs, "tx"); n != c.total {
			t.Errorf("%s: %.0f bytes sent, want %.0f", c.args, n, c.total)
		}
		if n := field(t, objs, "peerReceived"); n != c.total {
			t.Errorf("%s: the server counted %.0f bytes, want %.0f", c.args, n, c.total)
		}
		if strings.Contains(c.args, "echo-bytes") {
			if n := field(t, objs, "rx"); n != c.total {
				t.Errorf("%s: %.0f bytes came back, want %.0f", c.args, n, c.total)
			}
		}
	}
	// All sessions but the listeners go away, with their buffers.
	eventually(t, "sessions close", func() bool {
		return strings.Contains(vpp1.ctl("show session"), "Thread 0: 2 sessions")
	})
}

func TestKillNine(t *testing.T) {
	for _, victim := range []int{0, 1} {
		t.Run(fmt.Sprintf("vpp%d", victim+1), func(t *testing.T) {
			vpp1, vpp2 := memifPair(t)
			pair := []*instance{vpp1, vpp2}
			dead, left := pair[victim], pair[1-victim]
			vpp1.ctl("test echo server uri tcp://0.0.0.0/1234")
			result := make(chan string, 1)
			go func() {
				out, e, status := vpp2.runFor(90*time.Second, "test echo client uri tcp://6.0.1.1/1234 run-time 4 syn-timeout 60 echo-bytes")
				result <- fmt.Sprintf("%d %s%s", status, out, e)
			}()
			time.Sleep(2 * time.Second)
			dead.kill()
			if victim == 0 {
				// The client must end by itself, when its time is up and not when a dead server
				// has not answered for the 60 seconds that it may take.
				select {
				case r := <-result:
					if strings.HasPrefix(r, "0 ") {
						t.Errorf("the client succeeded although its server died: %s", r)
					}
				case <-time.After(40 * time.Second):
					t.Fatal("the client hangs after its server died")
				}
			}
			if !left.alive() {
				t.Fatalf("the survivor died: %s", left.logText())
			}
			left.ctl("show session verbose")
			eventually(t, "link down is noticed", func() bool {
				return !strings.Contains(left.ctl("show memif"), "connected") ||
					strings.Contains(left.ctl("show memif"), "disconnected")
			})
			// The dead one comes back; nobody touches the survivor.
			dead.launch("")
			setupMemif(dead, victim+1, []string{"master", "slave"}[victim])
			if victim == 0 {
				dead.ctl("test echo server uri tcp://0.0.0.0/1234")
			}
			waitPing(t, vpp2, "6.0.1.1")
			vpp2.ctl("test echo client uri tcp://6.0.1.1/1234 bytes 100m echo-bytes test-bytes")
		})
	}
}

func TestScripts(t *testing.T) {
	sock := t.TempDir() + "/memif.sock"
	launch := func(name, script string) *instance {
		i := &instance{t: t, name: name, dir: t.TempDir(), env: []string{"VPPHOST_MEMIF_SOCKET=" + sock}}
		i.launch(script)
		t.Cleanup(i.stop)
		return i
	}
	root := repoRoot(t)
	launch("vpp1", root+"/scripts/vpp1.vpp")
	vpp2 := launch("vpp2", root+"/scripts/vpp2.vpp")
	waitPing(t, vpp2, "6.0.1.1")
	vpp2.ctl("test echo client uri tcp://6.0.1.1/1234 bytes 10m")
}

// TestEndTellsPeers: an instance that is told to end resets its sessions; nobody waits for
// it.
func TestEndTellsPeers(t *testing.T) {
	vpp1, vpp2 := memifPair(t)
	vpp1.ctl("test echo server uri tcp://0.0.0.0/1234")
	result := make(chan string, 1)
	go func() {
		out, e, _ := vpp2.runFor(90*time.Second, "test echo client uri tcp://6.0.1.1/1234 run-time 60 throughput 10m")
		result <- out + e
	}()
	eventually(t, "the client sends", func() bool { return strings.Contains(vpp1.ctl("show session"), "4 sessions") })
	vpp1.stop()
	select {
	case r := <-result:
		if !strings.Contains(r, "1 reset") {
			t.Errorf("the client ends, but not by a reset: %s", r)
		}
	case <-time.After(30 * time.Second):
		t.Error("the client waits for a server that has ended")
	}
}

// TestManyBuffers: as many packet buffers as VPP's users have, in ordinary pages.
func TestManyBuffers(t *testing.T) {
	i := start(t, "vpp", withConf("buffers { buffers-per-numa 65536 } dpdk { no-hugetlb no-pci }"))
	if out := i.ctl("show buffers"); !strings.Contains(out, " 65536 ") {
		t.Errorf("show buffers printed\n%s", out)
	}
}
