// Package cli: see below.
package cli
