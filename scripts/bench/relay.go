package main

import (
	"context"
	"fmt"
	"regexp"
)

var countLine = regexp.MustCompile(`(?m)^warning: the server counted .*$`)

// A relay row measures a proxy, which is the instance on the server's side: the client and
// the echo server are both applications of the other instance, which is always vpphost.
// The echo test uses two ports, one above the other.

func (s *stack) serveRelay(ctx context.Context) error {
	if err := s.once(ctx, 1, "vperf server uri tcp://"+stackAddr(1)+"/1234 fifo-size 4m"); err != nil {
		return err
	}
	for port := 1234; port <= 1235; port++ {
		line := fmt.Sprintf("test proxy server fifo-size 4m server-uri tcp://%s/%d client-uri tcp://%s/%d", stackAddr(0), port, stackAddr(1), port)
		if err := s.once(ctx, 0, line); err != nil {
			return err
		}
	}
	return nil
}

// relays sends one stream through the proxy, then requests.
func (s *stack) relays(ctx context.Context, r *row, seconds int) ([]float64, error) {
	stream := row{kind: stream, streams: 1, mtu: r.mtu}
	ask := row{kind: request, size: 64, mtu: r.mtu}
	text, err := s.hosts[1].exec(ctx, "vperf "+stream.clientWords(seconds))
	if err != nil {
		return nil, err
	}
	// What the proxy has acknowledged is still on its way to the server when the client asks
	// that for its count.
	rep, err := parseClient(countLine.ReplaceAllString(text, ""))
	if err != nil {
		return nil, err
	}
	req, err := s.client(ctx, &ask, 1)
	return []float64{rep.bits() / 1e9, req.p50}, err
}
