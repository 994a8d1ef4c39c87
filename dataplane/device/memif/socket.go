package memif

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// maxPath is the longest path of a unix socket that the driver takes.
const maxPath = 107

// listener is a socket path that devices of this process use. The driver, too, keeps
// one object for each path, and it listens or not as its first device wants.
type socket struct {
	path   string
	master bool
	ids    map[uint32]bool
	fd     int // of the listener, -1 for slaves
}

// sockets are those of the process, since the driver's are.
var sockets = struct {
	sync.Mutex
	m map[string]*socket
}{m: map[string]*socket{}}

// checkPath tells whether the driver can take the path as an argument.
func checkPath(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return fmt.Errorf("memif: socket %q: the path must be absolute", path)
	case len(path) > maxPath:
		return fmt.Errorf("memif: socket %s: the path is longer than %d bytes", path, maxPath)
	case strings.ContainsAny(path, ",[]\"'\\"):
		return fmt.Errorf("memif: socket %s: the path has one of ,[]\"'\\ in it", path)
	}
	return nil
}

// claim reserves an id on a path; sockets is locked. A master that is the first of the
// process makes sure that nobody else listens there.
func claim(path string, master bool, id uint32) (*socket, error) {
	s := sockets.m[path]
	if s == nil {
		if master {
			if err := clearPath(path); err != nil {
				return nil, err
			}
		}
		s = &socket{path: path, master: master, ids: map[uint32]bool{}, fd: -1}
	}
	if s.master != master {
		return nil, fmt.Errorf("memif: socket %s is used by a %s of this process: all devices of one socket have one role",
			path, role(s.master))
	}
	if s.ids[id] {
		return nil, fmt.Errorf("memif: socket %s has an interface with id %d already", path, id)
	}
	s.ids[id] = true
	sockets.m[path] = s
	return s, nil
}

// release gives an id back; sockets is locked, the driver's device is gone.
func (s *socket) release(id uint32) {
	delete(s.ids, id)
	if len(s.ids) > 0 {
		return
	}
	delete(sockets.m, s.path)
	if s.fd >= 0 {
		park(s.fd)
	}
}

func role(master bool) string {
	if master {
		return "master"
	}
	return "slave"
}

// clearPath removes what a dead process has left at path, and refuses to take it from
// a living one.
func clearPath(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("memif: socket %s: %w", path, err)
	}
	st, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("memif: socket %s: %w", path, err)
	}
	if st.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("memif: socket %s: there is a file of another kind", path)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("memif: socket %s: %w", path, err)
	}
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	switch {
	case err == nil:
		owner := "another process"
		if c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil && c.Pid > 0 {
			owner = "process " + strconv.Itoa(int(c.Pid))
		}
		return fmt.Errorf("memif: socket %s: %s is the master there: %w", path, owner, unix.EADDRINUSE)
	case err == unix.EAGAIN: // its backlog is full, so there is one
		return fmt.Errorf("memif: socket %s: another process is the master there: %w", path, unix.EADDRINUSE)
	case err == unix.ECONNREFUSED:
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("memif: stale socket %s: %w", path, err)
		}
		return nil
	}
	return fmt.Errorf("memif: socket %s: %w", path, err)
}

// listenerFD finds the descriptor on which this process listens at path.
func listenerFD(path string) int {
	ents, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	for _, e := range ents {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || v == 0 {
			continue
		}
		if a, err := unix.Getsockname(fd); err == nil {
			if u, ok := a.(*unix.SockaddrUnix); ok && u.Name == path {
				return fd
			}
		}
	}
	return -1
}

// park closes a listener that EAL's interrupt thread goes on watching, with a callback
// to memory that the driver has freed: the descriptor's number is given to an eventfd
// that never fires.
func park(fd int) {
	quiet, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return
	}
	_ = unix.Dup3(quiet, fd, unix.O_CLOEXEC)
	_ = unix.Close(quiet)
}
