package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/cli"
	"vpphost/cli/shell/ptytest"
	"vpphost/cli/sock"
)

// TestMain is vppctl instead of the tests when a test runs this binary.
func TestMain(m *testing.M) {
	if os.Getenv("VPPCTL_TEST_CHILD") != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// vppctl is the program with arguments.
func vppctl(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	dir := t.TempDir()
	cmd.Env = append(os.Environ(), "VPPCTL_TEST_CHILD=1", "GORACE=halt_on_error=1", "TERM=xterm", "NO_COLOR=1",
		"XDG_STATE_HOME="+dir, "XDG_RUNTIME_DIR="+dir)
	cmd.Dir = dir
	return cmd
}

// instance serves a registry with a few commands.
func instance(t *testing.T, path string) (s *sock.Server, started, cancelled chan struct{}) {
	t.Helper()
	started, cancelled = make(chan struct{}, 10), make(chan struct{}, 10)
	r := cli.NewRegistry()
	err := r.Add(
		&cli.Command{Path: "show version", Help: "Show the version", Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) {
			return cli.Text("vpphost test\n"), nil
		}},
		&cli.Command{Path: "fail", Help: "Fail", Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) {
			return nil, errors.New("no such thing")
		}},
		&cli.Command{Path: "flood", Help: "Print a lot", Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) {
			return cli.Text(strings.Repeat("0123456789\n", 100000)), nil
		}},
		&cli.Command{Path: "hang", Help: "Wait", Run: func(c *cli.Ctx, _ *cli.Input) (cli.Result, error) {
			c.Emit(cli.Text("hanging\n"))
			started <- struct{}{}
			<-c.Done()
			cancelled <- struct{}{}
			return cli.Text("had enough\n"), c.Err()
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	s = sock.New(sock.Config{Address: path, Engine: r, Prompt: "test# "})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, started, cancelled
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain: %s", what)
	}
}

// finish runs a program and returns what it printed and its exit status.
func finish(t *testing.T, cmd *exec.Cmd) (out, errs string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

func TestExitStatus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cli.sock")
	instance(t, path)
	for _, tc := range []struct {
		args      []string
		in        string
		out, errs string
		status    int
	}{
		{args: []string{"-s", path, "show", "version"}, out: "vpphost test\n"},
		{args: []string{"-s", path, "show version"}, out: "vpphost test\n"},
		{args: []string{"--socket=unix:" + path, "sh", "ver"}, out: "vpphost test\n"},
		{args: []string{"-s", path, "fail"}, errs: "fail: no such thing\n", status: 1},
		{args: []string{"-s", path, "bogus"}, errs: "unknown input `bogus'\n", status: 2},
		{args: []string{"-s", path, "show", "version", "-x"}, errs: "show version: unknown input `-x'\n", status: 2},
		{args: []string{"-s", path, "quit"}},
		{args: []string{"-s", path, "-o", "json", "show", "version"}, out: "{\n  \"text\": \"vpphost test\\n\"\n}\n"},
		{args: []string{"-s", path, "-o", "json", "fail"}, errs: "{\"error\":\"fail: no such thing\",\"status\":1}\n", status: 1},
		{args: []string{"-s", path}, in: "show version\nbogus\nfail\nshow version", out: "vpphost test\nvpphost test\n",
			errs: "unknown input `bogus'\nfail: no such thing\n", status: 2},
		{args: []string{"-s", path}, in: ""},
		{args: []string{"-s", path + "x", "show", "version"}, errs: "vppctl: " + path + "x: no connection: no such file or directory\n", status: 3},
		{args: []string{"-o", "xml", "show"}, errs: "vppctl: output format \"xml\" is neither text nor json\n", status: 2},
		{args: []string{"--bogus"}, errs: "vppctl: unknown flag: --bogus\n", status: 2},
	} {
		cmd := vppctl(t, tc.args...)
		cmd.Stdin = strings.NewReader(tc.in)
		out, errs, status := finish(t, cmd)
		if out != tc.out || errs != tc.errs || status != tc.status {
			t.Errorf("%q < %q: %q, %q, %d; want %q, %q, %d", tc.args, tc.in, out, errs, status, tc.out, tc.errs, tc.status)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	out, errs, status := finish(t, vppctl(t, "--help"))
	if status != 0 || errs != "" || !strings.Contains(out, "--socket") || !strings.Contains(out, "/run/vpphost/cli.sock") {
		t.Errorf("--help: %d, %q, %q", status, out, errs)
	}
	out, errs, status = finish(t, vppctl(t, "--version"))
	if status != 0 || errs != "" || !strings.HasPrefix(out, "vppctl ") {
		t.Errorf("--version: %d, %q, %q", status, out, errs)
	}
}

// TestConnect finds a socket without -s, past those where nobody listens.
func TestConnect(t *testing.T) {
	dir := t.TempDir()
	dead, live := filepath.Join(dir, "dead.sock"), filepath.Join(dir, "cli.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	instance(t, live)
	c, err := connect(t.Context(), "", []string{dir + "/missing.sock", dead, live})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	_, err = connect(t.Context(), "", []string{dir + "/missing.sock", dead})
	if err == nil || !strings.Contains(err.Error(), "no running instance") {
		t.Errorf("error %v", err)
	}
	if _, err = connect(t.Context(), dead, []string{live}); !errors.Is(err, sock.ErrNoConnection) {
		t.Errorf("error %v", err)
	}
}

func TestSockets(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/xdg")
	got := strings.Join(sockets(), " ")
	for _, want := range []string{"/run/vpphost/cli.sock /xdg/vpphost/cli.sock /run/user/", " /run/vpp/cli.sock ./cli.sock"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s does not have %s", got, want)
		}
	}
}

// TestInterrupt sends Ctrl-C to a command. What it printed is shown.
func TestInterrupt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cli.sock")
	_, started, cancelled := instance(t, path)
	p := ptytest.Start(t, vppctl(t, "-s", path, "hang"), 80, 24)
	p.Expect("hanging")
	await(t, "hang", started)
	p.Type("\x03")
	await(t, "context", cancelled)
	p.Expect("had enough")
	p.Expect("hang: interrupted")
	if status := p.Wait(); status != 1 {
		t.Errorf("status %d", status)
	}
}

// TestKilled hangs up, which cancels the command.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cli.sock")
	_, started, cancelled := instance(t, path)
	p := ptytest.Start(t, vppctl(t, "-s", path, "hang"), 80, 24)
	await(t, "hang", started)
	p.Signal(os.Kill)
	await(t, "context", cancelled)
}

