package dpdk

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// The memif driver hands EAL's memory files to the peer of a zero-copy client, and
// then closes EAL's own descriptors, whose numbers EAL goes on using: at the next
// connection whatever has taken the number meanwhile would be sent and closed. So we
// keep duplicates and put them back, and have EAL make its files at numbers that
// nobody else is given while they are missing, for the kernel gives the lowest first.

// highFDs is where EAL's descriptors begin. Below 1024, for who still uses select(2).
const highFDs = 700

// occupyLowFDs takes all descriptor numbers below highFDs until release is called.
func occupyLowFDs() (release func()) {
	var taken []int
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for err == nil && fd < highFDs {
		taken = append(taken, fd)
		fd, err = unix.FcntlInt(uintptr(taken[0]), unix.F_DUPFD_CLOEXEC, 0)
	}
	if err == nil {
		_ = unix.Close(fd)
	}
	return func() {
		for _, fd := range taken {
			_ = unix.Close(fd)
		}
	}
}

// errMemoryFile is returned when a descriptor of EAL is lost for good.
var errMemoryFile = errors.New("the descriptor of dpdk's memory was taken by somebody else")

var memFiles struct {
	sync.Mutex
	known map[int]memFile
}

// memFile is one memory file of EAL.
type memFile struct {
	own      int // our duplicate
	dev, ino uint64
}

// keepMemoryFiles duplicates the descriptors of EAL's memory files, once.
func keepMemoryFiles() error {
	var fds [64]C.int
	n := int(C.dp_memory_fds(&fds[0], C.uint32_t(len(fds))))
	f := &memFiles
	f.Lock()
	defer f.Unlock()
	if f.known == nil {
		f.known = map[int]memFile{}
	}
	for _, c := range fds[:n] {
		fd := int(c)
		if _, ok := f.known[fd]; ok {
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return fmt.Errorf("dpdk: memory file: %w", err)
		}
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, highFDs)
		if err != nil {
			return fmt.Errorf("dpdk: memory file: %w", err)
		}
		f.known[fd] = memFile{own: own, dev: st.Dev, ino: st.Ino}
	}
	return nil
}

// restoreMemoryFiles puts back the descriptors that the driver has closed.
func restoreMemoryFiles() error {
	f := &memFiles
	f.Lock()
	defer f.Unlock()
	for fd, m := range f.known {
		var st unix.Stat_t
		err := unix.Fstat(fd, &st)
		switch {
		case err == unix.EBADF:
			// Never over an open one: a descriptor that was given out since the check
			// makes the duplicate land elsewhere.
			got, err := unix.FcntlInt(uintptr(m.own), unix.F_DUPFD_CLOEXEC, fd)
			if err != nil {
				return fmt.Errorf("dpdk: memory file: %w", err)
			}
			if got != fd {
				_ = unix.Close(got)
				return errMemoryFile
			}
		case err != nil:
			return fmt.Errorf("dpdk: memory file: %w", err)
		case st.Dev != m.dev || st.Ino != m.ino:
			return errMemoryFile
		}
	}
	return nil
}
