package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func withConf(words string) func(*instance) {
	return func(i *instance) { i.conf = words }
}

// memifCrowd is memifPair with so many workers a side and so many pairs of queues.
func memifCrowd(t *testing.T, workers [2]int, queues int) (vpp1, vpp2 *instance) {
	t.Helper()
	sock := filepath.Join(t.TempDir(), "memif.sock")
	var in [2]*instance
	for k, n := range workers {
		in[k] = start(t, fmt.Sprintf("vpp%d", k+1), withMemif(sock), withConf(fmt.Sprintf("cpu { workers %d }", n)))
		setupMemif(in[k], k+1, fmt.Sprintf("%s rx-queues %d tx-queues %d", []string{"master", "slave"}[k], queues, queues))
	}
	waitPing(t, in[1], "6.0.1.1")
	for _, i := range in { // what was said before there was a link and an address
		i.ctl("clear errors")
	}
	return in[0], in[1]
}

// noDrops makes sure that nothing was lost inside an instance. Sessions end by reset, of
// which the last packet may find nobody; a busy device refuses frames; and on a machine
// that does not let a worker run for long, another one cannot keep all for it.
func noDrops(t *testing.T, instances ...*instance) {
	t.Helper()
	for _, i := range instances {
		limit := map[string]float64{"reset by peer": 1e9, "no free tx slots": 1e9, "no listener for dst port": 2}
		for _, th := range i.json(time.Minute, "show runtime")[0]["threads"].([]any) {
			if th.(map[string]any)["stalls"].(map[string]any)["maxNs"].(float64) > 50e6 {
				limit["Packets dropped, other worker is too slow"] = 1e9
			}
		}
		for _, x := range i.json(time.Minute, "show errors")[0]["counters"].([]any) {
			c := x.(map[string]any)
			if c["severity"] == "error" && c["count"].(float64) > limit[c["reason"].(string)] {
				t.Errorf("%s: %.0f %v: %v", i.name, c["count"], c["node"], c["reason"])
			}
		}
	}
}

func TestWorkersOverMemif(t *testing.T) {
	for _, c := range []struct {
		workers [2]int
		queues  int
	}{{[2]int{1, 1}, 1}, {[2]int{2, 2}, 1}, {[2]int{2, 2}, 2}, {[2]int{4, 1}, 4}, {[2]int{1, 4}, 1}, {[2]int{4, 4}, 2}} {
		t.Run(fmt.Sprintf("%d-%d-%d", c.workers[0], c.workers[1], c.queues), func(t *testing.T) {
			vpp1, vpp2 := memifCrowd(t, c.workers, c.queues)
			vpp1.ctl("test echo server uri tcp://0.0.0.0/1234")
			for _, x := range []struct {
				args  string
				total float64
			}{
				{"nclients 100 bytes 1m echo-bytes test-bytes test-timeout 60", 100 << 20},
				{"nclients 20000 bytes 100 test-timeout 60", 20000 * 100},
			} {
				objs := vpp2.json(2*time.Minute, "test echo client uri tcp://6.0.1.1/1234 "+x.args)
				for _, key := range []string{"tx", "peerReceived"} {
					if n := field(t, objs, key); n != x.total {
						t.Errorf("%s: %s is %.0f, want %.0f", x.args, key, n, x.total)
					}
				}
			}
			noDrops(t, vpp1, vpp2)
			for k, i := range []*instance{vpp1, vpp2} {
				if n := strings.Count(i.ctl("show session"), "Thread "); n != c.workers[k] {
					t.Errorf("%s: sessions of %d threads, want %d", i.name, n, c.workers[k])
				}
			}
			eventually(t, "sessions close", func() bool {
				return strings.Contains(vpp1.ctl("show session"), "Thread 0: 2 sessions")
			})
		})
	}
}

