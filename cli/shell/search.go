package shell

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// search is ^R and ^S: it looks for a typed text in the history, backwards and
// forwards. It draws over the prompt's line and returns the keys that put what it
// found into the line; none when the user gave up.
func (e *editor) search(first key) []key {
	s := finder{lines: e.history.lines(), at: -1, back: first == keyCtrlR}
	row := e.cursorRow()
	e.eraseLine(row)
	defer func() {
		// go-prompt believes that the cursor is where it left it.
		io.WriteString(e.con, "\r\x1b[J"+strings.Repeat("\n", row))
	}()
	width, _ := e.con.size()
	for {
		fmt.Fprintf(e.con, "\r\x1b[J%s", clip(s.prompt(), width-1))
		k, err := e.con.readKey()
		switch {
		case err == errWoken && e.ctx.Err() == nil:
			width, _ = e.con.size()
		case err != nil:
			e.leave = err
			if e.ctx.Err() != nil {
				e.leave = e.ctx.Err()
			}
			return []key{keyNothing}
		case k == keyCtrlR, k == keyCtrlS:
			s.again(k == keyCtrlR)
		case k == keyBackspace, k == keyCtrlH:
			_, n := utf8.DecodeLastRuneInString(s.text)
			s.look(s.text[:len(s.text)-n])
		case k == keyCtrlC, k == keyCtrlG:
			return nil
		case k.isText():
			s.look(s.text + string(k))
		case s.at < 0:
			return nil
		default:
			// Any other key takes the line; Escape and Tab do nothing more with it.
			keys := []key{keyCtrlE, keyCtrlU, key(s.lines[s.at])}
			if k != keyEscape && k != keyTab {
				keys = append(keys, k)
			}
			return keys
		}
	}
}

// finder is the state of a search: lines[at] is what was found, at is -1 before.
type finder struct {
	lines []string // oldest first
	text  string
	at    int
	back  bool
	miss  bool
}

func (s *finder) prompt() string {
	dir, found, miss := "i-search", "", ""
	if s.back {
		dir = "reverse-i-search"
	}
	if s.miss {
		miss = "failed "
	}
	if s.at >= 0 {
		found = s.lines[s.at]
	}
	return fmt.Sprintf("(%s%s)`%s': %s", miss, dir, s.text, found)
}

// look searches for a new text, from the line that is shown on.
func (s *finder) look(text string) {
	s.text = text
	if text == "" {
		s.at, s.miss = -1, false
		return
	}
	s.step(s.at, "")
}

// again goes to the next line that has the text.
func (s *finder) again(back bool) {
	s.back = back
	if s.text == "" {
		return
	}
	if s.at < 0 {
		s.step(-1, "")
		return
	}
	next := s.at + 1
	if back {
		next = s.at - 1
	}
	if next < 0 {
		s.miss = true
		return
	}
	s.step(next, s.lines[s.at])
}

// step searches from line i on, from the end of the history when i is -1. A line
// that equals the one shown is no news.
func (s *finder) step(i int, shown string) {
	has := func(line string) bool { return strings.Contains(line, s.text) && line != shown }
	found := -1
	switch {
	case s.back:
		if i < 0 {
			i = len(s.lines) - 1
		}
		for found = i; found >= 0 && !has(s.lines[found]); found-- {
		}
	default:
		i = min(max(i, 0), len(s.lines))
		if found = slices.IndexFunc(s.lines[i:], has); found >= 0 {
			found += i
		}
	}
	if s.miss = found < 0; !s.miss {
		s.at = found
	}
}

// clip cuts s to a width, at the left, where the search text is already known.
func clip(s string, width int) string {
	r := []rune(s)
	if len(r) > width && width > 0 {
		r = append([]rune("…"), r[len(r)-width+1:]...)
	}
	return string(r)
}
