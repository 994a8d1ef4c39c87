package session

import (
	"errors"
	"net/netip"
	"testing"

	"vpphost/hoststack/transport"
)

const gone = "gone <nil>"

func TestDataBothWays(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, cln, sa, ca := h.pair()
	srv.onReadable = func(w *Worker, s *Session) {
		n := w.Rx(s).Len()
		srv.drain(w, s)
		write(w, s, n)
	}
	h.on(cln, func(w *Worker, s *Session) {
		if s.Opaque != 42 {
			t.Fatal("opaque was lost")
		}
		write(w, s, 3000)
	})
	h.settle()
	// Three segments in one turn: told once a Step.
	srv.want(t, "readable")
	cln.want(t, "readable")
	if srv.read != 3000 || cln.read != 3000 {
		t.Fatalf("server read %d, client %d", srv.read, cln.read)
	}
	h.on(cln, func(w *Worker, s *Session) {
		if w.RTT(s) != 1500 || w.LocalPort(s) == 0 {
			t.Fatal("facts of the connection")
		}
		w.Close(s)
	})
	h.settle()
	srv.want(t, "closed")
	cln.want(t)
	h.on(srv, func(w *Worker, s *Session) {
		if w.LocalPort(s) != 80 || s.state != TransportClosing {
			t.Fatalf("port %d, state %s", w.LocalPort(s), s.state)
		}
		w.Close(s)
	})
	h.settle()
	srv.want(t, gone)
	cln.want(t, gone)
	h.done(sa, ca)
}

func TestCloseFromTheServer(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, cln, sa, ca := h.pair()
	cln.onClosed = func(w *Worker, s *Session) {
		cln.drain(w, s)
		w.Close(s)
	}
	// What is in Tx goes out before the close.
	h.on(srv, func(w *Worker, s *Session) { write(w, s, 500); w.Close(s) })
	h.settle()
	srv.want(t, gone)
	cln.want(t, "readable", "closed", gone)
	if cln.read != 500 {
		t.Fatalf("read %d", cln.read)
	}
	h.done(sa, ca)
}

func TestSimultaneousClose(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, cln, sa, ca := h.pair()
	h.on(srv, func(w *Worker, s *Session) { w.Close(s) })
	h.on(cln, func(w *Worker, s *Session) { w.Close(s); w.Close(s) })
	h.settle()
	srv.want(t, gone)
	cln.want(t, gone)
	h.done(sa, ca)
}

func TestReset(t *testing.T) {
	for _, late := range []bool{false, true} {
		h := newHost(t, 1, Config{})
		h.f.lateGone = late
		srv, cln, sa, ca := h.pair()
		h.on(cln, func(w *Worker, s *Session) {
			write(w, s, 100)
			w.Reset(s)
			w.Reset(s)
			w.Close(s)
			w.HalfClose(s)
			w.Send(s)
			w.Dropped(s)
			w.WantWritable(s, true)
		})
		h.settle()
		cln.want(t, "gone "+transport.ErrAborted.Error())
		srv.want(t, "gone "+transport.ErrReset.Error())
		if !errors.Is(srv.why, transport.ErrReset) || !errors.Is(cln.why, transport.ErrAborted) {
			t.Fatal(srv.why, cln.why)
		}
		h.done(sa, ca)
	}
}

func TestHalfCloseBothWays(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, cln, sa, ca := h.pair()
	h.on(cln, func(w *Worker, s *Session) { write(w, s, 10); w.HalfClose(s); w.HalfClose(s) })
	h.settle()
	srv.want(t, "readable", "closed")
	// The other direction still works, both for data and for its own half close.
	h.on(srv, func(w *Worker, s *Session) {
		if w.Tx(s) == nil {
			t.Fatal("the server cannot answer")
		}
		write(w, s, 20)
	})
	h.settle()
	cln.want(t, "readable")
	h.on(srv, func(w *Worker, s *Session) { w.HalfClose(s) })
	h.settle()
	srv.want(t, gone)
	cln.want(t, "closed", gone)
	if srv.read != 10 || cln.read != 20 {
		t.Fatal(srv.read, cln.read)
	}
	h.done(sa, ca)
}

