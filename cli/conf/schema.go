package conf

import (
	"fmt"
	"strings"

	"vpphost/cli"
)

// Section declares what may stand in the braces behind its name. The name may
// consist of several words.
type Section struct {
	Name string
	Help string // one line
	Keys []Key
	// Check, when set, is called after everything was read and judges the values
	// together. Its error is reported at the last place where the section stands.
	Check func() error
	// Ignored sections are skipped with a warning; Keys is not looked at.
	Ignored bool
}

// Key is one option of a section.
type Key struct {
	Name  string // what is typed, possibly several words: "default data-size"
	Usage string // "<n>", "<pci-address> [{ … }]"; empty for a key that stands alone
	Help  string // one line; empty for one that has no effect here
	// Read reads what follows the name and stores it.
	Read func(r *Reader) error
}

// Reader is the place in the configuration that a value is read from.
type Reader struct {
	file     string
	tokens   []token
	next     int
	section  []string // names of the sections that the place is in
	warnings []Warning
	warned   map[string]bool
}

// Peek gives the word that comes next, without consuming it; ok is false when there
// is none.
func (r *Reader) Peek() (text string, ok bool) {
	t := r.tokens[r.next]
	return t.text, t.kind == word
}

// Group tells whether an opening brace comes next.
func (r *Reader) Group() bool { return r.tokens[r.next].kind == open }

// Word consumes a word. When there is none, or accept refuses it, the error says
// that what was expected.
func (r *Reader) Word(what string, accept func(text string) bool) error {
	if text, ok := r.Peek(); !ok || !accept(text) {
		return r.Errorf("expected %s, got %s", what, r.tokens[r.next])
	}
	r.next++
	return nil
}

// Errorf is an error at the token that comes next.
func (r *Reader) Errorf(format string, args ...any) error {
	return r.errorAt(r.tokens[r.next], fmt.Sprintf(format, args...))
}

func (r *Reader) errorAt(t token, msg string) error {
	return &Error{r.file, t.line, t.col, strings.Join(r.section, ": "), msg}
}

// warnAt notes a warning, one for each msg.
func (r *Reader) warnAt(t token, msg string) {
	w := Warning{r.file, t.line, t.col, strings.Join(r.section, ": "), msg}
	once := w.Section + "\x00" + msg
	if !r.warned[once] {
		r.warned[once] = true
		r.warnings = append(r.warnings, w)
	}
}

// Keys reads { key value … } by the declarations in keys.
func (r *Reader) Keys(keys []Key) error {
	opened := r.tokens[r.next]
	if opened.kind != open {
		return r.Errorf("expected {, got %s", opened)
	}
	r.next++
	for {
		switch t := r.tokens[r.next]; t.kind {
		case shut:
			r.next++
			return nil
		case end:
			return r.errorAt(opened, "missing } for this {")
		case open:
			return r.Errorf("unexpected {")
		}
		k := find(r, keys, func(k *Key) string { return k.Name })
		if k == nil {
			return r.Errorf("unknown input %s", r.tokens[r.next])
		}
		name := r.tokens[r.next]
		r.next += words(k.Name)
		r.section = append(r.section, k.Name)
		if k.Help == "" {
			r.warnAt(name, "accepted, has no effect")
		}
		if err := k.Read(r); err != nil {
			return err
		}
		r.section = r.section[:len(r.section)-1]
	}
}

// skipGroup consumes { … } with whatever is in it.
func (r *Reader) skipGroup() error {
	opened := r.tokens[r.next]
	for depth := 0; ; r.next++ {
		switch t := r.tokens[r.next]; t.kind {
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				r.next++
				return nil
			}
		case end:
			return r.errorAt(opened, "missing } for this {")
		}
	}
}

// find is the declaration whose name comes next, the longest of them.
func find[T any](r *Reader, list []T, name func(*T) string) *T {
	var best *T
	for i := range list {
		n := name(&list[i])
		if r.at(n) && (best == nil || words(n) > words(name(best))) {
			best = &list[i]
		}
	}
	return best
}

// at tells whether the words of name come next.
func (r *Reader) at(name string) bool {
	for i, w := range strings.Fields(name) {
		if t := r.tokens[min(r.next+i, len(r.tokens)-1)]; t.kind != word || t.text != w {
			return false
		}
	}
	return true
}

func words(name string) int { return len(strings.Fields(name)) }

// Read reads a configuration text into what the sections point to. file is the name
// that errors and warnings show. After an error the targets are half written.
func Read(file, text string, sections []Section) ([]Warning, error) {
	r := &Reader{file: file, tokens: lex(text), warned: map[string]bool{}}
	if len(text) > maxText {
		return nil, r.Errorf("longer than %d bytes", maxText)
	}
	last := map[*Section]token{}
	for r.tokens[r.next].kind != end {
		t := r.tokens[r.next]
		s := find(r, sections, func(s *Section) string { return s.Name })
		switch {
		case t.kind != word:
			return r.warnings, r.Errorf("unexpected %s", t.text)
		case s == nil:
			return r.warnings, r.Errorf("unknown section %s", cli.Quote(t.text))
		}
		last[s] = t
		r.next += words(s.Name)
		r.section = []string{s.Name}
		if !r.Group() {
			return r.warnings, r.Errorf("expected {, got %s", r.tokens[r.next])
		}
		var err error
		if s.Ignored {
			r.warnAt(t, "section accepted, has no effect")
			err = r.skipGroup()
		} else {
			err = r.Keys(s.Keys)
		}
		if err != nil {
			return r.warnings, err
		}
		r.section = nil
	}
	for i := range sections {
		s := &sections[i]
		if s.Check == nil {
			continue
		}
		if err := s.Check(); err != nil {
			t, ok := last[s]
			if !ok {
				t = r.tokens[r.next]
			}
			r.section = []string{s.Name}
			return r.warnings, r.errorAt(t, err.Error())
		}
	}
	return r.warnings, nil
}
