package cli

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

// Format is another way to show a Result, chosen by "| name" behind a command.
// Formats come before filters; at most one may be given.
type Format struct {
	Name, Help string
	// Show writes the result; it is called once for each Result. Open, unless nil, makes
	// it anew for every line: for a format that must know what it has written before.
	// Both nil is JSON.
	Show func(w io.Writer, res Result, l Layout) error
	Open func() func(w io.Writer, res Result, l Layout) error
}

var jsonFormat = Format{Name: "json", Help: "the result as JSON"}

// AddFormat makes a format known. It must be called before the first Exec.
func (r *Registry) AddFormat(f Format) { r.formats = append(r.formats, f) }

// filter is a pipe that works on lines of text.
type filter struct {
	name, usage, help string
	// open makes the writer that passes what it keeps on to dst.
	open func(dst io.Writer, arg string) io.WriteCloser
}

var filters = []filter{
	{"include", "<text>", "lines that contain the text", func(dst io.Writer, arg string) io.WriteCloser {
		return &lines{dst: dst, keep: func(l []byte) bool { return bytes.Contains(l, []byte(arg)) }}
	}},
	{"exclude", "<text>", "lines that do not contain the text", func(dst io.Writer, arg string) io.WriteCloser {
		return &lines{dst: dst, keep: func(l []byte) bool { return !bytes.Contains(l, []byte(arg)) }}
	}},
	{"count", "", "the number of lines", func(dst io.Writer, _ string) io.WriteCloser {
		c := &counter{dst: dst}
		c.lines = lines{dst: io.Discard, keep: func([]byte) bool { c.n++; return false }}
		return c
	}},
}

// pipes is what a line says behind its command.
type pipes struct {
	format *Format
	stages []stage
}

type stage struct {
	filter *filter
	arg    string
}

func (p pipes) json() bool { return p.format != nil && p.format.Show == nil && p.format.Open == nil }

// cutPipes splits line in front of the first "|" that stands behind a blank and
// outside of braces. A backslash protects it.
func cutPipes(line string) (head, tail string) {
	depth := 0
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\':
			i++
		case c == '{':
			depth++
		case c == '}':
			depth = max(depth-1, 0)
		case c == '|' && depth == 0 && i > 0 && isBlank(line[i-1]):
			return line[:i], line[i:]
		}
	}
	return line, ""
}

// parsePipes reads "| json | include x"; tail is empty or begins with "|".
func (r *Registry) parsePipes(tail string) (p pipes, err error) {
	for tail != "" {
		var one string
		one, tail = cutPipes(tail[1:])
		in := NewInput(one)
		name, arg := "", ""
		in.Word(&name)
		format, filter := r.pipe(name)
		switch {
		case format != nil && (p.format != nil || p.stages != nil):
			return p, Usagef("%s must come first", name)
		case format != nil:
			p.format = format
		case filter == nil:
			return p, Usagef("unknown pipe %s: expected %s", Quote(name), strings.Join(r.pipeNames(), ", "))
		case filter.usage != "":
			if in.Line(&arg); arg == "" {
				return p, Usagef("%s: expected %s", name, filter.usage)
			}
		}
		if err := in.End(); err != nil {
			return p, &Error{name, err}
		}
		if filter != nil {
			p.stages = append(p.stages, stage{filter, arg})
		}
	}
	return p, nil
}

// pipe finds the pipe that name is the only one to begin with.
func (r *Registry) pipe(name string) (*Format, *filter) {
	var format *Format
	var filter *filter
	found := 0
	for i, f := range r.formats {
		if name != "" && strings.HasPrefix(f.Name, name) {
			format = &r.formats[i]
			found++
		}
	}
	for i, f := range filters {
		if name != "" && strings.HasPrefix(f.name, name) {
			filter = &filters[i]
			found++
		}
	}
	if found != 1 {
		return nil, nil
	}
	return format, filter
}

func (r *Registry) pipeNames() []string {
	var names []string
	for _, w := range r.pipeWords() {
		names = append(names, w.Text)
	}
	return names
}

func (r *Registry) pipeWords() []Word {
	var words []Word
	for _, f := range r.formats {
		words = append(words, Word{f.Name, f.Help})
	}
	for _, f := range filters {
		words = append(words, Word{f.name, f.help})
	}
	return words
}

// open puts the pipes in front of s. done sends what they hold back; call it once.
func (p pipes) open(s *screen) (piped *screen, done func() error) {
	if p.format == nil && p.stages == nil {
		return s, func() error { return nil }
	}
	t := *s
	if p.format != nil {
		t.json, t.render = p.json(), p.format.Show
		if p.format.Open != nil {
			t.render = p.format.Open()
		}
	}
	var open []io.Closer
	for i := len(p.stages) - 1; i >= 0; i-- {
		w := p.stages[i].filter.open(t.w, p.stages[i].arg)
		t.w = w
		open = append(open, w)
	}
	return &t, func() error {
		for i := len(open) - 1; i >= 0; i-- {
			if err := open[i].Close(); err != nil {
				return err
			}
		}
		return nil
	}
}

// lines passes on the lines that keep wants.
type lines struct {
	dst     io.Writer
	keep    func(line []byte) bool
	pending []byte // the beginning of a line
}

func (f *lines) Write(p []byte) (int, error) {
	f.pending = append(f.pending, p...)
	rest := f.pending
	var out []byte
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		if f.keep(rest[:i]) {
			out = append(out, rest[:i+1]...)
		}
		rest = rest[i+1:]
	}
	f.pending = append(f.pending[:0], rest...)
	if out != nil {
		if _, err := f.dst.Write(out); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Close treats what is left as a line.
func (f *lines) Close() error {
	if len(f.pending) == 0 {
		return nil
	}
	_, err := f.Write([]byte{'\n'})
	return err
}

// counter writes the number of lines when it is closed.
type counter struct {
	lines
	dst io.Writer
	n   uint64
}

func (c *counter) Close() error {
	if err := c.lines.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(c.dst, strconv.FormatUint(c.n, 10)+"\n")
	return err
}
