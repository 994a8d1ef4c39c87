package shell

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// errWoken is readKey's error when wake was called: the caller looks why.
var errWoken = errors.New("woken")

// escapeDelay is how long the rest of an escape sequence may take to arrive.
const escapeDelay = 50 * time.Millisecond

// console is the terminal. One goroutine at a time reads keys; wake may be called
// by any.
type console struct {
	in, out int // file descriptors
	event   int // eventfd that ends a waiting readKey
	saved   unix.Termios
	pending []byte // read, not yet taken as keys: what was typed or pasted ahead
	resized atomic.Bool
	winch   chan os.Signal
}

// openConsole takes the terminal over. close puts it back as it was.
func openConsole(in, out *os.File) (*console, error) {
	c := &console{in: int(in.Fd()), out: int(out.Fd()), event: -1}
	saved, err := unix.IoctlGetTermios(c.in, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	c.saved = *saved
	if c.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	c.winch = make(chan os.Signal, 1)
	signal.Notify(c.winch, unix.SIGWINCH)
	go func() {
		for range c.winch {
			c.resized.Store(true)
			c.wake()
		}
	}()
	return c, nil
}

func (c *console) close() {
	signal.Stop(c.winch)
	close(c.winch)
	c.set(&c.saved)
	// The eventfd stays open: whoever still calls wake must not hit a reused
	// descriptor. A process opens one console in its life.
}

// raw is the mode of the prompt and the pager: every key arrives at once and as
// is. Output processing stays on.
func (c *console) raw() error {
	t := c.saved
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.IEXTEN | unix.ISIG
	t.Cflag &^= unix.CSIZE | unix.PARENB
	t.Cflag |= unix.CS8
	t.Oflag |= unix.OPOST | unix.ONLCR
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return c.set(&t)
}

// running is the mode while a command runs. Ctrl-C raises SIGINT, and drops what was
// typed ahead. Otherwise that is kept unread and unechoed for the next prompt, which
// is why ICANON stays off: the line discipline would eat Backspace and Ctrl-D.
func (c *console) running() error {
	t := c.saved
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON
	t.Lflag |= unix.ISIG
	t.Oflag |= unix.OPOST | unix.ONLCR
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	const disabled = 0 // _POSIX_VDISABLE
	t.Cc[unix.VSUSP], t.Cc[unix.VQUIT] = disabled, disabled
	return c.set(&t)
}

func (c *console) set(t *unix.Termios) error {
	return unix.IoctlSetTermios(c.in, unix.TCSETS, t)
}

// size is the terminal's, 80 by 24 when it does not tell.
func (c *console) size() (width, height int) {
	ws, err := unix.IoctlGetWinsize(c.out, unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row == 0 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}

// Write writes to the terminal.
func (c *console) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		m, err := unix.Write(c.out, p[n:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN: // someone else made the terminal non-blocking
			unix.Poll([]unix.PollFd{{Fd: int32(c.out), Events: unix.POLLOUT}}, -1)
		case err != nil:
			return n, err
		default:
			n += m
		}
	}
	return len(p), nil
}

// wake ends the readKey that waits, or the next one.
func (c *console) wake() {
	unix.Write(c.event, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// typedAhead tells whether input is waiting.
func (c *console) typedAhead() bool {
	if len(c.pending) > 0 {
		return true
	}
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(c.in), Events: unix.POLLIN}}, 0)
	return n > 0
}

// forget drops what was typed ahead, as the terminal does itself at Ctrl-C with what
// was not read yet.
func (c *console) forget() { c.pending = nil }

// readKey waits for a key. It returns errWoken after wake, io.EOF when the
// terminal is gone.
func (c *console) readKey() (key, error) {
	for last := false; ; {
		if k, n := nextKey(c.pending, last); n > 0 {
			c.pending = c.pending[n:]
			return k, nil
		}
		wait := time.Duration(-1)
		if len(c.pending) > 0 {
			wait = escapeDelay
		}
		switch err := c.poll(wait); {
		case err == unix.ETIME:
			last = true
			continue
		case err != nil:
			return "", err
		}
		if err := c.fill(); err != nil {
			return "", err
		}
	}
}

// fill reads what the terminal has.
func (c *console) fill() error {
	var b [4096]byte
	n, err := unix.Read(c.in, b[:])
	switch {
	case err == unix.EINTR || err == unix.EAGAIN:
		return nil
	case err != nil || n == 0: // EIO: the terminal hung up
		return io.EOF
	}
	c.pending = append(c.pending, b[:n]...)
	return nil
}

// poll waits until input is there (nil), wake was called (errWoken) or the time is
// over (ETIME). A negative time waits for ever.
func (c *console) poll(wait time.Duration) error {
	ms := -1
	if wait >= 0 {
		ms = int(wait.Milliseconds())
	}
	for {
		fds := []unix.PollFd{{Fd: int32(c.in), Events: unix.POLLIN}, {Fd: int32(c.event), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, ms)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("poll: %w", err)
		case n == 0:
			return unix.ETIME
		case fds[1].Revents != 0:
			var b [8]byte
			unix.Read(c.event, b[:])
			return errWoken
		default:
			return nil // input, or a hang-up that read reports
		}
	}
}
