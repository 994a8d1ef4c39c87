package tcp

import (
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/hoststack/transport"
)

// FuzzInput lets arbitrary segments and calls of the application meet a connection in
// every state. Each event is a few bytes of the input. Nothing may panic, buffers must
// not leak, and the invariants of check hold after every Step.
func FuzzInput(f *testing.F) {
	f.Add(byte(0), []byte{0x10, 1, 1, 20, 0, 0x11, 1, 1, 0, 0})
	f.Add(byte(1), []byte{0x12, 0, 1, 0, 0, 0x10, 1, 1, 200, 1, 250, 3, 0, 0, 0})
	f.Add(byte(2), []byte{250, 1, 100, 0, 0, 0x10, 0, 40, 0, 7, 251, 9, 9, 9, 9})
	f.Add(byte(3), []byte{253, 0, 0, 0, 0, 0x11, 1, 2, 0, 0, 252, 200, 0, 0, 0})
	f.Add(byte(5), []byte{254, 0, 0, 0, 0, 0x04, 1, 0, 0, 0})
	f.Add(byte(7), []byte{0x10, 9, 1, 9, 2, 0x10, 5, 1, 9, 2, 0x10, 1, 1, 30, 0})
	p := newPeer(f, func(o *setup) { o.size = 8192; o.cfg.MaxConns = 16 })
	f.Fuzz(func(t *testing.T, start byte, in []byte) {
		// One host serves all inputs; each finds it empty and leaves it so.
		p.t, p.h.t, p.h.sessions, p.to = t, t, nil, 80
		defer p.leaveEmpty()
		p.ts, p.sent, p.iss = start&1 != 0, nil, p.iss+1<<20
		opts := modern()
		if start&2 != 0 {
			opts = putMSS(nil, 500)
		}
		var s *sess
		switch start >> 2 & 3 {
		case 0:
			s = p.accept(opts)
		case 1:
			s = p.dial()
		case 2:
			p.listen()
			p.send(seg{flags: hdr.SYN, wnd: 400, opts: opts})
		case 3:
			s = p.accept(opts)
			s.write(5000)
			p.step(0)
		}
		for n := 0; len(in) >= 5 && n < 200; n++ {
			p.fuzzEvent(s, in[:5])
			in = in[5:]
			p.sent = nil
		}
	})
}

// leaveEmpty ends everything, and checks that nothing is left.
func (p *peer) leaveEmpty() {
	for _, s := range p.h.sessions {
		p.h.tcp.Reset(p.h.w, s.conn)
	}
	_ = p.h.tcp.StopListen(p.h.ep(80))
	p.step(0)
	p.step(70e9) // TIME_WAIT and half-open connections end by themselves
	p.step(0)
	sh := p.h.tcp.shards[0]
	if sh.conns.Used() != 0 || sh.colds.Used() != 0 || sh.waits.pool.Used() != 0 || sh.flows.Len() != 0 || p.h.w.Wheel.Len() != 0 {
		p.t.Errorf("left: %d connections, %d recovery records, %d waiters, %d flows, %d timers", sh.conns.Used(),
			sh.colds.Used(), sh.waits.pool.Used(), sh.flows.Len(), p.h.w.Wheel.Len())
	}
	for _, s := range p.h.sessions {
		p.h.store.Free(s.rx)
		p.h.store.Free(s.tx)
	}
	p.h.checkBuffers()
}

// near is a number close to something that matters.
func near(base hdr.Seq, b byte) hdr.Seq {
	switch {
	case b < 100:
		return base.Add(int(b) - 10)
	case b < 200:
		return base.Add((int(b) - 150) * 100)
	default:
		return base.Add(1 << (b % 32))
	}
}

func (p *peer) fuzzEvent(s *sess, e []byte) {
	h := p.h
	switch e[0] {
	case 250:
		if s != nil && s.open && !s.gone {
			s.write(int(e[1])<<4 + int(e[2]))
		}
	case 251:
		if s != nil && !s.gone && s.open {
			s.slow = e[1]&1 != 0
			s.read(int(e[2]) * 16)
		}
	case 252:
		p.step(int64(e[1])*int64(e[2]) + 1)
	case 253:
		if s != nil {
			h.tcp.Close(h.w, s.conn)
		}
	case 254:
		if s != nil {
			h.tcp.HalfClose(h.w, s.conn)
		}
	case 255:
		p.step(int64(e[1]) * 1e8)
	case 249:
		h.room = int(e[1])
		p.step(0)
		h.room = 1 << 20
	case 248:
		if s != nil {
			if _, c := h.tcp.find(h.w, s.conn); c != nil {
				p.tooBig(c, uint32(e[1])<<4, near(c.sndUna, e[2]))
				h.tcp.Info(h.w, s.conn, &transport.Info{})
			}
		}
		p.step(0)
	default:
		rcv, snd := hdr.SeqOf(p.iss+1), hdr.SeqOf(p.irs+1)
		if s != nil {
			if _, c := h.tcp.find(h.w, s.conn); c != nil {
				rcv, snd = c.rcvNxt, c.sndUna
				if e[4]&0x40 != 0 {
					snd = c.sndNxt
				}
				if e[4]&0x20 != 0 {
					rcv = c.rcvAdv
				}
			}
		}
		x := seg{raw: true, flags: hdr.TCPFlags(e[0] & 0x3f), seq: near(rcv, e[1]+10).Val(), ack: near(snd, e[2]+10).Val(),
			wnd: uint16(e[3]) << 4, text: bytesOf(0, int(e[3]>>1)*8*int(e[4]>>7))}
		if e[4]&1 != 0 {
			a := near(snd, e[2])
			x.blocks = []uint32{a.Val() - p.irs, a.Val() - p.irs + uint32(e[3])*20}
		}
		if e[4]&2 != 0 {
			x.noTS = true
		}
		if e[4]&4 != 0 {
			x.tsv = uint32(e[1]) << 24
		}
		if e[4]&8 != 0 {
			x.bad = len(x.text) > 0
		}
		if e[4]&16 != 0 {
			x.opts = []byte{e[1], e[2], e[3], e[0]}
		}
		p.send(x)
	}
}

// FuzzOptions reads arbitrary bytes as options.
func FuzzOptions(f *testing.F) {
	f.Add(modern())
	f.Add(putTS(nil, 1, 2))
	f.Add(putSACK(nil, []span{{hdr.SeqOf(1), hdr.SeqOf(2)}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var o options
		if o.parse(b[:min(len(b), maxOptions)]) && (o.nsack > maxSACK || o.wscale > maxWScale) {
			t.Fatalf("%+v", o)
		}
	})
}
