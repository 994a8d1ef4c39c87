package table

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"vpphost/cli"
)

// Format is the pipe "| table", for Registry.AddFormat.
func Format() cli.Format {
	return cli.Format{Name: "table", Help: "the result as a table with borders", Show: show}
}

func show(w io.Writer, res cli.Result, l cli.Layout) error {
	if _, ok := res.(cli.Text); ok {
		return res.Text(w, l)
	}
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
	return draw(w, "", v)
}

// object is a JSON object in the order in which it was written. The other values
// are []any, string, json.Number, bool and nil.
type object []field

type field struct {
	name  string
	value any
}

// decode reads one value.
func decode(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decode(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	case json.Delim('{'):
		o := object{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decode(d)
			if err != nil {
				return nil, err
			}
			o = append(o, field{name.(string), v})
		}
		_, err = d.Token()
		return o, err
	}
	return t, nil
}

// draw shows an array as a table with a row for each element, and an object as a
// table of its fields; arrays of objects in it become tables of their own behind it.
func draw(w io.Writer, title string, v any) error {
	if title != "" {
		if _, err := fmt.Fprintf(w, "%s:\n", title); err != nil {
			return err
		}
	}
	switch v := v.(type) {
	case []any:
		header, rows := columns(v)
		if len(rows) == 0 {
			_, err := io.WriteString(w, "none\n")
			return err
		}
		return Write(w, header, rows)
	case object:
		var rows [][]string
		var tables []field
		for _, f := range flatten(nil, "", v) {
			if isTable(f.value) {
				tables = append(tables, f)
			} else {
				rows = append(rows, []string{f.name, cell(f.value)})
			}
		}
		if rows != nil {
			if err := Write(w, []string{"field", "value"}, rows); err != nil {
				return err
			}
		}
		for _, t := range tables {
			if err := draw(w, t.name, t.value); err != nil {
				return err
			}
		}
		return nil
	}
	return Write(w, []string{"value"}, [][]string{{cell(v)}})
}

// columns turns a list into rows. The columns are the fields of all elements, in
// the order in which they are first seen.
func columns(list []any) (header []string, rows [][]string) {
	index := map[string]int{}
	for _, v := range list {
		o, ok := v.(object)
		if !ok {
			o = object{{"value", v}}
		}
		row := make([]string, len(header))
		for _, f := range flatten(nil, "", o) {
			i, seen := index[f.name]
			if !seen {
				i = len(header)
				index[f.name] = i
				header = append(header, f.name)
				row = append(row, "")
			}
			row[i] = cell(f.value)
		}
		rows = append(rows, row)
	}
	for i := range rows {
		rows[i] = append(rows[i], make([]string, len(header)-len(rows[i]))...)
	}
	return header, rows
}

// flatten gives objects in objects the name "outer.inner".
func flatten(to object, prefix string, o object) object {
	for _, f := range o {
		if inner, ok := f.value.(object); ok {
			to = flatten(to, prefix+f.name+".", inner)
		} else {
			to = append(to, field{prefix + f.name, f.value})
		}
	}
	return to
}

// isTable tells whether v is a list of objects.
func isTable(v any) bool {
	list, ok := v.([]any)
	return ok && (len(list) == 0 || slices.ContainsFunc(list, func(e any) bool {
		_, ok := e.(object)
		return ok
	}))
}

// cell is a value as the text of one cell.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strings.NewReplacer("\n", " ", "\t", " ", "\r", "").Replace(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = cell(e)
		}
		return strings.Join(parts, ", ")
	case object:
		parts := make([]string, len(v))
		for i, f := range v {
			parts[i] = f.name + "=" + cell(f.value)
		}
		return strings.Join(parts, " ")
	}
	return fmt.Sprint(v)
}
