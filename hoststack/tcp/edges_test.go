package tcp

import (
	"errors"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/hoststack/transport"
)

// Cases that only a burst, a full window or an empty pool brings about.

// Without SACK, duplicates of an acknowledgment count in a row only: the next new one
// ends the row, and counts for the congestion window as ever.
func TestDuplicatesInARow(t *testing.T) {
	p := newPeer(t)
	s := p.accept(mssOpt(1000))
	p.h.sessions[0].write(200e3)
	p.step(0)
	c := s.c()
	before := c.cong.Cwnd
	p.send(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 60000})
	if c.dupAcks != 1 {
		t.Fatalf("%d duplicates", c.dupAcks)
	}
	for i := range 4 {
		p.send(seg{flags: hdr.ACK, seq: 1, ack: uint32(1 + 2000*(i+1)), wnd: 60000})
	}
	if c.dupAcks != 0 {
		t.Errorf("still %d duplicates after new acknowledgments", c.dupAcks)
	}
	if c.cong.Cwnd <= before {
		t.Errorf("the congestion window did not grow from %d: %d", before, c.cong.Cwnd)
	}
}

// Whoever has filled our window acknowledges from its right edge. While the first of
// those segments is missing, these acknowledgments must count.
func TestACKFromRightEdge(t *testing.T) {
	p := newPeer(t, func(o *setup) { o.size = 4096; o.cfg.MinRxFIFO = 4096 })
	s := p.accept(modern())
	edge := uint32(1 + s.c().rcvAdv.Sub(s.c().rcvNxt))
	s.write(1000)
	p.step(0)
	p.sent = nil
	for at := uint32(1001); at < edge; at += 1000 { // the first is lost
		p.send(seg{flags: hdr.ACK, seq: at, ack: 1, wnd: 60000, text: bytesOf(int(at)-1, int(min(1000, edge-at)))})
	}
	p.send(seg{flags: hdr.ACK, seq: edge, ack: 1001, wnd: 60000})
	if n := s.c().flight(); n != 0 {
		t.Errorf("%d bytes still in flight", n)
	}
	p.sent = nil
	p.send(seg{flags: hdr.ACK, seq: edge + 1, ack: 1001, wnd: 60000})
	p.expect("ACK 1001:1001 ack 1 sack 1001:4097")
}

// An application that closes after it has half-closed has let go: the states are
// limited from then on.
func TestCloseAfterHalfCloseLimits(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	s.write(1000)
	p.h.tcp.HalfClose(p.h.w, s.conn)
	p.step(0)
	p.state(s, FinWait1)
	if s.c().stateAt != 0 {
		t.Fatal("limited though the application still reads")
	}
	p.h.tcp.Close(p.h.w, s.conn)
	p.step(0)
	if s.c().stateAt == 0 {
		t.Fatal("no limit after Close")
	}
}

// An acknowledgment that found no buffer is tried again soon, though nothing else
// happens.
func TestOwedWithoutBuffer(t *testing.T) {
	p := newPeer(t)
	p.accept(modern())
	p.h.in.q = append(p.h.in.q, frame{data: p.frame(seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 60000, text: bytesOf(0, 1000)})},
		frame{data: p.frame(seg{flags: hdr.ACK, seq: 1001, ack: 1, wnd: 60000, text: bytesOf(1000, 1000)})})
	var taken []*pkt.Buf
	take := func() {
		for {
			b := p.h.w.Bufs.Get()
			if b == nil {
				return
			}
			taken = append(taken, b)
		}
	}
	p.h.w.Bufs.Flush()
	p.h.tcp.Input(p.h.w, p.h.loadAll(take))
	take()
	p.step(0)
	if n := len(p.sent); n != 0 {
		t.Fatalf("%d segments without a buffer", n)
	}
	if wait := p.h.w.Wheel.Next() - p.now; wait > 10e6 {
		t.Errorf("the worker may sleep for %d ms", wait/1e6)
	}
	p.h.w.Bufs.PutN(taken)
	p.step(0)
	p.expect("ACK 1:1 ack 2001")
}

// loadAll makes buffers of the frames that wait, and then has take run.
func (h *host) loadAll(take func()) (bufs []*pkt.Buf) {
	for _, f := range h.in.q {
		bufs = append(bufs, h.load(f))
	}
	h.in.q = nil
	take()
	return bufs
}

// A connect that fails for want of memory keeps no port.
func TestNoMemoryKeepsNoPort(t *testing.T) {
	p := newPeer(t, func(o *setup) { o.cfg.MaxConns = 1 })
	p.dial()
	ports := p.h.tcp.shards[0].ports
	_, err := p.h.tcp.Connect(p.h.w, transport.Endpoint{Addr: netip.AddrPortFrom(p.addr, 7)}, 0)
	if !errors.Is(err, transport.ErrNoMemory) {
		t.Fatal(err)
	}
	if ports.InUse != 1 {
		t.Fatalf("%d ports in use", ports.InUse)
	}
}

func TestAddrsAndPorts(t *testing.T) {
	x := newWorld(t)
	s, _ := x.pair()
	var i transport.Info
	x.a.tcp.Info(x.a.w, s.conn, &i)
	local, remote := x.a.tcp.Addrs(x.a.w, s.conn)
	if local != i.Local || remote != i.Remote || remote != netip.AddrPortFrom(x.b.addr, 80) {
		t.Fatalf("%v, %v; Info says %v, %v", local, remote, i.Local, i.Remote)
	}
	if p := x.a.tcp.Ports(x.a.w); p.InUse != 1 || p.MaxTries != 1 || p.Min != 1024 || p.Max != 65535 {
		t.Fatalf("%+v", p)
	}
	x.a.tcp.Reset(x.a.w, s.conn)
	x.step()
	if local, remote = x.a.tcp.Addrs(x.a.w, s.conn); local.IsValid() || remote.IsValid() {
		t.Fatal("ends of a connection that is gone")
	}
	if p := x.a.tcp.Ports(x.a.w); p.InUse != 0 {
		t.Fatalf("%+v", p)
	}
}
