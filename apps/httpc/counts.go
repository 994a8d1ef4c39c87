package httpc

import (
	"errors"

	"vpphost/apps/latency"
	"vpphost/hoststack/http"
	"vpphost/hoststack/transport"
)

// reason is why a connect or a request failed.
type reason uint8

const (
	failNone reason = iota
	failRefused
	failNoRoute
	failNoPort
	failConnectTimeout
	failTimeout
	failReset
	failTruncated
	failMalformed
	failTooLarge
	failNoMemory
	failClosed
	failOther
	numReasons
)

var reasonNames = [numReasons]string{"", "connection refused", "no route", "no local port", "connect timeout", "timeout",
	"reset by peer", "truncated", "malformed", "too large", "no memory", "closed by peer", "other"}

// errTooLarge ends an answer that is longer than max-body-size.
var errTooLarge = errors.New("the body is larger than max-body-size")

// reasonOf sorts an error of the engine; connecting tells that there was no connection yet.
func reasonOf(err error, connecting bool) reason {
	is := func(e error) bool { return errors.Is(err, e) }
	switch {
	case err == nil:
		return failClosed
	case connecting && (is(transport.ErrRefused) || is(transport.ErrReset)):
		return failRefused
	case is(transport.ErrNoRoute), is(transport.ErrNoSource):
		return failNoRoute
	case is(transport.ErrNoPort):
		return failNoPort
	case is(transport.ErrNoMemory):
		return failNoMemory
	case connecting && (is(http.ErrTimeout) || is(transport.ErrTimeout)):
		return failConnectTimeout
	case is(http.ErrTimeout), is(transport.ErrTimeout):
		return failTimeout
	case is(http.ErrMalformed):
		return failMalformed
	case is(http.ErrTruncated):
		return failTruncated
	case is(transport.ErrReset):
		return failReset
	case is(errTooLarge), is(http.ErrTooLarge):
		return failTooLarge
	}
	return failOther
}

// counts is what a worker has counted since requests began, or the sum over workers.
type counts struct {
	done    uint64 // answers that came whole
	opened  uint64 // connections
	retried uint64 // requests sent again, on a new connection: the old one was closing
	missed  uint64 // due, and not sent for want of a free session
	cut     uint64 // in flight when the run ended
	bytes   uint64 // of answers: heads and bodies
	class   [6]uint64
	failed  [numReasons]uint64
	last    int64             // when the last answer came, ns
	latency latency.Histogram // of requests
	connect latency.Histogram // of opening a connection
}

func (c *counts) merge(o *counts) {
	c.done += o.done
	c.opened += o.opened
	c.retried += o.retried
	c.missed += o.missed
	c.cut += o.cut
	c.bytes += o.bytes
	for i, n := range o.class {
		c.class[i] += n
	}
	for i, n := range o.failed {
		c.failed[i] += n
	}
	c.last = max(c.last, o.last)
	c.latency.Merge(&o.latency)
	c.connect.Merge(&o.connect)
}

// failures is how many connects and requests have failed.
func (c *counts) failures() (n uint64) {
	for _, f := range c.failed {
		n += f
	}
	return n
}
