package udp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/pkt"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/transport"
)

// TestSend: datagrams of all sizes leave whole, in fragments where they must, and say who
// sent them.
func TestSend(t *testing.T) {
	each(t, func(t *testing.T, us, them netip.Addr) {
		for _, mtu := range []uint16{1280, 1500} {
			h := newHost(t)
			h.mtu = mtu
			s := h.connect(them, 53)
			most := datagram.MaxLen
			if us.Is6() {
				most = datagram.MaxLen6
			}
			for _, n := range []int{0, 1, 2, 7, 100, 1231, 1232, 1233, 1251, 1252, 1253, 1452, 1453, 1472, 1473, 2000, 2959, 2960, 2961, 9000, 65000, most} {
				text := pattern(n)
				h.write(s, datagram.Header{TOS: 0xff}, text)
				h.send(s)
				for i, p := range h.out {
					tos, id := hdr.IP4(p).TOS(), hdr.IP4(p).ID()
					if us.Is6() {
						tos = hdr.IP6(p).Class()
					} else if id == 0 || hdr.IP4(p).DontFragment() {
						t.Errorf("packet %d has identification %d, DF %v", i, id, hdr.IP4(p).DontFragment())
					}
					if tos != 3 {
						t.Errorf("class %#x: only ECN is the application's", tos)
					}
					if len(p) > int(mtu) {
						t.Errorf("a packet of %d bytes", len(p))
					}
				}
				if got := h.sent(); len(got) != 1 || !bytes.Equal(got[0], text) {
					t.Fatalf("mtu %d: %d bytes came out as %d datagrams", mtu, n, len(got))
				}
			}
			if s.tx.Len() != 0 || s.acked == 0 {
				t.Error("the FIFO is not empty")
			}
			h.write(s, datagram.Header{}, pattern(65535))
			h.send(s)
			h.count("output", outTooLong, 1)
		}
	})
}

// TestSendManyPieces: payload that lies in many chunks of the FIFO, at odd places too.
func TestSendManyPieces(t *testing.T) {
	h := newHost(t)
	s := h.connect(them4, 53)
	for n := 1; n < 3000; n += 13 {
		h.write(s, datagram.Header{}, pattern(n))
		if n%5 == 0 {
			h.send(s)
		}
	}
	h.send(s)
	n := 1
	for _, p := range h.sent() {
		if !bytes.Equal(p, pattern(n)) {
			t.Fatalf("the datagram of %d bytes came out with %d", n, len(p))
		}
		n += 13
	}
	if n < 3000 {
		t.Errorf("the last one had %d bytes", n)
	}
}

// TestSegments: one record becomes many datagrams, over several turns.
func TestSegments(t *testing.T) {
	h := newHost(t)
	s := h.connect(them4, 53)
	text := pattern(50000)
	h.write(s, datagram.Header{Segment: 1200}, text)
	turns := 0
	for ; s.tx.Len() > 0; turns++ {
		if r := h.udp.Send(h.w, s.conn, 10); r.Segments > 10 || s.tx.Len() > 0 != (r.Verdict == transport.Again) {
			t.Fatalf("%+v with %d left", r, s.tx.Len())
		}
	}
	got := h.sent()
	if turns != 5 || len(got) != 42 || !bytes.Equal(bytes.Join(got, nil), text) {
		t.Errorf("%d datagrams in %d turns", len(got), turns)
	}
	for i, p := range got[:41] {
		if len(p) != 1200 {
			t.Errorf("datagram %d has %d bytes", i, len(p))
		}
	}
}

// TestOffload: checksums are left to a device that completes them, but not those of
// fragments.
func TestOffload(t *testing.T) {
	each(t, func(t *testing.T, us, them netip.Addr) {
		h := newHost(t)
		h.flags = ip.PathTxCsum
		s := h.connect(them, 53)
		h.write(s, datagram.Header{}, pattern(100))
		h.send(s)
		if h.partial != 1 {
			t.Fatal("no offload")
		}
		p := h.out[0]
		src, dst := ends(p)
		l4 := len(p) - 108
		if sum := binary.BigEndian.Uint16(p[l4+6:]); sum != ^hdr.Pseudo(&src, &dst, hdr.ProtoUDP).Long(108).Fold() {
			t.Errorf("the field is %#x", sum)
		}
		h.out, h.partial = nil, 0
		h.write(s, datagram.Header{}, pattern(5000))
		h.send(s)
		if h.partial != 0 || len(h.sent()) != 1 {
			t.Error("fragments without checksum")
		}
		cfg := h.udp.Config()
		cfg.CsumOffload = false
		if err := h.udp.SetConfig(cfg); err != nil {
			t.Fatal(err)
		}
		h.write(s, datagram.Header{}, pattern(100))
		h.send(s)
		if h.partial != 0 || len(h.sent()) != 1 {
			t.Error("offload although it is off")
		}
	})
}

// TestBackPressure: what the network layer does not take stays in the FIFO.
func TestBackPressure(t *testing.T) {
	h := newHost(t)
	s := h.connect(them4, 53)
	for range 20 {
		h.write(s, datagram.Header{}, pattern(100))
	}
	h.write(s, datagram.Header{}, pattern(9000))
	h.room = 0
	if r := h.send(s); r.Segments != 0 || r.Verdict != transport.Again || len(h.out) != 0 {
		t.Fatalf("%+v", r)
	}
	h.room = 21
	if r := h.send(s); r.Segments != 20 || r.Verdict != transport.Again {
		t.Fatalf("%+v", r)
	}
	if n := len(h.sent()); n != 20 {
		t.Fatalf("%d sent", n)
	}
	h.room = 6 // of 7 fragments
	if r := h.send(s); r.Segments != 0 || len(h.out) != 0 {
		t.Fatalf("%+v", r)
	}
	h.room = 7
	if r := h.send(s); r.Segments != 7 || r.Verdict != transport.Idle || len(h.sent()) != 1 {
		t.Fatalf("%+v", r)
	}
	h.count("output", outFragmented, 1)
	h.count("output", outFragments, 7)
	h.count("output", outSent, 27)
}

// TestNoBuffers: nor is anything lost when packet buffers have run out.
func TestNoBuffers(t *testing.T) {
	h := newHost(t)
	s := h.connect(them4, 53)
	h.write(s, datagram.Header{}, pattern(9000))
	h.write(s, datagram.Header{}, pattern(9))
	var held []*pkt.Buf
	for b := h.w.Bufs.Get(); b != nil; b = h.w.Bufs.Get() {
		held = append(held, b)
	}
	h.w.Bufs.PutN(held[:3])
	if r := h.send(s); r.Segments != 0 || r.Verdict != transport.Again {
		t.Errorf("%+v", r)
	}
	h.w.Bufs.PutN(held[3:])
	h.send(s)
	if n := len(h.sent()); n != 2 {
		t.Errorf("%d sent", n)
	}
}

// TestNoRouteLater: datagrams without a way are dropped and counted.
func TestNoRouteLater(t *testing.T) {
	h := newHost(t)
	s := h.connect(them4, 53)
	h.epoch++
	h.noRoute = true
	for range 100 {
		h.write(s, datagram.Header{}, pattern(9))
	}
	if h.send(s); s.tx.Len() != 0 || len(h.out) != 0 {
		t.Error("they are kept")
	}
	h.count("output", outNoRoute, 100)
	if _, err := h.udp.Connect(h.w, transport.Endpoint{Addr: at(them4, 53)}, 0); !errors.Is(err, transport.ErrNoRoute) {
		t.Error(err)
	}
}
