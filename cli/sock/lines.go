package sock

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/cli"
)

// lineIdle is after how long an unfinished line counts as a line: the stock vppctl
// forwards a pipe as it is and does not tell its end.
const lineIdle = 200 * time.Millisecond

// typedLine is a line, or why there is none.
type typedLine struct {
	text string
	err  error
}

// serveLines serves programs: a line in, text out. The stock vppctl gets a NUL
// after each line's output, for which it waits; others get a prompt.
func (c *client) serveLines() error {
	command := c.mode == modeCommand
	c.session.UpdateTerminal(func(t *cli.Terminal) {
		t.Name, t.LineMode, t.Interactive = c.term, true, !command
	})
	out := telnetWriter{w: c.out}
	lines := make(chan typedLine, 16)
	go c.readLines(lines, command)
	for {
		if !command {
			io.WriteString(out, c.srv.cfg.Prompt)
		}
		l, ok := <-lines
		if !ok {
			return nil
		}
		err := l.err
		if err == nil && strings.TrimSpace(l.text) != "" {
			if !command {
				c.session.Remember(l.text)
			}
			err = c.exec(l.text, out, cli.Options{})
		}
		switch {
		case errors.Is(err, cli.ErrQuit):
			return nil
		case c.ctx.Err() != nil:
			return c.ctx.Err()
		case err != nil:
			cli.WriteError(out, err, cli.Options{})
		}
		if command {
			c.out.Write([]byte{0})
		}
	}
}

// readLines reads ahead, and closes the channel at the end. A client that is gone
// has its running command cancelled; one that has only finished sending, as nc -N
// does, gets its answers.
func (c *client) readLines(lines chan<- typedLine, idle bool) {
	defer close(lines)
	send := func(l typedLine) bool {
		select {
		case lines <- l:
			return true
		case <-c.ctx.Done():
			return false
		}
	}
	var buf []byte
	long := false
	flush := func() bool {
		l := typedLine{text: string(buf)}
		if long {
			l = typedLine{err: errLongLine}
		}
		buf, long = buf[:0], false
		return send(l)
	}
	for {
		if idle && c.in.Buffered() == 0 && c.ctx.Err() == nil {
			deadline := time.Time{}
			if len(buf) > 0 {
				deadline = time.Now().Add(lineIdle)
			}
			c.conn.SetReadDeadline(deadline)
		}
		ev, err := readTelnet(c.in)
		switch ne, isNet := err.(net.Error); {
		case err == nil:
		case isNet && ne.Timeout() && idle && c.ctx.Err() == nil:
			if !flush() {
				return
			}
			continue
		default:
			if hungUp(c.conn) || c.srv.ctx.Err() != nil {
				c.cancel()
			}
			if len(buf) > 0 {
				flush()
			}
			return
		}
		switch {
		case ev.kind != telnetData:
			c.telnet(ev)
		case ev.data == '\n':
			if !flush() {
				return
			}
		case ev.data == 3: // ^C
			c.interrupt()
		case ev.data == 0 || ev.data == '\r':
		case len(buf) >= maxLine:
			long = true
		default:
			buf = append(buf, ev.data)
		}
	}
}

// hungUp tells whether the peer can neither send nor receive any more.
func hungUp(conn net.Conn) bool {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	gone := true
	raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		if n, err := unix.Poll(fds, 0); err == nil {
			gone = n > 0 && fds[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
		}
	})
	return gone
}
