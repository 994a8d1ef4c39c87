package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// userDir is where an instance of this user keeps its sockets unless told otherwise:
// /run/vpphost for root, else below the user's runtime directory, else below /tmp.
func userDir() string {
	uid := os.Getuid()
	if uid == 0 {
		return "/run/vpphost"
	}
	for _, d := range []string{os.Getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", uid)} {
		if d != "" && unix.Access(d, unix.W_OK) == nil {
			return filepath.Join(d, "vpphost")
		}
	}
	return fmt.Sprintf("/tmp/vpphost-%d", uid)
}

// memifSocket is the path of memif socket 0: one per user, whatever the instance is
// called, so that two instances meet without being told. VPPHOST_MEMIF_SOCKET moves it.
func memifSocket() string {
	if p := os.Getenv("VPPHOST_MEMIF_SOCKET"); p != "" {
		return p
	}
	return filepath.Join(userDir(), "memif.sock")
}

// makeDir makes a directory for sockets that its owner and group may use, of the group
// that unix { gid } names. In a shared place such as /tmp it must not be somebody else's.
func makeDir(dir string) error {
	_, err := os.Stat(dir)
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	euid := os.Geteuid()
	switch {
	case unix.Access(dir, unix.W_OK|unix.X_OK) != nil:
		return fmt.Errorf("%s: no permission to write", dir)
	case dir == userDir() && int(st.Uid) != euid:
		return fmt.Errorf("%s: belongs to another user: %w", dir, os.ErrPermission)
	case made || dir == userDir():
		return os.Chown(dir, -1, os.Getegid())
	}
	return nil
}
