package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// watch measures a row once, and what it costs the two processes.
func (s *stack) watch(ctx context.Context, r *row, seconds int) (out outcome, err error) {
	if err := s.serve(ctx, r); err != nil {
		return out, err
	}
	// Twice: the round in which it is cleared first may be the one that was stopped.
	for _, h := range slices.Repeat(s.running(), 2) {
		if h.prog.ours {
			if _, err := h.exec(ctx, "clear runtime"); err != nil {
				return out, err
			}
		}
	}
	var before [2]usage
	for i, h := range s.running() {
		before[i] = usageOf(h.pid())
	}
	begin := time.Now()
	switch r.kind {
	case connect:
		out.values, err = s.connects(ctx, r)
	case idle:
		out.values, err = s.holds(ctx, r)
	case web:
		out.values, err = s.requests(ctx, r, seconds)
	case relay:
		out.values, err = s.relays(ctx, r, seconds)
	default:
		out.values, err = s.transfers(ctx, r, seconds)
	}
	if err != nil {
		return out, err
	}
	passed := time.Since(begin)
	for i, h := range s.running() {
		cpu, waited := usageOf(h.pid()).since(before[i], passed)
		out.cpu[i], out.waited = cpu, max(out.waited, waited)
		if h.prog.ours {
			out.stall = max(out.stall, h.stall(ctx))
		}
	}
	return out, nil
}

// client runs the client's command of the row.
func (s *stack) client(ctx context.Context, r *row, seconds int) (clientReport, error) {
	from := s.hosts[1]
	if r.inside {
		from = s.hosts[0]
	}
	text, err := from.exec(ctx, "vperf "+r.clientWords(seconds))
	if err != nil {
		return clientReport{}, err
	}
	return parseClient(text)
}

// transfers is for streams and requests.
func (s *stack) transfers(ctx context.Context, r *row, seconds int) ([]float64, error) {
	rep, err := s.client(ctx, r, seconds)
	if err != nil {
		return nil, err
	}
	switch {
	case r.kind == request:
		return []float64{rep.p50, rep.p99, rep.p999, rep.requests / 1e3}, nil
	case r.kind == datagram && r.echo: // the bytes are those that came back
		return []float64{rep.bits() / 1e9, rep.lost}, nil
	case r.kind == datagram: // those that were sent
		return []float64{rep.bits() / 1e9 * (1 - rep.lost/100), rep.lost}, nil
	}
	return []float64{rep.bits() / 1e9}, nil
}

// spread has the client use as many source addresses as the row wants.
func (s *stack) spread(ctx context.Context, r *row) error {
	if r.sources <= 1 || s.sources == r.sources {
		return nil
	}
	s.sources = r.sources
	return s.hosts[1].silent(ctx, fmt.Sprintf("tcp src-address %s - %s", stackAddr(1), stackAddr(r.sources)))
}

// connects opens the row's connections, and waits until the server has none of them left:
// the client's side of VPP keeps them through TIME_WAIT.
func (s *stack) connects(ctx context.Context, r *row) ([]float64, error) {
	if err := s.spread(ctx, r); err != nil {
		return nil, err
	}
	idle, err := s.sessions(ctx)
	if err != nil {
		return nil, err
	}
	var rep clientReport
	var failed error
	over := make(chan struct{})
	begin := time.Now()
	go func() {
		defer close(over)
		rep, failed = s.client(ctx, r, 0)
	}()
	var closed time.Time
	for up, running := false, true; closed.IsZero(); {
		select {
		case <-over:
			running = false
			if failed != nil {
				return nil, failed
			}
		case <-time.After(2 * time.Millisecond):
		}
		n, err := s.sessions(ctx)
		if err != nil {
			<-over
			return nil, err
		}
		up = up || n > idle+1 // one is the control session
		if up && n <= idle+1 || !running && n <= idle {
			closed = time.Now()
		}
	}
	<-over
	n := float64(r.count) / 1e3
	return []float64{rep.opened / 1e3, n / closed.Sub(begin).Seconds()}, failed
}

// sessions is how many the server has.
func (s *stack) sessions(ctx context.Context) (int, error) {
	out, err := s.hosts[0].exec(ctx, "show session")
	return parseSessions(out), err
}

// holds measures what connections take in memory on which nothing is sent.
func (s *stack) holds(ctx context.Context, r *row) ([]float64, error) {
	if err := s.spread(ctx, r); err != nil {
		return nil, err
	}
	resident := func() int64 { return residentOf(s.hosts[0].pid()) + residentOf(s.hosts[1].pid()) }
	before := resident()
	var failed error
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, failed = s.client(ctx, r, 0)
	}()
	var most int64
	for {
		select {
		case <-over:
			return []float64{float64(most-before) / 2 / float64(r.count)}, failed
		case <-time.After(200 * time.Millisecond):
			most = max(most, resident())
		}
	}
}

// stall is the longest gap between two loops of a worker since the counters were cleared,
// in ms.
func (h *host) stall(ctx context.Context) (worst float64) {
	text, err := h.run(ctx, "show runtime", true)
	var r struct {
		Threads []struct {
			Stalls struct {
				MaxNs float64 `json:"maxNs"`
			} `json:"stalls"`
		} `json:"threads"`
	}
	if err != nil || json.Unmarshal([]byte(text), &r) != nil {
		return 0
	}
	for _, t := range r.Threads {
		worst = max(worst, t.Stalls.MaxNs/1e6)
	}
	return worst
}
