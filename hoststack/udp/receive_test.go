package udp

import (
	"bytes"
	"net/netip"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/hoststack/datagram"
)

// TestReceive: datagrams come out as they were, with one event for a burst.
func TestReceive(t *testing.T) {
	each(t, func(t *testing.T, us, them netip.Addr) {
		h := newHost(t)
		h.listen(us, 7, datagram.Options{})
		sizes := []int{0, 1, 33, 1472}
		for round := range 2 {
			var burst [][]byte
			for _, n := range sizes {
				burst = append(burst, packet(at(them, 99), at(us, 7), pattern(n)))
			}
			h.take(burst...)
			if len(h.sessions) != 1 || h.last().told != round+1 {
				t.Fatalf("%d sessions, told %d times", len(h.sessions), h.last().told)
			}
			got := h.last().read()
			if len(got) != len(sizes) {
				t.Fatalf("%d datagrams", len(got))
			}
			for i, m := range got {
				if !bytes.Equal(m.text, pattern(sizes[i])) || m.Remote.IsValid() {
					t.Errorf("datagram %d: %d bytes, %v", i, len(m.text), m.Remote)
				}
			}
		}
		local, remote := h.udp.Addrs(h.w, h.last().conn)
		if local != at(us, 7) || remote != at(them, 99) {
			t.Error(local, remote)
		}
		h.write(h.last(), datagram.Header{}, pattern(10))
		h.send(h.last())
		if src, dst := ends(h.out[0]); src != hdr.AddrOf(us) || dst != hdr.AddrOf(them) || len(h.sent()) != 1 {
			t.Error("the answer goes elsewhere")
		}
		h.take(packet(at(them, 100), at(us, 7), nil), packet(at(them, 101), at(us, 7), nil))
		if len(h.sessions) != 3 {
			t.Errorf("%d sessions", len(h.sessions))
		}
	})
}

// TestReceiveChains: packets of several buffers, cut anywhere.
func TestReceiveChains(t *testing.T) {
	each(t, func(t *testing.T, us, them netip.Addr) {
		h := newHost(t)
		h.listen(us, 7, datagram.Options{})
		for _, n := range []int{0, 1, 500, 3000, 20000, datagram.MaxLen} {
			for _, piece := range []int{48, 49, 333, 1400, 2000} {
				if n > 1000*piece {
					continue
				}
				p := packet(at(them, 99), at(us, 7), pattern(n))
				h.udp.Input(h.w, []*pkt.Buf{h.load(p, piece)})
				got := h.last().read()
				if len(got) != 1 || !bytes.Equal(got[0].text, pattern(n)) {
					t.Fatalf("%d bytes in pieces of %d: %d datagrams", n, piece, len(got))
				}
				if n > 0 {
					p[len(p)-1] ^= 1
					h.udp.Input(h.w, []*pkt.Buf{h.load(p, piece)})
					if got := h.last().read(); len(got) != 0 {
						t.Fatal("a damaged one was delivered")
					}
				}
			}
		}
	})
}

// TestDamaged: nothing with an error is delivered, or makes a session; every one is counted.
func TestDamaged(t *testing.T) {
	each(t, func(t *testing.T, us, them netip.Addr) {
		for _, known := range []bool{false, true} {
			h := newHost(t)
			h.listen(us, 7, datagram.Options{})
			hl := hdr.IP4Len
			if us.Is6() {
				hl = hdr.IP6Len
			}
			sessions, good := 0, uint64(0)
			if known {
				h.take(packet(at(them, 99), at(us, 7), nil))
				h.last().read()
				sessions, good = 1, 1
			}
			for i := range (hdr.UDPLen + 50) * 8 {
				p := packet(at(them, 99), at(us, 7), pattern(50))
				p[hl+i/8] ^= 1 << (i % 8)
				h.take(p)
			}
			if len(h.sessions) != sessions || h.counter("input", inEnqueued) != good {
				t.Errorf("%d sessions, %d enqueued", len(h.sessions), h.counter("input", inEnqueued))
			}
			stats, _ := h.udp.Stats()
			if n := stats[0].Stats; n.InErrors+n.NoPorts != (hdr.UDPLen+50)*8 {
				t.Errorf("%+v", n)
			}
		}
	})
}

// TestChecksumZero: RFC 768 has none of it, RFC 8200 forbids that. A device that vouches for
// the checksum is believed.
func TestChecksumZero(t *testing.T) {
	each(t, func(t *testing.T, us, them netip.Addr) {
		h := newHost(t)
		h.listen(us, 7, datagram.Options{})
		p := packet(at(them, 99), at(us, 7), pattern(50))
		hl := len(p) - 58
		p[hl+6], p[hl+7] = 0, 0
		h.take(p)
		if us.Is6() {
			h.count("input", inChecksum, 1)
			h.count("input", inEnqueued, 0)
		} else {
			h.count("input", inEnqueued, 1)
		}
		p[hl+6] = 1
		b := h.load(p, 0)
		b.Flags |= pkt.L4Good
		h.udp.Input(h.w, []*pkt.Buf{b})
		if got := h.last().read(); len(got) == 0 || !bytes.Equal(got[len(got)-1].text, pattern(50)) {
			t.Error("the device is not believed")
		}
	})
}

// TestLengths: what follows the datagram in the packet is ignored, what is missing is not.
func TestLengths(t *testing.T) {
	h := newHost(t)
	h.listen(us4, 7, datagram.Options{})
	for k := range 4 {
		p := packet(at(them4, 99), at(us4, 7), pattern(20))
		p = append(p, make([]byte, k)...)
		h.take(p)
		if got := h.last().read(); len(got) != 1 || len(got[0].text) != 20 {
			t.Errorf("%d bytes too many: %d datagrams", k, len(got))
		}
	}
	p := packet(at(them4, 99), at(us4, 7), pattern(20))
	for n := range len(p) {
		if n >= hdr.IP4Len {
			h.take(p[:n])
		}
	}
	h.count("input", inLength, 28)
	h.count("input", inEnqueued, 4)
}

// TestFull: what finds no room is lost and counted, what fits is not.
func TestFull(t *testing.T) {
	h := newHost(t)
	h.size = 8 << 10
	h.listen(us4, 7, datagram.Options{})
	var burst [][]byte
	for range 10 {
		burst = append(burst, packet(at(them4, 99), at(us4, 7), pattern(1000)))
	}
	burst = append(burst, packet(at(them4, 99), at(us4, 7), pattern(10)))
	h.take(burst...)
	h.count("input", inFIFOFull, 2)
	if got := h.last().read(); len(got) != 9 || len(got[8].text) != 10 {
		t.Errorf("%d datagrams", len(got))
	}
	h.take(burst[0])
	if got := h.last().read(); len(got) != 1 {
		t.Error("it is full for ever")
	}
}