func TestAcceptRefused(t *testing.T) {
	for _, late := range []bool{false, true} {
		h := newHost(t, 1, Config{})
		h.f.lateGone = late
		srv, cln := &recorder{name: "server", refuse: errors.New("no")}, &recorder{name: "client"}
		sa, _ := h.l.Attach("server", srv, Options{})
		ca, _ := h.l.Attach("client", cln, Options{})
		if err := sa.Listen(transport.TCP, serverEP); err != nil {
			t.Fatal(err)
		}
		_ = ca.Connect(transport.TCP, serverEP, 1)
		h.settle()
		srv.want(t, "accept")
		cln.want(t, "connected 1 <nil>", "gone "+transport.ErrReset.Error())
		h.done(sa, ca)
	}
}

func TestConnectFails(t *testing.T) {
	h := newHost(t, 1, Config{})
	cln := &recorder{name: "client"}
	ca, _ := h.l.Attach("client", cln, Options{})
	// Refused later.
	if err := ca.Connect(transport.TCP, serverEP, 5); err != nil {
		t.Fatal(err)
	}
	h.settle()
	cln.want(t, "connected 5 "+transport.ErrRefused.Error())
	// Refused at once.
	h.f.refuse = transport.ErrNoRoute
	if err := ca.Connect(transport.TCP, serverEP, 6); !errors.Is(err, transport.ErrNoRoute) {
		t.Fatal(err)
	}
	if err := ca.Connect(transport.SCTP, serverEP, 6); !errors.Is(err, ErrNotSupported) {
		t.Fatal(err)
	}
	h.settle()
	cln.want(t)
	h.done(ca)
	if err := ca.Connect(transport.TCP, serverEP, 6); !errors.Is(err, ErrNotAttached) {
		t.Fatal(err)
	}
	w := h.l.workers[0]
	if w.errors[errRefused] != 1 || w.errors[errNoRoute] != 1 {
		t.Fatal("not counted", w.errors)
	}
}

// TestDetachWhileConnecting: the answer to a connect comes even so.
func TestDetachWhileConnecting(t *testing.T) {
	h := newHost(t, 1, Config{})
	cln := &recorder{name: "client"}
	ca, _ := h.l.Attach("client", cln, Options{})
	_ = ca.Connect(transport.TCP, serverEP, 5)
	if err := ca.Detach(); err != nil {
		t.Fatal(err)
	}
	cln.want(t, "connected 5 "+transport.ErrAborted.Error())
	h.empty()
}

func TestDetachThousandSessions(t *testing.T) {
	for _, late := range []bool{false, true} {
		h := newHost(t, 2, Config{})
		h.f.lateGone = late
		srv, cln, sa, ca := h.pair()
		left := 0
		srv.onReadable = func(*Worker, *Session) {}
		for i := range 2500 {
			if err := ca.Connect(transport.TCP, serverEP, uint64(i)); err != nil {
				t.Fatal(err)
			}
		}
		h.settle()
		cln.log = nil
		if len(srv.log) != 2500 || h.l.workers[0].live+h.l.workers[1].live != 2*2501+1 {
			t.Fatalf("%d accepted, %d sessions", len(srv.log), h.l.workers[0].live+h.l.workers[1].live)
		}
		srv.log = nil
		for _, hd := range cln.sessions { // some with bytes under way
			w := h.l.workers[hd.Worker]
			write(w, w.Get(hd), 10)
		}
		h.step(1)
		srv.onGone = func(w *Worker, s *Session) {
			left++
			if w.Get(w.Handle(s)) != s {
				t.Fatal("the session is not valid in Gone")
			}
			// Whatever it does now has no effect.
			w.Reset(s)
			w.Close(s)
			w.Send(s)
			if err := w.Connect(sa, transport.TCP, serverEP, 1); !errors.Is(err, ErrNotAttached) {
				t.Fatalf("connected: %v", err)
			}
		}
		if err := sa.Detach(); err != nil {
			t.Fatal(err)
		}
		if left != 2501 {
			t.Fatalf("%d of 2501 were told when Detach returned", left)
		}
		if err := sa.Detach(); err != nil {
			t.Fatal(err)
		}
		h.settle()
		gone := 0
		for _, l := range cln.log {
			if l == "gone "+transport.ErrReset.Error() {
				gone++
			}
		}
		if gone != 2501 {
			t.Fatalf("%d clients were reset", gone)
		}
		if len(h.f.listen) != 0 {
			t.Fatal("the listener is still there")
		}
		h.done(ca)
	}
}

