package proxy

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/tcp"
	"vpphost/hoststack/transport"
)

// parrot sends back what it gets and closes after its peer.
type parrot struct{ session.NopApp }

func (parrot) Readable(w *session.Worker, s *session.Session) {
	rx, tx := w.Rx(s), w.Tx(s)
	for rx.Len() > 0 {
		b := rx.PeekAt(0, rx.Len())
		n := tx.Write(b)
		rx.Drop(n)
		if n < len(b) {
			break
		}
	}
	w.Send(s)
	w.Dropped(s)
	w.WantWritable(s, rx.Len() > 0)
}

func (p parrot) Writable(w *session.Worker, s *session.Session) { p.Readable(w, s) }
func (parrot) Closed(w *session.Worker, s *session.Session)     { w.Close(s) }

// talker sends size bytes on each session, and closes when they have come back.
type talker struct {
	session.NopApp
	size                    uint64
	done, wrong, lost, open atomic.Int64
}

func (c *talker) Connected(w *session.Worker, s *session.Session, _ uint64, err error) {
	if err != nil {
		c.lost.Add(1)
		return
	}
	s.Opaque = 0 // bytes that came back
	c.open.Add(1)
	b := make([]byte, c.size)
	for i := range b {
		b[i] = byte(i * 7 >> 2)
	}
	w.Tx(s).Write(b)
	w.Send(s)
}

func (c *talker) Readable(w *session.Worker, s *session.Session) {
	rx := w.Rx(s)
	for rx.Len() > 0 {
		b := rx.PeekAt(0, rx.Len())
		for i := range b {
			if b[i] != byte((s.Opaque+uint64(i))*7>>2) {
				c.wrong.Add(1)
			}
		}
		s.Opaque += uint64(len(b))
		rx.Drop(len(b))
	}
	w.Dropped(s)
	if s.Opaque == c.size {
		c.done.Add(1)
		w.Close(s)
	}
}

func (c *talker) Gone(w *session.Worker, s *session.Session, why error) {
	if s.Opaque != c.size {
		c.lost.Add(1)
	}
}

// TestThreads runs the proxy on three workers that are threads, while routes come and go,
// flows are listed and receive queues change workers. It is for the race detector; no byte
// may be wrong, and none lost on the route that stays.
func TestThreads(t *testing.T) {
	w := simtest.NewThreads(5)
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	quick := func(c *tcp.Config) { c.TimeWait = 100 * time.Millisecond }
	o := simtest.Options{Buffers: 8192, Trust: true, TCP: quick, RxFIFO: 256 << 10, TxFIFO: 256 << 10}
	cln, err := w.NewHost("client", o)
	must(err)
	o.Workers = 3
	mid, err := w.NewHost("proxy", o)
	must(err)
	o.Workers = 1
	srv, err := w.NewHost("server", o)
	must(err)
	link := both(sim.Link{Loss: 0.001})
	_, err = w.Connect(cln, mid, link, simtest.WireOptions{})
	must(err)
	_, err = w.Connect(mid, srv, link, simtest.WireOptions{})
	must(err)
	must(w.Start())

	sa, err := srv.Attach("server", parrot{})
	must(err)
	must(sa.Listen(transport.TCP, transport.Endpoint{Addr: backAddr}))
	c := &talker{size: 100e3}
	ca, err := cln.Attach("client", c)
	must(err)
	p := New(mid.Sessions, func(w *worker.Worker, a netip.Addr) bool {
		h := hdr.AddrOf(a)
		return mid.IP.IsLocal(w, &h)
	}, nil)
	route := func(port uint16) Options {
		o := Defaults()
		o.Server(netip.AddrPortFrom(netip.IPv4Unspecified(), port).String())
		o.Client(backAddr.String())
		return o
	}
	must(p.Start(route(80)))

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int)
	go func() {
		k := 0
		for ; k < 4 || ctx.Err() == nil; k++ {
			for _, name := range []string{"sim0", "sim1"} {
				if err := mid.Ifaces.Place(mid.Ifaces.ByName(name), 0, k%3); err != nil {
					t.Error(err)
				}
			}
			if err := p.Start(route(81)); err != nil {
				t.Error(err)
			}
			_ = ca.Connect(transport.TCP, transport.Endpoint{Addr: netip.AddrPortFrom(frontAddr.Addr(), 81)}, 0)
			rep := &Report{verbose: true}
			if err := p.report(context.Background(), rep, func(context.Context) { time.Sleep(5 * time.Millisecond) }); err != nil {
				t.Error(err)
			}
			if err := p.Stop("tcp://0.0.0.0:81"); err != nil {
				t.Error(err)
			}
		}
		ended <- k
	}()
	const n = 60
	for range n {
		must(ca.Connect(transport.TCP, transport.Endpoint{Addr: frontAddr}, 0))
	}
	for end := time.Now().Add(30 * time.Second); c.done.Load() < n && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	<-ended
	if c.done.Load() < n || c.wrong.Load() != 0 {
		t.Errorf("%d opened, %d done, %d wrong bytes, %d lost", c.open.Load(), c.done.Load(), c.wrong.Load(), c.lost.Load())
	}
	must(p.Stop(""))
	must(w.Close())
}
