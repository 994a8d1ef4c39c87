package tcp

import (
	"fmt"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/flow"
)

// crowd is a peer of a host with several workers, on which the first receives everything
// unless at says otherwise.
type crowd struct {
	*peer
	ws []*worker.Worker
}

func newCrowd(t testing.TB, n int) *crowd {
	c := &crowd{peer: newPeer(t)}
	c.ws = []*worker.Worker{c.h.w}
	for k := 1; k < n; k++ {
		w, err := worker.New(worker.Config{Index: k, Pool: c.h.pool, CPU: -1, Seed: uint64(k)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Bufs.Flush(); w.Stop() })
		c.ws = append(c.ws, w)
	}
	var err error
	c.h.tcp, err = New(c.h.tcp.cfg, c.h, c.h, flow.NewHasher(7), c.ws, &c.h.set)
	if err != nil {
		t.Fatal(err)
	}
	c.h.tcp.Start()
	c.all()
	return c
}

// all lets every worker make some Steps.
func (c *crowd) all() {
	for range len(c.ws) + 1 {
		c.step(0)
		for _, w := range c.ws[1:] {
			w.Step(c.now)
		}
	}
}

// at gives worker k segments and lets all work.
func (c *crowd) at(k int, segs ...seg) {
	c.t.Helper()
	var bufs []*pkt.Buf
	for _, s := range segs {
		bufs = append(bufs, c.h.load(frame{data: c.frame(s)}))
	}
	c.h.tcp.Input(c.ws[k], bufs)
	c.all()
}

// counter is that of all workers.
func (c *crowd) counter(reason int) (n uint64) {
	for _, s := range c.h.tcp.shards {
		n += s.rows[0][0][reason]
	}
	return n
}

// connsOn are the connections of each worker.
func (c *crowd) connsOn() (n []int) {
	for _, s := range c.h.tcp.shards {
		n = append(n, s.conns.Used())
	}
	return n
}

// A device with one queue delivers everything to one worker. Connections that another
// has opened get their packets all the same; what belongs to nobody is reset, once.
func TestHandOff(t *testing.T) {
	p := newCrowd(t, 2)
	s := &sess{h: p.h}
	p.h.sessions = append(p.h.sessions, s)
	p.port = 80
	ep := p.h.ep(80)
	ep.Addr = netip.AddrPortFrom(p.addr, p.port)
	var err error
	if s.conn, err = p.h.tcp.Connect(p.ws[1], ep, 0); err != nil {
		t.Fatal(err)
	}
	p.all()
	p.expect("SYN 0:0 ack 0")
	p.at(0, seg{flags: hdr.SYN | hdr.ACK, ack: 1, wnd: 60000, opts: modern()},
		seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 60000, text: bytesOf(0, 1000)})
	s.read(1 << 20)
	s.checkGot(1000)
	p.all()
	if p.last().ack != 1001 {
		t.Errorf("the last segment is %v", p.last())
	}
	p.sent = nil
	for port := uint16(81); port < 89; port++ {
		p.port = port
		p.at(0, seg{flags: hdr.ACK, seq: 5, ack: 7, wnd: 60000, raw: true})
		if len(p.sent) != 1 || p.sent[0].flags != hdr.RST {
			t.Fatalf("port %d: answered with %v", port, p.sent)
		}
		p.sent = nil
	}
}

// Where not every worker receives, connections are spread over all; where each does they
// stay where their SYN came in.
func TestPassiveOpensAreSpread(t *testing.T) {
	for _, everywhere := range []bool{false, true} {
		p := newCrowd(t, 4)
		p.h.everywhere = everywhere
		p.listen()
		for p.port = 2000; p.port < 2200; p.port++ {
			p.at(0, seg{flags: hdr.SYN, wnd: 60000, opts: modern()})
			p.at(0, seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 60000})
		}
		n := p.connsOn()
		if everywhere && n[0] != 200 || !everywhere && min(n[0], n[1], n[2], n[3]) < 25 {
			t.Errorf("everywhere %v: connections on %v", everywhere, n)
		}
		if p.h.accepts != 200 {
			t.Errorf("%d were accepted", p.h.accepts)
		}
	}
}

