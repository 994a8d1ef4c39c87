package table

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"vpphost/cli"
)

// CSV is the pipe "| csv" (RFC 4180), for Registry.AddFormat. Objects are rows, their
// fields columns. A command that shows many results of one shape, such as the intervals
// of a test, has one header; when the shape changes, an empty line and a new header come.
func CSV() cli.Format {
	return cli.Format{Name: "csv", Help: "the result as comma-separated values",
		Open: func() func(io.Writer, cli.Result, cli.Layout) error { return (&sheet{}).show }}
}

// sheet is the output of one line.
type sheet struct {
	header []string
	begun  bool
}

func (s *sheet) show(w io.Writer, res cli.Result, _ cli.Layout) error {
	text, err := json.Marshal(res)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := decode(d)
	if err != nil {
		return err
	}
	return s.write(w, "", v)
}

// write writes an array as rows and an object as one row; arrays of objects in it are
// sheets of their own behind it, each with its name in the first column.
func (s *sheet) write(w io.Writer, name string, v any) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var inner []field
	for i, e := range list {
		o, ok := e.(object)
		if !ok {
			continue
		}
		var flat object
		for _, f := range flatten(nil, "", o) {
			if isTable(f.value) {
				inner = append(inner, f)
			} else {
				flat = append(flat, f)
			}
		}
		list[i] = flat
	}
	if err := s.rows(w, name, list); err != nil {
		return err
	}
	for _, f := range inner {
		if err := s.write(w, f.name, f.value); err != nil {
			return err
		}
	}
	return nil
}

func (s *sheet) rows(w io.Writer, name string, list []any) error {
	header, rows := columns(list)
	if len(header) == 0 {
		return nil
	}
	if name != "" {
		header = append([]string{"list"}, header...)
		for i := range rows {
			rows[i] = append([]string{name}, rows[i]...)
		}
	}
	out := csv.NewWriter(w)
	if !slices.Equal(header, s.header) {
		if s.begun {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		s.header, s.begun = header, true
		if err := out.Write(header); err != nil {
			return err
		}
	}
	for _, r := range rows {
		for i := range r {
			r[i] = strings.TrimSpace(r[i])
		}
		if err := out.Write(r); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
