package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// contender is who is measured.
type contender interface {
	name() string
	// measure runs a row once. errNone: it has nothing to compare.
	measure(ctx context.Context, r *row, seconds int) (outcome, error)
	close()
}

// outcome is what a run of a row yields.
type outcome struct {
	values []float64  // the row's figures
	cpu    [2]float64 // share of a core, server and client
	waited float64    // share of the time that a side waited for its core; the worse
	stall  float64    // longest gap between two loops of a worker, ms; 0 when not known
}

var (
	errNone  = errors.New("nothing to compare")
	errStuck = errors.New("stuck")
)

// stack is a contender that speaks VPP's command line: a pair of instances, started when
// a row needs another link than the last, and stopped while others have their turn.
type stack struct {
	label string
	// programs of the server's and the client's side for a row; nil when there is none.
	programs func(r *row) [2]*program
	start    func() (float64, error) // start to prompt
	cpu      [2]int

	dir     string
	key     string // of the pair that runs, "" for none
	hosts   [2]*host
	wire    *wire
	sources int             // addresses that the client uses
	vperf   string          // the command of the echo server that runs, "" when none does
	served  map[string]bool // commands of other servers that run
}

func (s *stack) name() string { return s.label }

func stackAddr(i int) string { return fmt.Sprintf("6.0.1.%d", 1+i) }

func (s *stack) measure(ctx context.Context, r *row, seconds int) (outcome, error) {
	if r.kind == prompt {
		v, err := s.start()
		return outcome{values: []float64{v}}, err
	}
	progs := s.programs(r)
	if progs[0] == nil {
		return outcome{}, errNone
	}
	// Connections that were open once have left their memory behind.
	key := fmt.Sprint(r.link, r.mtu, r.large, r.kind == relay, progs) // a relay's ports are the echo server's
	if s.key != key || r.kind == idle || !s.alive() {
		if err := s.restart(ctx, r, progs); err != nil {
			s.close()
			return outcome{}, err
		}
		s.key = key
	}
	s.signal(syscall.SIGCONT)
	defer s.signal(syscall.SIGSTOP)
	limit := time.Duration(seconds)*time.Second + 30*time.Second
	if r.kind == connect || r.kind == idle {
		limit = 3 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errStuck)
	defer cancel()
	out, err := s.watch(ctx, r, seconds)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil { // what state it is in nobody knows
		s.close()
	}
	return out, err
}

func (s *stack) alive() bool {
	for _, h := range s.running() {
		if h == nil || !h.alive() {
			return false
		}
	}
	return true
}

func (s *stack) signal(sig syscall.Signal) {
	for _, h := range s.hosts {
		if h != nil {
			h.signal(sig)
		}
	}
}

// restart makes the pair that the row needs.
func (s *stack) restart(ctx context.Context, r *row, progs [2]*program) (err error) {
	s.close()
	if s.dir, err = os.MkdirTemp("", "vpphost-bench-"); err != nil {
		return err
	}
	var ns [2]string
	if r.link == veth {
		if s.wire, err = newWire(); err != nil {
			return err
		}
		ns = s.wire.ns
		if !r.large {
			if err := s.wire.offload("tx off tso off gso off gro off"); err != nil {
				return err
			}
		}
	}
	for i, p := range progs {
		if p == nil { // the kernel is the client
			if err := shell("ip -n " + ns[i] + " addr add " + stackAddr(i) + "/24 dev " + s.wire.dev[i]); err != nil {
				return err
			}
			continue
		}
		s.hosts[i], err = startHost(p, filepath.Join(s.dir, fmt.Sprint(i)), s.cpu[i], ns[i], s.script(r, p, i), r)
		if err != nil {
			return err
		}
	}
	return s.meet(ctx)
}

// ifc is the name of side i's interface.
func (s *stack) ifc(i int) string {
	if s.wire != nil {
		return "host-" + s.wire.dev[i]
	}
	return "memif1/0"
}

