package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"vpphost/cli"
)

// MaxLine is the longest line that is read from a pipe, in bytes.
const MaxLine = 64 << 10

// runPlain is Run without a terminal, or with one that cannot do more than lines.
// Lines that begin with # are comments.
func runPlain(ctx context.Context, cfg *Config) (status int, err error) {
	in, isFile := cfg.In.(*os.File)
	typed := isFile && term.IsTerminal(int(in.Fd()))
	lines := readLines(ctx, cfg.In)
	var interrupts chan os.Signal // SIGINT; of a terminal only
	if typed {
		interrupts = make(chan os.Signal, 1)
		signal.Notify(interrupts, unix.SIGINT)
		defer signal.Stop(interrupts)
	}
	fail := func(err error) {
		cli.WriteError(cfg.Err, err, cli.Options{JSON: cfg.JSON})
		if status == 0 {
			status = cli.ExitStatus(err)
		}
	}
	for {
		if typed {
			io.WriteString(cfg.Out, cfg.Prompt)
		}
		var l plainLine
		select {
		case l = <-lines:
		case <-interrupts:
			io.WriteString(cfg.Out, "\n")
			continue
		case <-ctx.Done():
			return status, nil
		}
		text := strings.TrimSpace(l.text)
		switch {
		case l.err == nil && (text == "" || strings.HasPrefix(text, "#")):
		case l.err == nil:
			err := execPlain(ctx, cfg, text, interrupts)
			switch {
			case errors.Is(err, cli.ErrQuit), ctx.Err() != nil:
				return status, nil
			case errors.Is(err, net.ErrClosed):
				return status, err
			case err != nil:
				fail(err)
			}
		case errors.Is(l.err, io.EOF):
			return status, nil
		case errors.Is(l.err, errLongLine):
			fail(l.err)
		default:
			return status, fmt.Errorf("read: %w", l.err)
		}
	}
}

// execPlain runs a line; an interrupt cancels it.
func execPlain(ctx context.Context, cfg *Config, line string, interrupts <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	return cfg.Engine.Exec(ctx, line, cfg.Out, cli.Options{JSON: cfg.JSON, Session: cfg.Session})
}

type plainLine struct {
	text string
	err  error
}

var errLongLine = cli.Usagef("line is longer than %d bytes", MaxLine)

// readLines reads lines on a goroutine of its own, so that the caller can stop
// waiting. A line that is too long is skipped and reported. The last answer is an
// error other than errLongLine.
func readLines(ctx context.Context, in io.Reader) <-chan plainLine {
	c := make(chan plainLine)
	go func() {
		r := bufio.NewReaderSize(in, MaxLine)
		for {
			b, err := r.ReadSlice('\n')
			l := plainLine{text: string(b), err: err}
			switch {
			case err == io.EOF && len(b) > 0:
				l.err = nil // a last line without its end
			case err == bufio.ErrBufferFull:
				for err == bufio.ErrBufferFull {
					_, err = r.ReadSlice('\n')
				}
				l.err = errLongLine
			}
			select {
			case c <- l:
			case <-ctx.Done():
				return
			}
			if l.err != nil && l.err != errLongLine {
				return
			}
		}
	}()
	return c
}
