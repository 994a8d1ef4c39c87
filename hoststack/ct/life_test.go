package ct_test

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// TestHalfClose: the other direction goes on.
func TestHalfClose(t *testing.T) {
	l := newLab(t, 1)
	srv, cln, _, _ := l.pair()
	l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 100); w.HalfClose(s) })
	l.settle()
	srv.want(t, "readable", "closed") // also when nothing was sent: what is in Tx goes first
	l.on(srv, func(w *session.Worker, s *session.Session) { write(w, s, 200) })
	l.settle()
	cln.want(t, "readable")
	l.on(srv, func(w *session.Worker, s *session.Session) { w.Close(s) })
	l.settle()
	srv.want(t, gone)
	cln.want(t, "closed", gone)
	if srv.read != 100 || cln.read != 200 {
		t.Fatal(srv.read, cln.read)
	}
}

// TestEndAfterTheLastByte: a session whose both ends have ended waits for its reader.
func TestEndAfterTheLastByte(t *testing.T) {
	l := newLab(t, 1)
	srv, cln, _, _ := l.pair()
	srv.when("readable", func(*session.Worker, *session.Session) {})
	l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 100); w.HalfClose(s) })
	l.on(srv, func(w *session.Worker, s *session.Session) { w.HalfClose(s) })
	l.settle()
	srv.want(t, "readable", "closed")
	cln.want(t, "closed")
	l.on(srv, func(w *session.Worker, s *session.Session) { srv.drain(w, s) })
	l.settle()
	srv.want(t, gone)
	cln.want(t, gone)
	if srv.read != 100 {
		t.Fatal(srv.read)
	}
}

func TestClose(t *testing.T) {
	l := newLab(t, 1)
	srv, cln, _, ca := l.pair()
	srv.when("closed", func(w *session.Worker, s *session.Session) { w.Close(s) })
	l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 100); w.Close(s); w.Close(s); w.HalfClose(s) })
	l.settle()
	srv.want(t, "readable", "closed", gone)
	cln.want(t, gone)
	// Both at once.
	l.connect(ca)
	l.settle()
	l.on(srv, func(w *session.Worker, s *session.Session) { w.Close(s) })
	l.on(cln, func(w *session.Worker, s *session.Session) { w.Close(s) })
	l.settle()
	srv.want(t, "accept", gone)
	cln.want(t, "connected 7 <nil>", gone)
	// With bytes unread: the other end must know that they are lost.
	l.connect(ca)
	l.settle()
	srv.when("readable", func(w *session.Worker, s *session.Session) { w.Close(s) })
	l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 100) })
	l.settle()
	srv.want(t, "accept", "readable", "gone aborted")
	cln.want(t, "connected 7 <nil>", "gone reset by peer")
	// What comes after a close is thrown away, and does not stop its writer.
	srv.when("closed", nil)
	cln.when("closed", nil)
	l.connect(ca)
	l.settle()
	l.on(srv, func(w *session.Worker, s *session.Session) { w.Close(s) })
	l.settle()
	for range 3 {
		l.on(cln, func(w *session.Worker, s *session.Session) {
			if write(w, s, 1<<20) != session.DefaultFIFO {
				t.Fatal("there was no room")
			}
		})
		l.settle()
	}
	l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 10); w.Close(s) })
	l.settle()
	srv.want(t, "accept", gone)
	cln.want(t, "connected 7 <nil>", "closed", gone)
}

// TestReset: bytes that were there can still be read in Gone.
func TestReset(t *testing.T) {
	l := newLab(t, 2)
	srv, cln, _, ca := l.pair()
	l.on(cln, func(w *session.Worker, s *session.Session) {
		write(w, s, 100)
		w.Reset(s)
		w.Reset(s)
		w.Close(s)
		w.Send(s)
		w.Dropped(s)
		w.WantWritable(s, true)
		if write(w, s, 1) != 0 || w.RTT(s) != 0 {
			t.Error("there is still a connection")
		}
	})
	srv.when("gone", func(w *session.Worker, s *session.Session) { srv.read = w.Rx(s).Len() })
	l.settle()
	cln.want(t, "gone aborted")
	srv.want(t, "gone reset by peer")
	if srv.read != 100 {
		t.Fatalf("%d bytes were left to read", srv.read)
	}
	l.connect(ca)
	l.settle()
	// The writer's session is over before its reader is told.
	cln.when("gone", func(w *session.Worker, s *session.Session) { cln.read = w.Rx(s).Len() })
	l.on(srv, func(w *session.Worker, s *session.Session) { write(w, s, 100); w.Reset(s) })
	l.settle()
	srv.want(t, "accept", "gone aborted")
	cln.want(t, "connected 7 <nil>", "gone reset by peer")
	if cln.read != 100 {
		t.Fatalf("%d bytes were left to read", cln.read)
	}
}

