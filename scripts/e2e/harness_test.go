package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var bin string // folder of the programs under test

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "vpphost-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	status := 1
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		status = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

func build() error {
	for _, b := range [][2]string{{"vpphost", "vpphost"}, {"vppctl", "vpphost/cli/vppctl"}, {"peer", "vpphost/scripts/e2e/peer"}} {
		c := exec.Command("go", "build", "-o", filepath.Join(bin, b[0]), b[1])
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", b[1], err, out)
		}
	}
	return nil
}

// instance is a running vpphost.
type instance struct {
	t    *testing.T
	name string
	dir  string
	env  []string
	ns   string // network namespace to run in, "" for ours
	conf string // configuration words besides unix { }
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
}

// start runs an instance with the given commands in its startup script. It is ended
// with the test.
func start(t *testing.T, name string, opts ...func(*instance)) *instance {
	t.Helper()
	in := &instance{t: t, name: name, dir: t.TempDir()}
	for _, o := range opts {
		o(in)
	}
	in.launch("")
	t.Cleanup(in.stop)
	return in
}

func withMemif(sock string) func(*instance) {
	return func(i *instance) { i.env = append(i.env, "VPPHOST_MEMIF_SOCKET="+sock) }
}
func withNS(ns string) func(*instance) { return func(i *instance) { i.ns = ns } }

func (i *instance) sock() string { return filepath.Join(i.dir, "cli.sock") }

// launch starts the process and waits until it answers. script is the path of a startup
// script, "" for none.
func (i *instance) launch(script string) {
	i.t.Helper()
	var err error
	if i.log, err = os.OpenFile(filepath.Join(i.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		i.t.Fatal(err)
	}
	words := fmt.Sprintf("unix { nodaemon cli-listen %s runtime-dir %s/run ", i.sock(), i.dir)
	if script != "" {
		words += "exec " + script + " "
	}
	words += "} " + i.conf
	args := append([]string{filepath.Join(bin, "vpphost")}, strings.Fields(words)...)
	if i.ns != "" {
		args = append([]string{"ip", "netns", "exec", i.ns}, args...)
	}
	i.cmd = exec.Command(args[0], args[1:]...)
	i.cmd.Env = append(os.Environ(), i.env...)
	i.cmd.Stdout, i.cmd.Stderr = i.log, i.log
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := i.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	i.done = make(chan struct{})
	go func(c *exec.Cmd, done chan struct{}) { _ = c.Wait(); close(done) }(i.cmd, i.done)
	for range 100 {
		if _, _, status := i.run("show version"); status == 0 {
			return
		}
		if !i.alive() {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	i.t.Fatalf("%s did not start:\n%s", i.name, i.logText())
}

func (i *instance) alive() bool {
	select {
	case <-i.done:
		return false
	default:
		return true
	}
}

func (i *instance) logText() string {
	b, _ := os.ReadFile(filepath.Join(i.dir, "log"))
	return string(b)
}

// kill ends the process at once, as kill -9 does.
func (i *instance) kill() {
	_ = i.cmd.Process.Kill()
	<-i.done
}

func (i *instance) stop() {
	if i.alive() {
		_ = i.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-i.done:
		case <-time.After(10 * time.Second):
			i.t.Errorf("%s did not end on SIGTERM", i.name)
			i.kill()
		}
	}
	_ = i.log.Close()
	if i.t.Failed() {
		i.t.Logf("log of %s:\n%s", i.name, i.logText())
	}
}

// run types a command into vppctl and returns what it prints and its exit status.
func (i *instance) run(line string, flags ...string) (stdout, stderr string, status int) {
	return i.runFor(60*time.Second, line, flags...)
}

func (i *instance) runFor(limit time.Duration, line string, flags ...string) (stdout, stderr string, status int) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	args := append([]string{"-s", i.sock()}, flags...)
	c := exec.CommandContext(ctx, filepath.Join(bin, "vppctl"), append(args, strings.Fields(line)...)...)
	var o, e bytes.Buffer
	c.Stdout, c.Stderr = &o, &e
	err := c.Run()
	var x *exec.ExitError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return o.String(), e.String() + "timed out", 124
	case errors.As(err, &x):
		status = x.ExitCode()
	default:
		status = 125
	}
	return o.String(), e.String(), status
}

// ctl is run for commands that must succeed.
func (i *instance) ctl(line string) string {
	i.t.Helper()
	return i.ctlFor(60*time.Second, line)
}

func (i *instance) ctlFor(limit time.Duration, line string) string {
	i.t.Helper()
	out, errText, status := i.runFor(limit, line)
	if status != 0 {
		i.t.Fatalf("%s# %s: exit status %d\n%s%s", i.name, line, status, out, errText)
	}
	return out
}

// json runs a command that must succeed and returns the objects that it prints.
func (i *instance) json(limit time.Duration, line string) []map[string]any {
	i.t.Helper()
	out, errText, status := i.runFor(limit, line, "-o", "json")
	if status != 0 {
		i.t.Fatalf("%s# %s: exit status %d\n%s%s", i.name, line, status, out, errText)
	}
	var objs []map[string]any
	d := json.NewDecoder(strings.NewReader(out))
	for {
		var o map[string]any
		if err := d.Decode(&o); err == io.EOF {
			return objs
		} else if err != nil {
			i.t.Fatalf("%s# %s: %v in\n%s", i.name, line, err, out)
		}
		objs = append(objs, o)
	}
}

// field is the value of key in the last object that has it.
func field(t *testing.T, objs []map[string]any, key string) float64 {
	t.Helper()
	for n := len(objs) - 1; n >= 0; n-- {
		if v, ok := objs[n][key].(float64); ok {
			return v
		}
	}
	t.Fatalf("no %q in %v", key, objs)
	return 0
}

// eventually retries f until it returns true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("%s: not within 20 s", what)
}

// memifPair starts two instances joined by memif, 6.0.1.1 and 6.0.1.2.
func memifPair(t *testing.T) (vpp1, vpp2 *instance) {
	t.Helper()
	sock := filepath.Join(t.TempDir(), "memif.sock")
	vpp1 = start(t, "vpp1", withMemif(sock))
	vpp2 = start(t, "vpp2", withMemif(sock))
	setupMemif(vpp1, 1, "master")
	setupMemif(vpp2, 2, "slave")
	waitPing(t, vpp2, "6.0.1.1")
	return vpp1, vpp2
}

func setupMemif(i *instance, n int, role string) {
	i.t.Helper()
	i.ctl("create interface memif id 0 " + role)
	i.ctl("set interface state memif0/0 up")
	i.ctl(fmt.Sprintf("set interface ip address memif0/0 6.0.1.%d/24", n))
	i.ctl(fmt.Sprintf("set interface ip address memif0/0 fd00:6::%d/64", n))
	i.ctl("session enable")
}

func waitPing(t *testing.T, i *instance, addr string) {
	t.Helper()
	eventually(t, "ping "+addr, func() bool {
		out, _, _ := i.run("ping " + addr + " repeat 1")
		return strings.Contains(out, "1 received")
	})
}
