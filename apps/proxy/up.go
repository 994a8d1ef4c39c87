package proxy

import (
	"vpphost/hoststack/session"
)

// up is the application of the sessions that a route opens. It listens nowhere.
type up struct {
	session.NopApp
	r *route
}

// Connected is the end of an attempt, which need not be the flow's last one: that may have
// gone on to another upstream, or have ended.
func (u up) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	r, sh := u.r, u.r.p.shards[w.Index]
	i := uint32(opaque)
	f := sh.flows.At(i)
	f.pending--
	current := uint16(opaque>>32) == f.attempt && f.state == connecting
	switch {
	case err != nil && current:
		sh.another(r, i, f, err)
	case err != nil:
	case !current:
		s.Opaque = 0
		w.Reset(s)
	default:
		sh.joined(r, i, f, s)
	}
	sh.release(r, i, f)
}

// joined makes the flow of a client and of the session that was opened for it.
func (sh *shard) joined(r *route, i uint32, f *flow, s *session.Session) {
	w := sh.w
	t := &r.tallies[w.Index]
	client := w.Get(f.client)
	s.Opaque = uint64(i)
	f.server = w.Handle(s)
	t.connected++
	t.upstreams[f.upstream].connected++
	t.upstreams[f.upstream].shunned = 0
	sh.become(r, f, open)
	sh.arm(i, f, w.Now()+int64(r.opts.Idle))
	// It fails when the client has ended just now, which we are still to be told.
	if client == nil || w.Splice(client, s) != nil {
		sh.finish(r, f, endStopped)
		if client != nil {
			w.Reset(client)
		}
		w.Reset(s)
		return
	}
	f.spliced = true
}

// Closed: the server has ended its direction.
func (u up) Closed(w *session.Worker, s *session.Session) {
	if _, f := u.r.p.shards[w.Index].flow(s); f != nil {
		f.serverEnd = true
	}
}

func (u up) Gone(w *session.Worker, s *session.Session, why error) {
	sh := u.r.p.shards[w.Index]
	i, f := sh.flow(s)
	if f == nil {
		return
	}
	sh.look(f)
	sh.finish(u.r, f, endOf(why, false))
	f.server = session.Handle{}
	sh.release(u.r, i, f)
}
