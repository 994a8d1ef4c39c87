package neigh

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
)

// ErrNotFound is returned for a neighbour that is not there.
var ErrNotFound = errors.New("no such neighbor")

// ErrFull is returned when a neighbour does not fit the table.
var ErrFull = errors.New("neighbor table is full")

// Tables are the tables of all workers. Its methods are for control code.
type Tables struct{ list []*Table }

// Join makes the tables tell each other what they learn. Before workers run.
func Join(list []*Table) *Tables {
	for _, t := range list {
		for _, p := range list {
			if p != t {
				t.peers = append(t.peers, p)
			}
		}
	}
	return &Tables{list}
}

// do runs f on each worker in turn and joins the errors.
func (s *Tables) do(f func(t *Table) error) error {
	var errs []error
	for _, t := range s.list {
		var err error
		if e := t.w.Do(func(*worker.Worker) { err = f(t) }); e != nil {
			err = e
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Neighbor is one entry as it is shown.
type Neighbor struct {
	Iface uint32
	Addr  hdr.Addr
	MAC   hdr.MAC
	State State
	Age   int64 // ns since the address was last heard
}

// List returns the neighbours whose address is known, by interface and address. What
// several workers know is listed once, as the one knows it that heard last.
func (s *Tables) List() ([]Neighbor, error) {
	var out []Neighbor
	err := s.do(func(t *Table) error {
		t.each(func(_ uint32, e *Entry) {
			if e.Known() && e.State != Group {
				out = append(out, Neighbor{e.Iface, e.Addr, e.MAC(), e.State, t.w.Now() - e.Updated})
			}
		})
		return nil
	})
	slices.SortFunc(out, func(a, b Neighbor) int {
		return cmp.Or(cmp.Compare(a.Iface, b.Iface), slices.Compare(a.Addr[:], b.Addr[:]), cmp.Compare(a.Age, b.Age))
	})
	out = slices.CompactFunc(out, func(a, b Neighbor) bool { return a.Iface == b.Iface && a.Addr == b.Addr })
	return out, err
}

// Set enters a neighbour by hand. A static one stays until it is deleted; another one
// is as if it had just answered.
func (s *Tables) Set(iface uint32, a hdr.Addr, m hdr.MAC, static bool) error {
	return s.do(func(t *Table) error {
		i := t.Adjacency(iface, &a)
		if i == 0 {
			return ErrFull
		}
		e := t.At(i)
		t.setMAC(e, m)
		e.Updated = t.w.Now()
		if static {
			e.State = Static
			t.w.Wheel.Disarm(&e.timer)
		} else {
			t.setReachable(i, e)
		}
		t.known(i, e)
		return nil
	})
}

// Delete forgets a neighbour.
func (s *Tables) Delete(iface uint32, a hdr.Addr) error {
	found := false
	err := s.do(func(t *Table) error {
		if i := t.Find(iface, &a); i != 0 && t.At(i).Known() {
			t.free(i)
			found = true
		}
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: %s", ErrNotFound, a)
	}
	return err
}

// Flush forgets all neighbours of an interface, static ones too when all is set.
func (s *Tables) Flush(iface uint32, all bool) error {
	return s.do(func(t *Table) error { t.Flush(iface, all); return nil })
}

// Rewritten tells that our own address on an interface has changed.
func (s *Tables) Rewritten(iface uint32) error {
	return s.do(func(t *Table) error { t.Rewritten(iface); return nil })
}

// Announce has the first worker tell the link that we have the given addresses. It does
// not wait.
func (s *Tables) Announce(iface uint32, addrs []hdr.Addr) {
	t := s.list[0]
	t.w.Post(func(*worker.Worker) {
		for i := range addrs {
			if t.host.Owns(iface, addrs[i]) { // it may be another interface by now
				t.Announce(iface, &addrs[i])
			}
		}
	})
}

// Neighbor is the link-layer address of one neighbour as the first worker knows it.
func (s *Tables) Neighbor(iface uint32, a hdr.Addr) (m hdr.MAC, ok bool) {
	_ = s.list[0].w.Do(func(*worker.Worker) {
		t := s.list[0]
		if i := t.Find(iface, &a); i != 0 && t.At(i).Known() {
			m, ok = t.At(i).MAC(), true
		}
	})
	return m, ok
}
