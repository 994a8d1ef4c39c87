package sock

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/cli"
)

const (
	// greetTime is how long a server may take to answer.
	greetTime = 5 * time.Second
	// stopTime is how long a server may take to end a line after an interrupt.
	stopTime = 5 * time.Second
	// maxUnread is how much output waits in the client at most. Reading ahead keeps
	// a server from waiting for a user who reads page by page.
	maxUnread = 256 << 20
)

// ErrNoConnection is the error of Dial when there is no server.
var ErrNoConnection = errors.New("no connection")

// Error is what a command failed with, on the other side.
type Error struct {
	Msg    string
	Status int   // see cli.ExitStatus
	cause  error // the end of the caller's context
}

func (e *Error) Error() string { return e.Msg }
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is(err, cli.ErrUsage), and so cli.ExitStatus, work.
func (e *Error) Is(target error) bool { return target == cli.ErrUsage && e.Status == 2 }

// Client is a connection to a server, ours or stock VPP's. It has the methods of a
// cli.Registry that a shell needs. One goroutine at a time may call them.
type Client struct {
	conn   net.Conn
	prompt string
	banner string
	stock  *stockClient // the server is VPP's
	id     uint64       // of the last complete frame

	mu     sync.Mutex
	cond   sync.Cond
	frames []frame // read, not yet taken
	size   int     // of their payloads
	err    error   // the connection is over
	quit   bool    // as it should be
	done   chan struct{}
}

type frame struct {
	kind    byte
	payload []byte
}

// Dial connects to a server at an address, see ParseAddress.
func Dial(ctx context.Context, address string) (*Client, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn.SetDeadline(time.Now().Add(greetTime))
	r := bufio.NewReader(conn)
	hello, err := greet(conn, r)
	switch {
	case errors.Is(err, errNotOurs):
		conn.Close()
		return dialStock(ctx, address)
	case err != nil:
		conn.Close()
		return nil, fmt.Errorf("%s: %w: %w", address, ErrNoConnection, err)
	}
	stop()
	conn.SetDeadline(time.Time{})
	c := &Client{conn: conn, prompt: hello.Prompt, banner: hello.Banner, done: make(chan struct{})}
	c.cond.L = &c.mu
	go c.read(r)
	return c, nil
}

// dial opens a connection; its errors name the address and are ErrNoConnection.
func dial(ctx context.Context, address string) (net.Conn, error) {
	network, name, err := ParseAddress(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoConnection, err)
	}
	d := net.Dialer{Timeout: greetTime}
	conn, err := d.DialContext(ctx, network, name)
	if err != nil {
		var sys unix.Errno
		if errors.As(err, &sys) {
			err = sys
		}
		return nil, fmt.Errorf("%s: %w: %w", address, ErrNoConnection, err)
	}
	return conn, nil
}

var errNotOurs = errors.New("the server does not know frames")

// greet tells the server who we are and reads its hello, past the telnet options.
func greet(w io.Writer, r *bufio.Reader) (hello helloFrame, err error) {
	if _, err := w.Write(answerTTYPE(clientName)); err != nil {
		return hello, err
	}
	for {
		ev, err := readTelnet(r)
		if err != nil {
			return hello, unexpected(err)
		}
		if ev.kind == telnetData {
			break
		}
	}
	r.UnreadByte()
	if b, _ := r.Peek(1); b[0] != frameHello {
		return hello, errNotOurs
	}
	_, payload, err := readFrame(r)
	if err != nil {
		return hello, err
	}
	if json.Unmarshal(payload, &hello) != nil {
		return hello, errNotOurs
	}
	return hello, nil
}

// Prompt is the server's.
func (c *Client) Prompt() string { return c.prompt }

// Banner is the server's, for a person at a terminal; empty for none.
func (c *Client) Banner() string { return c.banner }

// Done is closed when the connection is over.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err tells, after Done, why the connection is over: net.ErrClosed, or nil after
// quit.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil || c.quit {
		return nil
	}
	return lost(c.err)
}

// Close hangs up; the server cancels what runs.
func (c *Client) Close() error { return c.conn.Close() }

// read takes in frames as they come.
func (c *Client) read(r *bufio.Reader) {
	defer close(c.done)
	for {
		kind, payload, err := readFrame(r)
		c.mu.Lock()
		if err != nil {
			c.err = err
			c.cond.Broadcast()
			c.mu.Unlock()
			c.conn.Close()
			return
		}
		for c.size > maxUnread {
			c.cond.Wait()
		}
		c.frames = append(c.frames, frame{kind, payload})
		c.size += len(payload)
		c.cond.Broadcast()
		c.mu.Unlock()
	}
}

// next takes a frame; it fails when the connection is over or stop says so. Whoever
// makes stop true has to call wake.
func (c *Client) next(stop func() bool) (frame, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.frames) == 0 && c.err == nil && !stop() {
		c.cond.Wait()
	}
	if len(c.frames) == 0 {
		if c.err != nil {
			return frame{}, lost(c.err)
		}
		return frame{}, errStopped
	}
	f := c.frames[0]
	c.frames[0].payload = nil
	c.frames = c.frames[1:]
	c.size -= len(f.payload)
	c.cond.Broadcast()
	return f, nil
}

