package session

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"vpphost/hoststack/transport"
)

// relayLab is a client, a server, and between them two sessions that can be spliced: a
// is the client's peer, b the server's.
type relayLab struct {
	*host
	cln, srv, mid, out *recorder // out opened b
	apps               []*AppHandle
}

var behindEP = transport.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.1:81")}

func newRelay(t *testing.T, o Options) *relayLab {
	t.Helper()
	l := &relayLab{host: newHost(t, 1, Config{}), cln: &recorder{name: "client"}, srv: &recorder{name: "server"},
		mid: &recorder{name: "a"}, out: &recorder{name: "b"}}
	attach := func(r *recorder, o Options) *AppHandle {
		a, err := l.l.Attach(r.name, r, o)
		if err != nil {
			t.Fatal(err)
		}
		l.apps = append(l.apps, a)
		return a
	}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	ignore := func(*Worker, *Session) {}
	l.mid.onReadable, l.out.onReadable = ignore, ignore
	must(attach(l.mid, o).Listen(transport.TCP, serverEP))
	must(attach(l.srv, Options{}).Listen(transport.TCP, behindEP))
	must(attach(l.cln, Options{}).Connect(transport.TCP, serverEP, 0))
	must(attach(l.out, o).Connect(transport.TCP, behindEP, 0))
	l.settle()
	l.forget()
	return l
}

// forget empties all logs.
func (l *relayLab) forget() { l.cln.log, l.srv.log, l.mid.log, l.out.log = nil, nil, nil, nil }

// both runs f with both sessions in the middle.
func (l *relayLab) both(f func(w *Worker, a, b *Session)) {
	l.t.Helper()
	l.on(l.mid, func(w *Worker, a *Session) {
		l.on(l.out, func(_ *Worker, b *Session) { f(w, a, b) })
	})
}

func (l *relayLab) splice() {
	l.t.Helper()
	l.both(func(w *Worker, a, b *Session) {
		if err := w.Splice(a, b); err != nil {
			l.t.Fatal(err)
		}
		if w.Spliced(a) != b || w.Spliced(b) != a || w.Rx(a) != nil || w.Tx(b) != nil {
			l.t.Fatal("not spliced")
		}
	})
}

func (l *relayLab) say(r *recorder, n int) {
	l.t.Helper()
	l.on(r, func(w *Worker, s *Session) {
		if write(w, s, n) != n {
			l.t.Fatal("no room")
		}
	})
}

func (l *relayLab) end() { l.t.Helper(); l.done(l.apps...) }

// TestSplice: bytes pass both ways without a callback, those that came early first, and the
// FIFOs go when they are idle and come again.
func TestSplice(t *testing.T) {
	l := newRelay(t, Options{})
	l.say(l.cln, 5000)
	l.say(l.srv, 700)
	l.settle()
	l.splice()
	for range 3 {
		l.say(l.cln, 3000)
		l.say(l.srv, 4000)
		l.settle()
		l.both(func(w *Worker, a, b *Session) {
			if a.rx != b.tx || a.tx != b.rx {
				t.Fatal("the FIFOs are not the same ones")
			}
		})
		l.now += 30e6
		l.settle()
		l.now += 30e6
		l.settle()
		l.both(func(w *Worker, a, b *Session) {
			if w.fifos.Used() != 0 || a.rx+a.tx+b.rx+b.tx != 0 || a.rxPos != b.txPos || b.rxPos != a.txPos {
				t.Fatalf("%d fifos are left, %+v %+v", w.fifos.Used(), a, b)
			}
		})
	}
	if l.srv.read != 14000 || l.cln.read != 12700 {
		t.Errorf("the server read %d, the client %d", l.srv.read, l.cln.read)
	}
	l.both(func(w *Worker, a, b *Session) {
		for s, want := range map[*Session]uint64{a: 14000, b: 12700} {
			if n, at := w.Moved(s); n != want || at < l.now-200e6 || at > l.now {
				t.Errorf("moved %d at %d", n, at)
			}
			r := w.row(s, 2)
			if !slices.Contains(r.Details.Flags, "proxy") || r.Details.Spliced == nil || *r.Details.Spliced != w.Spliced(s).number() ||
				r.Details.Rx.Size != DefaultFIFO || r.Details.Tx.Size != DefaultFIFO {
				t.Errorf("%+v", r.Details)
			}
		}
	})
	l.mid.want(t, "readable") // before the splice
	l.out.want(t, "readable")
	l.end()
}

