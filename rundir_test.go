package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vpphost/cli/conf"
)

// A relative pidfile is below the runtime directory, which is made; a second instance
// is refused and leaves the file alone; the end removes it.
func TestSettle(t *testing.T) {
	t.Setenv("VPPHOST_MEMIF_SOCKET", filepath.Join(t.TempDir(), "new", "memif.sock"))
	dir := filepath.Join(t.TempDir(), "a", "b")
	settled := func() (*instance, error) {
		c, _, err := conf.Parse("test", "unix { runtime-dir "+dir+" pidfile run.pid }")
		if err != nil {
			t.Fatal(err)
		}
		in := &instance{conf: c}
		return in, in.settle()
	}
	first, err := settled()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintln(os.Getpid())
	pid := filepath.Join(dir, "run.pid")
	if got, err := os.ReadFile(pid); string(got) != want {
		t.Errorf("pidfile %q, %v, want %q", got, err, want)
	}
	second, err := settled()
	if err == nil || !strings.Contains(err.Error(), "running instance") {
		t.Errorf("second instance: %v", err)
	}
	second.close()
	if got, err := os.ReadFile(pid); string(got) != want {
		t.Errorf("after the second, pidfile %q, %v, want %q", got, err, want)
	}
	first.close()
	if _, err := os.Stat(pid); !os.IsNotExist(err) {
		t.Errorf("the pidfile is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(memifSocket())); err != nil {
		t.Errorf("no directory for the memif socket: %v", err)
	}
}

func TestScriptPath(t *testing.T) {
	here, dir := t.TempDir(), t.TempDir()
	t.Chdir(here)
	for _, f := range []string{filepath.Join(here, "here.vpp"), filepath.Join(dir, "below.vpp"), filepath.Join(dir, "here.vpp")} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"":           "",
		"/x/y.vpp":   "/x/y.vpp",
		"here.vpp":   "here.vpp",
		"below.vpp":  filepath.Join(dir, "below.vpp"),
		"nosuch.vpp": "nosuch.vpp",
	} {
		if got := scriptPath(dir, name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}

// A directory that is made gets our group; one that was there before keeps its own.
func TestMakeDirGroup(t *testing.T) {
	made := filepath.Join(t.TempDir(), "d")
	old := t.TempDir()
	var before, after, st unix.Stat_t
	if err := unix.Stat(old, &before); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{made, old} {
		if err := makeDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Stat(made, &st); err != nil || int(st.Gid) != os.Getegid() || st.Mode&0o777 != 0o750 {
		t.Errorf("made: group %d, mode %o, %v", st.Gid, st.Mode&0o777, err)
	}
	if err := unix.Stat(old, &after); err != nil || after.Gid != before.Gid || after.Mode != before.Mode {
		t.Errorf("there before: %+v, was %+v, %v", after, before, err)
	}
	if err := makeDir("/proc/nosuch"); err == nil {
		t.Error("made a directory in /proc")
	}
}
