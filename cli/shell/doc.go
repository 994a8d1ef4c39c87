// Package shell is the interactive session of the command line: what a user types
// at, on the console of an instance or, through vppctl, on its socket.
//
// How a line travels:
//
//	terminal ─► console ─► editor (go-prompt) ─► Run ─► Engine.Exec ─► screen ─► terminal
//	             keys       completion, history          the command    pager
//
//	shell.go    Run: the loop; one command at a time, Ctrl-C cancels its context
//	console.go  the terminal: its modes, its size, keys read with poll(2)
//	keys.go     bytes to keys
//	goprompt.go the line editor; the only file that knows go-prompt, and works
//	            around what is wrong with it
//	complete.go what Tab inserts
//	search.go   ^R and ^S
//	history.go  the history and its file
//	screen.go   output of one command; hands tall output to the pager
//	pager.go    -- more --
//	plain.go    the same without a terminal: lines from a pipe
//
// The engine is a cli.Registry in the instance and a sock.Client in vppctl; the
// shell cannot tell.
//
// Who owns what. Run owns the terminal from its start to its end and puts it back
// as it found it. At the prompt the terminal is raw. While a command runs it is
// not: Ctrl-C is SIGINT again, which Run turns into a cancelled context. Run
// therefore owns SIGINT from beginning to end; Ctrl-Z and Ctrl-\ are switched off,
// because they would stop the packet path or kill it. SIGTERM stays with the
// caller, who ends Run by cancelling the context given to it.
//
// A quiet prompt costs nothing: no goroutine of the shell runs between two keys.
package shell