// TestSpliceBackPressure: a reader that stands still stops the writer at the far end, as
// soon as the FIFOs in between are full, and nothing is lost when it goes on.
func TestSpliceBackPressure(t *testing.T) {
	l := newRelay(t, Options{RxFIFO: 64 << 10})
	l.srv.onReadable = func(*Worker, *Session) {}
	l.splice()
	sent := 0
	push := func() {
		l.on(l.cln, func(w *Worker, s *Session) { sent += write(w, s, 1<<20) })
		l.settle()
	}
	for range 6 {
		push()
	}
	if most := DefaultFIFO + 64<<10 + DefaultFIFO; sent != most {
		t.Fatalf("%d bytes are under way, %d fit", sent, most)
	}
	l.srv.onReadable = l.srv.drain
	for range 5 {
		l.on(l.srv, l.srv.drain)
		push()
	}
	if l.srv.read != sent || sent < 3*DefaultFIFO {
		t.Fatalf("%d of %d bytes arrived", l.srv.read, sent)
	}
	l.end()
}

// TestSpliceGrows: a full FIFO doubles until it has its full size, and keeps it.
func TestSpliceGrows(t *testing.T) {
	l := newRelay(t, Options{RxFIFO: 64 << 10, MaxFIFO: 300 << 10})
	l.srv.onReadable = func(*Worker, *Session) {}
	l.splice()
	sent := 0
	push := func() {
		l.on(l.cln, func(w *Worker, s *Session) { sent += write(w, s, 1<<20) })
		l.settle()
	}
	for range 9 {
		push()
	}
	if most := DefaultFIFO + 300<<10 + DefaultFIFO; sent != most {
		t.Fatalf("%d bytes are under way, %d fit", sent, most)
	}
	l.srv.onReadable = l.srv.drain
	l.on(l.srv, l.srv.drain)
	l.settle()
	l.now += 60e6
	l.settle()
	l.both(func(w *Worker, a, b *Session) {
		if r := w.row(b, 2); r.Details.Tx.Size != 300<<10 || r.Details.Rx.Size != 64<<10 {
			t.Errorf("%+v", r.Details)
		}
	})
	if l.srv.read != sent {
		t.Fatalf("%d of %d bytes arrived", l.srv.read, sent)
	}
	l.end()
}

// TestSpliceHalfClose: the end of each stream goes through after its bytes, in every order
// and also when it came before the splice, and then everything ends by itself.
func TestSpliceHalfClose(t *testing.T) {
	for _, early := range []bool{false, true} {
		for i, first := range []string{"client", "server", "both"} {
			l := newRelay(t, Options{})
			if !early {
				l.splice()
			}
			ends := [][]*recorder{{l.cln, l.srv}, {l.srv, l.cln}, {l.cln, l.srv}}[i]
			for j, r := range ends {
				l.on(r, func(w *Worker, s *Session) { write(w, s, 1000); w.HalfClose(s) })
				if i < 2 || j == 1 {
					l.settle()
				}
				if j == 0 && i < 2 {
					if early {
						l.splice()
						l.settle()
					}
					if other := ends[1]; other.read != 1000 || !slices.Contains(other.log, "closed") || slices.Contains(other.log, gone) {
						t.Fatalf("%s: %+v", first, other)
					}
				}
			}
			if early && i == 2 {
				l.splice()
				l.settle()
			}
			for _, r := range []*recorder{l.cln, l.srv, l.mid, l.out} {
				if n := len(r.log); !slices.Contains(r.log, "closed") || r.log[n-1] != gone {
					t.Errorf("%s first, early %v: %s was told %q", first, early, r.name, r.log)
				}
			}
			if l.cln.read != 1000 || l.srv.read != 1000 {
				t.Errorf("%d and %d bytes", l.cln.read, l.srv.read)
			}
			l.end()
		}
	}
}

