package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/worker"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gaps:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: gaps <core> <seconds>")
	}
	core, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("core `%s': %w", args[0], err)
	}
	seconds, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("seconds `%s': %w", args[1], err)
	}
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("core %d: %w", core, err)
	}
	fmt.Println(loop(time.Duration(seconds) * time.Second))
	return nil
}

func loop(d time.Duration) string {
	var s worker.Stalls
	start := time.Now()
	for last := time.Duration(0); last < d; {
		now := time.Since(start)
		s.Add(int64(now - last))
		last = now
	}
	return s.String()
}
