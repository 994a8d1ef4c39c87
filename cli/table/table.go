package table

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// maxRows bounds what is drawn: the library needs microseconds and a hundred
// allocations for each cell.
const maxRows = 10000

// Write draws a table with a header. Cells are printed as they are; columns that
// hold numbers only are aligned to the right. Rows may be shorter than the header.
// Behind maxRows rows it says how many are missing.
func Write(w io.Writer, header []string, rows [][]string) error {
	more := max(len(rows)-maxRows, 0)
	rows = rows[:len(rows)-more]
	align := make(tw.Alignment, len(header))
	for i := range align {
		align[i] = tw.AlignLeft
		if numeric(rows, i) {
			align[i] = tw.AlignRight
		}
	}
	asItIs := tw.CellFormatting{AutoFormat: tw.Off, AutoWrap: tw.WrapNone}
	cells := tw.CellAlignment{PerColumn: align}
	var drawn bytes.Buffer // the library loses the errors of its writer
	t := tablewriter.NewTable(&drawn,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{Symbols: tw.NewSymbols(tw.StyleASCII)})),
		tablewriter.WithConfig(tablewriter.Config{
			Header: tw.CellConfig{Formatting: asItIs, Alignment: cells},
			Row:    tw.CellConfig{Formatting: asItIs, Alignment: cells},
		}))
	t.Header(header)
	if err := t.Bulk(rows); err != nil {
		return err
	}
	if err := t.Render(); err != nil {
		return err
	}
	if more > 0 {
		fmt.Fprintf(&drawn, "... %d rows more\n", more)
	}
	_, err := w.Write(drawn.Bytes())
	return err
}

// numeric tells whether column i holds a number in each row that has it, and in one
// at least.
func numeric(rows [][]string, i int) bool {
	found := false
	for _, r := range rows {
		if i >= len(r) || r[i] == "" {
			continue
		}
		if _, err := strconv.ParseFloat(r[i], 64); err != nil {
			return false
		}
		found = true
	}
	return found
}
