package simtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// Start is the virtual time at which a World begins, in ns: not 0, which often means
// "never".
const Start = int64(1e9)

// World is a set of hosts with one clock.
type World struct {
	Net   *sim.Net
	Hosts []*Host

	// Tick is how much time passes with every round of Steps in which there was
	// work, in ns: what the hosts' processors cost. 0 makes them infinitely fast.
	Tick int64

	now    int64
	still  int // rounds since time last passed
	rounds uint64
	events []event // of the test itself, by time
	also   func()  // takes what arrives at ends that no host has; after each round
	seed   uint64
	wires  int
	real   bool
}

// event is something that a test does at a time.
type event struct {
	at int64
	do func()
}

// NewWorld makes an empty world. The seed decides everything that is left to chance.
func NewWorld(seed uint64) *World {
	w := &World{Net: sim.NewNet(seed), now: Start, seed: seed}
	w.Net.SetNow(Start)
	return w
}

// NewThreads makes an empty world on the real clock, whose workers run on threads of their
// own from Start on: for the race detector. Run and what goes with it are not for it, and
// Apps that several workers call must be safe for that.
func NewThreads(seed uint64) *World {
	w := NewWorld(seed)
	w.real = true
	w.Net.RealTime(worker.Monotonic)
	return w
}

// Start has the workers run, in a world made by NewThreads.
func (w *World) Start() error {
	for _, h := range w.Hosts {
		for _, k := range h.Workers {
			if err := k.Run(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Now is the time in ns.
func (w *World) Now() int64 {
	if w.real {
		return worker.Monotonic()
	}
	return w.now
}

// Rounds is how many rounds of Steps were made.
func (w *World) Rounds() uint64 { return w.rounds }

// At has do called at a time. Events of one time run in the order in which they came.
func (w *World) At(at int64, do func()) {
	i := len(w.events)
	for i > 0 && w.events[i-1].at > at {
		i--
	}
	w.events = append(w.events, event{})
	copy(w.events[i+1:], w.events[i:])
	w.events[i] = event{at, do}
}

// Run lets time pass until done returns true, which is asked after every round, or until
// there is nothing to do up to and at time until. It returns whether done did; done may
// be nil.
func (w *World) Run(until int64, done func() bool) bool {
	for {
		for len(w.events) > 0 && w.events[0].at <= w.now {
			do := w.events[0].do
			w.events = w.events[1:]
			do()
		}
		work := w.step()
		if done != nil && done() {
			return true
		}
		next := w.now
		if work != 0 {
			next += w.Tick
		} else {
			next = w.next()
		}
		if next > until {
			w.advance(until)
			return false
		}
		w.advance(next)
	}
}

// RunFor is Run for a span of time, in ns.
func (w *World) RunFor(ns int64, done func() bool) bool { return w.Run(w.now+ns, done) }

// step has every worker make one Step.
func (w *World) step() (work int) {
	w.rounds++
	for _, h := range w.Hosts {
		for _, k := range h.Workers {
			work += k.Step(w.now)
		}
	}
	if w.also != nil {
		w.also()
	}
	return work
}

// retry is how long to wait when a frame has arrived that nobody takes, ns.
const retry = 10e3

// next is when something happens after now.
func (w *World) next() int64 {
	next := int64(math.MaxInt64)
	if at := w.Net.Next(); at > w.now {
		next = at
	} else {
		next = w.now + retry
	}
	for _, h := range w.Hosts {
		for _, k := range h.Workers {
			next = min(next, max(k.Wheel.Next(), w.now+1))
		}
	}
	if len(w.events) > 0 {
		next = min(next, w.events[0].at)
	}
	return next
}

// standstill is how many rounds may pass at one instant.
const standstill = 100000

func (w *World) advance(at int64) {
	if at <= w.now {
		if w.still++; w.still > standstill {
			panic(fmt.Sprintf("simtest: there is always more to do at %d ns", w.now))
		}
		return
	}
	w.now, w.still = at, 0
	w.Net.SetNow(w.now)
}

// Connect joins two hosts by a wire: "a" is its end 0. Interfaces are made, up, and have
// an IPv4 and an IPv6 address each; the subnets count up with the wires.
func (w *World) Connect(a, b *Host, links [2]sim.Link, o WireOptions) (*sim.Wire, error) {
	c := sim.Config{Links: links, MTU: o.MTU, Ring: o.Ring, Offload: o.Offload, Pad: o.Pad}
	c.Pools[0], c.Pools[1] = a.Pool, b.Pool
	wire, err := w.Net.NewWire(c)
	if err != nil {
		return nil, err
	}
	w.wires++
	for i, h := range []*Host{a, b} {
		if err := h.attach(wire.End(i), w.wires, i+1, o.MTU); err != nil {
			return nil, fmt.Errorf("simtest: %s: %w", h.Name, err)
		}
	}
	return wire, nil
}

// WireOptions are those of a wire that have nothing to do with its links.
type WireOptions struct {
	MTU     int // 0: 1500
	Ring    int
	Offload bool
	Pad     bool
}

// lingering is longer than anything of TCP lasts when the application is gone, ns:
// TIME-WAIT, retransmissions of a FIN that nobody answers.
const lingering = int64(600e9)

// Close detaches all applications, lets time pass until everything has run out, and makes
// sure that nothing is left: sessions, connections, timers, FIFOs, packet buffers. The world is of no use
// afterwards.
func (w *World) Close() error {
	var errs []error
	for _, h := range w.Hosts {
		for _, a := range h.apps {
			errs = append(errs, a.Detach())
		}
	}
	if w.real {
		for end := time.Now().Add(patience); w.busy() && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
	} else {
		w.RunFor(lingering, nil)
	}
	for _, h := range w.Hosts {
		errs = append(errs, h.close())
	}
	return errors.Join(errs...)
}

// patience is how long threads may take to end everything.
const patience = 20 * time.Second

// busy tells whether a host has connections.
func (w *World) busy() bool {
	for _, h := range w.Hosts {
		counts, err := h.TCP.Stats()
		for _, c := range counts {
			if err != nil || c.Connections+c.TimeWaits+c.PendingTimers != 0 {
				return true
			}
		}
		dgrams, err := h.UDP.Stats()
		for _, c := range dgrams {
			if err != nil || c.Active != 0 {
				return true
			}
		}
	}
	return false
}

// close takes a host apart.
func (h *Host) close() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf(h.Name+": "+format, args...))
	}
	for _, s := range h.Sessions.Workers() {
		n := 0
		if err := s.Do(func(*worker.Worker) { n = s.Sessions() }); err != nil || n != 0 {
			fail("%d sessions are left, %v", n, err)
		}
	}
	if err := h.memory(); err != nil {
		fail("%w", err)
	}
	counts, err := h.TCP.Stats()
	if err != nil {
		fail("%w", err)
	}
	for _, c := range counts {
		if c.Connections+c.TimeWaits+c.PendingTimers != 0 {
			fail("%d connections, %d in TIME_WAIT, %d timers are left", c.Connections, c.TimeWaits, c.PendingTimers)
		}
	}
	dgrams, err := h.UDP.Stats()
	if err != nil {
		fail("%w", err)
	}
	for _, c := range dgrams {
		if c.Active != 0 {
			fail("%d connections of UDP are left", c.Active)
		}
	}
	for _, i := range h.ifs {
		if err := h.Ifaces.Delete(i); err != nil {
			fail("%w", err)
		}
	}
	for _, k := range h.Workers {
		k.Stop()
	}
	h.Sessions.Close()
	for _, k := range h.Workers {
		if n := k.Wheel.Len(); n != 0 {
			fail("%d timers are left", n)
		}
		k.Bufs.Flush()
	}
	if n := givePool(h.Pool); n != 0 {
		fail("%d packet buffers are missing", n)
	}
	return errors.Join(errs...)
}

// memory makes sure that no FIFO is left, as "show segment-manager" tells.
func (h *Host) memory() error {
	for _, c := range session.Commands(h.Sessions) {
		if c.Path != "show segment-manager" {
			continue
		}
		r, err := c.Run(nil, cli.NewInput("verbose"))
		if err != nil {
			return err
		}
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		var all struct{ Managers []session.SegmentRow }
		if err := json.Unmarshal(text, &all); err != nil {
			return err
		}
		if len(all.Managers) != len(h.Workers) {
			return fmt.Errorf("%d segment managers for %d workers", len(all.Managers), len(h.Workers))
		}
		for _, m := range all.Managers {
			if m.FIFOs != 0 || m.Usage.Used != 0 || m.Usage.Chunks != 0 {
				return fmt.Errorf("%d FIFOs with %d chunks of %d bytes are left", m.FIFOs, m.Usage.Chunks, m.Usage.Used)
			}
		}
		return nil
	}
	return errors.New("there is no \"show segment-manager\"")
}

// states are the states of the connections of an application's ends that are not gone.
func (h *Host) states(a *App) (list []string) {
	for _, e := range a.Ends {
		w := h.Sessions.Workers()[e.Handle.Worker]
		var info transport.Info
		if s := w.Get(e.Handle); !e.Gone && s != nil && w.Info(s, &info) {
			list = append(list, info.State)
		}
	}
	return list
}

// describe tells about the connection behind an end, for messages.
func (h *Host) describe(e *End) string {
	w := h.Sessions.Workers()[e.Handle.Worker]
	s := w.Get(e.Handle)
	if s == nil {
		return "\n\t\tno session"
	}
	var info transport.Info
	if !w.Info(s, &info) {
		return "\n\t\tno connection"
	}
	text := "\n\t\t" + info.State
	for _, l := range info.Text {
		text += "\n\t\t" + l
	}
	return text
}
