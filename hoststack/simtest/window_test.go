package simtest

import (
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/session"
)

// The peer's window is the limit: the rate is window over round-trip time.
func TestWindowLimited(t *testing.T) {
	const window, rtt = 64 << 10, 20 * ms
	p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: rtt / 2, Rate: 10e9}), server: Options{RxFIFO: window}})
	p.server.Serve = func() Plan { return Plan{} }
	const size = 8 << 20
	p.open(1, func(int) Plan { return Plan{Send: size, Finish: HalfCloseFirst} })
	p.finish(1, 60*sec)
	p.received(p.server, size)
	e := p.server.Ends[0]
	got := float64(size) / float64(e.DoneAt-e.OpenedAt) * 1e9
	limit := float64(window) / float64(rtt) * 1e9
	if got > limit*1.02 || got < limit*0.75 {
		t.Errorf("%.0f bytes/s, window over round-trip time is %.0f", got, limit)
	}
}

// The transmit FIFO is the limit.
func TestSendBufferLimited(t *testing.T) {
	const buffer, rtt = 64 << 10, 20 * ms
	p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: rtt / 2, Rate: 10e9}), client: Options{TxFIFO: buffer}})
	p.server.Serve = func() Plan { return Plan{} }
	const size = 8 << 20
	p.open(1, func(int) Plan { return Plan{Send: size, Finish: HalfCloseFirst} })
	p.finish(1, 60*sec)
	e := p.server.Ends[0]
	got := float64(size) / float64(e.DoneAt-e.OpenedAt) * 1e9
	limit := float64(buffer) / float64(rtt) * 1e9
	if got > limit*1.02 || got < limit*0.75 {
		t.Errorf("%.0f bytes/s, buffer over round-trip time is %.0f", got, limit)
	}
}

// The reader pauses until the window is shut, and comes back after a long time; also when
// the window update gets lost, and again and again.
func TestZeroWindow(t *testing.T) {
	for _, loss := range []float64{0, 0.15} {
		for _, pause := range []int64{50 * ms, 30 * sec, 300 * sec} {
			p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: 5 * ms, Rate: 100e6, Loss: loss}),
				server: Options{RxFIFO: 32 << 10}})
			p.server.Serve = func() Plan { return Plan{Hold: true} }
			const size = 200e3
			p.open(1, func(int) Plan { return Plan{Send: size, Finish: HalfCloseFirst} })
			p.w.RunFor(60*sec, func() bool { return p.server.Live == 1 })
			for range 4 {
				p.w.RunFor(pause, nil)
				if p.client.Live != 1 || p.server.Live != 1 {
					t.Fatalf("loss %v pause %v: gave up on a closed window: %s", loss, pause, p.progress())
				}
				e := p.server.Ends[0]
				if e.Received > 4*(32<<10) {
					t.Errorf("received %d bytes past a window of 32 KiB", e.Received)
				}
				p.server.Resume(p.b.Sessions.Workers()[0], e)
				e.Hold = true
			}
			p.server.Resume(p.b.Sessions.Workers()[0], p.server.Ends[0])
			p.finish(1, 600*sec)
			p.received(p.server, size)
		}
	}
}

// A reader that takes little at a time does not make the sender send small segments
// (silly window syndrome, RFC 9293 section 3.8.6.2).
func TestSillyWindow(t *testing.T) {
	p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: ms, Rate: 1e9}), server: Options{RxFIFO: 16 << 10}})
	p.server.Serve = func() Plan { return Plan{Hold: true} }
	const size = 300e3
	p.open(1, func(int) Plan { return Plan{Send: size, Finish: HalfCloseFirst} })
	p.w.RunFor(100*ms, nil)
	w := p.b.Sessions.Workers()[0]
	e := p.server.Ends[0]
	for e.Received < size {
		p.w.RunFor(5*ms, nil)
		before := e.Received
		if s := w.Get(e.Handle); s != nil {
			p.server.sip(w, s, e, 100)
		}
		if e.Received == before && p.w.Now() > Start+3600*sec {
			t.Fatal("it stands still")
		}
	}
	p.server.Resume(w, e)
	p.finish(1, 60*sec)
	// 300 kB are 206 full segments; with silly windows it would be 3000.
	if n := p.wire.Stats(0).Sent; n > 600 {
		t.Errorf("%d segments for %d bytes", n, int(size))
	}
}

// Data is there in the receiver although its application has closed only its own side.
func TestHeldDataSurvivesClose(t *testing.T) {
	p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: ms})})
	p.server.Serve = func() Plan { return Plan{Hold: true} }
	p.open(1, func(int) Plan { return Plan{Send: 10000, Finish: HalfCloseFirst} })
	p.w.RunFor(2*sec, nil)
	e := p.server.Ends[0]
	if !e.PeerClosed || e.Gone {
		t.Fatalf("peer closed %v, gone %v", e.PeerClosed, e.Gone)
	}
	p.server.Resume(p.b.Sessions.Workers()[0], e)
	p.finish(1, 60*sec)
	p.received(p.server, 10000)
}

// sip reads at most n bytes.
func (a *App) sip(w *session.Worker, s *session.Session, e *End, n int) {
	rx := w.Rx(s)
	n = min(n, rx.Len())
	rx.Drop(n)
	e.Received += uint64(n)
	w.Dropped(s)
}