func (c *Client) wake() {
	c.mu.Lock()
	c.cond.Broadcast()
	c.mu.Unlock()
}

var errStopped = errors.New("stopped")

// lost is the error when the connection ended under way; it is net.ErrClosed.
func lost(err error) error { return &lostError{err} }

type lostError struct{ cause error }

func (e *lostError) Error() string {
	if e.cause == io.EOF || errors.Is(e.cause, net.ErrClosed) {
		return "connection lost"
	}
	return "connection lost: " + plain(e.cause).Error()
}
func (e *lostError) Is(target error) bool { return target == net.ErrClosed }
func (e *lostError) Unwrap() error        { return e.cause }

func (c *Client) send(kind byte, v any) error {
	c.conn.SetWriteDeadline(time.Now().Add(greetTime))
	var err error
	if v == nil {
		err = writeFrame(c.conn, kind, nil)
	} else {
		err = writeJSON(c.conn, kind, v)
	}
	if err != nil {
		return lost(err)
	}
	return nil
}

// Exec runs a line on the server and writes its output as it comes. When ctx is
// done the server is asked to cancel the command, and Exec returns what it said
// until then. The error is an *Error, cli.ErrQuit, or net.ErrClosed when the
// connection is over. Of o.Session only the terminal is used: "set terminal" on the
// server changes it.
func (c *Client) Exec(ctx context.Context, line string, out io.Writer, o cli.Options) error {
	if len(line) > maxLine {
		return errLongLine
	}
	if c.stock != nil {
		return c.stock.exec(ctx, line, out)
	}
	l := lineFrame{Line: line, JSON: o.JSON, Layout: o.Layout}
	if o.Session != nil {
		if t := o.Session.Terminal(); t.Interactive {
			l.Terminal = &t
		}
	}
	if err := c.send(frameLine, l); err != nil {
		return err
	}
	var late time.Time // when we lose patience, after an interrupt
	interrupted := false
	expired := func() bool {
		return !interrupted && ctx.Err() != nil || interrupted && time.Now().After(late)
	}
	interrupt := func() error {
		interrupted, late = true, time.Now().Add(stopTime)
		time.AfterFunc(stopTime+10*time.Millisecond, c.wake)
		return c.send(frameInterrupt, nil)
	}
	defer context.AfterFunc(ctx, c.wake)()
	var outErr error
	for {
		f, err := c.next(expired)
		switch {
		case errors.Is(err, errStopped) && !interrupted:
			if err := interrupt(); err != nil {
				return err
			}
			continue
		case errors.Is(err, errStopped):
			c.Close()
			return fmt.Errorf("the command does not stop, connection closed: %w", net.ErrClosed)
		case err != nil:
			return err
		}
		switch f.kind {
		case frameOutput:
			if outErr != nil {
				continue
			}
			if _, outErr = out.Write(f.payload); outErr != nil && !interrupted {
				if err := interrupt(); err != nil {
					return err
				}
			}
		case frameEnd:
			return c.ended(ctx, f.payload, o.Session, outErr)
		}
	}
}

// ended is the error that an end frame means.
func (c *Client) ended(ctx context.Context, payload []byte, session *cli.Session, outErr error) error {
	var end endFrame
	if err := json.Unmarshal(payload, &end); err != nil {
		return lost(err)
	}
	if session != nil && end.Terminal != nil {
		session.UpdateTerminal(func(t *cli.Terminal) { *t = *end.Terminal })
	}
	switch {
	case outErr != nil:
		return outErr
	case end.Quit:
		c.mu.Lock()
		c.quit = true
		c.mu.Unlock()
		return cli.ErrQuit
	case end.Error == "" && end.Status == 0:
		return nil
	}
	err := error(&Error{Msg: end.Error, Status: end.Status, cause: ctx.Err()})
	if end.JSON {
		err = cli.AsJSON(err)
	}
	return err
}

// Complete asks the server for words that may end the line. It gives up after half
// a second: a prompt must not hang.
func (c *Client) Complete(ctx context.Context, line string) []cli.Word {
	if c.stock != nil || len(line) > maxLine {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	c.id++
	if c.send(frameComplete, completeFrame{ID: c.id, Line: line}) != nil {
		return nil
	}
	defer context.AfterFunc(ctx, c.wake)()
	for {
		f, err := c.next(func() bool { return ctx.Err() != nil })
		if err != nil {
			return nil
		}
		var answer wordsFrame
		if f.kind != frameWords || json.Unmarshal(f.payload, &answer) != nil || answer.ID != c.id {
			continue // the answer to a question we gave up on
		}
		var words []cli.Word
		for _, w := range answer.Words {
			words = append(words, cli.Word{Text: w[0], Help: w[1]})
		}
		return words
	}
}
