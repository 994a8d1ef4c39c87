package dpdk

// #cgo pkg-config: libdpdk
// #cgo CFLAGS: -O3
// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNotInitialized is returned by everything that needs EAL before Init.
var ErrNotInitialized = errors.New("dpdk is not initialized")

// ErrInitialized is returned by a second Init.
var ErrInitialized = errors.New("dpdk is already initialized")

// Config is how EAL is started.
type Config struct {
	Hugepages bool     // memory in 2 MB or 1 GB pages instead of ordinary ones
	MemMB     int      // memory for pools and drivers, in MiB; see MemFor
	PCI       bool     // look for PCI devices
	Allow     []string // PCI addresses to take, all that have a driver when empty
	Vdevs     []string // ports to create at start: "net_null0,size=64"
	LogLevel  string   // EAL's --log-level, "pmd.net.memif:debug"; may be empty
	// Stderr shows EAL's messages of this severity or worse on standard error while it
	// starts, and later when LogLevel is given. Otherwise what is logged later is in the
	// errors of what failed, and in Log: drivers complain of much that does no harm.
	Stderr    Level
	ExtraArgs []string // more EAL arguments, as they are
	// RuntimeDir is where EAL makes a directory of its own, dpdk. Its default for ordinary
	// users is one for all of them below /tmp, which belongs to the first.
	RuntimeDir string
}

// Level is the severity of an EAL message.
type Level uint32

// Severities, most severe first. What is critical or worse is always shown.
const (
	Quiet Level = iota
	LevelEmerg
	LevelAlert
	LevelCrit
	LevelErr
	LevelWarning
	LevelNotice
	LevelInfo
	LevelDebug
)

// defaultMemMB is enough for 16384 default buffers and a few ports.
const defaultMemMB = 96

var eal struct {
	sync.Mutex
	done bool
}

// Args returns EAL's command line for c.
func (c *Config) Args() ([]string, error) {
	cpus, err := allowedCPUs()
	if err != nil {
		return nil, fmt.Errorf("dpdk: %w", err)
	}
	mb := c.MemMB
	if mb == 0 {
		mb = defaultMemMB
	}
	// One lcore that floats over all CPUs pins nothing; without shared configuration
	// any number of instances run side by side, as any user.
	a := []string{"vpphost", "--lcores", "0@(" + cpus + ")", "-m", strconv.Itoa(mb),
		"--iova-mode", "va", "--no-telemetry", "--single-file-segments"}
	if c.Hugepages {
		a = append(a, "--in-memory")
	} else {
		a = append(a, "--no-huge", "--no-shconf")
	}
	if !c.PCI && len(c.Allow) == 0 {
		a = append(a, "--no-pci")
	}
	for _, d := range c.Allow {
		a = append(a, "--allow", d)
	}
	for _, v := range c.Vdevs {
		a = append(a, "--vdev", v)
	}
	if c.LogLevel != "" {
		a = append(a, "--log-level", c.LogLevel)
	}
	return append(a, c.ExtraArgs...), nil
}

// allowedCPUs lists the CPUs that this process may use: "0,1".
func allowedCPUs() (string, error) {
	var set unix.CPUSet
	// Thread 1 of the process: the caller's own thread may be a pinned worker.
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
		return "", fmt.Errorf("read cpu affinity: %w", err)
	}
	var cpus []string
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			cpus = append(cpus, strconv.Itoa(i))
		}
	}
	return strings.Join(cpus, ","), nil
}

// Init starts EAL and checks that its packet buffers are laid out as pkt.Buf says. It
// takes about 150 ms, can be done once in a process, and cannot be tried again after
// it failed half way.
func Init(c Config) error {
	eal.Lock()
	defer eal.Unlock()
	if eal.done {
		return ErrInitialized
	}
	if err := CheckLayout(); err != nil {
		return err
	}
	args, err := c.Args()
	if err != nil {
		return err
	}
	if C.dp_log_open() != 0 {
		return errors.New("dpdk: cannot take over the log")
	}
	C.dp_log_stderr(C.uint32_t(c.Stderr))
	const where = "RUNTIME_DIRECTORY" // read by EAL
	if before := os.Getenv(where); c.RuntimeDir != "" && before == "" {
		os.Setenv(where, c.RuntimeDir)
		defer os.Unsetenv(where)
	}
	if err := start(args); err != nil {
		return err
	}
	if c.LogLevel == "" {
		C.dp_log_stderr(C.uint32_t(LevelCrit))
	}
	eal.done = true
	return nil
}

// start runs rte_eal_init on a thread of its own that stays for ever: EAL sees it as
// its main lcore.
func start(args []string) error {
	argv := make([]*C.char, len(args)+1)
	for i, s := range args {
		argv[i] = C.CString(s) // kept: EAL holds on to it
	}
	v := (**C.char)(C.calloc(C.size_t(len(argv)), C.size_t(unsafe.Sizeof(argv[0]))))
	copy(unsafe.Slice(v, len(argv)), argv)
	mark := logMark()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if r := C.dp_eal_init(C.int(len(args)), v); r != 0 {
			done <- &Error{Op: "start", Errno: unix.Errno(-r), Detail: mark.failure()}
			return
		}
		done <- nil
		select {}
	}()
	return <-done
}

// asErrno finds the error number in what cgo returns beside a value.
func asErrno(err error) unix.Errno {
	var e unix.Errno
	if errors.As(err, &e) {
		return e
	}
	return 0
}

// Running tells whether Init has succeeded.
func Running() bool {
	eal.Lock()
	defer eal.Unlock()
	return eal.done
}

// Version is DPDK's own: "DPDK 22.11.11".
func Version() string { return C.GoString(C.dp_version()) }

// MemFor is how much memory in MiB a pool of n buffers with the given data room needs,
// together with what EAL and some ports use.
func MemFor(n, room int) int {
	return (n*bufferSize(room))>>20 + 48
}

// bufferSize is what one buffer takes in a mempool: object header, mbuf, Meta, room,
// rounded as the mempool spreads objects over memory channels.
func bufferSize(room int) int {
	size := 64 + 128 + 64 + room
	return (size+63)&^63 + 128
}

// Error is a call into DPDK that failed.
type Error struct {
	Op     string     // what was asked for
	Errno  unix.Errno // why, 0 when DPDK gives no number
	Detail string     // what DPDK logged about it, may be empty
}

func (e *Error) Error() string {
	s := "dpdk: " + e.Op
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Errno != 0 && !strings.Contains(e.Detail, e.Errno.Error()) {
		s += ": " + e.Errno.Error()
	}
	return s
}

// Unwrap lets errors.Is find the error number.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}
