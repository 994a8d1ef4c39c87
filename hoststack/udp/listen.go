package udp

import (
	"errors"
	"fmt"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/transport"
)

// maxListeners bounds the listening endpoints.
const maxListeners = 4096

// listener is what a slot says; workers read it after they have found the slot.
type listener struct {
	used bool
	id   uint32 // the session layer's
	addr hdr.Addr
	port uint16
	opts datagram.Options
}

var errTooManyListeners = errors.New("too many listeners")

// StartListen begins to accept sessions, or makes the connectionless ones. The endpoint's
// interface is not looked at: binding to one is a matter of its addresses.
func (u *UDP) StartListen(ep transport.Endpoint, id uint32) error {
	o, err := datagram.OptionsOf(ep.Ext)
	if err != nil {
		return err
	}
	if ep.Addr.Port() == 0 {
		return fmt.Errorf("port 0: %w", transport.ErrBadAddress)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	n := -1
	for i := range u.slots {
		if !u.slots[i].used {
			n = i
			break
		}
	}
	if n < 0 {
		return errTooManyListeners
	}
	l := &u.slots[n]
	*l = listener{id: id, addr: hdr.AddrOf(ep.Addr.Addr()), port: ep.Addr.Port(), opts: o}
	if err := u.listeners.Add(&l.addr, l.port, uint32(n)); err != nil {
		return err
	}
	l.used = true
	if !o.Connectionless {
		return nil
	}
	for _, s := range u.shards {
		var failed error
		err := s.w.Do(func(*worker.Worker) { _, failed = s.openListener(uint32(n)) })
		if errors.Is(err, worker.ErrStopped) {
			continue
		}
		if err = errors.Join(err, failed); err != nil {
			return errors.Join(err, u.stop(&l.addr, l.port))
		}
	}
	return nil
}

// StopListen ends that. Sessions that were accepted live on, connectionless ones end.
func (u *UDP) StopListen(ep transport.Endpoint) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	a := hdr.AddrOf(ep.Addr.Addr())
	return u.stop(&a, ep.Addr.Port())
}

func (u *UDP) stop(a *hdr.Addr, port uint16) error {
	n, err := u.listeners.Remove(a, port)
	if err != nil {
		return err
	}
	// A worker may have found the slot before it was removed. The next listener gets it
	// when every worker has ended that Step.
	for _, s := range u.shards {
		err := s.w.Do(func(*worker.Worker) { s.closeListener(n) })
		if err != nil && !errors.Is(err, worker.ErrStopped) {
			return err
		}
	}
	u.slots[n].used = false
	return nil
}

// openListener makes the connectionless session of the listener in slot n on this worker.
func (s *shard) openListener(n uint32) (uint32, error) {
	if i := s.slots[n].conn; i != 0 { // a datagram has made it
		return i, nil
	}
	l := &s.u.slots[n]
	i, c := s.alloc(connectionless, &tuple{local: l.addr, lport: l.port}, 0)
	if c == nil {
		return 0, transport.ErrNoMemory
	}
	s.adopt(c, n)
	at, err := s.u.upper.Accepted(s.w, s.name(i, c), l.id)
	if err != nil {
		s.free(i, c)
		return 0, err
	}
	c.session = at.Session
	c.set(fAttached)
	s.slots[n].conn = i
	return i, nil
}

// adopt makes c one of the listener in slot n.
func (s *shard) adopt(c *Conn, n uint32) {
	c.slot, c.slotGen = uint16(n), s.slots[n].gen
	c.apply(&s.u.slots[n].opts)
}

// apply gives c what options say.
func (c *Conn) apply(o *datagram.Options) {
	c.tos, c.ttl = o.DSCP<<2, o.TTL
	if o.DontFragment {
		c.set(fNoFrag)
	}
	if o.Idle > 0 && c.kind == accepted {
		c.idle = int64(o.Idle)
	}
}

// closeListener ends what the listener in slot n has on this worker but the accepted
// sessions, which know it no more.
func (s *shard) closeListener(n uint32) {
	if i := s.slots[n].conn; i != 0 {
		s.end(i, s.conns.At(i), nil)
	}
	s.slots[n] = slot{gen: s.slots[n].gen + 1}
}