// TestSession is a person at a terminal.
func TestSession(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cli.sock")
	s, started, cancelled := instance(t, path)
	cmd := vppctl(t, "-s", path)
	p := ptytest.Start(t, cmd, 80, 24)
	p.Expect("test# ")
	p.Type("sh\tv\t\r") // completion comes from the server
	p.Expect("Show the version")
	p.Expect("vpphost test\r\n")
	p.Expect("test# ")
	p.Type("bogus\r")
	p.Expect("unknown input `bogus'\r\n")
	p.Expect("test# ")
	p.Type("hang\r")
	p.Expect("hanging")
	await(t, "hang", started)
	p.Type("\x03")
	await(t, "context", cancelled)
	p.Expect("had enough")
	p.Expect("test# ")
	p.Type("flood\r")
	p.Expect("-- more -- (1-23/100000)")
	p.Type("q")
	p.Expect("test# ")
	p.Type("set terminal pager off\r")
	p.Expect("test# ")
	p.Type("flood\r")
	if shown := p.Expect("test# "); strings.Contains(shown, "-- more --") {
		t.Error("the pager is still on")
	}
	p.Type("history\r")
	p.Expect("7  history\r\n")
	history, err := os.ReadFile(filepath.Join(cmd.Dir, "vpphost", "history"))
	if err != nil || !strings.HasPrefix(string(history), "show version\nbogus\nhang\nflood\n") {
		t.Errorf("history file: %q, %v", history, err)
	}

	p.Expect("test# ")
	s.Close()
	p.Expect("vppctl: connection lost\r\n")
	if status := p.Wait(); status != 3 {
		t.Errorf("status %d after the instance has gone", status)
	}
	if !p.Restored() {
		t.Error("the terminal is left in other modes")
	}
}

func TestSessionQuit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cli.sock")
	instance(t, path)
	for _, keys := range []string{"quit\r", "\x04"} {
		p := ptytest.Start(t, vppctl(t, "-s", path), 80, 24)
		p.Expect("test# ")
		p.Type(keys)
		if status := p.Wait(); status != 0 {
			t.Errorf("%q: status %d, showed %q", keys, status, p.Seen())
		}
	}
	p := ptytest.Start(t, vppctl(t, "-s", path), 80, 24)
	p.Expect("test# ")
	p.Signal(unix.SIGTERM)
	if status := p.Wait(); status != 0 {
		t.Errorf("SIGTERM: status %d", status)
	}
}

// TestPipeIsNotCut writes lines slowly and in pieces, and reads the output slowly.
func TestPipeIsNotCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cli.sock")
	instance(t, path)
	cmd := vppctl(t, "-s", path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range 300 {
			for _, b := range []byte(fmt.Sprintf("echo line %d\n", i)) {
				in.Write([]byte{b})
			}
		}
		in.Close()
	}()
	out, errs, status := finish(t, cmd)
	var want strings.Builder
	for i := range 300 {
		fmt.Fprintf(&want, "line %d\n", i)
	}
	if out != want.String() || errs != "" || status != 0 {
		t.Errorf("%d bytes, %q, %d; want %d bytes", len(out), errs, status, want.Len())
	}
}

func TestTrusted(t *testing.T) {
	dir := t.TempDir()
	uid := os.Getuid()
	file := filepath.Join(dir, "file")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(dir, dir+"/link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{dir: true, dir + "/missing": true, file: false, dir + "/link": false} {
		if got := trusted(path, uid); got != want {
			t.Errorf("trusted(%s) = %v", path, got)
		}
	}
	if trusted(dir, uid+1) {
		t.Error("trusts another user's directory")
	}
}
