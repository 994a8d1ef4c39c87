package tcp

import "vpphost/hoststack/transport"

// cause is why a connection ended, in one byte.
type cause uint8

const (
	causeNone cause = iota
	causeRefused
	causeReset
	causeTimeout
	causeAborted
	causeNoRoute
	causeAppRefused
)

var causes = [...]error{causeNone: nil, causeRefused: transport.ErrRefused, causeReset: transport.ErrReset,
	causeTimeout: transport.ErrTimeout, causeAborted: transport.ErrAborted, causeNoRoute: transport.ErrNoRoute,
	causeAppRefused: transport.ErrAppRefused}

// err is the error that the session layer is told, nil for an orderly end.
func (w cause) err() error { return causes[w] }

// or is w, or other when there is none.
func (w cause) or(other cause) cause {
	if w == causeNone {
		return other
	}
	return w
}
