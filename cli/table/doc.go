// Package table draws tables with borders. Write takes rows and is what a Result
// uses whose Text is such a table; Format is the pipe "| table", which draws any
// Result from its JSON form.
//
//	Result ── encoding/json ── decode (order of fields kept) ── flatten ── Write
//
// CSV is the pipe "| csv", made from the same rows.
//
// Only this package knows the library that draws. Results in VPP's layout do not
// need it: they are printed by fmt in fixed widths.
package table
