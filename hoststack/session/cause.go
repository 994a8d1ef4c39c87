package session

import (
	"errors"

	"vpphost/dataplane/stats"
	"vpphost/hoststack/transport"
)

// A session keeps why it ended in a byte: an index into this list.
var causes = [...]error{nil, transport.ErrRefused, transport.ErrReset, transport.ErrTimeout, transport.ErrAborted,
	transport.ErrNoRoute, transport.ErrNoSource, transport.ErrNoPort, transport.ErrNoMemory, transport.ErrAppRefused}

// causeOther: any other error is kept by the worker, under the session's index.
const causeOther = 255

// setCause notes why.
func (w *Worker) setCause(s *Session, why error) {
	for i, e := range causes {
		if why == e {
			s.why = uint8(i)
			return
		}
	}
	s.why = causeOther
	w.others[s.index] = why
}

// cause is what setCause noted.
func (w *Worker) cause(s *Session) error {
	switch {
	case s.why == causeOther:
		return w.others[s.index]
	case s.why == 0 && s.flags&fReset != 0:
		return transport.ErrAborted
	}
	return causes[s.why]
}

// Reasons that are counted: VPP's session errors.
const (
	errUnknown = iota
	errRefused
	errTimeout
	errNoMemory
	errNoRoute
	errNoSource
	errNoPort
	errNotListening
	errNoApp
	errAppRefused
	errNoFIFO
	errReset
	errAborted
	errGoneEarly
	errScope
	numErrors
)

// errorTexts are VPP's words for them.
var errorTexts = [numErrors]stats.Reason{
	errUnknown:      {Text: "generic/unknown error"},
	errRefused:      {Text: "refused"},
	errTimeout:      {Text: "timedout"},
	errNoMemory:     {Text: "memory allocation error"},
	errNoRoute:      {Text: "no route"},
	errNoSource:     {Text: "no ip for lcl interface"},
	errNoPort:       {Text: "no lcl port"},
	errNotListening: {Text: "not listening"},
	errNoApp:        {Text: "app not attached"},
	errAppRefused:   {Text: "refused by the application"},
	errNoFIFO:       {Text: "Couldn't allocate a fifo pair"},
	errReset:        {Text: "reset by peer"},
	errAborted:      {Text: "aborted"},
	errGoneEarly:    {Text: "closed before it was accepted"},
	errScope:        {Text: "scope not supported"},
}

// countCause counts an error of a connect or of a session's end.
func (w *Worker) countCause(err error) {
	r := errUnknown
	switch {
	case err == nil:
		return
	case errors.Is(err, transport.ErrRefused):
		r = errRefused
	case errors.Is(err, transport.ErrTimeout):
		r = errTimeout
	case errors.Is(err, transport.ErrNoMemory):
		r = errNoMemory
	case errors.Is(err, transport.ErrNoRoute):
		r = errNoRoute
	case errors.Is(err, transport.ErrNoSource):
		r = errNoSource
	case errors.Is(err, transport.ErrNoPort):
		r = errNoPort
	case errors.Is(err, transport.ErrReset):
		r = errReset
	case errors.Is(err, transport.ErrAppRefused):
		r = errAppRefused
	case errors.Is(err, transport.ErrAborted):
		r = errAborted
	case errors.Is(err, ErrScope):
		r = errScope
	}
	w.count(r)
}
