package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// asker sends datagrams from sessions of its own and keeps what comes back, by session.
type asker struct {
	session.NopApp
	say  [][]byte // each session says these, one after the other
	got  map[uint64][][]byte
	ends map[uint64]error
	open int
}

func (a *asker) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	if err != nil {
		a.ends[opaque] = err
		return
	}
	a.open++
	for _, p := range a.say {
		w.SendDatagram(s, p)
	}
}

func (a *asker) Readable(w *session.Worker, s *session.Session) {
	r := datagram.Read(w.Rx(s))
	for r.Next() {
		p := make([]byte, r.Len)
		r.CopyTo(p)
		a.got[s.Opaque] = append(a.got[s.Opaque], p)
	}
	r.Done()
	w.Dropped(s)
}

func (a *asker) Gone(w *session.Worker, s *session.Session, why error) { a.ends[s.Opaque] = why }

// answerer sends every datagram back.
type answerer struct {
	session.NopApp
	sessions int
}

func (a *answerer) Accept(*session.Worker, *session.Session) error { a.sessions++; return nil }

func (a *answerer) Readable(w *session.Worker, s *session.Session) {
	r, t := datagram.Read(w.Rx(s)), datagram.Write(w.Tx(s))
	for r.Next() {
		t.Copy(&r)
	}
	r.Done()
	if t.Commit() > 0 {
		w.Send(s)
	}
}

// datagramLab has an answerer behind the proxy, and an asker before it.
func datagramLab(t *testing.T, o wish, options string) (l *lab, a *asker, srv *answerer, ca, sa *session.AppHandle) {
	l = newLab(t, o)
	a, srv = &asker{got: map[uint64][][]byte{}, ends: map[uint64]error{}}, &answerer{}
	var err error
	if ca, err = l.cln.Attach("asker", a); err != nil {
		t.Fatal(err)
	}
	if sa, err = l.srv.Attach("answerer", srv); err != nil {
		t.Fatal(err)
	}
	l.must("test proxy server server-uri udp://0.0.0.0/53 client-uri udp://10.0.2.2/53 " + options)
	if err := sa.Listen(transport.UDP, transport.Endpoint{Addr: netip.AddrPortFrom(backAddr.Addr(), 53)}); err != nil {
		t.Fatal(err)
	}
	return l, a, srv, ca, sa
}

func (l *lab) ask(ca *session.AppHandle, n int) {
	l.t.Helper()
	for i := range n {
		if err := ca.Connect(transport.UDP, transport.Endpoint{Addr: netip.AddrPortFrom(frontAddr.Addr(), 53)}, uint64(i+1)); err != nil {
			l.t.Fatal(err)
		}
	}
}

// TestDatagrams: they pass both ways with their boundaries, each remote by a flow of its own,
// large ones too; idle flows end, and the next datagram makes a new one.
func TestDatagrams(t *testing.T) {
	for _, workers := range []int{1, 2} {
		l, a, srv, ca, _ := datagramLab(t, wish{workers: workers}, "idle-timeout 3")
		for i, n := range []int{1, 0, 512, 1472, 1473, 9000, 60000} {
			p := make([]byte, n)
			for j := range p {
				p[j] = byte(i + j*7)
			}
			a.say = append(a.say, p)
		}
		const n = 20
		l.ask(ca, n)
		l.w.RunFor(sec, nil)
		var size uint64
		for _, p := range a.say {
			size += uint64(len(p))
		}
		for i := range uint64(n) {
			if got := a.got[i+1]; len(got) != len(a.say) {
				t.Errorf("session %d: %d answers", i, len(got))
			} else {
				for k := range got {
					if !bytes.Equal(got[k], a.say[k]) {
						t.Errorf("session %d: answer %d differs", i, k)
					}
				}
			}
		}
		r := l.report(true)
		if r.Open != n || r.Accepted != n || srv.sessions != n || r.Bytes != (Both{n * size, n * size}) || r.Flows[0].State != "open" {
			t.Errorf("%+v", r)
		}
		if !l.w.RunFor(10*sec, func() bool { return l.flows() == 0 }) {
			t.Fatalf("idle flows are left: %+v", l.report(true))
		}
		if r := l.report(false); r.Ended["idle"] != n {
			t.Errorf("%+v", r)
		}
		l.ask(ca, 1)
		l.w.RunFor(sec, nil)
		if r := l.report(false); r.Accepted != n+1 || r.Open != 1 {
			t.Errorf("%+v", r)
		}
	}
}

// TestDatagramsRefused: an answer that nobody listens ends the flow, and the next datagram
// begins another.
func TestDatagramsRefused(t *testing.T) {
	l, a, _, ca, sa := datagramLab(t, wish{}, "")
	if err := sa.Unlisten(transport.UDP, transport.Endpoint{Addr: netip.AddrPortFrom(backAddr.Addr(), 53)}); err != nil {
		t.Fatal(err)
	}
	a.say = [][]byte{{1}}
	l.ask(ca, 3)
	l.w.RunFor(sec, nil)
	r := l.report(false)
	if r.Accepted != 3 || r.Open+r.Closing+r.Waiting != 0 || l.flows() != 0 {
		t.Errorf("%+v", r)
	}
	if a.open != 3 || len(a.got) != 0 {
		t.Errorf("%+v", a)
	}
}

// TestDatagramsLost: what the wires lose, reorder and duplicate is the ends' affair; nothing
// is made up, and nothing is left.
func TestDatagramsLost(t *testing.T) {
	bad := sim.Link{Delay: ms, Rate: 100e6, Queue: 2000, Loss: 0.1, Reorder: 0.1, ReorderBy: ms, Duplicate: 0.1}
	l, a, _, ca, _ := datagramLab(t, wish{near: bad, far: bad}, "")
	a.say = [][]byte{make([]byte, 700)} // the neighbours have to be found
	l.ask(ca, 1)
	l.w.RunFor(sec, nil)
	clear(a.got)
	a.say = nil
	for i := range 300 {
		p := make([]byte, 700)
		binary.BigEndian.PutUint32(p, uint32(i))
		a.say = append(a.say, p)
	}
	l.ask(ca, 5)
	l.w.RunFor(5*sec, nil)
	for i := range uint64(5) {
		got := a.got[i+1]
		if len(got) < 50 || len(got) > 400 {
			t.Errorf("session %d: %d answers", i, len(got))
		}
		for _, p := range got {
			if k := binary.BigEndian.Uint32(p); len(p) != 700 || k >= 300 {
				t.Errorf("session %d: an answer that was no question", i)
			}
		}
	}
	l.must("test proxy server stop")
	if _, err := l.typed("test proxy server stop"); !errors.Is(err, errNotRunning) {
		t.Error(err)
	}
}