// TestSpliceReset: a reset goes through, unless the application wants the rest delivered.
func TestSpliceReset(t *testing.T) {
	for _, drain := range []bool{false, true} {
		l := newRelay(t, Options{})
		l.srv.onReadable = func(*Worker, *Session) {}
		l.splice()
		l.mid.onGone = func(w *Worker, a *Session) {
			if w.Spliced(a) == nil {
				t.Error("the other one is not known any more")
			} else if drain {
				w.Close(w.Spliced(a))
			}
		}
		l.say(l.cln, 100000)
		l.settle()
		l.say(l.cln, 100000) // 72000 of these wait in the middle
		l.settle()
		l.srv.onReadable = l.srv.drain
		// Something out of order, which will never be complete.
		l.on(l.mid, func(w *Worker, a *Session) { w.fifos.At(a.rx).ReserveAt(20000, 100) })
		l.on(l.cln, func(w *Worker, s *Session) { w.Reset(s) })
		l.settle()
		l.mid.want(t, "gone "+transport.ErrReset.Error())
		if drain {
			l.on(l.srv, l.srv.drain)
			l.settle()
			if l.srv.read != 200000 || !slices.Contains(l.srv.log, "closed") {
				t.Errorf("%d bytes, %q", l.srv.read, l.srv.log)
			}
			l.on(l.out, func(w *Worker, b *Session) {
				if n, _ := w.fifos.At(b.tx).Chunks(); n != 0 {
					t.Errorf("%d chunks are kept for what never comes", n)
				}
			})
		} else {
			l.out.want(t, "gone "+transport.ErrAborted.Error())
			if !errors.Is(l.srv.why, transport.ErrReset) {
				t.Errorf("the server was told %q", l.srv.log)
			}
		}
		l.end()
	}
}

// TestSpliceClose: Close of either delivers what is under way in both directions; Reset of
// either resets both; the end of either application resets the other's sessions.
func TestSpliceClose(t *testing.T) {
	for _, side := range []string{"a", "b"} {
		for _, how := range []string{"close", "reset", "detach"} {
			l := newRelay(t, Options{})
			l.splice()
			l.say(l.cln, 5000)
			l.say(l.srv, 6000)
			l.step(1)
			l.both(func(w *Worker, a, b *Session) {
				if side == "b" {
					a = b
				}
				switch how {
				case "close":
					w.Close(a)
				case "reset":
					w.Reset(a)
				}
			})
			if how == "detach" {
				if err := l.apps[map[string]int{"a": 0, "b": 3}[side]].Detach(); err != nil {
					t.Fatal(err)
				}
			}
			l.settle()
			what := fmt.Sprintf("%s of %s", how, side)
			if how == "close" {
				if l.srv.read != 5000 || l.cln.read != 6000 || !slices.Contains(l.srv.log, "closed") || !slices.Contains(l.cln.log, "closed") {
					t.Errorf("%s: %d %q, %d %q", what, l.srv.read, l.srv.log, l.cln.read, l.cln.log)
				}
			} else {
				for _, r := range []*recorder{l.cln, l.srv} {
					if !errors.Is(r.why, transport.ErrReset) {
						t.Errorf("%s: %s was told %q", what, r.name, r.log)
					}
				}
				for _, r := range []*recorder{l.mid, l.out} {
					if !errors.Is(r.why, transport.ErrAborted) {
						t.Errorf("%s: %s was told %q", what, r.name, r.log)
					}
				}
			}
			l.end()
		}
	}
}

