package ptytest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long what must come may take.
const patience = 20 * time.Second

// Terminal is the user's side.
type Terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File // kept open, to look at its modes
	cmd    *exec.Cmd
	exited chan struct{}
	before unix.Termios // see Restored

	mu   sync.Mutex
	cond sync.Cond
	seen string // all output
	at   int    // what Expect has passed
}

// Start runs cmd on a terminal of the given size.
func Start(t *testing.T, cmd *exec.Cmd, width, height int) *Terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var number int
	control(t, master, func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	})
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &Terminal{t: t, master: master, slave: slave, cmd: cmd, exited: make(chan struct{})}
	p.cond.L = &p.mu
	p.Resize(width, height)
	p.before = p.Modes()
	if cmd.Stdin == nil {
		cmd.Stdin = slave
	}
	if cmd.Stdout == nil {
		cmd.Stdout = slave
	}
	if cmd.Stderr == nil {
		cmd.Stderr = slave
	}
	cmd.ExtraFiles = []*os.File{slave}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read()
	go func() {
		cmd.Wait()
		close(p.exited)
		p.mu.Lock()
		p.cond.Broadcast()
		p.mu.Unlock()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.exited
		slave.Close()
		master.Close()
	})
	return p
}

// control runs f on a file's descriptor without making the file blocking.
func control(t *testing.T, f *os.File, do func(fd int) error) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = do(int(fd)) })
	if err != nil {
		t.Fatal(err)
	}
}

func (p *Terminal) read() {
	b := make([]byte, 4096)
	for {
		n, err := p.master.Read(b)
		p.mu.Lock()
		p.seen += string(b[:n])
		p.cond.Broadcast()
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Type sends keys.
func (p *Terminal) Type(keys string) {
	p.t.Helper()
	if _, err := p.master.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// Expect waits until the terminal shows text, after what the last Expect found, and
// returns what it showed until then.
func (p *Terminal) Expect(text string) string {
	p.t.Helper()
	timer := time.AfterFunc(patience, func() {
		p.mu.Lock()
		p.cond.Broadcast()
		p.mu.Unlock()
	})
	defer timer.Stop()
	start := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		rest := p.seen[p.at:]
		if i := strings.Index(rest, text); i >= 0 {
			p.at += i + len(text)
			return rest[:i+len(text)]
		}
		if time.Since(start) >= patience {
			p.t.Fatalf("the terminal did not show %q, but %q", text, rest)
		}
		p.cond.Wait()
	}
}

// Seen is all that the terminal has shown.
func (p *Terminal) Seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// Resize changes the size of the window; the program gets SIGWINCH.
func (p *Terminal) Resize(width, height int) {
	p.t.Helper()
	control(p.t, p.master, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)})
	})
}

// Modes are the terminal's.
func (p *Terminal) Modes() unix.Termios {
	p.t.Helper()
	var modes unix.Termios
	control(p.t, p.slave, func(fd int) error {
		m, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil {
			modes = *m
		}
		return err
	})
	return modes
}

// Restored tells whether the terminal's modes are those that the program found.
func (p *Terminal) Restored() bool { return p.Modes() == p.before }

// Signal sends a signal to the program.
func (p *Terminal) Signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// HangUp closes the window.
func (p *Terminal) HangUp() {
	p.slave.Close()
	p.master.Close()
}

// Pid is the program's.
func (p *Terminal) Pid() int { return p.cmd.Process.Pid }

// Wait waits for the program to end and returns its exit status, -1 if a signal
// ended it.
func (p *Terminal) Wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("the program does not end; it showed %q", p.Seen())
	}
	return p.cmd.ProcessState.ExitCode()
}
