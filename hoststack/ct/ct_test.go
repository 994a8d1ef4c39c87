package ct_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/ct"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

const gone = "gone <nil>"

// TestNoCopy: what the client writes into, the server reads from, on every worker.
func TestNoCopy(t *testing.T) {
	l := newLab(t, 3)
	srv, cln := &recorder{name: "server"}, &recorder{name: "client"}
	l.serve(srv)
	ca := l.client(cln)
	for i := range 3 {
		l.connect(ca)
		l.settle()
		h := cln.sessions[i]
		if int(h.Worker) != i || srv.sessions[i].Worker != h.Worker {
			t.Fatalf("session %d is on worker %d, its peer on %d", i, h.Worker, srv.sessions[i].Worker)
		}
		w := l.h.Sessions.Workers()[i]
		c, s := w.Get(h), w.Get(srv.sessions[i])
		if write(w, c, 1000) != 1000 || write(w, s, 500) != 500 {
			t.Fatal("not written")
		}
		if w.Tx(c) != w.Rx(s) || w.Rx(c) != w.Tx(s) || w.Unacked(c) != 1000 || w.Rx(c).Len() != 500 {
			t.Fatal("they do not share their FIFOs")
		}
		l.settle()
		if w.Unacked(c) != 0 || w.Unacked(s) != 0 || srv.read != 1000*(i+1) || cln.read != 500*(i+1) {
			t.Fatalf("%d and %d bytes were read", srv.read, cln.read)
		}
	}
	// Sessions and bytes cost no packet.
	if n, err := l.h.TCP.Stats(); err != nil || n[0].Connections != 0 {
		t.Fatal(n, err)
	}
}

// TestOncePerStep: whatever is written in a Step is told once.
func TestOncePerStep(t *testing.T) {
	l := newLab(t, 1)
	srv, cln, _, _ := l.pair()
	l.on(cln, func(w *session.Worker, s *session.Session) {
		for range 5 {
			write(w, s, 10)
		}
		w.Send(s) // nothing new
	})
	l.settle()
	srv.want(t, "readable")
	l.on(cln, func(w *session.Worker, s *session.Session) { w.Send(s) })
	l.settle()
	srv.want(t)
	cln.want(t)
	// Who has read before he was told is not told.
	l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 10) })
	l.on(srv, func(w *session.Worker, s *session.Session) { srv.drain(w, s) })
	l.settle()
	srv.want(t)
	if srv.read != 60 {
		t.Fatalf("%d bytes were read", srv.read)
	}
}

// upper refuses what it is asked, and knows what it was told.
type upper struct {
	transport.Upper
	refuse error
	gone   int
}

func (u *upper) Accepted(*worker.Worker, transport.Conn, uint32) (transport.Attach, error) {
	return transport.Attach{Session: 2}, u.refuse
}
func (u *upper) Connected(*worker.Worker, transport.Conn, uint32, error) (transport.Attach, error) {
	return transport.Attach{Session: 1}, u.refuse
}
func (u *upper) TxFIFO(*worker.Worker, uint32) *fifo.FIFO { return nil }
func (u *upper) Gone(*worker.Worker, uint32, error)       { u.gone++ }
func (u *upper) WantTx(*worker.Worker, uint32)            {}

// TestRefusals: a pair that came to nothing leaves nothing, and a Conn that is stale does
// nothing.
func TestRefusals(t *testing.T) {
	_, ws := bare(t, 1)
	up := &upper{refuse: transport.ErrNoMemory}
	c, err := ct.New(up, nobody{}, ws)
	if err != nil {
		t.Fatal(err)
	}
	here := transport.Endpoint{Addr: netip.MustParseAddrPort("127.0.0.1:80"), Ext: transport.TCP}
	if _, err := c.Connect(ws[0], here, 1); !errors.Is(err, transport.ErrNoListener) {
		t.Fatal(err)
	}
	if err := c.StartListen(transport.Endpoint{Addr: any80}, 1); !errors.Is(err, transport.ErrBadAddress) {
		t.Fatalf("a listener of no protocol: %v", err)
	}
	if err := c.StartListen(here, 1); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := c.Connect(ws[0], here, 1); !errors.Is(err, transport.ErrNoMemory) {
			t.Fatal(err)
		}
	}
	up.refuse = nil
	old, err := c.Connect(ws[0], here, 1)
	if err != nil || old.Index>>1 != 1 {
		t.Fatalf("the first slot is not free: %v, %v", old, err)
	}
	c.Reset(ws[0], old)
	now, err := c.Connect(ws[0], here, 1)
	if err != nil || now.Index != old.Index {
		t.Fatal(now, err)
	}
	up.gone = 0
	c.Reset(ws[0], old)
	c.Close(ws[0], old)
	c.HalfClose(ws[0], old)
	c.RxSpace(ws[0], old)
	var info transport.Info
	if _, ok := c.Peer(ws[0], old); ok || c.Info(ws[0], old, &info) || up.gone != 0 {
		t.Fatal("a stale name was followed")
	}
	if peer, ok := c.Peer(ws[0], now); !ok || peer != 2 {
		t.Fatal("the pair is gone")
	}
	// The client is no more when it should be told that it is connected.
	up.refuse = transport.ErrAppRefused
	ws[0].Step(2e9)
	srv := now
	srv.Index |= 1
	if c.Send(ws[0], srv, 1); up.gone != 1 {
		t.Fatalf("%d ends were told", up.gone)
	}
}

