package datagram

import (
	"errors"
	"fmt"
	"time"
)

// Options are what an application asks of an endpoint: Endpoint.Ext holds a value, or
// nothing. The zero value is good.
type Options struct {
	// Connectionless has a listener give each worker one session, which exchanges datagrams
	// with everybody. Without it each remote gets a session.
	Connectionless bool
	// Idle is how long an accepted session lives without a datagram in either direction; 0
	// for DefaultIdle, negative for ever.
	Idle time.Duration
	// MaxSessions bounds the accepted sessions of a listener on one worker; 0 for
	// DefaultSessions. Datagrams of further remotes are dropped.
	MaxSessions int
	// DSCP marks everything that is sent (RFC 2474): 0 to 63.
	DSCP uint8
	// TTL is the time to live, or hop limit; 0 for 64, and 1 to groups.
	TTL uint8
	// DontFragment forbids fragments (RFC 791: DF); what is larger than the path is dropped.
	DontFragment bool
}

// Defaults of Options.
const (
	DefaultIdle     = 60 * time.Second
	DefaultSessions = 65536
)

// ErrOptions is returned for options that cannot be.
var ErrOptions = errors.New("datagram options")

// OptionsOf are those in an endpoint's Ext.
func OptionsOf(ext any) (o Options, err error) {
	switch v := ext.(type) {
	case nil:
	case Options:
		o = v
	case *Options:
		o = *v
	default:
		return o, fmt.Errorf("%w: %T", ErrOptions, ext)
	}
	if o.DSCP > 63 {
		return o, fmt.Errorf("%w: dscp %d is above 63", ErrOptions, o.DSCP)
	}
	if o.MaxSessions < 0 {
		return o, fmt.Errorf("%w: %d sessions", ErrOptions, o.MaxSessions)
	}
	if o.Idle == 0 {
		o.Idle = DefaultIdle
	}
	if o.MaxSessions == 0 {
		o.MaxSessions = DefaultSessions
	}
	return o, nil
}
