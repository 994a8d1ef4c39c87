// Package plot draws a series of numbers as a graph on the terminal. A Graph is a
// Result: a command emits it behind its own report, and "| json" has the numbers.
//
//	values ── scale to K, M, G ── fit to the width ── asciigraph
//
// Only this package knows the library that draws.
package plot
