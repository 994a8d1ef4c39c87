// Package cli is the command engine that the shell, the CLI socket, scripts and
// tests share. It knows no command but its own; every other package declares its
// commands beside the state they show and main adds them to one [Registry].
//
// How a line flows through the package:
//
//	line ── Session.Expand ── splitPipes ── lookup ── Command.Run ── screen ── out
//	        macro.go          pipe.go       tree.go   exec.go        screen.go
//
// Macros are replaced, the pipes at the end are cut off, the command's words are
// looked up (each may be any unique prefix), and what is left is handed to the
// command as an [Input]. The command returns a [Result]; the screen turns it into
// VPP's text or into JSON and sends it through the pipes. The whole line is
// checked before the command runs, except for the arguments, which only the
// command knows: it must scan all of them before it acts (see Command.Run).
//
// Differences to VPP's engine, all deliberate: a word that no one consumed is an
// error and not a second command; a subcommand that fails reports its own error
// and its parent is not tried; an ambiguous word lists its candidates; a keyword
// must be followed by a blank or a number, so that "upx" is not "up"; there are
// pipes. A line that ends in "?" lists commands in VPP's layout.
//
// Ownership: the Registry is filled before the first Exec and read-only after, so
// any number of goroutines may call Exec. A Session belongs to one user; its
// methods may be called from several goroutines.
package cli