// TestSplicePanic: an application that panics takes the other's half of its splices along.
func TestSplicePanic(t *testing.T) {
	l := newRelay(t, Options{})
	l.splice()
	l.mid.onClosed = func(*Worker, *Session) { panic("test") }
	l.on(l.cln, func(w *Worker, s *Session) { w.HalfClose(s) })
	l.settle()
	l.out.want(t, "gone "+transport.ErrAborted.Error())
	if !errors.Is(l.srv.why, transport.ErrReset) || !errors.Is(l.cln.why, transport.ErrReset) {
		t.Errorf("%q %q", l.srv.log, l.cln.log)
	}
	l.apps = l.apps[1:]
	l.end()
}

// TestSpliceRefused: what cannot be spliced stays as it is.
func TestSpliceRefused(t *testing.T) {
	l := newRelay(t, Options{})
	refused := func(what string) {
		t.Helper()
		l.both(func(w *Worker, a, b *Session) {
			before := [2]Session{*a, *b}
			if err := w.Splice(a, b); !errors.Is(err, ErrSplice) {
				t.Errorf("%s: %v", what, err)
			}
			if *a != before[0] || *b != before[1] {
				t.Errorf("%s: changed", what)
			}
		})
	}
	l.both(func(w *Worker, a, b *Session) {
		if w.Splice(a, a) == nil {
			t.Error("spliced with itself")
		}
	})
	// Bytes of the client wait in a, and bytes of ours in b.
	l.say(l.cln, 100)
	l.settle()
	l.both(func(w *Worker, a, b *Session) { w.Tx(b).Write(make([]byte, 50)) })
	refused("bytes on both sides")
	// Without the client's, ours go first.
	l.both(func(w *Worker, a, b *Session) {
		w.Rx(a).Drop(100)
		w.Send(b)
	})
	l.splice()
	refused("spliced already")
	l.say(l.cln, 25)
	l.settle()
	if l.srv.read != 75 {
		t.Errorf("the server read %d", l.srv.read)
	}
	l.both(func(w *Worker, a, b *Session) { w.Close(a) })
	refused("closed")
	l.end()

	l = newRelay(t, Options{})
	l.both(func(w *Worker, a, b *Session) { w.HalfClose(a) })
	refused("half-closed")
	l.end()
}

// TestSpliceAllocs: passing bytes on takes no memory from the Go heap.
func TestSpliceAllocs(t *testing.T) {
	l := newRelay(t, Options{})
	l.splice()
	l.srv.onReadable = func(w *Worker, s *Session) {}
	var ws *Worker
	var cs, ss *Session
	l.on(l.cln, func(w *Worker, s *Session) { ws, cs = w, s })
	l.on(l.srv, func(w *Worker, s *Session) { ss = s })
	l.srv.log = make([]string, 0, 1<<16)
	buf := make([]byte, 5000)
	if n := testing.AllocsPerRun(200, func() {
		ws.Tx(cs).Write(buf)
		ws.Send(cs)
		for range 4 {
			l.step(1)
		}
		rx := ws.Rx(ss)
		rx.Drop(rx.Len())
		ws.Dropped(ss)
		l.step(2)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n, _ := ws.Moved(ws.Spliced(ws.pool.At(sessionOf(l.out)))); n < 200*5000 {
		t.Errorf("%d bytes", n)
	}
	l.end()
}

func sessionOf(r *recorder) uint32 { return r.sessions[len(r.sessions)-1].Index }

// TestSpliceReleased: a session that is released without a word to its application, which has
// failed, takes the other one along.
func TestSpliceReleased(t *testing.T) {
	l := newRelay(t, Options{})
	l.splice()
	l.both(func(w *Worker, a, b *Session) {
		w.post(a, evReadable) // from before the splice
		w.post(b, evWritable)
	})
	l.settle()
	l.mid.want(t)
	l.out.want(t)
	l.on(l.mid, func(w *Worker, a *Session) {
		c := a.conn
		w.release(a)
		l.f.shards[0].conns[c.Index].over = true
	})
	l.settle()
	l.out.want(t, "gone "+transport.ErrAborted.Error())
	l.on(l.cln, func(w *Worker, s *Session) { w.Reset(s) })
	l.end()
}