// script makes the interface of side i.
func (s *stack) script(r *row, p *program, i int) string {
	var b strings.Builder
	ifc := s.ifc(i)
	if r.link == veth {
		fmt.Fprintf(&b, "create host-interface name %s", s.wire.dev[i])
		if !r.large {
			b.WriteString(" cksum-gso-disable")
		}
	} else {
		fmt.Fprintf(&b, "create memif socket id 1 filename %s\ncreate interface memif id 0 socket-id 1", filepath.Join(s.dir, "memif.sock"))
		if i == 0 {
			b.WriteString(" master")
		} else {
			b.WriteString(" slave")
			if p.memifWords != nil {
				b.WriteString(p.memifWords(r))
			}
		}
	}
	fmt.Fprintf(&b, "\nset interface mtu %d %s\n", r.mtu, ifc)
	// The client's side has all the addresses that connections come from: vpphost wants
	// them there, VPP takes them from "tcp src-address".
	own := 1
	if i == 1 && p.ours {
		own = maxSources
	}
	for n := range own {
		fmt.Fprintf(&b, "set interface ip address %s %s/24\n", ifc, stackAddr(i+n))
	}
	fmt.Fprintf(&b, "set interface state %s up\n", ifc)
	return b.String()
}

// meet waits until the two see each other.
func (s *stack) meet(ctx context.Context) error {
	if err := s.ping(ctx); err != nil {
		return err
	}
	for i, h := range s.running() {
		if h.prog.ready == nil {
			continue
		}
		if err := h.silent(ctx, h.prog.ready(s.ifc(i))...); err != nil {
			return err
		}
	}
	return nil
}

// serve has the server of the row run.
func (s *stack) serve(ctx context.Context, r *row) error {
	switch r.kind {
	case web:
		return s.serveWeb(ctx, r)
	case relay:
		return s.serveRelay(ctx)
	}
	line := "vperf server uri " + r.serverURI() + " fifo-size " + r.fifo()
	if s.vperf == line {
		return nil
	}
	if s.vperf != "" {
		if err := s.hosts[0].silent(ctx, "vperf server stop"); err != nil {
			return err
		}
	}
	s.vperf = line
	return s.hosts[0].silent(ctx, line)
}

// once runs a command on side i that starts a server, unless it has run before.
func (s *stack) once(ctx context.Context, i int, line string) error {
	if s.served[line] {
		return nil
	}
	if s.served == nil {
		s.served = map[string]bool{}
	}
	s.served[line] = true
	return s.hosts[i].silent(ctx, line)
}

// running are the instances, the server's first; there is one where the kernel is the
// client.
func (s *stack) running() []*host {
	if s.hosts[1] == nil {
		return s.hosts[:1]
	}
	return s.hosts[:]
}

func (s *stack) ping(ctx context.Context) (err error) {
	var out string
	for range 100 {
		step, cancel := context.WithTimeout(ctx, 10*time.Second)
		if s.hosts[1] != nil {
			out, err = s.hosts[1].exec(step, "ping "+stackAddr(0)+" repeat 1")
		} else {
			var b []byte
			b, err = exec.CommandContext(step, "ip", "netns", "exec", s.wire.ns[1], "ping", "-c1", "-W1", stackAddr(0)).Output()
			out = string(b)
		}
		cancel()
		if err == nil && strings.Contains(out, " 1 received") {
			return nil
		}
		if ctx.Err() != nil || !s.alive() {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	words := ""
	for _, h := range s.running() {
		words += ": " + h.lastWords()
	}
	return fmt.Errorf("the two sides do not see each other: %w: %s%s", errOr(err), tail(out, 200), words)
}

// errOr is err, or an error without words when there is none.
func errOr(err error) error {
	if err == nil {
		return errors.New("no answer")
	}
	return err
}

func (s *stack) close() {
	for i, h := range s.hosts {
		if h != nil {
			h.close()
			s.hosts[i] = nil
		}
	}
	if s.wire != nil {
		s.wire.close()
		s.wire = nil
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
	s.dir, s.key, s.sources, s.vperf, s.served = "", "", 0, "", nil
}
