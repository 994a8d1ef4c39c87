package sock

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseAddress(t *testing.T) {
	for _, tc := range []struct{ in, network, address, err string }{
		{"/run/vpphost/cli.sock", "unix", "/run/vpphost/cli.sock", ""},
		{"unix:/run/vpp/cli.sock", "unix", "/run/vpp/cli.sock", ""},
		{"unix:cli.sock", "unix", "cli.sock", ""},
		{"./cli.sock", "unix", "./cli.sock", ""},
		{"cli.sock", "unix", "cli.sock", ""},
		{"/odd:name", "unix", "/odd:name", ""},
		{"abstract:vpp", "unix", "@vpp", ""},
		{"@vpp", "unix", "@vpp", ""},
		{"@vpp:1", "unix", "@vpp:1", ""},
		{"abstract:vpp,netns_name=x", "", "", "option netns_name=x is not supported"},
		{"localhost:5002", "tcp", "localhost:5002", ""},
		{"tcp:127.0.0.1:5002", "tcp", "127.0.0.1:5002", ""},
		{"[::1]:5002", "tcp", "[::1]:5002", ""},
		{"0.0.0.0:5002", "", "", "only loopback"},
		{":5002", "", "", "only loopback"},
		{"tcp:10.0.0.1:5002", "", "", "only loopback"},
		{"tcp:nonsense", "", "", "missing port"},
		{"", "", "", "no socket address"},
		{"unix:", "", "", "no path"},
		{"abstract:", "", "", "no name"},
		{"@", "", "", "no name"},
	} {
		network, address, err := ParseAddress(tc.in)
		if network != tc.network || address != tc.address {
			t.Errorf("%q: %q %q, want %q %q", tc.in, network, address, tc.network, tc.address)
		}
		if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("%q: error %v, want %q", tc.in, err, tc.err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dir", "cli.sock")
	l, err := Listen(path)
	must(t, err)
	fi, err := os.Stat(path)
	must(t, err)
	if got := fi.Mode().Perm(); got != 0o660 {
		t.Errorf("mode %o, want 660", got)
	}
	if _, err := Listen(path); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("second listener: %v", err)
	}
	conn, err := net.Dial("unix", path)
	must(t, err)
	conn.Close()
	must(t, l.Close())
	if exists(path) {
		t.Error("the file is still there")
	}
	l.Close()
}

// dead leaves a socket file whose owner is gone.
func dead(t *testing.T, path string, kind int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, kind, 0)
	must(t, err)
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	must(t, unix.Listen(fd, 1))
	must(t, unix.Close(fd))
}

func TestListenReclaims(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cli.sock")
	for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET} {
		dead(t, path, kind)
		l, err := Listen(path)
		must(t, err)
		must(t, l.Close())
	}
}

func TestReclaim(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "memif.sock")
	must(t, Reclaim(path)) // nothing there

	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	must(t, err)
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	must(t, unix.Listen(fd, 1))
	if err := Reclaim(path); !errors.Is(err, ErrInUse) || !exists(path) {
		t.Errorf("living socket of another type: %v", err)
	}
	unix.Close(fd)
	must(t, Reclaim(path))
	if exists(path) {
		t.Error("the dead socket is still there")
	}

	// A listener whose queue is full lives.
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	must(t, unix.Listen(fd, 0))
	for range 3 {
		if err := Reclaim(path); !errors.Is(err, ErrInUse) {
			t.Errorf("living socket: %v", err)
		}
	}

	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if err := Reclaim(file); err == nil || !exists(file) {
		t.Error("removed a file that is not a socket")
	}
	if _, err := Listen(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("listened at a file: %v", err)
	}
}

// TestCloseLeavesOthers does not remove a file that took the place of ours.
func TestCloseLeavesOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cli.sock")
	a, err := Listen(path)
	must(t, err)
	must(t, os.Remove(path))
	b, err := Listen(path)
	must(t, err)
	must(t, a.Close())
	if !exists(path) {
		t.Error("removed someone else's socket")
	}
	must(t, b.Close())
}

func TestListenErrors(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
	if _, err := Listen(long); err == nil || !strings.Contains(err.Error(), "path is longer") {
		t.Errorf("long path: %v", err)
	}
	l, err := Listen("127.0.0.1:0")
	must(t, err)
	defer l.Close()
	if _, err := Listen(l.Addr().String()); !errors.Is(err, ErrInUse) {
		t.Errorf("port in use: %v", err)
	}
	a, err := Listen("@vpphost-test")
	must(t, err)
	defer a.Close()
	if _, err := Listen("abstract:vpphost-test"); !errors.Is(err, ErrInUse) {
		t.Errorf("name in use: %v", err)
	}
}
