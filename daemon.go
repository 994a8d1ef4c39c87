package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// daemonEnv marks the process in the background. Its descriptor 3 is a pipe to the one
// that the user started, which waits there for the word that all is well.
const daemonEnv = "VPPHOST_DAEMON"

func isDaemon() bool { return os.Getenv(daemonEnv) != "" }

// daemonize starts this program again in a session of its own and returns when it is
// up, or says why it is not.
func daemonize() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(self, os.Args[1:]...)
	c.Env = append(os.Environ(), daemonEnv+"=1")
	c.ExtraFiles = []*os.File{w}
	c.Stderr = w // until it is up
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return err
	}
	_ = w.Close()
	said, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(said))
	if i := strings.LastIndexByte(text, '\n') + 1; text[i:] == readyWord {
		if i > 0 {
			fmt.Fprintln(os.Stderr, strings.TrimSpace(text[:i]))
		}
		return nil
	}
	return errors.New(strings.TrimPrefix(text, "vpphost: "))
}

const readyWord = "ready"

// ready tells the process that started the daemon, if this is one, and lets go of its
// terminal.
func ready() {
	if !isDaemon() {
		return
	}
	pipe := os.NewFile(3, "parent")
	fmt.Fprintln(pipe, readyWord)
	_ = pipe.Close()
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		for fd := range 3 {
			_ = syscall.Dup2(int(null.Fd()), fd)
		}
		_ = null.Close()
	}
}