// TestQueuesMoveUnderTraffic: the receive queues of both sides change workers again and
// again, and the interface goes down and up, while every byte is checked.
func TestQueuesMoveUnderTraffic(t *testing.T) {
	vpp1, vpp2 := memifCrowd(t, [2]int{2, 4}, 2)
	vpp1.ctl("test echo server uri tcp://0.0.0.0/1234")
	result := make(chan string, 1)
	go func() {
		out, e, status := vpp2.runFor(90*time.Second, "test echo client uri tcp://6.0.1.1/1234 nclients 20 bytes 20m echo-bytes test-bytes test-timeout 80")
		result <- fmt.Sprintf("%d %s%s", status, out, e)
	}()
	for k := 0; ; k++ {
		select {
		case r := <-result:
			if !strings.HasPrefix(r, "0 ") {
				t.Errorf("the client says %s", r)
			}
			noDrops(t, vpp1, vpp2)
			if k < 3 {
				t.Errorf("only %d moves during the test", k)
			}
			return
		default:
		}
		vpp1.ctl(fmt.Sprintf("set interface rx-placement memif0/0 queue %d worker %d", k%2, k/2%2))
		vpp2.ctl(fmt.Sprintf("set interface rx-placement memif0/0 queue %d worker %d", k%2, k/2%4))
		vpp2.ctl("set interface rx-mode memif0/0 " + []string{"polling", "interrupt", "adaptive"}[k%3])
	}
}

// TestWorkersAndTheKernel: with two workers, over devices with one queue.
func TestWorkersAndTheKernel(t *testing.T) {
	two := withConf("cpu { workers 2 }")
	for _, link := range []struct {
		name string
		make func(*testing.T) (us *instance, kernel string)
	}{
		{"tap", func(t *testing.T) (*instance, string) { return tap(t, two) }},
		{"veth", func(t *testing.T) (*instance, string) { return veth(t, "", "", two) }},
	} {
		t.Run(link.name, func(t *testing.T) {
			us, kernel := link.make(t)
			us.ctl("session enable")
			us.ctl("clear errors")
			us.ctl("test echo server raw uri tcp://0.0.0.0/7")
			for range 4 { // of both workers
				runIn(t, kernel, peer(), "echo", "10.77.0.1:7", fmt.Sprint(32<<20))
			}
			_, serve := in(t, kernel, peer(), "serve", "10.77.0.2:10")
			expectLine(t, serve, "listening")
			us.ctlFor(time.Minute, "test echo client raw uri tcp://10.77.0.2/10 nclients 200 bytes 50k echo-bytes test-bytes")
			us.ctlFor(time.Minute, "test echo client raw uri tcp://10.77.0.2/10 nclients 2 bytes 20m echo-bytes test-bytes")
			noDrops(t, us)
		})
	}
}

// TestPeerHasFewerQueues: workers whose queue the peer has not got send by those that it
// has, whoever of the two has more.
func TestPeerHasFewerQueues(t *testing.T) {
	for _, q := range [][2]string{
		{"master rx-queues 3 tx-queues 3", "slave rx-queues 2 tx-queues 1"},
		{"master rx-queues 1 tx-queues 2", "slave rx-queues 4 tx-queues 4"},
	} {
		t.Run(q[0], func(t *testing.T) {
			sock := filepath.Join(t.TempDir(), "memif.sock")
			vpp1 := start(t, "vpp1", withMemif(sock), withConf("cpu { workers 3 }"))
			vpp2 := start(t, "vpp2", withMemif(sock), withConf("cpu { workers 2 }"))
			setupMemif(vpp1, 1, q[0])
			setupMemif(vpp2, 2, q[1])
			waitPing(t, vpp2, "6.0.1.1")
			for _, c := range [][2]*instance{{vpp1, vpp2}, {vpp2, vpp1}} {
				addr := "6.0.1.1"
				if c[1] == vpp2 {
					addr = "6.0.1.2"
				}
				c[1].ctl("test echo server uri tcp://0.0.0.0/1234")
				c[0].ctl("test echo client uri tcp://" + addr + "/1234 nclients 100 bytes 200k echo-bytes test-bytes test-timeout 40")
			}
		})
	}
}
