package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestHundredThousand is scripts/million.sh in small: many connections are opened from
// several addresses, some are used, all are closed, and their memory goes back.
func TestHundredThousand(t *testing.T) {
	const count, bytesEach = 100_000, 1024
	sock := t.TempDir() + "/memif.sock"
	// Ports come free soon enough for a second run; see its note.
	vpp1 := start(t, "vpp1", withMemif(sock), withConf("tcp { timewait-time 3 }"))
	vpp2 := start(t, "vpp2", withMemif(sock), withConf("tcp { timewait-time 3 }"))
	setupMemif(vpp1, 1, "master")
	setupMemif(vpp2, 2, "slave")
	waitPing(t, vpp2, "6.0.1.1")
	vpp1.ctl("test echo server uri tcp://0.0.0.0/1234 fifo-size 4k")
	if out, _, status := vpp2.run("tcp src-address 6.0.2.10 - 6.0.2.11"); status == 0 {
		t.Errorf("addresses of no interface's network were taken: %s", out)
	}
	vpp2.ctl("tcp src-address 6.0.1.10 - 6.0.1.11")

	client := make(chan string, 1)
	go func() {
		out, e, status := vpp2.runFor(2*time.Minute, "test echo client uri tcp://6.0.1.1/1234 nclients 100000 active 2000 "+
			"bytes 64 echo-bytes test-bytes fifo-size 4k hold 3")
		if status != 0 {
			out = "failed: " + out + e
		}
		client <- out
	}()
	for end := time.Now().Add(time.Minute); !strings.Contains(vpp1.ctl("show session"), " 100003 sessions"); {
		if time.Now().After(end) {
			t.Fatal("not all are open")
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(time.Second) // what the requests have used goes back
	for _, in := range []*instance{vpp1, vpp2} {
		if n := resident(t, in); n > count*bytesEach+32<<20 {
			t.Errorf("%s: %.0f bytes for %d connections", in.name, n, count)
		}
	}
	if out := vpp1.ctl("show session verbose"); !strings.Contains(out, "Verbose output suppressed") {
		t.Errorf("show session verbose printed\n%s", out)
	}
	if out := vpp2.ctl("show app client"); !strings.Contains(out, " more. Use show session") {
		t.Errorf("show app client printed\n%.500s", out)
	}
	if out := vpp1.ctl("show session state ready lcl 6.0.1.1 rmt 6.0.1.11"); !strings.Contains(out, "Thread 0: 5000") { // the control session, or not
		t.Errorf("sessions of one source address:\n%.500s", out)
	}
	out := <-client
	for _, want := range []string{"100000 connections established in ", "holding 100000 connections for 3 seconds",
		"100000 connections closed in ", "128000 bytes (0 mbytes"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	// Of 129024 ports towards the server 100000 are in TIME_WAIT: what the rest lacks comes
	// from there (RFC 6191).
	vpp2.ctl("wait 1.1")
	vpp2.ctl("test echo client uri tcp://6.0.1.1/1234 nclients 50000 active 1 bytes 1")
	eventually(t, "all ends, and memory goes back", func() bool {
		return strings.Contains(vpp1.ctl("show session"), "Thread 0: 2 sessions") && resident(t, vpp1) < 16<<20 && resident(t, vpp2) < 16<<20
	})
}

// resident is how much memory the pools of all workers hold.
func resident(t *testing.T, in *instance) (sum float64) {
	t.Helper()
	for _, o := range in.json(time.Minute, "show memory") {
		list, _ := o["workers"].([]any)
		for _, x := range list {
			n, _ := x.(map[string]any)["resident"].(float64)
			sum += n
		}
	}
	if sum == 0 {
		t.Fatalf("%s: show memory tells of no pool", in.name)
	}
	return sum
}

// TestManySources opens connections from as many addresses as one command takes, over
// both IP versions: each answers ARP or neighbour discovery.
func TestManySources(t *testing.T) {
	vpp1, vpp2 := memifPair(t)
	vpp1.ctl("set interface ip address memif0/0 7.0.0.1/16")
	vpp2.ctl("set interface ip address memif0/0 7.0.0.2/16")
	for _, c := range []struct{ span, listen, uri string }{
		{"7.0.10.0 - 7.0.49.255", "0.0.0.0", "7.0.0.1"},
		{"fd00:6::1000 - fd00:6::37ff", "[::]", "[fd00:6::1]"},
	} {
		vpp2.ctl("tcp src-address " + c.span)
		vpp1.ctl("test echo server uri tcp://" + c.listen + "/1234")
		vpp2.ctl("test echo client uri tcp://" + c.uri + "/1234 nclients 20480 active 100 bytes 64 echo-bytes test-bytes")
		vpp1.ctl("test echo server stop")
	}
	list := vpp1.ctl("show ip neighbors")
	if n := strings.Count(list, "memif0/0"); n < 2*10240 {
		t.Errorf("%d neighbors, want %d", n, 2*10240)
	}
	vpp2.ctl("tcp src-address clear")
	if out, _, _ := vpp1.run("ping 7.0.10.0 repeat 1"); strings.Contains(out, " 1 received") {
		t.Error("an address that was given up answers")
	}
}