func TestConnect(t *testing.T) {
	l := newLab(t, 2)
	// The server's application refuses: the client learns just that.
	srv, cln := &recorder{name: "server", refuse: errors.New("no")}, &recorder{name: "client"}
	sa, ca := l.serve(srv), l.client(cln)
	l.connect(ca)
	l.settle()
	srv.want(t, "accept")
	cln.want(t, "connected 7 refused")
	// It resets, or closes, in Accept.
	srv.refuse = nil
	srv.when("accept", func(w *session.Worker, s *session.Session) { w.Reset(s) })
	l.connect(ca)
	l.settle()
	srv.want(t, "accept", "gone aborted")
	cln.want(t, "connected 7 refused")
	srv.when("accept", func(w *session.Worker, s *session.Session) { write(w, s, 10); w.Close(s) })
	cln.when("closed", func(w *session.Worker, s *session.Session) { w.Close(s) })
	l.connect(ca)
	l.settle()
	srv.want(t, "accept", gone)
	cln.want(t, "connected 7 <nil>", "readable", "closed", gone)
	// A client that connects in a callback waits for the server too.
	srv.when("accept", nil)
	again := true
	cln.when("connected", func(w *session.Worker, s *session.Session) {
		if again {
			again = false
			if err := w.Connect(ca, transport.TCP, ep(own(80)), 8); err != nil {
				t.Error(err)
			}
			srv.refuse = errors.New("no")
		}
	})
	l.connect(ca)
	l.settle()
	cln.want(t, "connected 7 <nil>", "connected 8 refused")
	srv.want(t, "accept", "accept")
	// The client goes before it is connected; the server does.
	srv.refuse = nil
	l.connect(ca)
	if err := ca.Detach(); err != nil {
		t.Fatal(err)
	}
	l.settle()
	cln.want(t, "connected 7 aborted", "gone aborted")
	srv.want(t, "gone reset by peer")
	ca = l.client(cln)
	l.connect(ca)
	if err := sa.Detach(); err != nil {
		t.Fatal(err)
	}
	l.settle()
	cln.want(t, "connected 7 refused")
	if err := ca.Connect(transport.TCP, ep(own(80)), 7); !errors.Is(err, session.ErrScope) {
		t.Fatal(err)
	}
}

