package echo

import (
	"vpphost/hoststack/session"
)

// place is where the connection named by opaque lives; nil when that was given up.
func (cw *cpsWorker) place(opaque uint64) (*cpsConn, uint32) {
	i := uint32(opaque)
	if c := &cw.conns[i]; c.serial == uint32(opaque>>32) && c.state != cpsFree {
		return c, i
	}
	return nil, i
}

// Connected sends on a connection that is open.
func (r *cpsRun) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	if opaque == ctrlOpaque {
		if err != nil {
			r.fail(w.Worker, err)
			return
		}
		r.ctrl.connected(r.shared(), w, s)
		return
	}
	cw := r.workers[w.Index]
	c, i := cw.place(opaque)
	now := w.Now()
	switch {
	case c == nil:
		if s != nil { // it was given up
			w.Reset(s)
		}
		return
	case err != nil:
		cw.failed(c, i, reasonOf(err), now)
		return
	}
	c.handle, c.state, c.since = w.Handle(s), cpsOpen, now
	cw.opened.Add(1)
	cw.connect.Add(now - c.due)
	cw.produce(s, c, now)
}

// produce writes what is left to write, and closes when there is nothing more to do.
func (cw *cpsWorker) produce(s *session.Session, c *cpsConn, now int64) {
	o := cw.run.opts
	if c.sent < o.bytes {
		n := 0
		if tx := cw.sw.Tx(s); tx != nil {
			for left := int(min(o.bytes-c.sent, txTarget)); n < left; {
				p := tx.ReserveAt(n, left-n)
				if len(p) == 0 {
					break
				}
				fill(p, c.sent+uint64(n))
				n += len(p)
			}
			if n > 0 {
				tx.Commit(n)
				cw.sw.Send(s)
				c.sent += uint64(n)
				cw.tx.Add(uint64(n))
			}
		}
		// Writable comes when there is room, or some milliseconds after there was no memory.
		cw.sw.WantWritable(s, c.sent < o.bytes)
	}
	if c.sent < o.bytes || o.echo && c.rcvd < o.bytes {
		return
	}
	switch {
	case o.echo:
		cw.transfer.Add(now - c.since)
	case cw.run.gentle && cw.sw.Unacked(s) > 0:
		cw.sw.WantWritable(s, true)
		return
	}
	c.state = cpsClosing
	cw.sw.Close(s)
}

func (r *cpsRun) Readable(w *session.Worker, s *session.Session) {
	if s.Opaque == ctrlOpaque {
		r.ctrl.receive(r.shared(), w, s)
		return
	}
	cw := r.workers[w.Index]
	if c, _ := cw.place(s.Opaque); c != nil && c.state == cpsOpen {
		cw.receive(s, c)
	}
}

// receive takes the echo, or whatever a server says without being asked.
func (cw *cpsWorker) receive(s *session.Session, c *cpsConn) {
	rx := cw.sw.Rx(s)
	n := rx.Len()
	if o := cw.run.opts; o.check && o.echo {
		for off := 0; off < n; {
			p := rx.PeekAt(off, n-off)
			if mismatch(p, c.rcvd+uint64(off)) >= 0 {
				cw.bad.Add(1)
				c.state, c.why = cpsFailed, whyBytes
				cw.sw.Reset(s)
				return
			}
			off += len(p)
		}
	}
	rx.Drop(n)
	cw.sw.Dropped(s)
	c.rcvd += uint64(n)
	cw.rx.Add(uint64(n))
	if c.sent > 0 {
		cw.produce(s, c, cw.sw.Now())
	}
}

func (r *cpsRun) Writable(w *session.Worker, s *session.Session) {
	cw := r.workers[w.Index]
	if s.Opaque == ctrlOpaque {
		return
	}
	if c, _ := cw.place(s.Opaque); c != nil && c.state == cpsOpen {
		cw.produce(s, c, w.Now())
	}
}

// Closed: the server has ended its side before we have.
func (r *cpsRun) Closed(w *session.Worker, s *session.Session) {
	if s.Opaque != ctrlOpaque {
		if c, _ := r.workers[w.Index].place(s.Opaque); c != nil && c.state == cpsOpen {
			c.state, c.why = cpsFailed, whyClosed
		}
	}
	w.Close(s)
}

func (r *cpsRun) Gone(w *session.Worker, s *session.Session, why error) {
	if s.Opaque == ctrlOpaque {
		r.ctrl.lost(r.shared(), w, why)
		return
	}
	cw := r.workers[w.Index]
	c, i := cw.place(s.Opaque)
	if c == nil {
		return
	}
	now := w.Now()
	switch {
	case c.state == cpsFailed:
		cw.failed(c, i, c.why, now)
	case c.state == cpsClosing && (why == nil || r.opts.echo):
		// The echo of all bytes has come: how the connection ended does not matter.
		if !r.opts.echo {
			cw.transfer.Add(now - c.since) // both sides have acknowledged everything
		}
		cw.succeed(c, i, now)
	default:
		cw.failed(c, i, reasonOf(why), now)
	}
}
