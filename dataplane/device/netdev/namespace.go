package netdev

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// In runs f on a thread inside a network namespace: the name of one made by "ip netns
// add", "pid:N" for that of a process, or a path. An empty name is the caller's own
// namespace. f must not start goroutines that expect the namespace.
func In(namespace string, f func() error) error {
	if namespace == "" {
		return f()
	}
	path := namespace
	if pid, ok := strings.CutPrefix(namespace, "pid:"); ok {
		path = filepath.Join("/proc", pid, "ns/net")
	} else if !strings.Contains(namespace, "/") {
		path = filepath.Join("/run/netns", namespace)
	}
	ns, err := os.Open(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("no network namespace %s: %w", namespace, os.ErrNotExist)
		}
		return fmt.Errorf("network namespace %s: %w", namespace, err)
	}
	defer ns.Close()
	done := make(chan error, 1)
	go func() {
		// Not unlocked: the thread is of no more use and ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter network namespace %s: %w", namespace, err)
			return
		}
		done <- f()
	}()
	return <-done
}
