package shell

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// pagerTick is how often a running command is looked at: see screen.
const pagerTick = 250 * time.Millisecond

// screen takes the output of one command. It keeps it back, so that tall output can
// be paged when the command is done. A command that runs long shows its output as
// it comes, and unpaged: when it is still running at a tick and has written less
// than a screen, or nothing since the tick before.
type screen struct {
	out   io.Writer
	width int
	rows  int // of the terminal
	limit int // lines that are kept back at most; 0 for any number

	mu      sync.Mutex
	buf     []byte
	lines   int  // in buf
	seen    int  // len(buf) at the last tick
	passing bool // no longer kept back
	timer   *time.Timer
}

// newScreen keeps output back if page says so, at most limit lines.
func newScreen(out io.Writer, width, rows, limit int, page bool) *screen {
	s := &screen{out: out, width: width, rows: rows, limit: limit, passing: !page}
	if page {
		s.timer = time.AfterFunc(pagerTick, s.tick)
	}
	return s
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.passing {
		return s.out.Write(p)
	}
	s.buf = append(s.buf, p...)
	s.lines += bytes.Count(p, []byte("\n"))
	if s.limit > 0 && s.lines > s.limit {
		s.pass()
		io.WriteString(s.out, "-- pager buffer overflowed --\n")
	}
	return len(p), nil
}

func (s *screen) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.passing {
		return
	}
	if len(s.buf) == s.seen || s.lines < s.rows {
		s.pass()
		return
	}
	s.seen = len(s.buf)
	s.timer.Reset(pagerTick)
}

// pass shows what was kept back, and what comes from now on.
func (s *screen) pass() {
	s.out.Write(s.buf)
	s.buf, s.passing = nil, true
}

// finish ends the command. It returns the rows to page, nil when all has been shown;
// a command that was interrupted is not paged.
func (s *screen) finish(interrupted bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.passing {
		return nil
	}
	s.timer.Stop()
	rows := splitRows(string(s.buf), s.width)
	if len(rows) < s.rows || interrupted {
		s.pass()
		return nil
	}
	s.passing = true
	return rows
}
