package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// settle finds this instance its place among files before anything else is made: the
// group of unix { gid }, so that sockets have it; the runtime directory; the names that
// are relative to it.
func (in *instance) settle() error {
	u := &in.conf.Unix
	gid, ok, err := u.GroupID()
	if err != nil {
		return err
	}
	if ok {
		if err := syscall.Setegid(gid); err != nil {
			return fmt.Errorf("unix: gid %s: %w", u.Group, err)
		}
	}
	// Socket 0 of memif is in the user's directory, wherever the instance has its own.
	dirs := []string{filepath.Dir(memifSocket())}
	if u.RuntimeDir == "" {
		u.RuntimeDir = userDir()
	}
	if u.RuntimeDir, err = filepath.Abs(u.RuntimeDir); err != nil {
		return fmt.Errorf("unix: runtime-dir: %w", err)
	}
	for _, dir := range append(dirs, u.RuntimeDir) {
		if err := makeDir(dir); err != nil {
			return fmt.Errorf("unix: runtime-dir: %w", err)
		}
	}
	u.Exec = scriptPath(u.RuntimeDir, u.Exec)
	if u.PIDFile == "" {
		return nil
	}
	if !filepath.IsAbs(u.PIDFile) {
		u.PIDFile = filepath.Join(u.RuntimeDir, u.PIDFile)
	}
	return in.writePID(u.PIDFile)
}

// scriptPath finds a relative script where the program was started, else in the runtime
// directory, which is where VPP looks.
func scriptPath(dir, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	if _, err := os.Stat(name); err != nil {
		below := filepath.Join(dir, name)
		if _, err := os.Stat(below); err == nil {
			return below
		}
	}
	return name
}

// writePID writes our number to the file and removes the file at the end. It stays
// locked as long as we live: a second instance must not take the first one's away.
func (in *instance) writePID(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("unix: pidfile: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return fmt.Errorf("unix: pidfile %s: a running instance has it: %w", path, err)
	}
	in.undo = append(in.undo, func() { _ = os.Remove(path); _ = f.Close() })
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("unix: pidfile: %w", err)
	}
	if _, err := fmt.Fprintln(f, os.Getpid()); err != nil {
		return fmt.Errorf("unix: pidfile: %w", err)
	}
	return nil
}
