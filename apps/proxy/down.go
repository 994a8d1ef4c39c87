package proxy

import (
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// down is the application of the sessions that a route accepts. What they receive waits in
// their FIFOs until they are spliced, so it need not be told of it.
type down struct {
	session.NopApp
	r *route
}

func (d down) Accept(w *session.Worker, s *session.Session) error {
	r, sh := d.r, d.r.p.shards[w.Index]
	t := &r.tallies[w.Index]
	i, f := sh.flows.Alloc()
	if f == nil {
		t.failed[failNoMemory]++
		return transport.ErrNoMemory
	}
	t.accepted++
	t.flows[connecting]++
	f.route, f.client, f.opened = r.number, w.Handle(s), w.Now()
	s.Opaque = uint64(i)
	if err := sh.connect(r, i, f); err != nil {
		sh.finish(r, f, endUnanswered)
		f.client = session.Handle{}
		sh.release(r, i, f)
		return err // resets the client
	}
	return nil
}

// Closed: the client has ended its direction, which the session layer passes on.
func (d down) Closed(w *session.Worker, s *session.Session) {
	if _, f := d.r.p.shards[w.Index].flow(s); f != nil {
		f.clientEnd = true
	}
}

func (d down) Gone(w *session.Worker, s *session.Session, why error) {
	sh := d.r.p.shards[w.Index]
	i, f := sh.flow(s)
	if f == nil {
		return
	}
	sh.look(f)
	if f.state == connecting {
		sh.finish(d.r, f, endEarly)
	}
	sh.finish(d.r, f, endOf(why, true))
	f.client = session.Handle{}
	sh.release(d.r, i, f)
}
