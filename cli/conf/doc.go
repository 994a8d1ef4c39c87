// Package conf reads startup.conf: sections of words in braces, VPP's syntax and
// VPP's option names.
//
//	file, argv ── lex ── Reader ── Section.Keys ── Config
//
// lex.go cuts the text into words and braces with their places. schema.go walks
// them with a list of sections, each of which declares its keys: a name, a help
// line and a function that reads the value into a field. The value readers are in
// values.go. Every other file is one section: its struct, its defaults and its
// keys side by side; config.go puts them together.
//
// Every error names file, line and column, and the first one ends the reading. What
// VPP knows and this program has no use for is accepted with a warning, so that a
// startup.conf written for VPP works; everything else that is unknown is an error.
// Sections and keys may come in any order and be repeated; the last value counts.
//
// The package knows words and ranges only. Whether a file, a group, a core or a
// device exists is found out by those who use the values.
package conf