func TestListenErrors(t *testing.T) {
	h := newHost(t, 1, Config{})
	a, _ := h.l.Attach("a", NopApp{}, Options{})
	b, _ := h.l.Attach("b", NopApp{}, Options{})
	if err := a.Listen(transport.TCP, serverEP); err != nil {
		t.Fatal(err)
	}
	if err := b.Listen(transport.TCP, serverEP); !errors.Is(err, transport.ErrInUse) {
		t.Fatal(err)
	}
	if err := b.Unlisten(transport.TCP, serverEP); !errors.Is(err, ErrNotOwner) {
		t.Fatal(err)
	}
	if err := a.Unlisten(transport.TCP, serverEP); err != nil {
		t.Fatal(err)
	}
	if err := a.Unlisten(transport.TCP, serverEP); !errors.Is(err, transport.ErrNoListener) {
		t.Fatal(err)
	}
	if err := b.Listen(transport.TCP, serverEP); err != nil {
		t.Fatal(err)
	}
	if err := a.Listen(transport.UDP, serverEP); !errors.Is(err, ErrNotSupported) {
		t.Fatal(err)
	}
	h.done(a, b)
}

func TestEnableAndDisable(t *testing.T) {
	h := newHost(t, 1, Config{})
	_, _, sa, _ := h.pair()
	if err := h.l.Disable(); err != nil {
		t.Fatal(err)
	}
	h.empty()
	if err := h.l.Disable(); !errors.Is(err, ErrDisabled) {
		t.Fatal(err)
	}
	if _, err := h.l.Attach("x", NopApp{}, Options{}); !errors.Is(err, ErrNotEnabled) {
		t.Fatal(err)
	}
	if err := sa.Listen(transport.TCP, serverEP); !errors.Is(err, ErrNotEnabled) {
		t.Fatal(err)
	}
	if err := h.l.Enable(); err != nil {
		t.Fatal(err)
	}
	if err := sa.Listen(transport.TCP, serverEP); !errors.Is(err, ErrNotAttached) {
		t.Fatal(err)
	}
}

// TestCallsInsideCallbacks does in every callback what a careless application might.
func TestCallsInsideCallbacks(t *testing.T) {
	acts := map[string]func(*Worker, *Session){
		"close":     func(w *Worker, s *Session) { write(w, s, 10); w.Close(s) },
		"reset":     func(w *Worker, s *Session) { write(w, s, 10); w.Reset(s) },
		"halfclose": func(w *Worker, s *Session) { write(w, s, 10); w.HalfClose(s) },
		"all":       func(w *Worker, s *Session) { w.WantWritable(s, true); w.HalfClose(s); w.Close(s); w.Reset(s) },
	}
	for name, act := range acts {
		for where := range 6 {
			h := newHost(t, 1, Config{})
			srv, cln := &recorder{name: "server"}, &recorder{name: "client"}
			sa, _ := h.l.Attach("server", srv, Options{})
			ca, _ := h.l.Attach("client", cln, Options{})
			_ = sa.Listen(transport.TCP, serverEP)
			more := 3
			both := func(w *Worker, s *Session) {
				if more > 0 { // and open another one
					more--
					if err := w.Connect(ca, transport.TCP, serverEP, 9); err != nil {
						t.Fatal(err)
					}
				}
				act(w, s)
			}
			switch where {
			case 0:
				srv.onAccept = both
			case 1:
				cln.onConnected = func(w *Worker, s *Session, _ uint64, err error) {
					if err == nil {
						both(w, s)
					}
				}
			case 2:
				cln.onConnected = func(w *Worker, s *Session, _ uint64, err error) { write(w, s, 10) }
				srv.onReadable = both
			case 3:
				cln.onConnected = func(w *Worker, s *Session, _ uint64, err error) { w.WantWritable(s, true) }
				cln.onWritable = both
			case 4:
				cln.onConnected = func(w *Worker, s *Session, _ uint64, err error) { w.HalfClose(s) }
				srv.onClosed = both
			case 5:
				cln.onConnected = func(w *Worker, s *Session, _ uint64, err error) { w.Reset(s) }
				srv.onGone = both
			}
			_ = ca.Connect(transport.TCP, serverEP, 1)
			h.settle()
			if len(srv.log)+len(cln.log) < 2 {
				t.Fatalf("%s %d: nothing happened", name, where)
			}
			h.done(sa, ca)
		}
	}
}

