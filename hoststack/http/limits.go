package http

import "time"

// Unlimited is a Limits.Body without bound.
const Unlimited = -1

// Limits protect a listener. Zero fields mean the defaults.
type Limits struct {
	Line   int   // bytes of the request line; more is a 414
	Head   int   // bytes of the head, at most MaxHead; more is a 431
	Fields int   // field lines, at most MaxFields; more is a 431
	Body   int64 // bytes of a request body, Unlimited for any number; more is a 413

	HeadTimeout  time.Duration // for a head, from its first byte; of a new connection, from its opening
	BodyTimeout  time.Duration // in each such time BodyRate bytes a second must come
	IdleTimeout  time.Duration // between two requests
	WriteTimeout time.Duration // without any byte acknowledged while a reply waits
	BodyRate     int           // bytes per second
	Requests     int           // on one connection, 0 for any number
}

// DefaultLimits are those of a listener that sets none.
func DefaultLimits() Limits {
	return Limits{Line: 8190, Head: 16 << 10, Fields: 100, Body: 8192, HeadTimeout: 20 * time.Second,
		BodyTimeout: 20 * time.Second, IdleTimeout: 60 * time.Second, WriteTimeout: 60 * time.Second, BodyRate: 64}
}

// complete fills in the defaults and keeps to what the parser can do. idle is the engine's
// IdleTimeout.
func (l Limits) complete(idle time.Duration) Limits {
	d := DefaultLimits()
	if idle > 0 {
		d.IdleTimeout = idle
	}
	number := func(v *int, def, most int) {
		if *v <= 0 {
			*v = def
		}
		*v = min(*v, most)
	}
	span := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	number(&l.Head, d.Head, MaxHead)
	number(&l.Line, d.Line, l.Head-8)
	number(&l.Fields, d.Fields, MaxFields)
	number(&l.BodyRate, d.BodyRate, 1<<30)
	switch {
	case l.Body == 0:
		l.Body = d.Body
	case l.Body < 0:
		l.Body = 1<<63 - 1
	}
	span(&l.HeadTimeout, d.HeadTimeout)
	span(&l.BodyTimeout, d.BodyTimeout)
	span(&l.IdleTimeout, d.IdleTimeout)
	span(&l.WriteTimeout, d.WriteTimeout)
	return l
}
