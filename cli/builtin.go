package cli

import (
	"fmt"
	"io"
	"time"
)

// builtins are the commands that every registry knows.
func (r *Registry) builtins() []*Command {
	cmds := []*Command{
		r.helpCommand(),
		{
			Path:  "comment",
			Usage: "<word> | { <text> }",
			Help:  "Do nothing with a word or a group",
			Run: func(_ *Ctx, in *Input) (Result, error) {
				if !in.Done() && !in.Word(new(string)) {
					return nil, in.Unknown()
				}
				return nil, in.End()
			},
		},
		{
			Path:  "uncomment",
			Usage: "{ <command> }",
			Help:  "Run the command in the group",
			Run: func(c *Ctx, in *Input) (Result, error) {
				var line string
				if !in.Group(&line) {
					return nil, in.Expect("{ <command> }")
				}
				if err := in.End(); err != nil {
					return nil, err
				}
				return nil, c.Exec(line)
			},
		},
		{
			Path:  "echo",
			Usage: "[<text>]",
			Help:  "Print the rest of the line",
			Run: func(_ *Ctx, in *Input) (Result, error) {
				var text string
				in.Line(&text)
				return Text(text + "\n"), nil
			},
		},
		{
			Path:  "wait",
			Usage: "<seconds>",
			Help:  "Pause, for scripts",
			Run:   runWait,
		},
		{
			Path: "history",
			Help: "Show the lines typed in this session",
			Run:  runHistory,
		},
		{
			Path:  "show cli",
			Usage: "[hit] [clear-hit]",
			Help: "List all commands\n" +
				"With hit: those that were run, and how often. clear-hit sets the counts to zero.",
			Run: r.runShowCLI,
		},
	}
	quit := &Command{
		Path: "quit",
		Help: "End this session; at the console of the instance, end the instance",
		Run:  func(*Ctx, *Input) (Result, error) { return nil, ErrQuit },
	}
	cmds = append(cmds, quit, quit.As("q"), quit.As("exit"))
	cmds = append(cmds, macroCommands()...)
	return append(cmds, terminalCommands()...)
}

// maxWait is VPP's limit.
const maxWait = 86400 // seconds

func runWait(c *Ctx, in *Input) (Result, error) {
	var seconds float64
	start := *in
	if !in.Float(&seconds) || seconds <= 0 || seconds > maxWait {
		return nil, start.Expect(fmt.Sprintf("a number of seconds up to %d", maxWait))
	}
	if err := in.End(); err != nil {
		return nil, err
	}
	timer := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return waited{seconds}, nil
	case <-c.Done():
		return nil, c.Err()
	}
}

type waited struct {
	Seconds float64 `json:"seconds"`
}

func (r waited) Text(w io.Writer, _ Layout) error {
	_, err := fmt.Fprintf(w, "waited %.3f sec.\n", r.Seconds)
	return err
}

func runHistory(c *Ctx, _ *Input) (Result, error) {
	if !c.Session.Terminal().Interactive {
		return nil, fmt.Errorf("invalid for non-interactive sessions")
	}
	lines, first := c.Session.History()
	h := make(history, len(lines))
	for i, line := range lines {
		h[i] = historyLine{first + i, line}
	}
	return h, nil
}

type history []historyLine

type historyLine struct {
	N    int    `json:"n"`
	Line string `json:"line"`
}

func (h history) Text(w io.Writer, _ Layout) error {
	for _, l := range h {
		if _, err := fmt.Fprintf(w, "%d  %s\n", l.N, l.Line); err != nil {
			return err
		}
	}
	return nil
}

func (r *Registry) runShowCLI(_ *Ctx, in *Input) (Result, error) {
	var hit, clear bool
	for !in.Done() {
		switch {
		case in.Match("hit"):
			hit = true
		case in.Match("clear-hit"):
			clear = true
		default:
			return nil, in.Unknown()
		}
	}
	list := hitList{}
	for _, n := range r.root.commands(nil) {
		hits := n.hits.Load()
		if clear {
			n.hits.Store(0)
		}
		if !hit {
			list = append(list, commandHits{Path: n.path})
		} else if hits > 0 {
			list = append(list, commandHits{n.path, &hits})
		}
	}
	if clear && !hit {
		return nil, nil
	}
	return list, nil
}

// hitList is the result of "show cli"; hits are nil when they were not asked for.
type hitList []commandHits

type commandHits struct {
	Path string  `json:"path"`
	Hits *uint64 `json:"hits,omitempty"`
}

func (l hitList) Text(w io.Writer, _ Layout) error {
	for _, c := range l {
		line := c.Path
		if c.Hits != nil {
			line += fmt.Sprintf(": %d", *c.Hits)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
