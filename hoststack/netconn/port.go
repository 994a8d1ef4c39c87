package netconn

import (
	"net/netip"
	"sync/atomic"

	"vpphost/hoststack/datagram"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// port is the session of a packet socket on one worker: a connected socket has one, one
// that talks to everybody one on each worker.
type port struct {
	p     *PacketConn
	b     *bridge
	entry entry
	rx    packets // from the worker
	tx    packets // to it

	status atomic.Uint32
	local  netip.AddrPort // of a connected socket, from statusOpen on
	why    error          // from statusGone on
	whole  atomic.Int64   // largest payload that goes in one packet; 0: not known

	queued atomic.Bool
	next   *port
	want   atomic.Uint32
	more   atomic.Bool // datagrams wait in the FIFO

	// The worker's own.
	_     [64]byte
	h     session.Handle
	wants uint32
	far   farState
	ended bool
}

// statusTold: gone, and a caller has got the error. A write opens the socket again.
const statusTold = statusGone + 1

// kick has the worker visit the port. Any goroutine.
func (o *port) kick() {
	if o.p.down.Load() || o.queued.Swap(true) {
		return
	}
	for {
		first := o.b.ports.Load()
		o.next = first
		if o.b.ports.CompareAndSwap(first, o) {
			break
		}
	}
	o.b.w.Wake()
}

func (o *port) ask(want uint32) {
	o.want.Or(want)
	o.kick()
}

// visitPorts is the part of Step for packet sockets.
func (b *bridge) visitPorts() (work int) {
	for o := b.ports.Swap(nil); o != nil; {
		next := o.next
		o.next = nil
		o.queued.Store(false)
		o.visit()
		o = next
		work++
	}
	return work
}

func (o *port) visit() {
	if o.ended {
		return
	}
	want := o.want.Swap(0)
	o.wants |= want &^ wantOpen
	if want&wantOpen != 0 && o.wants&wantClose == 0 {
		o.open()
	}
	var s *session.Session
	if o.far == farOpen {
		s = o.b.w.Get(o.h)
	}
	if s != nil {
		o.receive(s)
		o.send(s)
	}
	if o.wants&wantClose == 0 {
		return
	}
	switch {
	case o.far == farOpening:
		o.b.w.Cancel(o.h)
	case s != nil && o.p.connected():
		o.b.w.Close(s)
	case o.far != farOpen: // else Unlisten ends it
		o.end()
	}
}

// open begins to open a connected socket's session.
func (o *port) open() {
	o.far = farOpening
	h, err := o.b.w.Dial(o.b.n.app, transport.UDP, o.p.endpoint(), uint64(o.entry.id))
	if err != nil {
		o.fail(err)
		return
	}
	o.h = h
}

// connected is what Connected tells.
func (o *port) connected(s *session.Session, err error) {
	if err != nil {
		o.fail(err)
		return
	}
	w := o.b.w
	o.h, o.far = w.Handle(s), farOpen
	if !o.local.IsValid() { // opened again, it has the same
		o.local, _ = w.Addrs(s)
	}
	whole, _ := w.MaxDatagram(s)
	o.whole.Store(int64(whole))
	o.status.Store(statusOpen)
	w.Notify(&o.p.rd.note)
	if o.wants&wantClose != 0 {
		w.Close(s)
		return
	}
	o.send(s)
}

// bindPort gives the session of a listening socket on this worker to its port.
func (n *Net) bindPort(w *session.Worker, s *session.Session, ep transport.Endpoint) error {
	for _, p := range *n.bound.Load() {
		if ep.Ext != any(&p.options) {
			continue
		}
		o := p.ports[w.Index]
		if o.far == farOpen {
			return transport.ErrAppRefused // cut-through: it is not for packet sockets
		}
		o.h, o.far = w.Handle(s), farOpen
		s.Opaque = uint64(o.entry.id)
		o.status.Store(statusOpen)
		o.send(s)
		return nil
	}
	return transport.ErrNoListener
}

// receive moves datagrams to the reader, as many as there is room for. The others wait in
// the FIFO, and when that is full too the transport drops, and counts.
func (o *port) receive(s *session.Session) {
	w := o.b.w
	f := w.Rx(s)
	if f.Len() == 0 {
		return
	}
	got, more := 0, false
	r := datagram.Read(f)
	for r.Next() {
		b, d, ok := o.rx.reserve(r.Len)
		if !ok {
			r.Keep()
			more = true
			break
		}
		r.CopyTo(b)
		d.tos, d.remote, d.local, d.iface = r.TOS, r.Remote, r.Local, r.Iface
		o.rx.commit(d)
		got++
	}
	r.Done()
	o.more.Store(more)
	if more && o.rx.half() {
		o.kick() // the reader was faster, and did not see that there is more
	}
	if got > 0 {
		w.Dropped(s)
		o.p.rd.notify(w.Worker)
	}
}

// send moves datagrams from the writers to the FIFO, as many as there is room for.
func (o *port) send(s *session.Session) {
	if o.tx.len() == 0 {
		return
	}
	w := o.b.w
	t := datagram.Write(w.Tx(s))
	full := false
	for {
		b, d, ok := o.tx.first()
		if !ok {
			break
		}
		h := datagram.Header{Len: d.n, Segment: d.segment, TOS: d.tos, Remote: d.remote, Local: d.local, Iface: d.iface}
		if !t.Put(&h, b) {
			if full = w.Unacked(s) > 0 || w.Tx(s) == nil; full {
				break
			}
			if sent := t.Commit(); sent > 0 {
				w.Send(s)
				full = true
				break
			}
			o.b.n.counts.datagramsTooLong.Add(1) // it does not fit an empty FIFO
		}
		o.tx.drop(d)
	}
	if t.Commit() > 0 {
		w.Send(s)
	}
	w.WantWritable(s, full)
	if o.tx.half() {
		o.p.wr.notify(w.Worker)
	}
}

// gone ends the session: by an error of the network, or because the socket was closed.
func (o *port) gone(s *session.Session, why error) {
	o.receive(s)
	o.fail(why)
}

func (o *port) fail(why error) {
	o.far = farGone
	o.why = why
	o.status.Store(statusGone)
	w := o.b.w.Worker
	w.Notify(&o.p.rd.note)
	o.p.wr.notify(w)
	if o.wants&wantClose != 0 {
		o.end()
	}
}

// end forgets the port.
func (o *port) end() {
	o.ended = true
	o.b.n.table.remove(&o.entry)
}
