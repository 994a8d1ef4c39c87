// Package session: see below.
package session