// TestEarlyDeath: a connection that is over before the application could be asked.
func TestEarlyDeath(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv := &recorder{name: "server"}
	sa, _ := h.l.Attach("server", srv, Options{})
	_ = sa.Listen(transport.TCP, serverEP)
	up, w := h.l.Upper(), h.ws[0]
	a, err := up.Accepted(w, transport.Conn{Proto: transport.TCP, Index: 1, Gen: 9}, 1)
	if err != nil {
		t.Fatal(err)
	}
	up.RxFIFO(w, a.Session).Write([]byte("x"))
	up.Delivered(w, a.Session, 1)
	up.Gone(w, a.Session, transport.ErrReset)
	h.settle()
	srv.want(t)
	// Data and an orderly end in one Step are told in order.
	a, _ = up.Accepted(w, transport.Conn{Proto: transport.TCP, Index: 1, Gen: 9}, 1)
	up.RxFIFO(w, a.Session).Write([]byte("x"))
	up.Delivered(w, a.Session, 1)
	up.PeerClosed(w, a.Session)
	h.settle()
	srv.want(t, "accept", "readable", "closed")
	up.Gone(w, a.Session, errors.New("something else"))
	h.settle()
	srv.want(t, "gone something else")
	// Listeners that are not there, or not any more.
	if _, err := up.Accepted(w, transport.Conn{}, 77); !errors.Is(err, transport.ErrNoListener) {
		t.Fatal(err)
	}
	h.done(sa)
	if _, err := up.Accepted(w, transport.Conn{}, 1); !errors.Is(err, transport.ErrNoListener) {
		t.Fatal(err)
	}
}

