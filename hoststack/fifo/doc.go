// Package fifo: see below.
package fifo
