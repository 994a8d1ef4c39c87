package transport

import "syscall"

// What can happen to a connection or a request. Each satisfies errors.Is with the
// system's own error of that meaning, so that adapters need no table.
var (
	ErrRefused    error = &failure{"refused", syscall.ECONNREFUSED}
	ErrReset      error = &failure{"reset by peer", syscall.ECONNRESET}
	ErrTimeout    error = &failure{"timed out", syscall.ETIMEDOUT}
	ErrAborted    error = &failure{"aborted", syscall.ECONNABORTED}
	ErrNoRoute    error = &failure{"no route", syscall.EHOSTUNREACH}
	ErrNoSource   error = &failure{"no ip for lcl interface", syscall.EADDRNOTAVAIL}
	ErrNoPort     error = &failure{"no lcl port", syscall.EADDRNOTAVAIL}
	ErrInUse      error = &failure{"ip port pair already listened on", syscall.EADDRINUSE}
	ErrNoListener error = &failure{"not listening", syscall.EINVAL}
	ErrNoMemory   error = &failure{"memory allocation error", syscall.ENOMEM}
	ErrBadAddress error = &failure{"invalid remote ip", syscall.EINVAL}
	ErrAppRefused error = &failure{"refused by the application", syscall.ECONNABORTED}
)

// failure is an error of the system with VPP's words for it.
type failure struct {
	text  string
	errno syscall.Errno
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.errno }
