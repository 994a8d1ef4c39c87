package cli

import (
	"slices"
	"strings"
	"sync"
)

// DefaultHistory is how many lines a session remembers: unix { cli-history-limit }.
const DefaultHistory = 50

// Session is what one shell, socket connection or script keeps between lines. Its
// methods may be called from several goroutines.
type Session struct {
	name string

	mu       sync.Mutex
	macros   map[string]string
	history  []string
	typed    int // lines remembered in the session's life; the number of the last one
	terminal Terminal
}

// NewSession makes a session that is not interactive. The name identifies it in
// logs and in "show terminal".
func NewSession(name string) *Session {
	return &Session{
		name:     name,
		terminal: Terminal{History: true, HistoryLimit: DefaultHistory},
	}
}

// Name is the name given to NewSession.
func (s *Session) Name() string { return s.name }

// Terminal is the present state of the session's terminal.
func (s *Session) Terminal() Terminal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.terminal
}

// UpdateTerminal changes it. change must not call the session.
func (s *Session) UpdateTerminal(change func(*Terminal)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.terminal)
	s.trim()
}

// Remember adds a line that the user typed to the history. Front ends call it
// before Exec. As in VPP, blank lines and repetitions of the last are left out.
func (s *Session) Remember(line string) {
	line = strings.TrimSpace(line)
	s.mu.Lock()
	defer s.mu.Unlock()
	if line == "" || !s.terminal.History || len(s.history) > 0 && s.history[len(s.history)-1] == line {
		return
	}
	s.typed++
	s.history = append(s.history, line)
	s.trim()
}

func (s *Session) trim() {
	if over := len(s.history) - max(s.terminal.HistoryLimit, 0); over > 0 {
		s.history = slices.Delete(s.history, 0, over)
	}
}

// History lists the remembered lines, oldest first, and the number of the first:
// the numbers go on through the session's life.
func (s *Session) History() (lines []string, first int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.history), s.typed - len(s.history) + 1
}
