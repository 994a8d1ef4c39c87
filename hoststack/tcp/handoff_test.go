package tcp

import (
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/flow"
)

// A device with one queue delivers everything to one worker. Connections that another
// has opened get their packets all the same; what belongs to nobody is reset, once.
func TestHandOff(t *testing.T) {
	p := newPeer(t)
	w2, err := worker.New(worker.Config{Index: 1, Pool: p.h.pool, CPU: -1, Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer w2.Stop()
	defer w2.Bufs.Flush()
	p.h.tcp, err = New(p.h.tcp.cfg, p.h, p.h, flow.NewHasher(7), []*worker.Worker{p.h.w, w2}, &p.h.set)
	if err != nil {
		t.Fatal(err)
	}
	p.h.tcp.Start()
	both := func() { p.step(0); w2.Step(p.now) }

	s := &sess{h: p.h}
	p.h.sessions = append(p.h.sessions, s)
	p.port = 80
	w2.Step(p.now)
	ep := p.h.ep(80)
	ep.Addr = netip.AddrPortFrom(p.addr, p.port)
	if s.conn, err = p.h.tcp.Connect(w2, ep, 0); err != nil {
		t.Fatal(err)
	}
	both()
	p.expect("SYN 0:0 ack 0")
	p.send(seg{flags: hdr.SYN | hdr.ACK, ack: 1, wnd: 60000, opts: modern()},
		seg{flags: hdr.ACK, seq: 1, ack: 1, wnd: 60000, text: bytesOf(0, 1000)})
	both()
	s.read(1 << 20)
	s.checkGot(1000)
	both()
	p.expect("ACK 1:1 ack 1001")

	for port := uint16(81); port < 89; port++ { // of both workers
		p.port = port
		p.send(seg{flags: hdr.ACK, seq: 5, ack: 7, wnd: 60000, raw: true})
		both()
		if len(p.sent) != 1 || p.sent[0].flags != hdr.RST {
			t.Fatalf("port %d: answered with %v", port, p.sent)
		}
		p.sent = nil
	}

	// A flood that has used up the buffers must not fill the mailbox as well.
	var bufs, taken []*pkt.Buf
	for p.port = 81; p.port < 89; p.port++ {
		bufs = append(bufs, p.h.load(frame{data: p.frame(seg{flags: hdr.ACK, seq: 5, ack: 7, raw: true})}))
	}
	for b := p.h.w.Bufs.Get(); b != nil; b = p.h.w.Bufs.Get() {
		taken = append(taken, b)
	}
	p.h.tcp.Input(p.h.w, bufs)
	if work := w2.Step(p.now); work != 0 {
		t.Errorf("%d times handed off nothing", work)
	}
	p.h.w.Bufs.PutN(taken)
}