// TestBackPressure: a writer gets as much room as the larger of the two sizes, and is
// told when the reader has made more.
func TestBackPressure(t *testing.T) {
	l := newLab(t, 1)
	srv, cln := &recorder{name: "server"}, &recorder{name: "client"}
	l.serve(srv)
	l.connect(l.attach("client", cln, session.Options{Scope: session.LocalScope, RxFIFO: 4 << 10, TxFIFO: 8 << 10}))
	l.settle()
	srv.want(t, "accept")
	cln.want(t, "connected 7 <nil>")
	srv.when("readable", func(*session.Worker, *session.Session) {})
	const size = session.DefaultFIFO // of the server
	l.on(cln, func(w *session.Worker, s *session.Session) {
		if n := write(w, s, 1<<20); n != size || w.Tx(s).Free() != 0 {
			t.Fatalf("%d bytes were taken", n)
		}
		w.WantWritable(s, true)
	})
	l.settle()
	srv.want(t, "readable")
	cln.want(t)
	for range 3 {
		l.on(srv, func(w *session.Worker, s *session.Session) {
			w.Rx(s).Drop(1000)
			w.Dropped(s)
			w.Dropped(s)
		})
		l.settle()
		cln.want(t, "writable")
	}
	l.on(cln, func(w *session.Worker, s *session.Session) {
		if n := write(w, s, 1<<20); n != 3000 {
			t.Fatalf("room for %d bytes", n)
		}
		w.WantWritable(s, false)
	})
	l.on(srv, func(w *session.Worker, s *session.Session) { srv.drain(w, s) })
	l.settle()
	cln.want(t)
	if srv.read != size {
		t.Fatalf("%d bytes read", srv.read)
	}
}

// TestGiveBack: idle sessions hold no FIFO, neither end.
func TestGiveBack(t *testing.T) {
	l := newLab(t, 1)
	srv, cln, _, _ := l.pair()
	held := regexp.MustCompile(`chunks (\d+) refused (\d+)\n\s+fifos (\d+) `)
	fifos := func() string {
		m := held.FindStringSubmatch(l.shell("show segment-manager verbose"))
		return strings.Join(m[1:], " ")
	}
	read := 0
	for round := range 3 {
		for _, r := range []*recorder{cln, srv} {
			l.on(r, func(w *session.Worker, s *session.Session) { write(w, s, 5000) })
		}
		if got := fifos(); got != "4 0 2" { // one for each direction
			t.Fatalf("round %d: chunks %s", round, got)
		}
		l.w.RunFor(100*ms, nil)
		if got := fifos(); got != "0 0 0" {
			t.Fatalf("round %d: chunks %s are left", round, got)
		}
		if read += 5000; srv.read != read || cln.read != read {
			t.Fatalf("round %d: %d and %d bytes were read", round, srv.read, cln.read)
		}
	}
	// What holds bytes stays; the positions go on.
	srv.when("readable", func(*session.Worker, *session.Session) {})
	l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 10) })
	l.w.RunFor(100*ms, nil)
	l.on(srv, func(w *session.Worker, s *session.Session) {
		if head, tail := w.Rx(s).Positions(); int(head) != read || int(tail) != read+10 {
			t.Fatalf("bytes from %d to %d", head, tail)
		}
		srv.drain(w, s)
		w.HalfClose(s)
	})
	// Who reads and tells it late, when the FIFO is gone, is heard all the same.
	l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 10); w.HalfClose(s) })
	l.on(srv, func(w *session.Worker, s *session.Session) { w.Rx(s).Drop(10) })
	l.w.RunFor(100*ms, nil)
	if got := fifos(); got != "0 0 0" {
		t.Fatalf("chunks %s are left", got)
	}
	l.on(srv, func(w *session.Worker, s *session.Session) { w.Dropped(s) })
	l.settle()
	if n := len(srv.log); srv.log[n-1] != gone {
		t.Fatal(srv.log)
	}
}

