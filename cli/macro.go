package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// Limits of one expansion: macros may use macros this deep, and so much work is done
// for a line (in bytes read and written; a macro may use others any number of times).
const (
	maxMacroDepth = 8
	maxExpansion  = 4 * maxLine
)

// Expand replaces $name and $(name) in a line. A name is looked up among the
// builtin ones ($hostname), those of define, and the environment; one that is
// nowhere becomes "UNSET ". Values are expanded again, beyond 8 levels they become
// " CIRCULAR ". A backslash protects the next character; it stays in the text and
// Input drops it, so that it protects from pipes and braces too.
func (s *Session) Expand(line string) string {
	if !strings.Contains(line, "$") {
		return line
	}
	e := expansion{session: s, budget: maxExpansion}
	e.expand(line, 0)
	return e.text.String()
}

type expansion struct {
	session *Session
	text    strings.Builder
	budget  int
}

func (e *expansion) write(s string) {
	e.text.WriteString(s)
	e.budget -= len(s)
}

func (e *expansion) expand(text string, depth int) {
	for i := 0; i < len(text) && e.budget > 0; {
		if text[i] == '\\' && i+1 < len(text) {
			e.write(text[i : i+2])
			i += 2
			continue
		}
		name, n := "", 0
		if text[i] == '$' {
			name, n = macroName(text[i+1:])
		}
		if n == 0 {
			e.write(text[i : i+1])
			i++
			continue
		}
		i += 1 + n
		e.budget -= 1 + n
		value, ok := e.session.macro(name)
		switch {
		case !ok:
			e.write("UNSET ")
		case depth == maxMacroDepth:
			e.write(" CIRCULAR ")
		default:
			e.expand(value, depth+1)
		}
	}
}

// macroName reads name or (name); n is the length of what it read, 0 for none.
func macroName(s string) (name string, n int) {
	if strings.HasPrefix(s, "(") {
		if end := strings.IndexByte(s, ')'); end > 0 && isMacroName(s[1:end]) {
			return s[1:end], end + 1
		}
		return "", 0
	}
	for n < len(s) && isMacroName(s[n:n+1]) {
		n++
	}
	return s[:n], n
}

// isMacroName tells whether s consists of letters, digits and underscores.
func isMacroName(s string) bool {
	return isCommandWord(s) && !strings.Contains(s, "-")
}

func (s *Session) macro(name string) (value string, ok bool) {
	if name == "hostname" {
		host, err := os.Hostname()
		return host, err == nil
	}
	s.mu.Lock()
	value, ok = s.macros[name]
	s.mu.Unlock()
	if !ok {
		value, ok = os.LookupEnv(name)
	}
	return value, ok
}

// Define sets a macro of the session.
func (s *Session) Define(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.macros == nil {
		s.macros = map[string]string{}
	}
	s.macros[name] = value
}

// Undefine forgets a macro; false when there is none.
func (s *Session) Undefine(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.macros[name]
	delete(s.macros, name)
	return ok
}

// macroNames lists the macros of the session and the builtin ones, sorted.
func (s *Session) macroNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Collect(maps.Keys(s.macros))
	if _, ok := s.macros["hostname"]; !ok {
		names = append(names, "hostname")
	}
	slices.Sort(names)
	return names
}

func macroCommands() []*Command {
	return []*Command{{
		Path:  "define",
		Usage: "<name> <text>",
		Help: "Define a macro\n" +
			"Later lines of this session may use the text as $name or $(name). Macros in the\n" +
			"text are replaced now, or when it is used if written \\$name. A text with a pipe\n" +
			"in it must stand in braces.",
		Run: runDefine,
	}, {
		Path:  "undefine",
		Usage: "<name>",
		Help:  "Forget a macro",
		Run:   runUndefine,
	}, {
		Path:  "show macro",
		Usage: "[noevaluate]",
		Help:  "Show the macros of this session and their values",
		Run:   runShowMacro,
	}}
}

func runDefine(c *Ctx, in *Input) (Result, error) {
	var name, value string
	if start := *in; !in.Word(&name) || !isMacroName(name) {
		return nil, start.Expect("a name of letters, digits and underscores")
	}
	if in.Done() {
		return nil, in.Expect("a text after the name")
	}
	if group := *in; !group.Word(&value) || !group.Done() {
		in.Line(&value)
	} else {
		*in = group
	}
	c.Session.Define(name, value)
	return nil, nil
}

func runUndefine(c *Ctx, in *Input) (Result, error) {
	var name string
	if !in.Word(&name) {
		return nil, in.Expect("the name of a macro")
	}
	if err := in.End(); err != nil {
		return nil, err
	}
	if !c.Session.Undefine(name) {
		return nil, fmt.Errorf("macro %s is not defined", Quote(name))
	}
	return nil, nil
}

// macroList is the result of "show macro".
type macroList []macroInfo

type macroInfo struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (l macroList) Text(w io.Writer, _ Layout) error {
	for _, m := range l {
		if _, err := fmt.Fprintf(w, "%-20s %s\n", m.Name, m.Value); err != nil {
			return err
		}
	}
	return nil
}

func runShowMacro(c *Ctx, in *Input) (Result, error) {
	raw := in.Match("noevaluate")
	if err := in.End(); err != nil {
		return nil, err
	}
	list := macroList{}
	for _, name := range c.Session.macroNames() {
		value, _ := c.Session.macro(name)
		if !raw {
			value = c.Session.Expand(value)
		}
		list = append(list, macroInfo{name, value})
	}
	return list, nil
}
