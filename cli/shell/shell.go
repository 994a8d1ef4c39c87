package shell

import (
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

// Engine runs command lines: a *cli.Registry, or a connection to one elsewhere.
type Engine interface {
	Exec(ctx context.Context, line string, out io.Writer, o cli.Options) error
	Complete(ctx context.Context, line string) []cli.Word
}

// Config of a session. Only Engine is required.
type Config struct {
	Engine  Engine
	Session *cli.Session // macros, history, terminal; a fresh one if nil

	Prompt       string // "vpp# " if empty; a blank is added where there is none
	Banner       string // shown first on a terminal; empty for none
	HistoryLimit int    // lines; 0 for no history
	HistoryFile  string // empty: history ends with the session
	NoPager      bool
	PagerLimit   int  // lines that the pager holds; DefaultPagerLimit if 0
	Color        bool // colours may be used, on a terminal
	JSON         bool // results and errors as JSON

	In       io.Reader // standard input, output and error if nil
	Out, Err io.Writer
}

// DefaultPagerLimit is VPP's cli-pager-buffer-limit.
const DefaultPagerLimit = 100000

// Banner is what an instance greets with.
const Banner = `
                        _                  _
 __   __  _ __   _ __  | |__    ___   ___ | |_
 \ \ / / | '_ \ | '_ \ | '_ \  / _ \ / __|| __|
  \ V /  | |_) || |_) || | | || (_) |\__ \| |_
   \_/   | .__/ | .__/ |_| |_| \___/ |___/ \__|
         |_|    |_|

`

// Hint follows the banner.
const Hint = "Type ? and Enter for the commands, Tab to complete, quit to leave.\n\n"

// Run reads lines and executes them until the user leaves, the input ends or ctx is
// done. On a terminal the status is 0. Lines from a pipe all run, errors go to Err
// a line each, and the status is that of the first that failed. The error tells
// that the session could not go on: the terminal failed, or the engine is gone
// (net.ErrClosed).
func Run(ctx context.Context, cfg Config) (status int, err error) {
	if cfg.In == nil {
		cfg.In = os.Stdin
	}
	if cfg.Out == nil {
		cfg.Out = os.Stdout
	}
	if cfg.Err == nil {
		cfg.Err = os.Stderr
	}
	if cfg.Prompt == "" {
		cfg.Prompt = "vpp#"
	}
	if !strings.HasSuffix(cfg.Prompt, " ") {
		cfg.Prompt += " "
	}
	if cfg.PagerLimit == 0 {
		cfg.PagerLimit = DefaultPagerLimit
	}
	if cfg.Session == nil {
		cfg.Session = cli.NewSession("console")
	}
	in, out, ok := terminal(&cfg)
	if !ok {
		return runPlain(ctx, &cfg)
	}
	con, err := openConsole(in, out)
	if err != nil {
		return runPlain(ctx, &cfg)
	}
	defer con.close()
	defer context.AfterFunc(ctx, con.wake)()
	io.WriteString(con, cfg.Banner)
	s := &session{cfg: &cfg, con: con, history: loadHistory(cfg.HistoryFile, cfg.HistoryLimit)}
	s.interrupts = make(chan os.Signal, 1)
	signal.Notify(s.interrupts, unix.SIGINT)
	defer signal.Stop(s.interrupts)
	cfg.Session.UpdateTerminal(func(t *cli.Terminal) {
		*t = cli.Terminal{
			Name: os.Getenv("TERM"), Interactive: true, ANSI: true,
			Pager: !cfg.NoPager, PagerLimit: cfg.PagerLimit,
			History: cfg.HistoryLimit > 0, HistoryLimit: cfg.HistoryLimit,
		}
		t.Width, t.Height = con.size()
	})
	return 0, s.loop(ctx)
}

// terminal tells whether there is one to edit lines on. go-prompt insists on
// /dev/tty although it does not use it.
func terminal(cfg *Config) (in, out *os.File, ok bool) {
	in, _ = cfg.In.(*os.File)
	out, _ = cfg.Out.(*os.File)
	if in == nil || out == nil || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return nil, nil, false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil || os.Getenv("TERM") == "dumb" {
		return nil, nil, false
	}
	tty.Close()
	return in, out, true
}

// session is a shell on a terminal.
type session struct {
	cfg     *Config
	con     *console
	history *history
	// SIGINT, all the time: between the end of a command and the prompt nobody waits
	// for it, and the instance must not die of it.
	interrupts chan os.Signal
}

func (s *session) loop(ctx context.Context) error {
	e := newEditor(ctx, s.con, s.cfg, s.history)
	for {
		line, err := e.readLine()
		switch {
		case errors.Is(err, io.EOF), err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		s.remember(line)
		err = s.exec(ctx, line)
		switch {
		case errors.Is(err, cli.ErrQuit), ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil && !errors.Is(err, context.Canceled): // ^C was shown
			s.complain(err)
		}
	}
}

// remember adds a line to both histories: that of the keys and its file, and that
// of the engine's history command. "set terminal history" is for both.
func (s *session) remember(line string) {
	s.cfg.Session.Remember(line)
	if t := s.cfg.Session.Terminal(); t.History {
		s.history.limit = t.HistoryLimit
		s.history.add(line)
	}
}

// exec runs a line. Ctrl-C cancels its context.
func (s *session) exec(ctx context.Context, line string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case <-s.interrupts: // came too late for the command before
	default:
	}
	go func() {
		select {
		case <-s.interrupts:
			io.WriteString(s.con, "^C\n")
			cancel()
		case <-ctx.Done():
		}
	}()
	defer func() {
		if ctx.Err() != nil {
			s.con.forget() // the lines that were pasted behind this one
		}
	}()
	if err := s.con.running(); err != nil {
		return fmt.Errorf("terminal: %w", err)
	}

	width, height := s.con.size()
	s.cfg.Session.UpdateTerminal(func(t *cli.Terminal) { t.Width, t.Height = width, height })
	t := s.cfg.Session.Terminal()
	color := s.cfg.Color && t.ANSI
	// Who pastes several lines wants to see what they do, not to page in between.
	page := t.Pager && !s.con.typedAhead()
	out := newScreen(s.con, width, height, t.PagerLimit, page)
	err := s.cfg.Engine.Exec(ctx, line, out, cli.Options{
		JSON:    s.cfg.JSON,
		Layout:  cli.Layout{Width: width, Height: height, Color: color},
		Session: s.cfg.Session,
	})
	rows := out.finish(ctx.Err() != nil)
	if rows == nil {
		return err
	}
	if rawErr := s.con.raw(); rawErr != nil {
		return fmt.Errorf("terminal: %w", rawErr)
	}
	p := &pager{con: s.con, rows: rows, bold: color}
	p.run(func() bool { return ctx.Err() != nil })
	return err
}

// complain shows an error.
func (s *session) complain(err error) {
	var b strings.Builder
	cli.WriteError(&b, err, cli.Options{JSON: s.cfg.JSON})
	msg := strings.TrimRight(b.String(), "\n")
	if s.cfg.Color && s.cfg.Session.Terminal().ANSI {
		msg = "\x1b[31m" + msg + "\x1b[0m"
	}
	io.WriteString(s.con, msg+"\n")
}
