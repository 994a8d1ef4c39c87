package sock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"vpphost/cli"
)

// stockClient talks to VPP's own server, as VPP's own vppctl does: a line, and text
// until a NUL byte. There is no exit status, no completion, and no interrupt but to
// hang up.
type stockClient struct {
	address string
	conn    net.Conn
	r       *bufio.Reader
}

// dialStock connects to a server that did not understand frames.
func dialStock(ctx context.Context, address string) (*Client, error) {
	s := &stockClient{address: address}
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	c := &Client{conn: s.conn, prompt: "vpp# ", stock: s, done: make(chan struct{})}
	c.cond.L = &c.mu
	return c, nil
}

func (s *stockClient) connect(ctx context.Context) (err error) {
	if s.conn, err = dial(ctx, s.address); err != nil {
		return err
	}
	s.r = bufio.NewReader(s.conn)
	// The server must have switched off prompts before it reads a line: wait until
	// it asks for the terminal type.
	s.conn.SetDeadline(time.Now().Add(greetTime))
	defer s.conn.SetDeadline(time.Time{})
	for {
		ev, err := readTelnet(s.r)
		if err == nil && ev.kind == telnetAsk {
			_, err = s.conn.Write(answerTTYPE("vppctl"))
			if err == nil {
				return nil
			}
		}
		if err != nil {
			s.conn.Close()
			s.conn = nil
			return fmt.Errorf("%s: %w: %w", s.address, ErrNoConnection, unexpected(err))
		}
	}
}

// exec runs a line. A cancelled one costs the connection; the next makes a new one.
func (s *stockClient) exec(ctx context.Context, line string, out io.Writer) error {
	switch strings.TrimSpace(line) {
	case "q", "quit", "exit":
		return cli.ErrQuit
	}
	if s.conn == nil {
		if err := s.connect(ctx); err != nil {
			return errors.Join(net.ErrClosed, err)
		}
	}
	conn := s.conn
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	_, err := io.WriteString(conn, line+"\n")
	for err == nil {
		var ev telnetEvent
		ev, err = readTelnet(s.r)
		if err != nil || ev.kind != telnetData {
			continue
		}
		if ev.data == 0 {
			return nil
		}
		// What has arrived goes out in one piece.
		chunk := []byte{ev.data}
		for s.r.Buffered() > 0 {
			b, _ := s.r.Peek(1)
			if b[0] == 0 || b[0] == iac {
				break
			}
			s.r.ReadByte()
			chunk = append(chunk, b[0])
		}
		_, err = out.Write(chunk)
	}
	conn.Close()
	s.conn = nil
	if ctx.Err() != nil {
		return &Error{Msg: "interrupted", Status: cli.StatusFailed, cause: ctx.Err()}
	}
	return lost(err)
}
