package cli

import (
	"bufio"
	"encoding/json"
	"io"
)

// screen is where the results of one line go: through a format into a writer.
type screen struct {
	w      io.Writer
	render func(w io.Writer, res Result, l Layout) error // of a "| format"; nil for text
	json   bool
	indent bool // the JSON of the final result is indented: it is the only one
}

// emit shows one of several results.
func (s *screen) emit(res Result, l Layout) error {
	s.indent = false
	return s.show(res, l)
}

// show writes a result and ends it with a newline.
func (s *screen) show(res Result, l Layout) error {
	w := &lastByte{w: s.w}
	b := bufio.NewWriterSize(w, 32<<10)
	var err error
	switch {
	case s.json:
		e := json.NewEncoder(b)
		e.SetEscapeHTML(false)
		if s.indent {
			e.SetIndent("", "  ")
		}
		err = e.Encode(res)
	case s.render != nil:
		err = s.render(b, res, l)
	default:
		err = res.Text(b, l)
	}
	if ferr := b.Flush(); err == nil {
		err = ferr
	}
	if err == nil && w.any && w.last != '\n' {
		_, err = io.WriteString(s.w, "\n")
	}
	return err
}

// lastByte remembers the last byte that was written.
type lastByte struct {
	w    io.Writer
	last byte
	any  bool
}

func (l *lastByte) Write(p []byte) (int, error) {
	if len(p) > 0 {
		l.last, l.any = p[len(p)-1], true
	}
	return l.w.Write(p)
}
