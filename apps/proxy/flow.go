package proxy

import (
	"errors"
	"math/bits"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// state of a flow.
type state uint8

const (
	connecting state = iota // to an upstream
	open
	over // one of its sessions is gone, or both are asked to end
	numStates
)

// flow is a client's session and the one that was opened for it. It ends when neither is
// there any more and no attempt is under way.
type flow struct {
	client, server session.Handle // zero: none
	tried          uint64         // upstreams, a bit each
	opened         int64          // ns
	bytes          [2]uint64      // that passed: from the client, from the server
	route          uint32         // 0: not in use
	timer          worker.Timer   // connect timeout, then idle timeout
	attempt        uint16         // number of the last attempt to reach an upstream
	pending        uint16         // attempts whose end has not been told
	upstream       uint8          // that is tried or used
	state          state
	spliced        bool // they are or were
	clientEnd      bool // the client has ended its direction
	serverEnd      bool
	queued         uint32 // bytes that a flow which is over had not delivered yet
}

// maxFlows is how many flows a worker takes.
const maxFlows = 1 << 20

// shard is one worker's flows, which alone touches them.
type shard struct {
	p      *Proxy
	w      *session.Worker
	flows  *mem.Pool[flow]
	timers worker.TimerOwner
}

func newShard(p *Proxy, w *session.Worker) (*shard, error) {
	sh := &shard{p: p, w: w}
	var err error
	if sh.flows, err = mem.NewPool[flow](maxFlows); err != nil {
		return nil, err
	}
	err = w.Do(func(k *worker.Worker) {
		sh.timers = k.OnTimer(sh.fired)
		k.Account("proxy flows", sh.flows.Usage)
	})
	return sh, err
}

// opaqueOf tells a session's callbacks which flow and attempt it belongs to.
func opaqueOf(i uint32, attempt uint16) uint64 { return uint64(attempt)<<32 | uint64(i) }

// flow finds the flow of a session; nil when it has none any more.
func (sh *shard) flow(s *session.Session) (uint32, *flow) {
	i := uint32(s.Opaque)
	if i == 0 {
		return 0, nil
	}
	return i, sh.flows.At(i)
}

// become moves f on to another state.
func (sh *shard) become(r *route, f *flow, st state) {
	t := &r.tallies[sh.w.Index]
	t.flows[f.state]--
	f.state = st
	t.flows[st]++
}

// finish notes how f ended, once.
func (sh *shard) finish(r *route, f *flow, how end) {
	if f.state == over {
		return
	}
	r.tallies[sh.w.Index].ended[how]++
	sh.become(r, f, over)
}

// release ends f when nothing names it any more.
func (sh *shard) release(r *route, i uint32, f *flow) {
	if f.pending != 0 || f.client != (session.Handle{}) || f.server != (session.Handle{}) {
		return
	}
	t := &r.tallies[sh.w.Index]
	t.flows[f.state]--
	t.bytes[0] += f.bytes[0]
	t.bytes[1] += f.bytes[1]
	sh.w.Wheel.Disarm(&f.timer)
	f.route = 0
	sh.flows.Free(i)
}

// arm has f's timer fire at a time, ns.
func (sh *shard) arm(i uint32, f *flow, at int64) {
	sh.w.Wheel.Arm(&f.timer, at, sh.timers.User(uint64(i)))
}

var errLoop = errors.New("the upstream is this proxy")

// choose is the upstream for f's next attempt: in turn, those that failed lately last; -1
// when all were tried.
func (t *tally) choose(f *flow, now int64) int {
	n := len(t.upstreams)
	if bits.OnesCount64(f.tried) == n {
		return -1
	}
	first := int(t.next)
	for _, shunned := range [...]bool{false, true} {
		for k := range n {
			u := (first + k) % n
			if f.tried>>u&1 == 0 && (shunned || t.upstreams[u].shunned <= now) {
				t.next = uint32((u + 1) % n)
				return u
			}
		}
	}
	return -1
}

// connect begins an attempt to reach an upstream that was not tried yet. The error is that
// of the last one; then nothing is under way.
func (sh *shard) connect(r *route, i uint32, f *flow) error {
	t, now := &r.tallies[sh.w.Index], sh.w.Now()
	err := error(transport.ErrRefused)
	for {
		u := t.choose(f, now)
		if u < 0 {
			return err
		}
		f.tried |= 1 << u
		f.upstream = uint8(u)
		f.attempt++
		to := &r.clients[u]
		if sh.p.ours(sh.w.Worker, to) {
			err = errLoop
		} else if err = sh.w.Connect(r.up, to.proto, to.ep, opaqueOf(i, f.attempt)); err == nil {
			f.pending++
			sh.arm(i, f, now+int64(r.opts.Connect))
			return nil
		}
		sh.missed(r, f, err)
	}
}

// missed notes that f's present upstream failed.
func (sh *shard) missed(r *route, f *flow, err error) {
	t := &r.tallies[sh.w.Index]
	t.failed[failureOf(err)]++
	u := &t.upstreams[f.upstream]
	u.failed++
	u.shunned = sh.w.Now() + shun
}

// another tries the next upstream after the present one has failed; the client of a flow
// for which there is none is reset.
func (sh *shard) another(r *route, i uint32, f *flow, err error) {
	sh.missed(r, f, err)
	if sh.connect(r, i, f) == nil {
		return
	}
	sh.finish(r, f, endUnanswered)
	if c := sh.w.Get(f.client); c != nil {
		sh.w.Reset(c)
	}
}

// sessions are f's sessions; nil those that are gone.
func (sh *shard) sessions(f *flow) (client, server *session.Session) {
	if f.client != (session.Handle{}) {
		client = sh.w.Get(f.client)
	}
	if f.server != (session.Handle{}) {
		server = sh.w.Get(f.server)
	}
	return client, server
}

// look brings f's figures up to date and returns when something last moved, ns.
func (sh *shard) look(f *flow) (last int64) {
	last = f.opened
	if !f.spliced {
		return last
	}
	client, server := sh.sessions(f)
	for dir, s := range [...]*session.Session{client, server} {
		if s != nil {
			n, at := sh.w.Moved(s)
			f.bytes[dir] = n
			last = max(last, at)
		}
	}
	return last
}

// fired is the timer of flow v.
func (sh *shard) fired(v uint64) {
	i := uint32(v)
	f := sh.flows.At(i)
	f.timer = 0
	r := sh.p.route(f.route)
	if r == nil {
		return // it is being stopped
	}
	now := sh.w.Now()
	if f.state == connecting {
		sh.another(r, i, f, transport.ErrTimeout)
		return
	}
	if quiet := now - sh.look(f); quiet < int64(r.opts.Idle) {
		sh.arm(i, f, now-quiet+int64(r.opts.Idle))
		return
	}
	if f.state != over || !sh.drains(f) {
		sh.idle(r, f)
	}
	sh.arm(i, f, now+int64(r.opts.Idle)) // who does not end then is reset
}

// drains tells whether a flow that is over has delivered something since it was asked
// last.
func (sh *shard) drains(f *flow) bool {
	n := uint32(0)
	client, server := sh.sessions(f)
	for _, s := range [...]*session.Session{client, server} {
		if s != nil {
			n += uint32(sh.w.Unacked(s))
		}
	}
	before := f.queued
	f.queued = n
	return n != before
}

// idle ends a flow in which nothing moves: in order, unless bytes are stuck in it, or it
// was asked to end before.
func (sh *shard) idle(r *route, f *flow) {
	w := sh.w
	client, server := sh.sessions(f)
	stuck := f.state == over
	for _, s := range [...]*session.Session{client, server} {
		stuck = stuck || s != nil && w.Unacked(s) > 0
	}
	sh.finish(r, f, endIdle)
	for _, s := range [...]*session.Session{client, server} {
		switch {
		case s == nil:
		case stuck:
			w.Reset(s)
		default:
			w.Close(s)
		}
	}
}
