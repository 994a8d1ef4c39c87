package ct_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

const ms = int64(1e6)

// lab is an instance of several workers, and a neighbour on a wire, on virtual time.
type lab struct {
	t       *testing.T
	w       *simtest.World
	h, next *simtest.Host
	apps    []*session.AppHandle
}

func newLab(t *testing.T, workers int) *lab {
	t.Helper()
	l := &lab{t: t, w: simtest.NewWorld(1)}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	l.h, err = l.w.NewHost("here", simtest.Options{Workers: workers})
	must(err)
	l.next, err = l.w.NewHost("next", simtest.Options{})
	must(err)
	link := sim.Link{Delay: ms / 10}
	_, err = l.w.Connect(l.h, l.next, [2]sim.Link{link, link}, simtest.WireOptions{})
	must(err)
	t.Cleanup(func() {
		for _, a := range l.apps {
			if err := a.Detach(); err != nil {
				t.Error(err)
			}
		}
		if err := l.w.Close(); err != nil { // sees to it that no memory is left
			t.Error(err)
		}
	})
	return l
}

// own is an address of the instance.
func own(port uint16) netip.AddrPort { return netip.AddrPortFrom(simtest.Addr4(1, 1), port) }

func ep(a netip.AddrPort) transport.Endpoint { return transport.Endpoint{Addr: a} }

var any80 = netip.MustParseAddrPort("0.0.0.0:80")

func (l *lab) attach(name string, app session.App, o session.Options) *session.AppHandle {
	l.t.Helper()
	a, err := l.h.Sessions.Attach(name, app, o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.apps = append(l.apps, a)
	return a
}

// serve has app listen on port 80 of all addresses, at all scopes.
func (l *lab) serve(app session.App) *session.AppHandle {
	l.t.Helper()
	a := l.attach("server", app, session.Options{Scope: session.AllScope, Server: true})
	if err := a.Listen(transport.TCP, ep(any80)); err != nil {
		l.t.Fatal(err)
	}
	return a
}

func (l *lab) client(app session.App) *session.AppHandle {
	return l.attach("client", app, session.Options{Scope: session.LocalScope})
}

func (l *lab) connect(a *session.AppHandle) {
	l.t.Helper()
	if err := a.Connect(transport.TCP, ep(own(80)), 7); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) settle() { l.w.RunFor(ms, nil) }

// pair opens a session between two recorders.
func (l *lab) pair() (srv, cln *recorder, sa, ca *session.AppHandle) {
	l.t.Helper()
	srv, cln = &recorder{name: "server"}, &recorder{name: "client"}
	sa, ca = l.serve(srv), l.client(cln)
	l.connect(ca)
	l.settle()
	srv.want(l.t, "accept")
	cln.want(l.t, "connected 7 <nil>")
	return srv, cln, sa, ca
}

// on runs f for the last session of r.
func (l *lab) on(r *recorder, f func(w *session.Worker, s *session.Session)) {
	l.t.Helper()
	h := r.sessions[len(r.sessions)-1]
	w := l.h.Sessions.Workers()[h.Worker]
	s := w.Get(h)
	if s == nil {
		l.t.Fatalf("%s's session is gone", r.name)
	}
	f(w, s)
}

// shell runs a command.
func (l *lab) shell(line string) string {
	l.t.Helper()
	r := cli.NewRegistry()
	if err := r.Add(session.Commands(l.h.Sessions)...); err != nil {
		l.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Exec(context.Background(), line, &b, cli.Options{}); err != nil {
		l.t.Fatal(err)
	}
	return b.String()
}

func write(w *session.Worker, s *session.Session, n int) int {
	n = w.Tx(s).Write(make([]byte, n))
	w.Send(s)
	return n
}

// recorder is an App that writes down what it is told and does what the test wants.
type recorder struct {
	name     string
	log      []string
	in       bool
	sessions []session.Handle
	read     int
	refuse   error
	do       map[string]func(*session.Worker, *session.Session) // by callback
}

func (r *recorder) told(what, more string, w *session.Worker, s *session.Session) {
	if r.in {
		panic("callbacks nest")
	}
	r.in = true
	defer func() { r.in = false }()
	r.log = append(r.log, what+more)
	if f := r.do[what]; f != nil {
		f(w, s)
	}
}

// when has f called in a callback.
func (r *recorder) when(what string, f func(*session.Worker, *session.Session)) {
	if r.do == nil {
		r.do = map[string]func(*session.Worker, *session.Session){}
	}
	r.do[what] = f
}

// want compares the log.
func (r *recorder) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(r.log, lines) {
		t.Fatalf("%s was told %q, want %q", r.name, r.log, lines)
	}
	r.log = nil
}

func (r *recorder) Accept(w *session.Worker, s *session.Session) error {
	if r.refuse == nil {
		r.sessions = append(r.sessions, w.Handle(s))
	}
	r.told("accept", "", w, s)
	return r.refuse
}

func (r *recorder) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	if err == nil {
		r.sessions = append(r.sessions, w.Handle(s))
	}
	r.told("connected", fmt.Sprintf(" %d %v", opaque, err), w, s)
}

func (r *recorder) Readable(w *session.Worker, s *session.Session) {
	r.told("readable", "", w, s)
	if r.do["readable"] == nil {
		r.drain(w, s)
	}
}

func (r *recorder) drain(w *session.Worker, s *session.Session) {
	n := w.Rx(s).Len()
	r.read += n
	w.Rx(s).Drop(n)
	w.Dropped(s)
}

func (r *recorder) Writable(w *session.Worker, s *session.Session) { r.told("writable", "", w, s) }
func (r *recorder) Closed(w *session.Worker, s *session.Session)   { r.told("closed", "", w, s) }
func (r *recorder) Gone(w *session.Worker, s *session.Session, why error) {
	r.told("gone", fmt.Sprintf(" %v", why), w, s)
}
