package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// makeTarget runs a target of the Makefile on lines of input and returns all that it
// prints.
func makeTarget(t *testing.T, target, input string) (out string, err error) {
	t.Helper()
	c := exec.Command("timeout", "120", "make", "-s", "-C", repoRoot(t), target)
	c.Stdin = strings.NewReader(input)
	c.WaitDelay = 10 * time.Second // a peer that outlives its shell would hold the pipe
	b, err := c.CombinedOutput()
	return string(b), err
}

// TestMakeRun types commands into "make run" through a pipe.
func TestMakeRun(t *testing.T) {
	out, err := makeTarget(t, "run", "ping 6.0.1.1 repeat 2 interval 0.1\n"+
		"test echo client uri tcp://6.0.1.1/1234 bytes 10m test-bytes echo-bytes\n"+
		"test echo client uri tcp://[fd00:6::1]/1234 nclients 3 bytes 1m\nquit\n")
	if err != nil || !strings.Contains(out, "2 received") || strings.Count(out, "bytes/second") != 2 {
		t.Errorf("make run: %v\n%s", err, out)
	}
	if out, err = makeTarget(t, "run", "show nonsense\n"); err == nil || !strings.Contains(out, "nonsense") {
		t.Errorf("make run succeeds although its command failed: %v\n%s", err, out)
	}
}

// TestMakeDemo is the tour.
func TestMakeDemo(t *testing.T) {
	out, err := makeTarget(t, "demo", "")
	if err != nil || !strings.Contains(out, "Done:") {
		t.Errorf("make demo: %v\n%s", err, out)
	}
}