// TestScopes: who reaches whom, and how.
func TestScopes(t *testing.T) {
	const (
		no  = "scope not supported"
		cut = "CT:T"
		tcp = "T"
	)
	foreign := netip.AddrPortFrom(simtest.Addr4(9, 9), 80)
	for _, c := range []struct {
		name           string
		server, client session.Scope
		listen, to     netip.AddrPort
		want           string
	}{
		{"default", 0, 0, any80, own(80), tcp},
		{"local client", 0, session.LocalScope, any80, own(80), cut},
		{"client of all scopes", 0, session.AllScope, any80, own(80), cut},
		{"global client of all", session.AllScope, session.GlobalScope, any80, own(80), tcp},
		{"local both", session.LocalScope, session.LocalScope, any80, own(80), cut},
		{"local server, global client", session.LocalScope, session.GlobalScope, any80, own(80), "refused"},
		{"local server, client of all", session.LocalScope, session.AllScope, any80, own(80), cut},
		{"exact", session.LocalScope, session.LocalScope, own(80), own(80), cut},
		{"loopback", 0, session.LocalScope, any80, netip.MustParseAddrPort("127.0.0.1:80"), cut},
		{"loopback of IPv6", 0, session.LocalScope, netip.MustParseAddrPort("[::]:80"), netip.MustParseAddrPort("[::1]:80"), cut},
		{"other port", 0, session.LocalScope, any80, own(81), no},
		{"other version", 0, session.LocalScope, netip.MustParseAddrPort("[::]:80"), own(80), no},
		{"wildcards are not for others", 0, session.LocalScope, any80, foreign, no},
		{"exactly another's", session.LocalScope, session.LocalScope, foreign, foreign, cut},
		{"the neighbour, all scopes", session.LocalScope, session.AllScope, any80, netip.AddrPortFrom(simtest.Addr4(1, 2), 80), tcp},
		{"the neighbour, local", session.LocalScope, session.LocalScope, any80, netip.AddrPortFrom(simtest.Addr4(1, 2), 80), no},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, 1)
			srv, cln := &recorder{name: "server"}, &recorder{name: "client"}
			sa := l.attach("server", srv, session.Options{Scope: c.server})
			ca := l.attach("client", cln, session.Options{Scope: c.client})
			na, err := l.next.Attach("next", &recorder{})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(sa.Listen(transport.TCP, ep(c.listen)), na.Listen(transport.TCP, ep(any80))); err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := ca.Connect(transport.TCP, ep(c.to), 7); err != nil {
				got = err.Error()
			}
			l.w.RunFor(100*ms, nil)
			for _, line := range cln.log {
				got += line
			}
			if len(cln.sessions) == 1 {
				_, got, _ = strings.Cut(l.shell("show session verbose rmt "+c.to.Addr().String()), "][")
				got, _, _ = strings.Cut(got, "]")
			}
			if got != c.want && (c.want == cut || c.want == tcp || !strings.HasSuffix(got, c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestOneServer: in an instance there is one server for an endpoint, whatever its scope.
func TestOneServer(t *testing.T) {
	l := newLab(t, 1)
	a := l.attach("a", &recorder{}, session.Options{Scope: session.LocalScope})
	b := l.attach("b", &recorder{}, session.Options{})
	listen := func(h *session.AppHandle) error { return h.Listen(transport.TCP, ep(any80)) }
	if err := listen(a); err != nil {
		t.Fatal(err)
	}
	if err := listen(b); !errors.Is(err, transport.ErrInUse) {
		t.Fatal(err)
	}
	if err := a.Unlisten(transport.TCP, ep(any80)); err != nil {
		t.Fatal(err)
	}
	if err := listen(b); err != nil {
		t.Fatal(err)
	}
	// Where the network has somebody, nothing of the attempt is left here.
	if err := b.Unlisten(transport.TCP, ep(any80)); err != nil {
		t.Fatal(err)
	}
	if err := l.h.TCP.StartListen(ep(any80), 99); err != nil {
		t.Fatal(err)
	}
	if err := listen(b); !errors.Is(err, transport.ErrInUse) {
		t.Fatal(err)
	}
	if err := l.h.TCP.StopListen(ep(any80)); err != nil {
		t.Fatal(err)
	}
	if err := listen(b); err != nil {
		t.Fatal(err)
	}
}

// TestShow: both ends, as VPP shows them.
func TestShow(t *testing.T) {
	l := newLab(t, 1)
	srv, cln := &recorder{name: "server"}, &recorder{name: "client"}
	l.serve(srv)
	la := l.attach("local server", srv, session.Options{Scope: session.LocalScope, Server: true})
	if err := la.Listen(transport.TCP, ep(own(81))); err != nil {
		t.Fatal(err)
	}
	srv.when("readable", func(*session.Worker, *session.Session) {})
	l.connect(l.client(cln))
	l.settle()
	l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 321) })
	l.settle()
	want := `Connection                                                  State          Rx-f      Tx-f      
[0:0][T] 0.0.0.0:80->0.0.0.0:0                              LISTEN         0         0         
[0:1][CT:T] 10.0.1.1:81->0.0.0.0:0                          LISTEN         0         0         
[0:2][CT:T] 10.0.1.1:0->10.0.1.1:80                         ESTABLISHED    0         321       
[0:3][CT:T] 10.0.1.1:80->10.0.1.1:0                         ESTABLISHED    321       0         
Thread 0: active sessions 4
`
	if got := l.shell("show session verbose"); got != want {
		t.Errorf("got\n%s", got)
	}
	want = "[0:3][CT:T] 10.0.1.1:80->10.0.1.1:0\tESTABLISHED\n" +
		" index: 3 peer session: 2 thread 0\n" +
		" stats: in bytes 321 out bytes 0\n" +
		" Rx fifo: cursize 321 nitems 131072 has_event 0 want_deq 0 has_deq 0\n"
	if got := l.shell("show session thread 0 index 3"); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s", got)
	}
	l.on(cln, func(w *session.Worker, s *session.Session) { w.HalfClose(s) })
	if got := l.shell("show session verbose proto ct"); strings.Count(got, "HALF-CLOSED") != 2 {
		t.Errorf("got\n%s", got)
	}
	if got := l.shell("show app client"); !strings.Contains(got, "[0:2][CT:T]") {
		t.Errorf("got\n%s", got)
	}
	if got := l.shell("show app client verbose"); got == "" {
		t.Errorf("got\n%s", got)
	}
}