// The queues of a device may change workers at any time. A connection stays where it is
// and gets its packets; a SYN that comes again finds the half-open connection.
func TestFlowMovesToAnotherWorker(t *testing.T) {
	for to := range 4 {
		p := newCrowd(t, 4)
		p.h.everywhere = true
		p.listen()
		p.at(1, seg{flags: hdr.SYN, wnd: 60000, opts: modern()})
		p.sent = nil
		p.at(to, seg{flags: hdr.SYN, wnd: 60000, opts: modern()})
		if len(p.sent) != 1 || p.sent[0].flags != hdr.SYN|hdr.ACK || p.sent[0].seq != 0 {
			t.Fatalf("at %d a repeated SYN was answered with %v", to, p.sent)
		}
		for k := range 4 {
			p.at((to+k)%4, seg{flags: hdr.ACK, seq: 1 + uint32(k)*1000, ack: 1, wnd: 60000, text: bytesOf(k*1000, 1000)})
		}
		s := p.h.sessions[0]
		s.read(1 << 20)
		s.checkGot(4000)
		if n := fmt.Sprint(p.connsOn()); n != "[0 1 0 0]" {
			t.Fatalf("connections on %s", n)
		}
		p.sent = nil
		p.at(to, seg{flags: hdr.FIN | hdr.ACK, seq: 4001, ack: 1, wnd: 60000})
		if len(p.sent) == 0 || !s.peerClosed {
			t.Error("the FIN did not arrive")
		}
		for _, x := range p.sent {
			if x.flags&hdr.RST != 0 {
				t.Fatalf("the host has reset: %v", p.sent)
			}
		}
	}
}

// An ICMP error finds the connection that it is about, and one about nobody ends.
func TestErrorForAnotherWorker(t *testing.T) {
	p := newCrowd(t, 3)
	p.h.everywhere = true
	p.listen()
	p.at(2, seg{flags: hdr.SYN, wnd: 60000, opts: modern()})
	p.at(2, seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 60000})
	s := p.h.sessions[0]
	c := p.h.tcp.shards[2].conns.At(s.conn.Index)
	c.sndNxt = c.sndNxt.Add(1) // something is in flight
	p.tooBig(c, 700, c.sndUna)
	p.all()
	if c.mss != 700-40 {
		t.Errorf("segments of %d bytes", c.mss)
	}
	c.sndNxt = c.sndNxt.Add(-1)
	before := p.counter(inICMP)
	x := *c
	x.lport++
	p.tooBig(&x, 600, c.sndUna)
	p.all()
	if p.counter(inICMP) != before+1 {
		t.Error("an error about nobody is not counted")
	}
}

// A worker that does not keep up costs packets, which are counted and freed; nothing
// piles up and nothing is allocated.
func TestHandOffIsBounded(t *testing.T) {
	p := newCrowd(t, 2)
	p.h.everywhere = true
	p.listen()
	p.at(1, seg{flags: hdr.SYN, wnd: 60000, opts: modern()})
	p.at(1, seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 60000})
	data := p.frame(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 60000})
	bufs := make([]*pkt.Buf, 32)
	// Input fills the array anew before each call: handing over empties it.
	give := func() {
		for k := range bufs {
			bufs[k] = p.h.load(frame{data: data})
		}
		p.h.tcp.Input(p.ws[0], bufs)
	}
	if n := testing.AllocsPerRun(20, func() { give(); p.ws[1].Step(p.now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	r, err := worker.NewRing(p.ws[1], 64) // the pool of this test is small
	if err != nil {
		t.Fatal(err)
	}
	p.h.tcp.shards[0].to[1], p.h.tcp.shards[1].from = r, []*worker.Ring{r}
	handed := p.counter(inHanded)
	for range 10 {
		give()
	}
	if n, full := p.counter(inHanded)-handed, p.counter(inHandoffFull); n != 64 || full != 320-64 {
		t.Errorf("handed over %d, dropped %d of 320", n, full)
	}
	if r.Len() != 64 {
		t.Errorf("%d are under way", r.Len())
	}
	p.all()
	if r.Len() != 0 {
		t.Errorf("%d are left", r.Len())
	}
}

// BenchmarkHandOff is what a packet costs that has to go to another worker, on both.
func BenchmarkHandOff(b *testing.B) {
	p := newCrowd(b, 2)
	p.h.everywhere = true
	p.listen()
	p.at(1, seg{flags: hdr.SYN, wnd: 60000, opts: modern()})
	p.at(1, seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 60000})
	data := p.frame(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 60000})
	bufs := make([]*pkt.Buf, 64)
	for _, at := range []struct {
		name   string
		worker int
	}{{"home", 1}, {"away", 0}} {
		for _, run := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/run%d", at.name, run), func(b *testing.B) {
				for n := 0; n < b.N; n += run {
					for k := range run {
						bufs[k] = p.h.load(frame{data: data})
					}
					p.h.tcp.Input(p.ws[at.worker], bufs[:run])
					if at.worker == 0 {
						p.h.tcp.shards[1].Step(p.ws[1], p.now)
					}
				}
			})
		}
	}
}

func TestRingsFitTheBuffers(t *testing.T) {
	for _, v := range []struct{ buffers, n, want int }{
		{16384, 1, 4096}, {16384, 3, 2048}, {16384, 7, 1024}, {16384, 63, 1024}, {1 << 20, 3, 4096}, {2048, 1, 1024},
	} {
		if got := ringLen(v.buffers, v.n); got != v.want {
			t.Errorf("%d buffers, %d rings: %d, want %d", v.buffers, v.n, got, v.want)
		}
	}
}
