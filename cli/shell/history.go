package shell

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DefaultHistoryFile is $XDG_STATE_HOME/vpphost/history, by default below
// ~/.local/state; empty when there is no home.
func DefaultHistoryFile() string {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // the XDG specification: relative is invalid
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "vpphost", "history")
}

// history is the list of lines that were typed, oldest first, and its file. Several
// shells may share the file: each appends what is typed in it, one write a line.
type history struct {
	limit int
	list  []string
	file  string // empty: not kept
}

// loadHistory reads the last limit lines of the file. A history that cannot be read
// is an empty one: nobody is kept from typing by it.
func loadHistory(file string, limit int) *history {
	h := &history{limit: limit}
	if limit <= 0 || file == "" {
		return h
	}
	h.file = file
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(filepath.Dir(file), 0o700)
	}
	if err != nil {
		h.file = ""
		return h
	}
	if f == nil {
		return h
	}
	defer f.Close()
	total := 0
	for s := bufio.NewScanner(f); s.Scan(); total++ {
		h.remember(s.Text())
	}
	if total > 2*limit {
		h.rewrite()
	}
	return h
}

// add remembers a line. Blank lines and repetitions of the last one are not kept.
func (h *history) add(line string) {
	line = strings.TrimRight(line, " \t\r\n")
	if !h.remember(line) || h.file == "" {
		return
	}
	f, err := os.OpenFile(h.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	f.WriteString(line + "\n")
	f.Close()
}

func (h *history) remember(line string) bool {
	if h.limit <= 0 || line == "" || strings.ContainsRune(line, '\n') {
		return false
	}
	if n := len(h.list); n > 0 && h.list[n-1] == line {
		return false
	}
	h.list = append(h.list, line)
	if len(h.list) > h.limit {
		h.list = slices.Delete(h.list, 0, len(h.list)-h.limit)
	}
	return true
}

// rewrite cuts the file to what is remembered, by way of a new file, so that a
// crash leaves the old one or the new one.
func (h *history) rewrite() {
	f, err := os.CreateTemp(filepath.Dir(h.file), ".history-")
	if err != nil {
		return
	}
	_, err = f.WriteString(strings.Join(h.list, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), h.file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
}

// lines is a copy of the list.
func (h *history) lines() []string { return slices.Clone(h.list) }