// TestRoundInSteps: a round over idle sessions takes several Steps. Between them a client
// whose turn has not come writes to a server whose turn is over.
func TestRoundInSteps(t *testing.T) {
	l, ws := bare(t, 1)
	srv, cln := &recorder{name: "server"}, &recorder{name: "client"}
	o := session.Options{Scope: session.LocalScope}
	sa, _ := l.Attach("server", srv, o)
	ca, _ := l.Attach("client", cln, o)
	if err := sa.Listen(transport.TCP, local80); err != nil {
		t.Fatal(err)
	}
	for range 257 {
		if err := ca.Connect(transport.TCP, local80, 0); err != nil {
			t.Fatal(err)
		}
	}
	now := int64(1e9)
	step := func(ns int64) {
		now += ns
		ws[0].Step(now)
	}
	for len(cln.sessions) < 257 {
		step(1)
	}
	// In the order in which they use their FIFOs: 255 sessions, the server, the client.
	w := l.Workers()[0]
	for i := range 255 {
		w.Tx(w.Get(cln.sessions[i]))
	}
	s, c := w.Get(srv.sessions[256]), w.Get(cln.sessions[256])
	write(w, s, 1)
	write(w, c, 10)
	step(1)
	step(1)
	step(20e6) // the first look at 256 of them
	step(1)
	step(20e6) // the second
	write(w, c, 10)
	step(1)
	step(1)
	if srv.read != 20 {
		t.Fatalf("the server read %d of 20 bytes", srv.read)
	}
}

// TestPanic: every callback panics in turn; the peers are reset, nobody else notices.
func TestPanic(t *testing.T) {
	boom := func(*session.Worker, *session.Session) { panic("boom") }
	for _, where := range []string{"accept", "connected", "readable", "writable", "closed", "gone"} {
		t.Run(where, func(t *testing.T) {
			var out bytes.Buffer
			defer slog.SetDefault(slog.Default())
			slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
			l := newLab(t, 2)
			srv, cln := &recorder{name: "server"}, &recorder{name: "client"}
			l.serve(srv)
			ca := l.client(cln)
			for range 4 {
				l.connect(ca)
			}
			l.settle()
			bad, other := srv, cln
			if where == "connected" {
				bad, other = cln, srv
			}
			bad.when(where, boom)
			switch where {
			case "accept", "connected":
				l.connect(ca)
			case "readable":
				l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 1) })
			case "writable":
				l.on(srv, func(w *session.Worker, s *session.Session) { w.WantWritable(s, true) })
			case "closed":
				l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 1); w.Close(s) })
			case "gone":
				l.on(cln, func(w *session.Worker, s *session.Session) { w.Reset(s) })
			}
			l.settle()
			l.settle()
			for _, h := range other.sessions {
				if l.h.Sessions.Workers()[h.Worker].Get(h) != nil {
					t.Error("a peer was not reset")
				}
			}
			if !strings.Contains(out.String(), "boom") || len(l.h.Sessions.Apps()) != 1 {
				t.Errorf("%d applications, log %s", len(l.h.Sessions.Apps()), out.String())
			}
		})
	}
}

// TestDisable: the session layer takes both ends apart.
func TestDisable(t *testing.T) {
	l := newLab(t, 2)
	srv, cln, _, ca := l.pair()
	l.connect(ca) // not open yet
	l.on(cln, func(w *session.Worker, s *session.Session) { write(w, s, 100) })
	if err := l.h.Sessions.Disable(); err != nil {
		t.Fatal(err)
	}
	l.settle()
	srv.want(t, "gone aborted")
	cln.want(t, "gone reset by peer", "connected 7 refused")
	for _, w := range l.h.Sessions.Workers() {
		if w.Sessions() != 0 {
			t.Fatal("sessions are left")
		}
	}
	if err := l.h.Sessions.Enable(); err != nil {
		t.Fatal(err)
	}
}
