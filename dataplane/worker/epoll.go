package worker

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// epollPwait2 is epoll_pwait2(2): epoll with a time-out in ns. It gives the P
// back while it waits (Syscall, not RawSyscall), so that a garbage collection
// need not wait for a sleeping worker.
func epollPwait2(epfd int, ev []unix.EpollEvent, ts *unix.Timespec) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epfd),
		uintptr(unsafe.Pointer(unsafe.SliceData(ev))), uintptr(len(ev)),
		uintptr(unsafe.Pointer(ts)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
