package sock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInUse tells that a living process listens at a path.
var ErrInUse = errors.New("socket is in use")

// maxPath is what fits into a sockaddr_un with its final NUL.
const maxPath = 107

// Listen listens at an address, see ParseAddress. A socket file that a dead process
// left behind is taken over; that of a living one is ErrInUse. The file is
// group-writable, missing directories are made, and Close removes the file unless
// it has become someone else's.
func Listen(address string) (net.Listener, error) {
	network, name, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	if network != "unix" || name[0] == '@' {
		l, err := net.Listen(network, name)
		if errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("%s: %w", address, ErrInUse)
		}
		return l, err
	}
	if len(name) > maxPath {
		return nil, fmt.Errorf("socket %s: path is longer than %d bytes", name, maxPath)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, fmt.Errorf("socket %s: %w", name, err)
	}
	defer lockDir(filepath.Dir(name))()
	if err := Reclaim(name); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", name, plain(err))
	}
	l.SetUnlinkOnClose(false) // fileListener looks first whose it is
	var st unix.Stat_t
	err = errors.Join(os.Chmod(name, 0o660), unix.Lstat(name, &st))
	if err != nil {
		l.Close()
		os.Remove(name)
		return nil, fmt.Errorf("socket %s: %w", name, err)
	}
	return &fileListener{Listener: l, path: name, dev: st.Dev, ino: st.Ino}, nil
}

// Reclaim removes the socket file at path if no process listens there any more, of
// whatever socket type it is; a memif socket, which DPDK makes itself, needs it
// before. It is ErrInUse if one does, and an error if the file is not a socket.
func Reclaim(path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("socket %s: %w", path, err)
	case fi.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("socket %s: a file that is not a socket is in the way", path)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case unix.ECONNREFUSED: // the file is there, but no socket is bound to it
	case unix.ENOENT:
		return nil
	case nil, unix.EAGAIN, unix.EPROTOTYPE: // listens, its queue is full, it is another type
		return fmt.Errorf("%s: %w", path, ErrInUse)
	default:
		return fmt.Errorf("socket %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("socket %s: %w", path, err)
	}
	return nil
}

// lockDir keeps two instances that start at the same time from reclaiming each
// other's fresh socket: one looks, binds and listens before the other looks. It
// gives up after a while, because anybody may hold a lock on /tmp.
func lockDir(dir string) (unlock func()) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	for range 50 {
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return func() { f.Close() }
}

// fileListener removes its socket file when it is closed.
type fileListener struct {
	net.Listener
	path     string
	dev, ino uint64
	once     sync.Once
}

func (l *fileListener) Close() error {
	l.once.Do(func() {
		var st unix.Stat_t
		if unix.Lstat(l.path, &st) == nil && st.Dev == l.dev && st.Ino == l.ino {
			os.Remove(l.path)
		}
	})
	return l.Listener.Close()
}

// plain strips what package net puts around an error of the system: the caller has
// named the address already.
func plain(err error) error {
	var sys unix.Errno
	if errors.As(err, &sys) {
		return sys
	}
	return err
}
