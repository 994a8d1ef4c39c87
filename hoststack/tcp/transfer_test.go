package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestHandshakeDataClose(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("v6=%v", v6), func(t *testing.T) {
			x := newWorld(t, func(o *setup) { o.v6 = v6 })
			a, b := x.pair()
			if a.state() != Established || b.state() != Established {
				t.Fatalf("states %v %v", a.state(), b.state())
			}
			const n = 300000
			a.write(n)
			b.write(n / 3)
			x.until(10e9, "transfer", func() bool { return len(b.got) == n && len(a.got) == n/3 })
			b.checkGot(n)
			a.checkGot(n / 3)
			x.run(50e6)
			x.a.tcp.Close(x.a.w, a.conn)
			x.until(1e9, "FIN", func() bool { return b.peerClosed && a.state() == FinWait2 })
			if a.state() != FinWait2 || b.state() != CloseWait {
				t.Fatalf("states %v %v", a.state(), b.state())
			}
			x.b.tcp.Close(x.b.w, b.conn)
			x.until(1e9, "end", func() bool { return a.gone && b.gone })
			if a.why != nil || b.why != nil {
				t.Fatalf("ended with %v, %v", a.why, b.why)
			}
			if n := x.a.tcp.shards[0].waits.pool.Used(); n != 1 {
				t.Fatalf("%d waiters", n)
			}
			x.run(11e9)
			for _, h := range []*host{x.a, x.b} {
				s := h.tcp.shards[0]
				if s.waits.pool.Used() != 0 || s.conns.Used() != 0 || s.flows.Len() != 0 || s.w.Wheel.Len() != 0 || s.colds.Used() != 0 {
					t.Errorf("%s: left: %d waiters, %d connections, %d flows, %d timers, %d cold", h.name,
						s.waits.pool.Used(), s.conns.Used(), s.flows.Len(), s.w.Wheel.Len(), s.colds.Used())
				}
			}
		})
	}
}

// TestBadWire moves data both ways over a wire that does everything wrong.
func TestBadWire(t *testing.T) {
	for seed := range uint64(12) {
		for _, loss := range []float64{0, 0.01, 0.05, 0.12} {
			t.Run(fmt.Sprintf("seed=%d,loss=%v", seed, loss), func(t *testing.T) {
				x := newWorld(t, func(o *setup) {
					o.v6 = seed%2 == 1
					o.size = 64 << 10
					o.delay = 2e6
					o.tick = 200e3
				})
				for i, l := range []*wire{x.a.out, x.b.out} {
					l.r = rand.New(rand.NewPCG(seed, uint64(i)))
					l.loss, l.dup, l.swap, l.bad = loss, loss/2, loss, loss/3
				}
				a, b := x.pair()
				const n = 400000
				a.write(n)
				b.write(n / 2)
				x.until(600e9, "transfer", func() bool { return len(b.got) == n && len(a.got) == n/2 })
				b.checkGot(n)
				a.checkGot(n / 2)
				x.a.tcp.Close(x.a.w, a.conn)
				x.until(60e9, "FIN", func() bool { return b.peerClosed || b.gone })
				if !b.gone {
					x.b.tcp.Close(x.b.w, b.conn)
				}
				x.until(100e9, "end", func() bool { return a.gone && b.gone })
			})
		}
	}
}
