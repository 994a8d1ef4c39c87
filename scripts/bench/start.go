package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// startToPrompt starts a program on a terminal of its own and returns the seconds until
// its prompt appears. args makes its command line; files may go into dir.
func startToPrompt(args func(dir string) []string) (float64, error) {
	dir, err := os.MkdirTemp("", "vpphost-start-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	ptm, pts, err := openPTY()
	if err != nil {
		return 0, err
	}
	defer ptm.Close()
	a := args(dir)
	c := exec.Command(a[0], a[1:]...)
	c.Stdin, c.Stdout, c.Stderr = pts, pts, pts
	c.Env = append(os.Environ(), "TERM=xterm")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	begin := time.Now()
	if err := c.Start(); err != nil {
		pts.Close()
		return 0, err
	}
	pts.Close()
	// The process ends, whether it wants to or not, before its files do.
	defer func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(5*time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		kill.Stop()
	}()
	var seen []byte
	buf := make([]byte, 4096)
	_ = ptm.SetReadDeadline(time.Now().Add(20 * time.Second))
	for !bytes.Contains(seen, []byte("vpp# ")) {
		n, err := ptm.Read(buf)
		if err != nil {
			return 0, fmt.Errorf("no prompt: %w: %q", err, tail(string(seen), 300))
		}
		seen = append(seen, buf[:n]...)
	}
	return time.Since(begin).Seconds(), nil
}

func openPTY() (*os.File, *os.File, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	ptm := os.NewFile(uintptr(fd), "ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	pts, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120})
	return ptm, pts, nil
}
