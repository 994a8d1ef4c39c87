package dpdk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
)

// child is set in processes that a test starts from its own binary.
const child = "DPDK_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(child); mode != "" {
		os.Exit(runChild(mode))
	}
	runtime.GOMAXPROCS(max(4, runtime.NumCPU()))
	if err := Init(Config{MemMB: 192}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runChild starts an EAL of its own, says how it went, and stays until told to go.
func runChild(mode string) int {
	c := Config{MemMB: 64}
	switch mode {
	case "broken":
		c.ExtraArgs = []string{"--no-such-option"}
	case "huge":
		c.Hugepages = true
	}
	begin := time.Now()
	err := Init(c)
	fmt.Printf("init %v: %v\n", time.Since(begin).Round(time.Millisecond), err)
	if err != nil {
		return 3
	}
	p, err := NewPool("child", 1024, pkt.DefaultRoom)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	bufs, _ := mem.Slice[*pkt.Buf](32)
	fmt.Println("alloc", p.Alloc(bufs))
	var b [1]byte
	_, _ = os.Stdin.Read(b[:])
	return 0
}

func TestLayout(t *testing.T) {
	if err := CheckLayout(); err != nil {
		t.Fatal(err)
	}
	if len(layout()) != 31 {
		t.Fatalf("%d fields are compared, want 31", len(layout()))
	}
}

func TestSecondInitFails(t *testing.T) {
	if err := Init(Config{}); !errors.Is(err, ErrInitialized) {
		t.Fatalf("second Init: %v", err)
	}
}

func TestArgs(t *testing.T) {
	for _, tc := range []struct {
		c          Config
		want, lack []string
	}{
		{Config{}, []string{"--no-huge", "--no-shconf", "--no-pci", "--single-file-segments", "--no-telemetry"}, []string{"--in-memory"}},
		{Config{Hugepages: true}, []string{"--in-memory", "--single-file-segments"}, []string{"--no-huge", "--no-shconf"}},
		{Config{Allow: []string{"0000:01:00.0"}, Vdevs: []string{"net_null0"}, LogLevel: "8", ExtraArgs: []string{"-x"}},
			[]string{"--allow", "0000:01:00.0", "--vdev", "net_null0", "--log-level", "8", "-x"}, []string{"--no-pci"}},
		{Config{PCI: true}, nil, []string{"--no-pci"}},
	} {
		got, err := tc.c.Args()
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range tc.want {
			if !slices.Contains(got, w) {
				t.Errorf("%+v: no %s in %v", tc.c, w, got)
			}
		}
		for _, w := range tc.lack {
			if slices.Contains(got, w) {
				t.Errorf("%+v: unwanted %s in %v", tc.c, w, got)
			}
		}
	}
}

func TestNothingIsPinned(t *testing.T) {
	ents, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range ents {
		b, err := os.ReadFile("/proc/self/task/" + e.Name() + "/status")
		if err != nil {
			continue // the thread has ended
		}
		_, rest, _ := strings.Cut(string(b), "Cpus_allowed_list:\t")
		cpus, _, _ := strings.Cut(rest, "\n")
		if runtime.NumCPU() > 1 && !strings.ContainsAny(cpus, ",-") {
			t.Errorf("thread %s may run on cpu %s only", e.Name(), cpus)
		}
	}
}

// startChild runs this test binary again and returns its first two lines.
func startChild(t *testing.T, mode string) (lines string, stop func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), child+"="+mode)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	for strings.Count(lines, "\n") < 2 {
		n, err := out.Read(b)
		lines += string(b[:n])
		if err != nil {
			break
		}
	}
	return lines, func() {
		in.Close()
		_ = cmd.Wait()
		if stderr.Len() > 0 {
			t.Errorf("the child wrote to stderr: %s", stderr.String())
		}
	}
}

func TestManyInstances(t *testing.T) {
	var stops []func()
	for i := range 3 {
		lines, stop := startChild(t, "plain")
		stops = append(stops, stop)
		if !strings.Contains(lines, ": <nil>") || !strings.Contains(lines, "alloc 32") {
			t.Errorf("instance %d: %s", i, lines)
		}
		t.Log(strings.TrimSpace(lines))
	}
	for _, s := range stops {
		s()
	}
}

// TestHugepages starts an instance on 2 MB pages, which the test reserves.
func TestHugepages(t *testing.T) {
	const file = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Skip("this kernel has no huge pages")
	}
	was, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	if err := os.WriteFile(file, []byte(strconv.Itoa(was+40)), 0); err != nil {
		t.Skip("an ordinary user cannot reserve huge pages")
	}
	defer os.WriteFile(file, []byte(strconv.Itoa(was)), 0)
	lines, stop := startChild(t, "huge")
	if !strings.Contains(lines, ": <nil>") || !strings.Contains(lines, "alloc 32") {
		t.Errorf("got %s", lines)
	}
	stop()
}

func TestOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("this test is an ordinary user already")
	}
	exe, _ := os.Executable()
	// The test binary lies in a directory that only we may read.
	tmp, err := os.MkdirTemp("/tmp", "dpdk-user-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	copyOf := tmp + "/test"
	if err := os.WriteFile(copyOf, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copyOf)
	cmd.Env = append(os.Environ(), child+"=plain", "HOME=/")
	cmd.Dir = "/"
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "alloc 32") {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestBadArgumentIsAnError(t *testing.T) {
	exe, _ := os.Executable()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), child+"=broken")
	out, err := cmd.Output() // EAL prints its usage on top of it
	if err == nil || !strings.Contains(string(out), "dpdk: start: ") {
		t.Fatalf("%v: %s", err, out)
	}
}
