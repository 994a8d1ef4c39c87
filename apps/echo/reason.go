package echo

import (
	"errors"

	"vpphost/hoststack/transport"
)

// reason is why a connection failed.
type reason uint8

const (
	whyRefused reason = iota
	whyReset
	whyTimedOut
	whyNoRoute
	whyNoSource
	whyNoMemory
	whyClosed
	whyBytes
	whyOther
	numReasons
)

// reasonTexts are for people and for JSON alike.
var reasonTexts = [numReasons]string{"refused", "reset", "timed out", "no route", "no source address", "no memory",
	"closed early", "wrong bytes", "other"}

// reasonOf is the reason that err stands for.
func reasonOf(err error) reason {
	switch {
	case err == nil:
		return whyClosed
	case errors.Is(err, transport.ErrRefused):
		return whyRefused
	case errors.Is(err, transport.ErrReset):
		return whyReset
	case errors.Is(err, transport.ErrTimeout):
		return whyTimedOut
	case errors.Is(err, transport.ErrNoRoute):
		return whyNoRoute
	case errors.Is(err, transport.ErrNoSource):
		return whyNoSource
	case errors.Is(err, transport.ErrNoMemory):
		return whyNoMemory
	}
	return whyOther
}
