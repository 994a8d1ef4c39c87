package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"vpphost/cli"
	"vpphost/cli/sock"
)

// program is something with VPP's command line: vpphost, or a VPP in some configuration.
type program struct {
	bin string
	// config is startup.conf for a row, without what all have in common. id is of this
	// instance alone.
	config func(r *row, cpu int, id string) string
	// memifWords are further words for the slave's "create interface memif".
	memifWords func(r *row) string
	// ready are commands for when the link is up.
	ready func(ifc string) []string
	// ours: it knows "show runtime" in JSON, and requests.
	ours bool
}

// host is a running instance.
type host struct {
	prog *program
	dir  string // its files
	cpu  int
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	ctl  *sock.Client
}

// startHost starts an instance that runs the commands of script, in namespace ns unless
// that is "".
func startHost(prog *program, dir string, cpu int, ns, script string, r *row) (*host, error) {
	h := &host{prog: prog, dir: dir, cpu: cpu, done: make(chan struct{})}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return nil, err
	}
	conf := fmt.Sprintf("unix { nodaemon nobanner cli-no-pager cli-listen %s runtime-dir %s exec %s }\n%s",
		h.sock(), filepath.Join(dir, "run"), filepath.Join(dir, "script"), prog.config(r, cpu, h.id()))
	err := errors.Join(os.WriteFile(filepath.Join(dir, "script"), []byte(script), 0o600),
		os.WriteFile(filepath.Join(dir, "startup.conf"), []byte(conf), 0o600))
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := []string{"taskset", "-c", fmt.Sprint(cpu), prog.bin, "-c", filepath.Join(dir, "startup.conf")}
	if ns != "" {
		args = append([]string{"ip", "netns", "exec", ns}, args...)
	}
	h.cmd = exec.Command(args[0], args[1:]...)
	h.cmd.Stdout, h.cmd.Stderr = log, log
	// Not in our process group, so that it is us whom Ctrl-C ends and who end it; and it
	// never outlives us.
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = h.cmd.Wait(); close(h.done) }()
	return h, nil
}

// id is a word for what an instance has outside of its folder.
func (h *host) id() string { return strings.ReplaceAll(strings.Trim(h.dir, "/"), "/", "-") }

func (h *host) sock() string { return filepath.Join(h.dir, "cli.sock") }
func (h *host) pid() int     { return h.cmd.Process.Pid }

func (h *host) alive() bool {
	select {
	case <-h.done:
		return false
	default:
		return true
	}
}

// exec runs a command and returns what it printed.
func (h *host) exec(ctx context.Context, line string) (string, error) {
	return h.run(ctx, line, false)
}

// silent runs commands that print nothing unless they fail: VPP has no other way to say
// so.
func (h *host) silent(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		out, err := h.exec(ctx, line)
		if err != nil {
			return err
		}
		if out = strings.TrimSpace(out); out != "" {
			return fmt.Errorf("%s: %s", line, tail(out, 200))
		}
	}
	return nil
}

func (h *host) run(ctx context.Context, line string, json bool) (string, error) {
	if !h.alive() {
		return "", fmt.Errorf("%s has ended: %s", filepath.Base(h.prog.bin), h.lastWords())
	}
	if h.ctl == nil {
		ctl, err := sock.Dial(ctx, h.sock())
		if err != nil {
			return "", err
		}
		h.ctl = ctl
	}
	var out strings.Builder
	err := h.ctl.Exec(ctx, line, &out, cli.Options{JSON: json})
	if err != nil {
		_ = h.ctl.Close()
		h.ctl = nil
		err = fmt.Errorf("%s: %w: %s", line, err, tail(out.String(), 200))
	}
	return out.String(), err
}

// lastWords is the end of the log.
func (h *host) lastWords() string {
	b, _ := os.ReadFile(filepath.Join(h.dir, "log"))
	return tail(string(b), 400)
}

// signal stops the process (SIGSTOP), or lets it go on.
func (h *host) signal(s syscall.Signal) { _ = h.cmd.Process.Signal(s) }

func (h *host) close() {
	if h.ctl != nil {
		_ = h.ctl.Close()
	}
	h.signal(syscall.SIGTERM)
	h.signal(syscall.SIGCONT)
	select {
	case <-h.done:
	case <-time.After(5 * time.Second):
		h.signal(syscall.SIGKILL)
		<-h.done
	}
	removeShared(h.id())
}

// removeShared removes the shared memory that a VPP leaves behind.
func removeShared(id string) {
	files, _ := filepath.Glob("/dev/shm/" + id + "*")
	for _, f := range files {
		_ = os.Remove(f)
	}
}
