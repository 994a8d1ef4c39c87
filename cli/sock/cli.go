package sock

import (
	"fmt"
	"io"

	"vpphost/cli"
)

// Commands are the server's own.
func (s *Server) Commands() []*cli.Command {
	return []*cli.Command{{
		Path: "show cli-sessions",
		Help: "Show who is connected to the CLI socket",
		Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) {
			list := sessionList{}
			for _, c := range s.list() {
				list = append(list, c.info())
			}
			return list, nil
		},
	}}
}

type sessionList []sessionInfo

type sessionInfo struct {
	ID          int    `json:"id"`
	Name        string `json:"name"`
	Interactive bool   `json:"interactive"`
	LineMode    bool   `json:"lineMode"`
	ANSI        bool   `json:"ansi"`
	Broken      bool   `json:"brokenPipe"`
	Terminal    string `json:"terminal"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
}

func (c *client) info() sessionInfo {
	t := c.session.Terminal()
	i := sessionInfo{
		ID: c.id, Name: c.session.Name(), Interactive: t.Interactive, LineMode: t.LineMode,
		ANSI: t.ANSI, Terminal: t.Name, Width: t.Width, Height: t.Height,
	}
	i.Broken = c.out.broken()
	return i
}

// Text is VPP's table. The letters are Interactive, Socket, Line mode, broken Pipe,
// ANSI; a capital says yes.
func (l sessionList) Text(w io.Writer, _ cli.Layout) error {
	if _, err := fmt.Fprintf(w, "%-5s %-20s %s\n", "ID", "Name", "Flags"); err != nil {
		return err
	}
	for _, s := range l {
		flags := []byte("iSlpa")
		for i, on := range []bool{s.Interactive, true, s.LineMode, s.Broken, s.ANSI} {
			if on {
				flags[i] &^= 'a' - 'A'
			}
		}
		if _, err := fmt.Fprintf(w, "%-5d %-20s %s\n", s.ID, s.Name, flags); err != nil {
			return err
		}
	}
	return nil
}