// TestQuietTransport is a transport that says less than the fake.
func TestQuietTransport(t *testing.T) {
	h := newHost(t, 1, Config{})
	h.l.transports[transport.TCP] = &bareTransport{}
	up, w := h.l.Upper(), h.ws[0]
	cln := &recorder{name: "client"}
	a, _ := h.l.Attach("a", cln, Options{})
	if err := a.Connect(transport.TCP, serverEP, 7); err != nil {
		t.Fatal(err)
	}
	at, err := up.Connected(w, transport.Conn{Proto: transport.TCP, Index: 1}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.settle()
	h.on(cln, func(w *Worker, s *Session) { w.Reset(s) })
	up.Gone(w, at.Session, nil)
	h.settle()
	cln.want(t, "connected 7 <nil>", "gone "+transport.ErrAborted.Error())
	// A connect that succeeds after the application has gone is refused.
	if err := a.Connect(transport.TCP, serverEP, 8); err != nil {
		t.Fatal(err)
	}
	if err := a.Detach(); err != nil {
		t.Fatal(err)
	}
	cln.want(t, "connected 8 "+transport.ErrAborted.Error())
	if _, err := up.Connected(w, transport.Conn{Proto: transport.TCP, Index: 2}, 1, nil); !errors.Is(err, transport.ErrAppRefused) {
		t.Fatalf("accepted: %v", err)
	}
	h.empty()
}

func TestUnreadDataInGone(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, cln, sa, ca := h.pair()
	srv.onReadable = func(*Worker, *Session) {}
	got := 0
	srv.onGone = func(w *Worker, s *Session) { got = w.Rx(s).Len() }
	h.on(cln, func(w *Worker, s *Session) { write(w, s, 77) })
	h.settle()
	h.on(cln, func(w *Worker, s *Session) { w.Reset(s) })
	h.settle()
	if got != 77 {
		t.Fatalf("%d bytes were there in Gone", got)
	}
	h.done(sa, ca)
}

func TestDataAfterCloseIsDiscarded(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, cln, sa, ca := h.pair()
	h.on(srv, func(w *Worker, s *Session) { w.Close(s) })
	h.settle()
	cln.want(t, "closed")
	for range 10 { // more than a FIFO holds
		h.on(cln, func(w *Worker, s *Session) { write(w, s, DefaultFIFO) })
		h.settle()
		h.on(cln, func(w *Worker, s *Session) {
			if w.Tx(s).Len() != 0 {
				t.Fatal("the window closed")
			}
		})
	}
	h.on(cln, func(w *Worker, s *Session) { w.Close(s) })
	h.settle()
	srv.want(t, gone)
	h.done(sa, ca)
}

func TestStaleHandles(t *testing.T) {
	h := newHost(t, 2, Config{})
	_, cln, sa, ca := h.pair()
	hd := cln.sessions[0]
	w := h.l.workers[hd.Worker]
	other := h.l.workers[1-hd.Worker]
	if other.Get(hd) != nil || w.Get(Handle{}) != nil || w.Get(Handle{Worker: hd.Worker, Index: 1 << 30}) != nil {
		t.Fatal("a wrong handle found a session")
	}
	h.on(cln, func(w *Worker, s *Session) { w.Reset(s) })
	h.settle()
	if w.Get(hd) != nil {
		t.Fatal("a stale handle found a session")
	}
	_ = ca.Connect(transport.TCP, serverEP, 1)
	_ = ca.Connect(transport.TCP, serverEP, 1)
	h.settle()
	if w.Get(hd) != nil {
		t.Fatal("a stale handle found the slot's next session")
	}
	h.done(sa, ca)
}

func TestTooManySessions(t *testing.T) {
	h := newHost(t, 1, Config{Sessions: 5})
	srv, cln, sa, ca := h.pair() // a listener and a pair
	if err := ca.Connect(transport.TCP, serverEP, 2); err != nil {
		t.Fatal(err)
	}
	h.settle()
	if err := ca.Connect(transport.TCP, serverEP, 3); !errors.Is(err, transport.ErrNoMemory) {
		t.Fatal(err)
	}
	if err := sa.Listen(transport.TCP, transport.Endpoint{}); !errors.Is(err, transport.ErrNoMemory) {
		t.Fatal(err)
	}
	h.on(cln, func(w *Worker, s *Session) { w.Reset(s) })
	h.settle()
	srv.log, cln.log = nil, nil
	_ = ca.Connect(transport.TCP, serverEP, 4)
	h.settle()
	cln.want(t, "connected 4 <nil>")
	h.done(sa, ca)
}

// TestListenerIsGone: what began with a listener does not end up at the one that has
// taken its place, neither a connection that was half open nor a session that stays.
func TestListenerIsGone(t *testing.T) {
	h := newHost(t, 1, Config{})
	srv, cln, sa, ca := h.pair()
	if err := ca.Connect(transport.TCP, serverEP, 1); err != nil { // half open
		t.Fatal(err)
	}
	if err := sa.Unlisten(transport.TCP, serverEP); err != nil {
		t.Fatal(err)
	}
	other := &recorder{name: "other"}
	oa, _ := h.l.Attach("other", other, Options{})
	if err := oa.Listen(transport.TCP, transport.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.1:81")}); err != nil {
		t.Fatal(err)
	}
	h.settle()
	other.want(t)
	cln.want(t, "connected 1 "+transport.ErrReset.Error())
	h.on(srv, func(w *Worker, s *Session) {
		if p := w.LocalPort(s); p != 80 {
			t.Fatalf("the session's port is %d", p)
		}
	})
	h.done(sa, ca, oa)
}

// TestNothingAfterTheEnd: an application cannot write behind the end of its stream, also
// when bytes of it are still on their way.
func TestNothingAfterTheEnd(t *testing.T) {
	for _, end := range []func(*Worker, *Session){(*Worker).HalfClose, (*Worker).Close, (*Worker).Reset} {
		h := newHost(t, 1, Config{})
		_, cln, sa, ca := h.pair()
		h.on(cln, func(w *Worker, s *Session) {
			write(w, s, 100)
			end(w, s)
			if n := write(w, s, 10); n != 0 || w.Unacked(s) != 100 {
				t.Fatalf("wrote %d bytes, %d are unacknowledged", n, w.Unacked(s))
			}
		})
		h.settle()
		h.done(sa, ca)
	}
}
