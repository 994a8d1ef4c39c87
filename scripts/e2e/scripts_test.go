package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestLoadScripts runs the load tests that ship with the project, as "make run" would have
// them: every command succeeds, nothing fails and nothing is lost but where a script asks
// for more than can be.
func TestLoadScripts(t *testing.T) {
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
	for _, s := range []struct {
		file  string
		wants []string
	}{
		{"echo.cli", []string{"both directions, Gb/s", "full-duplex", "10 connections established", "requests of 64 bytes answered"}},
		{"cps.cli", []string{"connections opened, used and closed", "p50/p90/p99/p99.9/max connect", "100000 connections opened, used and closed",
			"connections, K/s, over "}},
		{"udp.cli", []string{"Sent/received dgrams", "Jitter", "sent total ", " roundtrip\n", "both directions, "}},
	} {
		out := vpp2.ctlFor(3*time.Minute, "exec "+root+"/scripts/"+s.file)
		for _, want := range s.wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", s.file, want, out)
			}
		}
		for _, not := range []string{"connections failed", "test failed", "wrong bytes", "warning"} {
			if strings.Contains(out, not) {
				t.Errorf("%s: %q in\n%s", s.file, not, out)
			}
		}
	}
}
