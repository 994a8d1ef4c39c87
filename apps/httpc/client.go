package httpc

import (
	"errors"
	"fmt"
	"sync/atomic"

	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
)

// Client is the "http client" and the "http cli client" of an instance: one run of each at
// a time.
type Client struct {
	engine *http.Engine
	layer  *session.Layer
	alarms []*alarm // by worker
	busy   atomic.Bool
	cliing atomic.Bool
}

// NewClient makes the client. Before the workers run.
func NewClient(e *http.Engine, l *session.Layer) *Client {
	c := &Client{engine: e, layer: l}
	for _, w := range l.Workers() {
		c.alarms = append(c.alarms, newAlarm(w.Worker))
	}
	return c
}

var (
	errRunning = errors.New("failed: already running!")
	errAborted = errors.New("error: aborted")
)

// failure gives an error of the engine the words of VPP.
func failure(err error, connecting bool) error {
	switch why := reasonOf(err, connecting); {
	case why == failTimeout:
		return errors.New("error: timeout")
	case connecting && why == failConnectTimeout:
		return errors.New("error: failed to connect: timeout")
	case connecting:
		return fmt.Errorf("error: failed to connect: %w", err)
	case why == failReset, why == failTruncated:
		return fmt.Errorf("error: transport closed: %w", err)
	}
	return fmt.Errorf("error: %w", err)
}
