package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has used until now.
type usage struct {
	cpu    time.Duration
	waited time.Duration // its busiest thread, for a core
}

const tick = time.Second / 100 // USER_HZ, the same on every Linux that Go runs on

func usageOf(pid int) (u usage) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name, in parentheses, may hold anything; fields are counted behind it.
	if f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]); len(f) > 12 {
		for _, field := range f[11:13] { // utime, stime
			n, _ := strconv.ParseInt(string(field), 10, 64)
			u.cpu += time.Duration(n) * tick
		}
	}
	var most int64
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, t := range threads {
		b, _ := os.ReadFile(t)
		var ran, waited int64
		if _, err := fmt.Sscan(string(b), &ran, &waited); err == nil && ran > most {
			most, u.waited = ran, time.Duration(waited)
		}
	}
	return u
}

// since are the shares of the time that passed: running, and waiting for a core.
func (u usage) since(before usage, passed time.Duration) (cpu, waited float64) {
	return float64(u.cpu-before.cpu) / float64(passed), max(0, float64(u.waited-before.waited)/float64(passed))
}

// residentOf is a process's memory in bytes, huge pages of hugetlbfs included.
func residentOf(pid int) int64 {
	return fieldsKB(fmt.Sprintf("/proc/%d/status", pid), "VmRSS", "HugetlbPages")
}

// slab is the kernel's memory for its own objects, in bytes.
func slab() int64 { return fieldsKB("/proc/meminfo", "Slab") }

// fieldsKB adds up fields of a file of "Name: n kB" lines, in bytes.
func fieldsKB(path string, names ...string) (sum int64) {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(line, ":")
		for _, name := range names {
			if f := strings.Fields(v); k == name && len(f) > 0 {
				n, _ := strconv.ParseInt(f[0], 10, 64)
				sum += n << 10
			}
		}
	}
	return sum
}

// freeHugeMB is how much memory there is in free 2 MB pages, in MiB.
func freeHugeMB() int {
	b, _ := os.ReadFile("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n * 2
}
