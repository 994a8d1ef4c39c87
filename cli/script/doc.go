// Package script runs files of command lines: the command "exec <file>", and
// RunFile for the file that the configuration names.
//
//	file ── read ── split (logical lines) ── cli.Registry.Exec, line by line
//
// A script is what VPP takes: a line is a command, "#" begins a comment, a
// backslash at the end of a line continues it, blank lines mean nothing, and $name
// is a macro. In addition a { } group may go over several lines. The first line that
// fails ends the script, and its error names file and line. What the commands show
// goes to whoever issued the script.
package script
