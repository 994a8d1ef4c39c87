package transport

import (
	"fmt"
	"syscall"
)

// What can happen to a connection or a request. Each satisfies errors.Is with the
// system's own error of that meaning, so that adapters need no table.
var (
	ErrRefused    = fmt.Errorf("refused: %w", syscall.ECONNREFUSED)
	ErrReset      = fmt.Errorf("reset by peer: %w", syscall.ECONNRESET)
	ErrTimeout    = fmt.Errorf("timed out: %w", syscall.ETIMEDOUT)
	ErrAborted    = fmt.Errorf("aborted: %w", syscall.ECONNABORTED)
	ErrNoRoute    = fmt.Errorf("no route: %w", syscall.EHOSTUNREACH)
	ErrNoSource   = fmt.Errorf("no ip for lcl interface: %w", syscall.EADDRNOTAVAIL)
	ErrNoPort     = fmt.Errorf("no lcl port: %w", syscall.EADDRNOTAVAIL)
	ErrInUse      = fmt.Errorf("ip port pair already listened on: %w", syscall.EADDRINUSE)
	ErrNoListener = fmt.Errorf("not listening: %w", syscall.EINVAL)
	ErrNoMemory   = fmt.Errorf("memory allocation error: %w", syscall.ENOMEM)
	ErrBadAddress = fmt.Errorf("invalid remote ip: %w", syscall.EINVAL)
	ErrAppRefused = fmt.Errorf("refused by the application: %w", syscall.ECONNABORTED)
)
