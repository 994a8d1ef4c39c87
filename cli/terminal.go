package cli

import (
	"fmt"
	"io"
)

// Terminal is what a session's front end works with. The front end fills it in;
// "set terminal" changes the switches, and the front end reads them again for every
// line. The zero value is a pipe or a script.
type Terminal struct {
	Name         string `json:"name"`        // TERM
	Interactive  bool   `json:"interactive"` // a person types
	LineMode     bool   `json:"lineMode"`    // the front end gets whole lines, not keys
	ANSI         bool   `json:"ansi"`        // understands escape sequences
	CRLF         bool   `json:"crlf"`        // lines end in CR LF
	Width        int    `json:"width"`       // 0 is unknown
	Height       int    `json:"height"`      // 0 is unknown
	Pager        bool   `json:"pager"`
	PagerLimit   int    `json:"pagerLimit"` // lines that the pager holds; 0 is no limit
	History      bool   `json:"history"`
	HistoryLimit int    `json:"historyLimit"` // lines; 0 remembers none
}

func terminalCommands() []*Command {
	return []*Command{{
		Path: "show terminal",
		Help: "Show what this session's terminal can do",
		Run: func(c *Ctx, _ *Input) (Result, error) {
			return terminalState{c.Session.Name(), c.Session.Terminal()}, nil
		},
	}, {
		Path:  "set terminal pager",
		Usage: "[on|off] [limit <lines>]",
		Help:  "Show long output a page at a time",
		Run: setTerminal(func(t *Terminal) (*bool, *int) {
			return &t.Pager, &t.PagerLimit
		}),
	}, {
		Path:  "set terminal history",
		Usage: "[on|off] [limit <lines>]",
		Help:  "Remember the lines typed in this session",
		Run: setTerminal(func(t *Terminal) (*bool, *int) {
			return &t.History, &t.HistoryLimit
		}),
	}, {
		Path:  "set terminal ansi",
		Usage: "on|off",
		Help:  "Use colours and cursor movement",
		Run: setTerminal(func(t *Terminal) (*bool, *int) {
			return &t.ANSI, nil
		}),
	}}
}

// setTerminal scans "[on|off] [limit <n>]" into the two fields; a nil limit is
// none that can be set.
func setTerminal(fields func(*Terminal) (on *bool, limit *int)) func(*Ctx, *Input) (Result, error) {
	return func(c *Ctx, in *Input) (Result, error) {
		t := c.Session.Terminal()
		on, limit := fields(&t)
		what := "on, off or limit"
		if limit == nil {
			what = "on or off"
		}
		if in.Done() {
			return nil, in.Expect(what)
		}
		for !in.Done() {
			var n uint32
			switch {
			case in.OnOff(on):
			case limit != nil && in.Match("limit"):
				if !in.Uint32(&n) {
					return nil, in.Expect("a number of lines after limit")
				}
				*limit = int(n)
			default:
				return nil, in.Expect(what)
			}
		}
		c.Session.UpdateTerminal(func(now *Terminal) {
			nowOn, nowLimit := fields(now)
			*nowOn = *on
			if limit != nil {
				*nowLimit = *limit
			}
		})
		return nil, nil
	}
}

// terminalState is the result of "show terminal".
type terminalState struct {
	Session  string   `json:"session"`
	Terminal Terminal `json:"terminal"`
}

func (s terminalState) Text(w io.Writer, _ Layout) error {
	t := s.Terminal
	mode := "char-by-char"
	if t.LineMode {
		mode = "line-by-line"
	}
	for _, row := range []struct {
		label string
		value any
	}{
		{"Terminal name:", t.Name},
		{"Terminal node:", s.Session},
		{"Terminal mode:", mode},
		{"Terminal width:", t.Width},
		{"Terminal height:", t.Height},
		{"ANSI capable:", yesNo(t.ANSI)},
		{"Interactive:", yesNo(t.Interactive)},
		{"History enabled:", yesNo(t.History)},
		{"History limit:", t.HistoryLimit},
		{"Pager enabled:", yesNo(t.Pager)},
		{"Pager limit:", t.PagerLimit},
		{"CRLF mode:", map[bool]string{true: "CR+LF", false: "LF"}[t.CRLF]},
	} {
		if _, err := fmt.Fprintf(w, "%-17s%v\n", row.label, row.value); err != nil {
			return err
		}
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
