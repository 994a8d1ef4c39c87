package proxy

import (
	"errors"

	"vpphost/hoststack/transport"
)

// tally is what a route counts on one worker, which alone writes it; commands read it
// there.
type tally struct {
	next      uint32 // whose turn it is of the upstreams
	flows     [numStates]int
	accepted  uint64
	connected uint64
	bytes     [2]uint64 // of flows that are over: from clients, from servers
	failed    [numFailures]uint64
	ended     [numEnds]uint64
	upstreams []upstream
	_         [64]byte
}

// upstream is what is known of a client-uri on one worker.
type upstream struct {
	connected uint64
	failed    uint64
	shunned   int64 // until when others are preferred, ns
}

// shun is how long an upstream that has failed is passed over while there are others, ns.
const shun = int64(10e9)

// failure is why an attempt to reach an upstream failed.
type failure uint8

const (
	failRefused failure = iota
	failTimeout
	failNoRoute
	failNoPort
	failNoMemory
	failLoop
	failOther
	numFailures
)

var failureNames = [numFailures]string{"refused", "timed out", "no route", "no port", "no memory", "to ourselves", "other"}

func failureOf(err error) failure {
	switch {
	case errors.Is(err, errLoop):
		return failLoop
	case errors.Is(err, transport.ErrRefused), errors.Is(err, transport.ErrReset):
		return failRefused
	case errors.Is(err, transport.ErrTimeout):
		return failTimeout
	case errors.Is(err, transport.ErrNoRoute):
		return failNoRoute
	case errors.Is(err, transport.ErrNoPort), errors.Is(err, transport.ErrNoSource):
		return failNoPort
	case errors.Is(err, transport.ErrNoMemory):
		return failNoMemory
	}
	return failOther
}

// end is how a flow ended.
type end uint8

const (
	endClosed end = iota // in both directions
	endResetByClient
	endResetByServer
	endTimeout    // an end that does not answer
	endIdle       // the idle timeout
	endUnanswered // no upstream was left
	endEarly      // the client left before an upstream answered
	endStopped    // by the command, or because the session layer cannot go on with it
	numEnds
)

var endNames = [numEnds]string{"closed", "reset by client", "reset by server", "timed out", "idle", "no upstream", "client left early", "stopped"}

// endOf is how a flow ended one of whose sessions is gone, for why.
func endOf(why error, byClient bool) end {
	switch {
	case why == nil:
		return endClosed
	case errors.Is(why, transport.ErrTimeout):
		return endTimeout
	case errors.Is(why, transport.ErrAborted):
		return endStopped
	case byClient:
		return endResetByClient
	}
	return endResetByServer
}
