// Package ptytest runs a program on a terminal of its own and types at it: for
// tests of what a user sees. A Terminal is a pseudo terminal, and the program's
// controlling one, so that Ctrl-C, window sizes and hang-ups are real.
package ptytest
